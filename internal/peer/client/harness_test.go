package client_test

import (
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"dunlin/internal/base/loglevel"
	"dunlin/internal/base/task"
	"dunlin/internal/core/account"
	"dunlin/internal/engine/authn"
	"dunlin/internal/peer/client"
	"dunlin/internal/peer/conn"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/proto/wire"
	"dunlin/internal/testkit"
)

// host is a server of one account that remembers what it is told.
type host struct {
	cfg    atomic.Pointer[client.Config]
	acc    *account.Account
	log    *testkit.Log
	slow   atomic.Int32
	stale  atomic.Int32
	failed atomic.Int32
	ended  chan sysapi.CloseReason
}

func (h *host) Config() *client.Config                 { return h.cfg.Load() }
func (h *host) Account(string) *account.Account        { return h.acc }
func (h *host) Slow(*client.Client)                    { h.slow.Add(1) }
func (h *host) Stale(*client.Client)                   { h.stale.Add(1) }
func (h *host) Stalled(*client.Client)                 {}
func (h *host) InterestChanged(*account.Account, bool) {}
func (h *host) AuthFailed(*client.Client, error)       { h.failed.Add(1) }
func (h *host) Log() *slog.Logger                      { return slog.New(h.log) }
func (h *host) Park(*client.Client) error              { return net.ErrClosed }

func (h *host) Ended(c *client.Client) { h.ended <- c.ClosedFor() }
func (h *host) end(t *testing.T, want sysapi.CloseReason) {
	t.Helper()
	if got := <-h.ended; got != want {
		t.Errorf("ended for %q, want %q", got, want)
	}
}

// peer is a served client and the far end of its connection.
type peer struct {
	*testkit.Client
	served *client.Client
	host   *host
}

// serve runs a client on one end of a pipe; change may alter the configuration
// and users who may log in with their name as password.
func serve(t *testing.T, users []string, change func(*client.Config)) *peer {
	t.Helper()
	ours, theirs := net.Pipe()
	return serveOn(t, ours, theirs, users, change)
}

func serveOn(t *testing.T, ours, theirs net.Conn, users []string, change func(*client.Config)) *peer {
	t.Helper()
	var auth authn.Config
	for _, u := range users {
		auth.Users = append(auth.Users, &authn.User{Name: u, Password: u})
	}
	a, err := authn.New(&auth)
	if err != nil {
		t.Fatal(err)
	}
	cfg := &client.Config{
		Info: wire.Info{ServerID: "S", MaxPayload: 1 << 20}, MaxControlLine: 4096, MaxPayload: 1 << 20, Headers: true,
		PingInterval: 2 * time.Minute, MaxPingsOut: 2, AuthTimeout: 2 * time.Second, Auth: a,
	}
	if change != nil {
		change(cfg)
	}
	h := &host{acc: account.New(account.Global), log: &testkit.Log{Level: loglevel.Trace}, ended: make(chan sysapi.CloseReason, 1)}
	h.cfg.Store(cfg)
	group := task.NewGroup("test")
	var limits atomic.Pointer[conn.Limits]
	limits.Store(conn.NewLimits(64<<20, 10*time.Second, conn.PolicyClose))
	c := client.New(ours, 7, client.Standard, h, group, &limits)
	group.Go("client", c.Run)
	t.Cleanup(func() {
		c.Close(sysapi.ServerShutdown)
		group.Close()
	})
	p := &peer{testkit.On(t, theirs), c, h}
	p.SeePings = true
	return p
}

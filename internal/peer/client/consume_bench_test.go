package client

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dunlin/internal/base/task"
	"dunlin/internal/core/account"
	"dunlin/internal/engine/authn"
	"dunlin/internal/peer/conn"
)

// benchHost is a server with one account and nothing else.
type benchHost struct {
	cfg Config
	acc *account.Account
}

func (h *benchHost) Config() *Config                        { return &h.cfg }
func (h *benchHost) Account(string) *account.Account        { return h.acc }
func (h *benchHost) Park(*Client) error                     { return net.ErrClosed }
func (h *benchHost) Ended(*Client)                          {}
func (h *benchHost) Slow(*Client)                           {}
func (h *benchHost) Stale(*Client)                          {}
func (h *benchHost) Stalled(*Client)                        {}
func (h *benchHost) InterestChanged(*account.Account, bool) {}
func (h *benchHost) AuthFailed(*Client, error)              {}
func (h *benchHost) Log() *slog.Logger                      { return slog.New(slog.DiscardHandler) }

func benchClient(b *testing.B) *Client {
	auth, err := authn.New(&authn.Config{})
	if err != nil {
		b.Fatal(err)
	}
	h := &benchHost{acc: account.New("$G"), cfg: Config{
		Auth: auth, MaxControlLine: 4096, MaxPayload: 1 << 20, Headers: true, PingInterval: time.Hour, MaxPingsOut: 2,
		AuthTimeout: time.Second,
	}}
	var limits atomic.Pointer[conn.Limits]
	limits.Store(conn.NewLimits(64<<20, time.Second, conn.PolicyClose))
	ours, theirs := net.Pipe()
	group := task.NewGroup("bench")
	b.Cleanup(func() { _ = ours.Close(); _ = theirs.Close(); group.Close() })
	c := New(ours, 1, Standard, h, group, &limits)
	c.cfg = &h.cfg
	return c
}

// BenchmarkConsume is what a published message costs that nobody wants, without the
// kernel's part.
func BenchmarkConsume(b *testing.B) {
	for _, size := range []int{16, 128} {
		b.Run(map[int]string{16: "16", 128: "128"}[size], func(b *testing.B) {
			c := benchClient(b)
			if _, _, ok := c.Consume([]byte("CONNECT {\"verbose\":false}\r\n")); !ok {
				b.Fatal("refused")
			}
			one := "PUB bench.subject " + map[int]string{16: "16", 128: "128"}[size] + "\r\n" + strings.Repeat("x", size) + "\r\n"
			n := 32 << 10 / len(one)
			buf := bytes.Repeat([]byte(one), n)
			b.ResetTimer()
			for i := 0; i < b.N; i += n {
				used, _, ok := c.Consume(buf)
				c.EndBatch()
				if used != len(buf) || !ok {
					b.Fatal(used, ok)
				}
			}
		})
	}
}

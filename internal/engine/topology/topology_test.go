package topology_test

import (
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dunlin/internal/base/task"
	"dunlin/internal/core/mesh"
	"dunlin/internal/engine/topology"
)

// host notes what it is asked for.
type host struct {
	shell *topology.Shell

	mu       sync.Mutex
	done     []string
	served   chan *mesh.Dial
	admitted chan net.Conn
}

func (h *host) Do(e mesh.Effect) {
	if l, ok := e.(mesh.Log); ok {
		h.mu.Lock()
		h.done = append(h.done, l.Text)
		h.mu.Unlock()
	}
}

func (h *host) Serve(nc net.Conn, d *mesh.Dial) {
	_ = nc.Close()
	h.shell.Call(func(m *mesh.Mesh, now time.Time) []mesh.Effect { return m.Dialed(now, d.Conn, nil) })
	h.served <- d
}

func (h *host) Admit(nc net.Conn) { h.admitted <- nc }

func (h *host) logged() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.done)
}

func start(t *testing.T, routes ...string) (*host, *task.Group) {
	t.Helper()
	m := mesh.New(mesh.Self{ID: "N", Name: "S", Cluster: "C"}, mesh.Options{PoolSize: -1, Routes: routes})
	h := &host{served: make(chan *mesh.Dial, 100), admitted: make(chan net.Conn, 100)}
	g := task.NewGroup("test")
	h.shell = topology.New(m, h, g, slog.New(slog.DiscardHandler))
	t.Cleanup(g.Close)
	return h, g
}

const patience = 20 * time.Second

func within[T any](t *testing.T, what string, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
	}
	return v
}

// TestCall: the effects of a call are done, in their order, when it returns.
func TestCall(t *testing.T) {
	h, _ := start(t)
	h.shell.Run()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				mine := new(int) // the call's own
				h.shell.Call(func(*mesh.Mesh, time.Time) []mesh.Effect {
					*mine = len(h.logged())
					return []mesh.Effect{mesh.Log{Text: "a"}, mesh.Log{Text: "b"}}
				})
				if got := h.logged(); len(got) < *mine+2 || got[*mine] != "a" || got[*mine+1] != "b" {
					t.Errorf("after the call: %q from %d on", got, *mine)
				}
			}
		})
	}
	all.Wait()
	if n := len(h.logged()); n != 8*50*2 {
		t.Errorf("%d effects, want %d", n, 8*50*2)
	}
}

// TestCallAfterEnd: nothing hangs on a shell that has ended.
func TestCallAfterEnd(t *testing.T) {
	h, g := start(t)
	h.shell.Run()
	g.Close()
	h.shell.Call(func(*mesh.Mesh, time.Time) []mesh.Effect { t.Error("the mesh was called"); return nil })
	if h.shell.Run() {
		t.Error("a loop in a group that has ended")
	}
	if _, err := h.shell.Listen("127.0.0.1:0"); err == nil {
		t.Error("it listens after the end")
	}
}

// TestDials: a configured server is dialed, by address or by name.
func TestDials(t *testing.T) {
	for _, name := range []string{"127.0.0.1", "localhost"} {
		l, err := net.Listen("tcp", name+":0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		_, port, _ := strings.Cut(strings.TrimPrefix(l.Addr().String(), "[::1]"), ":")
		h, _ := start(t, net.JoinHostPort(name, port))
		h.shell.Run()
		if d := within(t, "the connection", h.served); d.Addr != net.JoinHostPort(name, port) {
			t.Errorf("dialed %q", d.Addr)
		}
	}
}

// TestDialFails: what cannot be reached is reported to the mesh, which says so.
func TestDialFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	for _, to := range []string{addr, "no-port", "no.such.name.invalid:1"} {
		h, _ := start(t, to)
		h.shell.Run()
		give := time.Now().Add(patience)
		for !slices.ContainsFunc(h.logged(), func(s string) bool { return strings.Contains(s, "Error trying to connect") }) {
			if time.Now().After(give) {
				t.Fatalf("%s: nothing but %q", to, h.logged())
			}
			h.shell.Call(func(m *mesh.Mesh, now time.Time) []mesh.Effect { return nil })
		}
		if len(h.served) != 0 {
			t.Errorf("%s was reached", to)
		}
	}
}

// TestListens: connections are handed over until it is asked to stop, and none after.
func TestListens(t *testing.T) {
	h, _ := start(t)
	at, err := h.shell.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if h.shell.Addr() == nil {
		t.Error("no address")
	}
	nc, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	_ = within(t, "the connection", h.admitted).Close()
	if err := h.shell.StopListening(); err != nil {
		t.Error(err)
	}
	if err := h.shell.StopListening(); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if h.shell.Addr() != nil {
		t.Error("it still has an address")
	}
	if nc, err := net.Dial("tcp", at.String()); err == nil {
		_ = nc.Close()
		t.Error("it still accepts")
	}
	if _, err := h.shell.Listen("256.0.0.1:0"); err == nil {
		t.Error("an address that cannot be")
	}
}

package server_test

import (
	"fmt"
	"strings"
	"testing"

	"dunlin/internal/core/perm"
	"dunlin/internal/ops/config"
	"dunlin/internal/testkit"
	"dunlin/server"
)

const slowHello = `CONNECT {"echo":true,"headers":true,"name":"NSLOW","cluster":"C","lnoc":true,"ln":true}` + "\r\n" +
	`INFO {"server_id":"NSLOW","server_name":"slow","version":"2.15.2","proto":3,"host":"127.0.0.1","port":1,"headers":true,"max_payload":1048576,"cluster":"C","compression":"off"} ` + "\r\n" +
	"RS+ $G flood.*\r\nPING\r\n"

// slowPeer is a server at n's port for routes that wants everything on flood.*;
// it has seen PONG and reads nothing by itself.
func slowPeer(t *testing.T, n *testkit.Server) *testkit.Client {
	t.Helper()
	p := testkit.Open(t, n.ClusterAddr().String())
	p.Send(slowHello)
	for p.Line() != "PONG" {
	}
	return p
}

// pour publishes count messages of 1 KiB from a goroutine of its own. What it
// returns is closed when the server has taken all.
func pour(t *testing.T, n *testkit.Server, count int) <-chan struct{} {
	t.Helper()
	pub := testkit.Join(t, n.Address(), "")
	done := make(chan struct{})
	go func() {
		defer close(done)
		body := strings.Repeat("x", 1024)
		for i := range count {
			if err := pub.TrySend(fmt.Appendf(nil, "PUB flood.%d %d\r\n%s\r\n", i, len(body), body)); err != nil {
				t.Errorf("publishing: %v", err)
				return
			}
		}
		pub.Sync()
	}()
	return done
}

func behind(t *testing.T, s *testkit.Server) (bytes int64) {
	for _, r := range routesOf(t, s) {
		bytes = max(bytes, int64(r.PendingBytes))
	}
	return bytes
}

// TestClusterSlowRoute: a server that stops reading holds up who publishes to it,
// and nobody else; when it goes on it gets everything.
func TestClusterSlowRoute(t *testing.T) {
	n := form(t, 2, func(_ int, o *server.Options) { o.MaxPending = 1 << 20 })
	n.settled(t, defaultRoutes)
	peer := slowPeer(t, n[0])
	const count = 32 << 10 // 32 MiB, more than all buffers on the way
	done := pour(t, n[0], count)
	testkit.Eventually(t, "the route is behind", func() bool { return behind(t, n[0]) > 2<<20 })

	here, there, pub := testkit.Join(t, n[0].Address(), ""), testkit.Join(t, n[1].Address(), ""), testkit.Join(t, n[0].Address(), "")
	here.Send("SUB other 1\r\n")
	here.Sync()
	there.Send("SUB other 1\r\n")
	there.Sync()
	knows(t, n[0], 2)
	for i := range 50 {
		body := fmt.Sprint(i)
		pub.Send("PUB other %d\r\n%s\r\n", len(body), body)
		for _, c := range []*testkit.Client{here, there} {
			c.Want(fmt.Sprint("MSG other 1 ", len(body)), body)
		}
	}
	select {
	case <-done:
		t.Error("the publisher was not held up")
	default:
	}
	for i := 0; i < count; {
		line := peer.Line()
		if !strings.HasPrefix(line, "RMSG ") {
			continue
		}
		if want := fmt.Sprintf("RMSG $G flood.%d 1024", i); strings.TrimSpace(line) != want {
			t.Fatalf("read %q, want %q", line, want)
		}
		peer.Line()
		i++
	}
	<-done
	if n[0].Log.Count("Slow Consumer") != 0 {
		t.Errorf("the route was cut off: %q", n[0].Log.Lines())
	}
}

// TestClusterFrozenRoute: a server that never reads again is given up, and its
// publishers go on.
func TestClusterFrozenRoute(t *testing.T) {
	n := form(t, 1, func(_ int, o *server.Options) { o.MaxPending, o.MaxPayload = 256<<10, 4096 })
	slowPeer(t, n[0])
	done := pour(t, n[0], 32<<10)
	n[0].Log.Wait(t, "Slow Consumer Detected")
	<-done
	testkit.Eventually(t, "no route is left", func() bool { return n[0].NumRoutes() == 0 })
}

// want subscribes to count subjects, long enough that they fill what a system keeps
// for a socket.
func want(t *testing.T, n *testkit.Server, count int) *testkit.Client {
	t.Helper()
	c := testkit.Join(t, n.Address(), "")
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, "SUB a.%0100d %d\r\n", i, i)
		if b.Len() > 64<<10 || i == count-1 {
			c.Send("%s", b.String())
			b.Reset()
		}
	}
	return c
}

// TestClusterSlowInterest: when a reload makes all interest known to a server that reads
// slowly, what waits for it stays within bounds, nobody else waits, and it is told all.
func TestClusterSlowInterest(t *testing.T) {
	const count, bound = 150_000, 64 << 10
	only := func(subject string) *config.RoutePermissions {
		return &config.RoutePermissions{Import: &perm.Subjects{Allow: []string{subject}}}
	}
	n := form(t, 1, func(_ int, o *server.Options) {
		o.MaxPending, o.MaxPayload, o.Cluster.Permissions = bound, 4096, only("none")
	})
	peer := slowPeer(t, n[0])
	want(t, n[0], count).Sync()
	o := testkit.Local(&server.Options{ServerName: "n0", HTTPHost: "127.0.0.1", HTTPPort: -1, MaxPending: bound, MaxPayload: 4096})
	o.Cluster = config.Cluster{Name: "C", Host: "127.0.0.1", Port: -1, Compression: config.Compression{Mode: config.CompressionOff}, Permissions: only("a.>")}
	if err := n[0].ReloadOptions(o); err != nil {
		t.Fatal(err)
	}
	const shard = count / 32 * 2 * 120 // a part of the interest is told in one piece
	told := map[string]bool{}
	for len(told) < count {
		line := peer.Line()
		if !strings.HasPrefix(line, "RS+ $G a.") {
			continue
		}
		if told[line] {
			t.Fatalf("%q was told twice", line)
		}
		if told[line] = true; len(told)%1000 == 0 {
			if most := behind(t, n[0]); most > 4*bound+shard {
				t.Fatalf("%d bytes wait, the bound is %d", most, 4*bound)
			}
		}
	}
	c := testkit.Join(t, n[0].Address(), "")
	c.Send("SUB a.last 1\r\n")
	c.Sync()
	for !strings.HasPrefix(peer.Line(), "RS+ $G a.last") {
	}
}

// TestClusterFrozenInterest: who subscribes a lot waits for a server that does not read,
// but not for ever.
func TestClusterFrozenInterest(t *testing.T) {
	n := form(t, 1, func(_ int, o *server.Options) { o.MaxPending, o.MaxPayload = 64<<10, 4096 })
	slowPeer(t, n[0])
	c := want(t, n[0], 150_000)
	n[0].Log.Wait(t, "Slow Consumer Detected")
	c.Sync()
	testkit.Eventually(t, "no route is left", func() bool { return n[0].NumRoutes() == 0 })
}

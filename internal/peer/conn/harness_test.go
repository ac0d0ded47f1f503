package conn_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dunlin/internal/base/task"
	"dunlin/internal/peer/conn"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen. Only a failing test waits that long.
const patience = 10 * time.Second

// kinds are the sorts of connection that a Conn can stand on.
var kinds = []string{"tcp", "unix", "pipe", "tls", "tls pipe"}

// end is a connection as a server has it, with a reader of its own.
type end struct {
	conn.Conn
	limits atomic.Pointer[conn.Limits]
	group  *task.Group
	slow   chan slowness
	read   chan error    // what ReadLoop returned
	done   chan struct{} // Finish has returned
}

type slowness struct {
	deadline bool
	pending  int64
}

func (e *end) Awake() {}

func (e *end) Pings() conn.Pings { return conn.Pings{Interval: time.Hour, Max: 2} }

func (e *end) Stale() {}

func (e *end) SlowConsumer(deadline bool, pending int64) {
	select {
	case e.slow <- slowness{deadline, pending}:
	default:
	}
}

// consumerFunc is a conn.Consumer.
type consumerFunc func(buf []byte) (n, need int, ok bool)

func (f consumerFunc) Consume(buf []byte) (n, need int, ok bool) { return f(buf) }

func (consumerFunc) EndBatch() {}

// ignore consumes everything.
var ignore = consumerFunc(func(buf []byte) (int, int, bool) { return len(buf), 0, true })

var roomy = *conn.NewLimits(64<<20, patience, conn.PolicyClose)

// wrap makes nc an end that does not read yet.
func wrap(t testing.TB, nc net.Conn, lim conn.Limits) *end {
	e := &end{group: task.NewGroup("test"), slow: make(chan slowness, 100), read: make(chan error, 1), done: make(chan struct{})}
	e.limits.Store(&lim)
	e.Init(nc, e.group, e, &e.limits)
	t.Cleanup(func() {
		// The peer may be gone already, or the test may have closed it.
		_ = nc.Close()
		e.group.Close()
	})
	return e
}

// start reads until the connection ends, then finishes it.
func (e *end) start(r conn.Consumer) {
	e.group.Go("reader", func(context.Context) {
		e.read <- e.ReadLoop(r, nil)
		_ = e.Finish() // says that the socket was closed already, if so
		close(e.done)
	})
}

// open makes a connection of kind, ready to send on both sides.
func open(t testing.TB, kind string, lim conn.Limits) (*end, net.Conn) {
	t.Helper()
	var a, b net.Conn
	secure := false
	switch kind {
	case "tcp", "tls":
		a, b = dial(t, "tcp", "127.0.0.1:0")
		secure = kind == "tls"
	case "unix":
		a, b = dial(t, "unix", filepath.Join(t.TempDir(), "s"))
	default:
		a, b = net.Pipe()
		secure = kind == "tls pipe"
	}
	t.Cleanup(func() { _ = b.Close() })
	e := wrap(t, a, lim)
	if secure {
		b = handshake(t, e, b, nil)
	}
	return e, b
}

// handshake makes e a TLS server's end and returns the client's.
func handshake(t testing.TB, e *end, b net.Conn, cfg *tls.Config) *tls.Conn {
	t.Helper()
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg.InsecureSkipVerify = true
	client := tls.Client(b, cfg)
	shaken := make(chan error, 1)
	go func() { shaken <- e.StartTLS(serverTLS(), patience, nil) }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	return client
}

func dial(t testing.TB, network, addr string) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if b, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if a, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// small makes the buffers of both sockets small, so that a stalled peer is felt
// soon. Not smaller than a segment of the loopback device: TCP would crawl.
func small(t testing.TB, conns ...net.Conn) {
	t.Helper()
	for _, nc := range conns {
		if c, ok := nc.(*tls.Conn); ok {
			nc = c.NetConn()
		}
		if c, ok := nc.(*net.TCPConn); ok {
			if err := c.SetReadBuffer(128 << 10); err != nil {
				t.Fatal(err)
			}
			if err := c.SetWriteBuffer(64 << 10); err != nil {
				t.Fatal(err)
			}
		}
	}
}

var serverTLS = sync.OnceValue(func() *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
})

// within fails the test if ch does not answer in time.
func within[T any](t testing.TB, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("%s did not happen", what)
		panic("unreachable")
	}
}

// append puts p into the queue without flushing it.
func (e *end) append(p []byte) (full, over bool) {
	e.Lock()
	defer e.Unlock()
	if e.Closing() {
		return false, false
	}
	return e.Commit(append(e.Reserve(len(p)), p...), len(p))
}

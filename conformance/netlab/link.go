package netlab

import (
	"net"
	"sync"
	"testing"
	"time"
)

// Link is a wire of a given length in front of an address: what comes out of
// one end comes out of the other later, and nothing while the link is stalled.
type Link struct {
	listener net.Listener
	to       string
	delay    time.Duration

	mu    sync.Mutex
	conns map[net.Conn]bool
	gate  chan struct{} // closed: open
	wg    sync.WaitGroup
}

// NewLink makes a link from a free port of address at to the address to.
func NewLink(t testing.TB, at, to string, delay time.Duration) *Link {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(at, "0"))
	if err != nil {
		t.Fatal(err)
	}
	k := &Link{listener: l, to: to, delay: delay, conns: make(map[net.Conn]bool), gate: make(chan struct{})}
	close(k.gate)
	k.wg.Go(k.accept)
	t.Cleanup(k.close)
	return k
}

// Addr is where to dial.
func (k *Link) Addr() string { return k.listener.Addr().String() }

// Stall lets nothing through; what comes waits.
func (k *Link) Stall() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gate = make(chan struct{})
}

// Resume undoes Stall.
func (k *Link) Resume() {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.gate)
}

func (k *Link) open() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.gate
}

func (k *Link) keep(c net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conns == nil {
		return false
	}
	k.conns[c] = true
	return true
}

func (k *Link) accept() {
	for {
		in, err := k.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", k.to)
		if err != nil {
			_ = in.Close() // whoever dials sees it, and tries again
			continue
		}
		if !k.keep(in) || !k.keep(out) {
			_, _ = in.Close(), out.Close()
			return
		}
		k.wg.Go(func() { k.carry(in, out) })
		k.wg.Go(func() { k.carry(out, in) })
	}
}

// piece is what was read, and when it may come out.
type piece struct {
	data []byte
	due  time.Time
}

// carry moves bytes from one end to the other. At most 64 pieces are on the way:
// beyond that the sender waits, as on a real wire.
func (k *Link) carry(from, to net.Conn) {
	way := make(chan piece, 64)
	k.wg.Go(func() {
		defer close(way)
		for {
			buf := make([]byte, 32<<10)
			n, err := from.Read(buf)
			if n > 0 {
				way <- piece{buf[:n], time.Now().Add(k.delay)}
			}
			if err != nil {
				return
			}
		}
	})
	for p := range way {
		if wait := time.Until(p.due); wait > 0 {
			<-time.After(wait)
		}
		<-k.open()
		if _, err := to.Write(p.data); err != nil {
			break
		}
	}
	_, _ = from.Close(), to.Close()
	for range way { // until the reader has noticed
	}
	k.mu.Lock()
	delete(k.conns, from)
	delete(k.conns, to)
	k.mu.Unlock()
}

func (k *Link) close() {
	_ = k.listener.Close()
	k.mu.Lock()
	conns := k.conns
	k.conns = nil
	select {
	case <-k.gate:
	default:
		close(k.gate)
	}
	for c := range conns {
		_ = c.Close()
	}
	k.mu.Unlock()
	k.wg.Wait()
}

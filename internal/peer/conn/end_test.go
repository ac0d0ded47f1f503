package conn_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"dunlin/internal/peer/conn"
	"dunlin/internal/proto/sysapi"
)

// TestEndRightBehindData: the peer's last bytes and its end may both be there
// before anybody looks; the end must not be waited for again.
func TestEndRightBehindData(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			e, peer := open(t, kind, roomy)
			sent := make(chan error, 1)
			go func() {
				_, err := peer.Write([]byte("PUB last 2\r\nok\r\n"))
				_ = peer.Close()
				sent <- err
			}()
			if kind == "tcp" || kind == "unix" || kind == "tls" {
				within(t, "sending", sent)
				waitForEnd(t, e.NetConn())
			}
			var got bytes.Buffer
			e.start(consumerFunc(func(buf []byte) (int, int, bool) { got.Write(buf); return len(buf), 0, true }))
			if err := within(t, "the end of reading", e.read); !errors.Is(err, io.EOF) {
				t.Errorf("reading ended with %v, want io.EOF", err)
			}
			within(t, "Finish", e.done)
			if got.String() != "PUB last 2\r\nok\r\n" {
				t.Errorf("read %q", got.String())
			}
		})
	}
}

// waitForEnd returns when the peer's end has reached nc's socket, and the
// runtime's poller has had the time to tell of it.
func waitForEnd(t *testing.T, nc net.Conn) {
	t.Helper()
	rc, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	const pollRDHUP = 0x2000
	for until := time.Now().Add(patience); ; {
		var hup bool
		if err := rc.Control(func(fd uintptr) { hup = polled(fd, pollRDHUP) }); err != nil {
			t.Fatal(err)
		}
		if hup {
			break
		}
		if time.Now().After(until) {
			t.Fatal("the peer's end did not arrive")
		}
	}
	<-time.After(5 * time.Millisecond) // nothing tells when the poller has seen it; too early can only hide a fault
}

// TestSocketServesOnAfterABacklog: the write deadline that was set while the
// socket was full must not outlive the backlog.
func TestSocketServesOnAfterABacklog(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			// With PolicyRetry: on a busy machine the peer, this test, may not get to
			// reading for longer than that.
			const deadline = 200 * time.Millisecond
			e, peer := open(t, kind, *conn.NewLimits(64<<20, deadline, conn.PolicyRetry))
			e.start(ignore)
			backlog := make([]byte, 5<<20)
			begun := time.Now()
			e.Send(backlog)
			if _, err := io.ReadFull(peer, backlog); err != nil {
				t.Fatalf("the backlog did not arrive: %v", err)
			}
			<-time.After(time.Until(begun.Add(2 * deadline)))
			for i := range 3 {
				word := fmt.Appendf(nil, "PING %d\r\n", i)
				e.Send(word)
				got := make([]byte, len(word))
				if err := peer.SetReadDeadline(time.Now().Add(patience)); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, word) {
					t.Fatalf("after the backlog: read %q, %v; connection ended for %v", got, err, e.ClosedFor())
				}
			}
		})
	}
}

// TestPeerSeesThatTheEndIsMeant: over TLS the end is announced, behind all that was sent.
func TestPeerSeesThatTheEndIsMeant(t *testing.T) {
	for _, how := range []string{"Close", "CloseWith", "consumer"} {
		t.Run(how, func(t *testing.T) {
			a, b := dial(t, "tcp", "127.0.0.1:0")
			e := wrap(t, a, roomy)
			rec := &recorder{Conn: b}
			// In TLS 1.2 the kind of a record can be seen from outside. The Go client
			// alone would not tell: to it an end between two records is as good.
			peer := handshake(t, e, rec, &tls.Config{MaxVersion: tls.VersionTLS12})
			t.Cleanup(func() { _ = peer.Close() })
			stop := make(chan struct{})
			e.start(consumerFunc(func(buf []byte) (int, int, bool) { close(stop); return len(buf), 0, false }))
			want := ""
			switch how {
			case "Close":
				e.Close(sysapi.ServerShutdown)
			case "CloseWith":
				want = "-ERR 'bye'\r\n"
				e.CloseWith(sysapi.ServerShutdown, []byte(want))
			default:
				if _, err := peer.Write([]byte("QUIT")); err != nil {
					t.Fatal(err)
				}
				within(t, "reading", stop)
			}
			got, err := io.ReadAll(peer)
			if err != nil || string(got) != want {
				t.Errorf("the peer read %q and then %v, want %q and a clean end", got, err, want)
			}
			const alert = 21
			if last := rec.lastRecord(t); last != alert {
				t.Errorf("the last record is of type %d, want an alert (%d): close_notify", last, alert)
			}
			within(t, "Finish", e.done)
		})
	}
}

// recorder keeps what is read through it.
type recorder struct {
	net.Conn
	got []byte
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.got = append(r.got, p[:n]...)
	return n, err
}

// lastRecord is the type of the last TLS record.
func (r *recorder) lastRecord(t *testing.T) (last byte) {
	t.Helper()
	for b := r.got; len(b) > 0; {
		if len(b) < 5 || len(b) < 5+int(b[3])<<8+int(b[4]) {
			t.Fatalf("a record is cut: %d bytes", len(b))
		}
		last, b = b[0], b[5+int(b[3])<<8+int(b[4]):]
	}
	return last
}

// TestLastWordsWhileAnotherFlushes: CloseWith finds the writing side taken by
// another goroutine; the last words go out and the connection ends all the same.
func TestLastWordsWhileAnotherFlushes(t *testing.T) {
	a, b := dial(t, "tcp", "127.0.0.1:0")
	t.Cleanup(func() { _ = b.Close() })
	gate := &gated{TCPConn: a.(*net.TCPConn), at: make(chan struct{}), pass: make(chan struct{})}
	e := wrap(t, gate, roomy)
	e.start(ignore)
	go e.Send([]byte("first "))
	within(t, "flushing", gate.at)
	e.CloseWith(sysapi.StaleConnection, []byte("last"))
	close(gate.pass)
	if err := b.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(b)
	if err != nil || string(got) != "first last" {
		t.Errorf("the peer read %q and then %v, want %q and the end", got, err, "first last")
	}
	within(t, "Finish", e.done)
	if r := e.ClosedFor(); r != sysapi.StaleConnection {
		t.Errorf("closed for %v", r)
	}
}

// gated is a TCP connection whose first write waits.
type gated struct {
	*net.TCPConn
	at, pass chan struct{}
	once     sync.Once
}

func (g *gated) SyscallConn() (syscall.RawConn, error) {
	rc, err := g.TCPConn.SyscallConn()
	return &gatedRaw{rc, g}, err
}

type gatedRaw struct {
	syscall.RawConn
	g *gated
}

func (r *gatedRaw) Write(f func(fd uintptr) bool) error {
	r.g.once.Do(func() { close(r.g.at); <-r.g.pass })
	return r.RawConn.Write(f)
}

// TestFinishDoesNotWaitForAStalledPeer: whatever state the writing side is in
// when the connection is cut off, nothing waits for a peer that does not read.
func TestFinishDoesNotWaitForAStalledPeer(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			for range 20 {
				e, peer := open(t, kind, *conn.NewLimits(4<<20, time.Hour, conn.PolicyClose))
				small(t, e.NetConn(), peer)
				e.start(ignore)
				e.Send(make([]byte, 1<<20))
				e.Close(sysapi.SlowConsumerPendingBytes)
				within(t, "Finish", e.done)
				e.group.Close()
				if err := peer.Close(); kind == "tcp" && err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// takes reads step bytes at every tick and tells at the end how many came.
func takes(nc net.Conn, step int, every time.Duration) <-chan int {
	total := make(chan int, 1)
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		buf, sum := make([]byte, step), 0
		for {
			n, err := io.ReadFull(nc, buf)
			if sum += n; err != nil {
				total <- sum
				return
			}
			<-tick.C
		}
	}()
	return total
}

// TestTheRestGoesOutThoughTheWriterWasBusy: the last words come while the writer is
// under way, and the peer needs longer than lingerMax for what waits.
func TestTheRestGoesOutThoughTheWriterWasBusy(t *testing.T) {
	const size = 3 << 20
	e, peer := open(t, "tcp", *conn.NewLimits(64<<20, 10*time.Second, conn.PolicyClose))
	small(t, e.NetConn(), peer)
	e.start(ignore)
	e.Send(make([]byte, size)) // far more than the sockets hold
	came := takes(peer, 128<<10, 60*time.Millisecond)
	e.CloseWith(sysapi.ServerShutdown, []byte("bye"))
	if n := within(t, "the end", came); n != size+3 {
		t.Errorf("%d of %d bytes came although the peer was taking them", n, size+3)
	}
}

// TestLastWordsHaveAnEnd: a peer that takes a little all the time is waited for no
// longer than the write deadline.
func TestLastWordsHaveAnEnd(t *testing.T) {
	const size = 8 << 20
	e, peer := open(t, "tcp", *conn.NewLimits(64<<20, time.Second, conn.PolicyClose))
	small(t, e.NetConn(), peer)
	e.start(ignore)
	e.append(make([]byte, size))
	came := takes(peer, 64<<10, 100*time.Millisecond) // twelve seconds for all
	e.CloseWith(sysapi.ServerShutdown, []byte("bye"))
	within(t, "Finish", e.done)
	if n := within(t, "the end", came); n >= size {
		t.Error("all of it went out, long after the write deadline")
	}
}

// TestNothingIsCarriedOutAfterTheLastWords: what a peer sends that has been told to
// go is not carried out, even while the last of the queue still goes out.
func TestNothingIsCarriedOutAfterTheLastWords(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			e, peer := open(t, kind, *conn.NewLimits(64<<20, 10*time.Second, conn.PolicyClose))
			small(t, e.NetConn(), peer)
			var over atomic.Bool
			var after atomic.Int64
			e.start(consumerFunc(func(buf []byte) (int, int, bool) {
				if over.Load() {
					after.Add(int64(len(buf)))
				}
				return len(buf), 0, true
			}))
			e.append(make([]byte, 4<<20))
			e.CloseWith(sysapi.AuthenticationViolation, []byte("bye"))
			over.Store(true)
			go func() {
				for {
					if _, err := peer.Write([]byte("PUB a 1\r\nx\r\n")); err != nil {
						return // it has closed
					}
				}
			}()
			takes(peer, 1<<20, 100*time.Millisecond)
			within(t, "Finish", e.done)
			if n := after.Load(); n > 0 {
				t.Errorf("%d bytes were carried out", n)
			}
		})
	}
}

package conn_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"dunlin/internal/peer/conn"
	"dunlin/internal/proto/sysapi"
)

// A letter is what the tests of order send: appender, number, size, filler.
const letterHead = 12

func letter(p []byte, from, seq uint32, size int) []byte {
	p = binary.BigEndian.AppendUint32(p, from)
	p = binary.BigEndian.AppendUint32(p, seq)
	p = binary.BigEndian.AppendUint32(p, uint32(size))
	for range size {
		p = append(p, byte(from*31+seq))
	}
	return p
}

// readLetters checks that the letters of each appender come in order and whole.
func readLetters(r io.Reader, appenders, each uint32) error {
	next := make([]uint32, appenders)
	var head [letterHead]byte
	var body []byte
	for left := appenders * each; left > 0; left-- {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		from, seq := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[4:])
		if from >= appenders || seq != next[from] {
			return errors.New("a letter is lost, doubled or out of order")
		}
		next[from]++
		body = append(body[:0], make([]byte, binary.BigEndian.Uint32(head[8:]))...)
		if _, err := io.ReadFull(r, body); err != nil {
			return err
		}
		for _, b := range body {
			if b != byte(from*31+seq) {
				return errors.New("a letter is damaged")
			}
		}
	}
	return nil
}

// TestOrder: many append and flush at once, through a socket that is full most
// of the time; what each of them sent arrives in its order, once.
func TestOrder(t *testing.T) {
	const appenders, each = 6, 300
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			e, peer := open(t, kind, roomy)
			small(t, e.NetConn(), peer)
			e.start(ignore)
			var all sync.WaitGroup
			for from := range uint32(appenders) {
				all.Go(func() { appendLetters(e, from, each) })
			}
			result := make(chan error, 1)
			go func() { result <- readLetters(&halting{r: bufio.NewReaderSize(peer, 8<<10)}, appenders, each) }()
			if err := within(t, "the last letter", result); err != nil {
				t.Fatal(err)
			}
			all.Wait()
			e.WaitDrained(t.Context(), 0)
			if sent, pending := e.Out(); sent.Msgs != appenders*each || pending != 0 {
				t.Errorf("%d letters counted, %d bytes pending, want %d and 0", sent.Msgs, pending, appenders*each)
			}
			if err := peer.Close(); err != nil && kind == "tcp" {
				t.Fatal(err)
			}
			within(t, "Finish", e.done)
		})
	}
}

func appendLetters(e *end, from, each uint32) {
	rnd := rand.New(rand.NewPCG(uint64(from), 1))
	promised := false
	for seq := range each {
		size := rnd.IntN(400)
		if rnd.IntN(100) == 0 {
			size = rnd.IntN(150 << 10) // more than a chunk
		}
		e.Lock()
		n := letterHead + size
		full, _ := e.Commit(letter(e.Reserve(n), from, seq, size), n)
		e.CountOut(1, int64(size))
		promised = e.Promise() || promised
		pending := e.Pending()
		e.Unlock()
		if full {
			e.Flush()
		}
		if promised && rnd.IntN(4) == 0 {
			e.Flush()
			promised = false
		}
		if pending > 1<<20 {
			e.WaitDrained(context.Background(), 1<<18)
		}
	}
	e.Flush()
}

// halting reads as a slow consumer does.
type halting struct {
	r io.Reader
	n int
}

func (h *halting) Read(p []byte) (int, error) {
	if h.n++; h.n%64 == 0 {
		runtime.Gosched()
	}
	return h.r.Read(p)
}

// stall fills the connection until a writer is parked on it, and returns how
// many bytes it has been given.
func stall(t *testing.T, e *end, peer net.Conn) (given int64) {
	t.Helper()
	small(t, e.NetConn(), peer)
	for e.pending() < 2<<20 && !e.Ended() { // more than the sockets' buffers can still take
		e.Send(make([]byte, 256<<10))
		given += 256 << 10
	}
	return given
}

func (e *end) pending() int64 {
	_, n := e.Out()
	return n
}

func TestTooMuchPending(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			const bound = 1 << 20
			e, peer := open(t, kind, *conn.NewLimits(bound, time.Hour, conn.PolicyClose))
			small(t, e.NetConn(), peer)
			e.start(ignore)
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for !e.Ended() {
						e.Send(make([]byte, 10<<10))
					}
				})
			}
			all.Wait()
			// A writer may have taken some of it since the bound was passed.
			if s := within(t, "SlowConsumer", e.slow); s.deadline || s.pending <= bound/2 || s.pending > bound*2 {
				t.Errorf("SlowConsumer(%v, %d), want no deadline and about %d", s.deadline, s.pending, bound)
			}
			e.Overflow()
			within(t, "Finish", e.done)
			e.group.Wait() // the writer too
			if len(e.slow) != 0 {
				t.Error("the owner was told twice")
			}
			if r := e.ClosedFor(); r != sysapi.SlowConsumerPendingBytes {
				t.Errorf("closed for %v", r)
			}
			if e.pending() != 0 {
				t.Errorf("%d bytes are still held", e.pending())
			}
		})
	}
}

func TestWriteDeadlineCloses(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			e, peer := open(t, kind, *conn.NewLimits(64<<20, 50*time.Millisecond, conn.PolicyClose))
			e.start(ignore)
			stall(t, e, peer)
			if s := within(t, "SlowConsumer", e.slow); !s.deadline || s.pending <= 0 {
				t.Errorf("SlowConsumer(%v, %d), want the deadline and what was pending", s.deadline, s.pending)
			}
			within(t, "Finish", e.done)
			if r := e.ClosedFor(); r != sysapi.SlowConsumerWriteDeadline {
				t.Errorf("closed for %v", r)
			}
			e.group.Close()
			if len(e.slow) != 0 || e.pending() != 0 {
				t.Errorf("the owner was told %d times more; %d bytes held", len(e.slow), e.pending())
			}
		})
	}
}

func TestWriteDeadlineRetries(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			e, peer := open(t, kind, *conn.NewLimits(64<<20, 30*time.Millisecond, conn.PolicyRetry))
			e.start(ignore)
			given := stall(t, e, peer)
			e.Send([]byte("at last"))
			given += int64(len("at last"))
			for range 3 {
				if s := within(t, "SlowConsumer", e.slow); !s.deadline {
					t.Error("SlowConsumer without the deadline")
				}
			}
			if e.Ended() || e.ClosedFor() != sysapi.NotClosed {
				t.Fatalf("closed for %v although the policy is to retry", e.ClosedFor())
			}
			got := make([]byte, given)
			if _, err := io.ReadFull(peer, got); err != nil || !bytes.HasSuffix(got, []byte("\x00at last")) {
				t.Fatalf("the rest did not arrive: %v, %q", err, got[len(got)-10:])
			}
			e.Close(sysapi.ServerShutdown)
			within(t, "Finish", e.done)
		})
	}
}

func TestLastWordsBehindABacklog(t *testing.T) {
	for _, kind := range kinds {
		for _, by := range []string{"another", "reader"} {
			t.Run(kind+" "+by, func(t *testing.T) {
				e, peer := open(t, kind, roomy)
				last := []byte("-ERR 'last words'\r\n")
				said := make(chan bool, 1)
				e.start(consumerFunc(func(buf []byte) (int, int, bool) {
					said <- e.CloseWith(sysapi.AuthenticationViolation, last)
					return len(buf), 0, false
				}))
				given := stall(t, e, peer)
				if by == "reader" {
					if _, err := peer.Write([]byte("x")); err != nil {
						t.Fatal(err)
					}
				} else {
					said <- e.CloseWith(sysapi.AuthenticationViolation, last)
				}
				if !within(t, "CloseWith", said) {
					t.Error("CloseWith said that it was not the first")
				}
				if e.CloseWith(sysapi.ServerShutdown, []byte("again")) {
					t.Error("the second CloseWith said that it was the first")
				}
				e.Send([]byte("too late"))
				if full, over := e.append([]byte("too late")); full || over {
					t.Error("something was appended behind the last words")
				}
				got, err := io.ReadAll(peer)
				if err != nil || int64(len(got)) != given+int64(len(last)) || !bytes.HasSuffix(got, last) {
					t.Fatalf("%d bytes and %v, want %d that end with %q", len(got), err, given+int64(len(last)), last)
				}
				within(t, "Finish", e.done)
				if e.Close(sysapi.ServerShutdown) || e.ClosedFor() != sysapi.AuthenticationViolation {
					t.Errorf("closed for %v; the first reason has to stand", e.ClosedFor())
				}
			})
		}
	}
}

// TestLastWordsDoNotWaitForEver: the peer reads nothing, and after a moment
// the connection ends without its last words.
func TestLastWordsDoNotWaitForEver(t *testing.T) {
	ends := map[string]*end{} // all wait at once, to save time
	for _, kind := range kinds {
		for name, policy := range map[string]conn.Policy{" close": conn.PolicyClose, " retry": conn.PolicyRetry} {
			e, peer := open(t, kind, *conn.NewLimits(64<<20, time.Hour, policy))
			e.start(ignore)
			stall(t, e, peer)
			// The writer's deadline is an hour away; this must bring it near.
			e.CloseWith(sysapi.StaleConnection, []byte("-ERR 'Stale Connection'\r\n"))
			ends[kind+name] = e
		}
	}
	for name, e := range ends {
		within(t, "Finish of "+name, e.done)
		if r := e.ClosedFor(); r != sysapi.StaleConnection || len(e.slow) != 0 {
			t.Errorf("%s: closed for %v, the owner was told %d times", name, r, len(e.slow))
		}
	}
}

func TestCloseWakesEverybody(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			e, peer := open(t, kind, roomy)
			e.start(ignore)
			stall(t, e, peer)
			waiter := make(chan struct{})
			go func() { e.WaitDrained(context.Background(), 0); close(waiter) }()
			if !e.Close(sysapi.Kicked) || e.Close(sysapi.ServerShutdown) {
				t.Error("Close does not tell the first from the second")
			}
			within(t, "WaitDrained", waiter)
			within(t, "the end of reading", e.read)
			within(t, "Finish", e.done)
			e.group.Wait() // the writer too
			if !e.Ended() || e.ClosedFor() != sysapi.Kicked || e.pending() != 0 {
				t.Errorf("ended %v, for %v, %d bytes held", e.Ended(), e.ClosedFor(), e.pending())
			}
			if _, err := e.NetConn().Write([]byte("x")); err == nil {
				t.Error("the socket is open after Finish")
			}
		})
	}
}

func TestWaitDrained(t *testing.T) {
	e, peer := open(t, "tcp", roomy)
	e.start(ignore)
	given := stall(t, e, peer)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	e.WaitDrained(ctx, e.pending()) // satisfied at once
	if ctx.Err() != nil {
		t.Error("waited although little enough was pending")
	}
	e.WaitDrained(ctx, 0)
	if ctx.Err() == nil {
		t.Errorf("returned with %d bytes pending", e.pending())
	}
	half := make(chan int64)
	go func() { e.WaitDrained(context.Background(), 1000); half <- e.pending() }()
	if _, err := io.CopyN(io.Discard, peer, given); err != nil {
		t.Fatal(err)
	}
	if n := within(t, "WaitDrained", half); n > 1000 {
		t.Errorf("returned with %d bytes pending, want at most 1000", n)
	}
}

// TestWriterAfterShutdown: when no goroutine may start any more, a full socket
// ends the connection instead of holding its bytes for ever.
func TestWriterAfterShutdown(t *testing.T) {
	e, peer := open(t, "tcp", roomy)
	small(t, e.NetConn(), peer)
	e.group.Close()
	for range 100 {
		e.Send(make([]byte, 256<<10))
	}
	if r := e.ClosedFor(); r != sysapi.ServerShutdown {
		t.Errorf("closed for %v, want Server Shutdown", r)
	}
	if e.pending() != 0 {
		t.Errorf("%d bytes held", e.pending())
	}
}

func TestPeerGoneWhileWriting(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			e, peer := open(t, kind, roomy)
			e.start(ignore)
			stall(t, e, peer)
			if err := peer.Close(); err != nil && kind == "tcp" {
				t.Fatal(err)
			}
			within(t, "Finish", e.done)
			e.group.Wait()
			if e.ClosedFor() == sysapi.NotClosed || e.pending() != 0 {
				t.Errorf("closed for %v, %d bytes held", e.ClosedFor(), e.pending())
			}
		})
	}
}

// TestEndings lets everything that ends a connection meet everything that uses
// it. What must hold: nobody hangs, nothing is held.
func TestEndings(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			for round := range uint64(25) {
				rnd := rand.New(rand.NewPCG(round, 7))
				e, peer := open(t, kind, *conn.NewLimits(256<<10, time.Duration(rnd.IntN(20)+1)*time.Millisecond, conn.PolicyClose))
				e.start(ignore)
				var all sync.WaitGroup
				for range 3 {
					all.Go(func() {
						for !e.Ended() {
							if _, over := e.append(make([]byte, 700)); over {
								e.Overflow()
							}
							e.Flush()
						}
					})
				}
				all.Go(func() { e.WaitDrained(context.Background(), 0) })
				limit := int64(rnd.IntN(1 << 20))
				switch rnd.IntN(4) {
				case 0:
					all.Go(func() { _, _ = io.CopyN(io.Discard, peer, limit); e.Close(sysapi.Kicked) })
				case 1:
					all.Go(func() {
						_, _ = io.CopyN(io.Discard, peer, limit)
						e.CloseWith(sysapi.StaleConnection, []byte("bye"))
						_, _ = io.Copy(io.Discard, peer)
					})
				case 2:
					all.Go(func() { _, _ = io.CopyN(io.Discard, peer, limit); _ = peer.Close() })
				default: // never read: over the bound, or the deadline
				}
				within(t, "Finish", e.done)
				_ = peer.Close()
				all.Wait()
				e.group.Close()
				if e.pending() != 0 {
					t.Fatalf("round %d: %d bytes held after the end for %v", round, e.pending(), e.ClosedFor())
				}
			}
		})
	}
}

// TestNothingKeepsWhatIsOut: a connection that has written several chunks refers to
// none of them when it is idle: they belong to the pool again.
func TestNothingKeepsWhatIsOut(t *testing.T) {
	e, peer := open(t, "tcp", roomy)
	e.start(ignore)
	const size, count = 1000, 60
	for range count {
		e.append(make([]byte, size))
	}
	e.Flush()
	if _, err := io.CopyN(io.Discard, peer, size*count); err != nil {
		t.Fatal(err)
	}
	e.WaitDrained(t.Context(), 0)
	if n := e.HoldsChunks(); n != 0 {
		t.Errorf("it still refers to %d chunks", n)
	}
}

// TestTLSStateIsAskedForDuringTheHandshake is for the race detector: monitoring asks
// for the state at any time.
func TestTLSStateIsAskedForDuringTheHandshake(t *testing.T) {
	a, b := dial(t, "tcp", "127.0.0.1:0")
	e := wrap(t, a, roomy)
	asked, stop := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(asked)
		for {
			select {
			case <-stop:
				return
			default:
				e.TLSState()
			}
		}
	}()
	c := handshake(t, e, b, &tls.Config{})
	close(stop)
	<-asked
	if e.TLSState() == nil {
		t.Error("no state after the handshake")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

package conn_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"dunlin/internal/peer/conn"
	"dunlin/internal/proto/sysapi"
)

// scanner is a consumer of operations like the protocol's: some are lines of
// which nobody knows the length before, some say how long they are.
type scanner struct {
	t      testing.TB
	rnd    *rand.Rand
	got    []byte // everything consumed
	left   []byte // what Consume left last time
	asked  int    // what it asked for then
	until  int    // stop after that many bytes
	called int
	most   int // longest buffer seen
	ended  int // called, when a batch ended last
}

func (s *scanner) EndBatch() { s.ended = s.called }

func (s *scanner) Consume(buf []byte) (n, need int, ok bool) {
	s.called++
	s.most = max(s.most, len(buf))
	if len(buf) < s.asked {
		s.t.Errorf("was given %d bytes after asking for %d", len(buf), s.asked)
	}
	if !bytes.HasPrefix(buf, s.left) {
		s.t.Error("bytes that were not consumed are not given again")
	}
	if len(buf) <= len(s.left) {
		s.t.Errorf("was called with nothing new: %d bytes", len(buf))
	}
	for n < len(buf) && need == 0 {
		switch rest := buf[n:]; rest[0] {
		case 'L': // a line
			end := bytes.IndexByte(rest, '\n')
			if end < 0 {
				need = -1
				break
			}
			n += end + 1
		case 'B': // a block: its size in 4 bytes, then the block
			if len(rest) < 5 {
				need = -1
				break
			}
			size := 5 + int(binary.BigEndian.Uint32(rest[1:]))
			if len(rest) < size {
				need = size
				break
			}
			n += size
		default:
			s.t.Errorf("operation begins with %q", rest[:1])
			return n, 0, false
		}
	}
	need = max(need, 0)
	s.asked = need
	s.got = append(s.got, buf[:n]...)
	s.left = append(s.left[:0], buf[n:]...)
	return n, need, len(s.got) < s.until
}

func script(rnd *rand.Rand, size int) (b []byte) {
	for len(b) < size {
		if rnd.IntN(2) == 0 {
			b = append(b, 'L')
			for range rnd.IntN(200) {
				b = append(b, 'a'+byte(rnd.IntN(26)))
			}
			if rnd.IntN(50) == 0 { // as long as a control line may be
				b = append(b, bytes.Repeat([]byte("x"), 4000)...)
			}
			b = append(b, '\n')
			continue
		}
		block := make([]byte, rnd.IntN(300))
		if rnd.IntN(50) == 0 {
			block = make([]byte, rnd.IntN(300<<10))
		}
		for i := range block {
			block[i] = byte(rnd.Uint32())
		}
		b = append(binary.BigEndian.AppendUint32(append(b, 'B'), uint32(len(block))), block...)
	}
	return b
}

// TestReadingIsTheSameHoweverItIsCut: the consumer gets all bytes, in order,
// with whatever it left and as many as it asked for.
func TestReadingIsTheSameHoweverItIsCut(t *testing.T) {
	for _, kind := range kinds {
		for _, cut := range []int{1, 7, 511, 512, 5000, 1 << 20} {
			t.Run(fmt.Sprint(kind, " ", cut), func(t *testing.T) {
				rnd := rand.New(rand.NewPCG(uint64(cut), 3))
				size := 400 << 10
				if cut < 100 {
					size = 3 << 10
				}
				want := script(rnd, size)
				e, peer := open(t, kind, roomy)
				s := &scanner{t: t, until: len(want)}
				first := want[:min(rnd.IntN(100), len(want))]
				result := make(chan error, 1)
				go func() { result <- e.ReadLoop(s, first) }()
				for rest := want[len(first):]; len(rest) > 0; {
					n := min(1+rnd.IntN(cut), len(rest))
					if _, err := peer.Write(rest[:n]); err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
				}
				if err := within(t, "the end of reading", result); err != nil {
					t.Errorf("ReadLoop: %v, want nil, for the consumer ended it", err)
				}
				if !bytes.Equal(s.got, want) {
					t.Errorf("%d bytes consumed, %d sent, or they differ", len(s.got), len(want))
				}
			})
		}
	}
}

// TestReadLargePayload: a payload is collected without asking the consumer for
// every piece, and the buffer does not grow beyond what it takes.
func TestReadLargePayload(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			const size = 3 << 20
			want := binary.BigEndian.AppendUint32([]byte{'B'}, size)
			want = append(want, bytes.Repeat([]byte("0123456789abcdef"), size/16)...)
			want = append(want, "Lthe next\n"...)
			e, peer := open(t, kind, roomy)
			s := &scanner{t: t, until: len(want)}
			result := make(chan error, 1)
			go func() { result <- e.ReadLoop(s, nil) }()
			if _, err := peer.Write(want); err != nil {
				t.Fatal(err)
			}
			if err := within(t, "the end of reading", result); err != nil || !bytes.Equal(s.got, want) {
				t.Errorf("%v; %d bytes consumed, %d sent, or they differ", err, len(s.got), len(want))
			}
			if s.called > 10 {
				t.Errorf("the consumer was asked %d times about one payload", s.called)
			}
		})
	}
}

func TestReadEnds(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			e, _ := open(t, kind, roomy)
			if err := e.ReadLoop(consumerFunc(func([]byte) (int, int, bool) { return 0, 0, false }), []byte("x")); err != nil {
				t.Errorf("ended by the consumer on the first bytes: %v", err)
			}
			e, peer := open(t, kind, roomy)
			e.start(ignore)
			if err := peer.Close(); err != nil {
				t.Fatal(err)
			}
			if err := within(t, "the end of reading", e.read); !errors.Is(err, io.EOF) || !conn.Quiet(err) {
				t.Errorf("ended by the peer: %v, want io.EOF", err)
			}
			within(t, "Finish", e.done)
			e, _ = open(t, kind, roomy)
			e.start(ignore)
			e.Close(sysapi.Kicked)
			if err := within(t, "the end of reading", e.read); !conn.Quiet(err) {
				t.Errorf("ended by Close: %v is not quiet", err)
			}
		})
	}
	for err, quiet := range map[error]bool{
		nil: true, io.EOF: true, net.ErrClosed: true, io.ErrClosedPipe: true, os.ErrDeadlineExceeded: true,
		fmt.Errorf("read: %w", net.ErrClosed): true, io.ErrUnexpectedEOF: false, errors.New("reset"): false,
	} {
		if conn.Quiet(err) != quiet {
			t.Errorf("Quiet(%v) is %v", err, !quiet)
		}
	}
}

func TestFirst(t *testing.T) {
	e, peer := open(t, "tcp", roomy)
	var p [16]byte
	if n, err := e.First(p[:], 10*time.Millisecond); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("nothing sent: %d, %v, want a time-out", n, err)
	}
	if _, err := peer.Write([]byte("GET /")); err != nil {
		t.Fatal(err)
	}
	n, err := e.First(p[:], patience)
	if err != nil {
		t.Fatal(err)
	}
	// The deadline of First is not the ReadLoop's.
	s := &scanner{t: t, until: 10}
	result := make(chan error, 1)
	go func() { result <- e.ReadLoop(s, append([]byte("L"), p[:n]...)) }()
	if _, err := peer.Write([]byte("more\n")); err != nil {
		t.Fatal(err)
	}
	if err := within(t, "the end of reading", result); err != nil || string(s.got) != "LGET /more\n" {
		t.Errorf("%q, %v", s.got, err)
	}
}

// TestIdleHoldsNothing: a connection that was busy and is idle holds no more
// memory than one that has never been used: no buffer for reading or writing.
func TestIdleHoldsNothing(t *testing.T) {
	const conns, bound = 100, 256
	for _, kind := range []string{"tcp", "unix"} {
		t.Run(kind, func(t *testing.T) {
			ends, peers, all := make([]*end, conns), make([]net.Conn, conns), make([]chan struct{}, conns)
			word := bytes.Repeat([]byte("x"), 20<<10)
			for i := range ends {
				ends[i], peers[i] = open(t, kind, roomy)
				all[i] = make(chan struct{})
				seen := 0
				ends[i].start(consumerFunc(func(buf []byte) (int, int, bool) {
					if seen += len(buf); seen == len(word) {
						close(all[i])
					}
					return len(buf), 0, true
				}))
			}
			unused := heap()
			for i, e := range ends {
				if _, err := peers[i].Write(word); err != nil {
					t.Fatal(err)
				}
				e.Send(word)
				if _, err := io.CopyN(io.Discard, peers[i], int64(len(word))); err != nil {
					t.Fatal(err)
				}
				within(t, "reading", all[i])
			}
			if each := (heap() - unused) / conns; each > bound {
				t.Errorf("an idle connection holds %d bytes more than an unused one, want at most %d", each, bound)
			}
			runtime.KeepAlive(ends)
		})
	}
}

func heap() int64 {
	for range 3 { // buffers in a sync.Pool survive one
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestPromise(t *testing.T) {
	e, peer := open(t, "tcp", roomy)
	defer func() { _ = peer.Close() }()
	e.Lock()
	first, second := e.Promise(), e.Promise()
	e.Unlock()
	e.Flush() // nothing to write, but the promise is kept
	e.Lock()
	third := e.Promise()
	e.Unlock()
	if !first || second || !third {
		t.Errorf("Promise: %v, %v, after the flush %v; want true, false, true", first, second, third)
	}
}

// TestFullAndOver: a batch is told when to flush, and when the bound is passed.
func TestFullAndOver(t *testing.T) {
	const bound = 300 << 10
	e, _ := open(t, "tcp", *conn.NewLimits(bound, patience, conn.PolicyClose))
	var fullAt, overAt int64
	for overAt == 0 {
		full, over := e.append(make([]byte, 1<<10))
		if full && fullAt == 0 {
			fullAt = e.pending()
		}
		if over {
			overAt = e.pending()
		}
	}
	if fullAt == 0 || fullAt > 256<<10 {
		t.Errorf("told to flush at %d bytes, want within 256 KiB, one chunk", fullAt)
	}
	if overAt <= bound || overAt > bound+1<<10 {
		t.Errorf("over at %d bytes, want just above %d", overAt, bound)
	}
	if e.LastActive().IsZero() || time.Since(e.LastActive()) > time.Minute {
		t.Errorf("last active at %v", e.LastActive())
	}
	e.Active(42)
	if n := e.LastActive().UnixNano(); n != 42 {
		t.Errorf("last active at %d ns, want 42", n)
	}
}

// TestBatchesEnd: whatever has been consumed is written soon: when the socket
// is empty, when enough has come, and at the end.
func TestBatchesEnd(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			e, peer := open(t, kind, roomy)
			const size = 1 << 20
			s := &batches{ends: make(chan int, size)}
			e.start(s)
			sent := 0
			for _, n := range []int{1, 100, 200 << 10, 1, size} {
				if _, err := peer.Write(make([]byte, n)); err != nil {
					t.Fatal(err)
				}
				for sent += n; within(t, "the end of a batch", s.ends) < sent; {
				}
			}
			if s.reads > 8 {
				t.Errorf("a batch of %d reads", s.reads)
			}
			if s.most > 256<<10 {
				t.Errorf("a batch of %d bytes", s.most)
			}
		})
	}
}

// batches notes how much had been consumed at the end of each batch.
type batches struct {
	total, ended, most, since, reads int
	ends                             chan int
}

func (b *batches) Consume(buf []byte) (n, need int, ok bool) {
	b.total += len(buf)
	b.since++
	return len(buf), 0, true
}

func (b *batches) EndBatch() {
	b.most, b.reads = max(b.most, b.total-b.ended), max(b.reads, b.since)
	b.ended, b.since = b.total, 0
	b.ends <- b.total
}

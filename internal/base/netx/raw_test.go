package netx

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"net"
	"testing"
	"time"
)

func pair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	a, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
	return a, b
}

// TestEverythingArrives pushes random chunks through a socket that is full most
// of the time.
func TestEverythingArrives(t *testing.T) {
	a, b := pair(t)
	raw := NewRaw(a)
	if raw == nil {
		t.Skip("no raw descriptors on this system")
	}
	rnd := rand.New(rand.NewSource(1))
	var want bytes.Buffer
	var batches [][][]byte
	for range 40 {
		var chunks [][]byte
		for range rnd.Intn(40) + 1 {
			c := make([]byte, rnd.Intn(20000))
			_, _ = rnd.Read(c)
			chunks = append(chunks, c)
			want.Write(c)
		}
		batches = append(batches, chunks)
	}
	got := make(chan []byte)
	go func() {
		all, _ := io.ReadAll(b)
		got <- all
	}()
	for i, chunks := range batches {
		if i%2 == 0 {
			n, err := raw.TryWrite(chunks)
			if err != nil && !errors.Is(err, ErrWouldBlock) {
				t.Fatal(err)
			}
			chunks = Advance(chunks, n)
		}
		var told int64
		before := size(chunks)
		if err := raw.Write(chunks, func(n int64) { told += n }); err != nil {
			t.Fatal(err)
		}
		if told != before {
			t.Fatalf("progress said %d of %d bytes", told, before)
		}
	}
	_ = a.Close()
	if all := <-got; !bytes.Equal(all, want.Bytes()) {
		t.Fatalf("%d bytes arrived, %d sent, or they differ", len(all), want.Len())
	}
}

func size(chunks [][]byte) (n int64) {
	for _, c := range chunks {
		n += int64(len(c))
	}
	return n
}

func TestReadLoop(t *testing.T) {
	a, b := pair(t)
	raw := NewRaw(b)
	if raw == nil {
		t.Skip("no raw descriptors on this system")
	}
	seen := make(chan string)
	go func() {
		var buf [4]byte
		_ = raw.ReadLoop(func(fd uintptr) bool {
			for {
				n, err := Read(fd, buf[:])
				if errors.Is(err, ErrWouldBlock) {
					return false
				}
				if err != nil {
					seen <- err.Error()
					return true
				}
				seen <- string(buf[:n])
				if n < len(buf) {
					return false // empty now: do not ask again
				}
			}
		})
	}()
	for _, s := range []string{"abcd", "ef", "g", "hijk"} {
		if _, err := a.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
		if got := <-seen; got != s {
			t.Fatalf("got %q, want %q", got, s)
		}
	}
	_ = a.Close()
	if got := <-seen; got != io.EOF.Error() {
		t.Fatalf("end: %q", got)
	}
}

func TestWriteDeadline(t *testing.T) {
	a, _ := pair(t)
	raw := NewRaw(a)
	if raw == nil {
		t.Skip("no raw descriptors on this system")
	}
	if err := a.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	err := raw.Write([][]byte{make([]byte, 64<<20)}, func(int64) {})
	var ne net.Error
	if !errors.As(err, &ne) || !ne.Timeout() {
		t.Fatalf("%v, want a time-out", err)
	}
}

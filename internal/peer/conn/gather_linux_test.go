package conn_test

import (
	"sync/atomic"
	"testing"
	"time"

	"dunlin/internal/peer/conn"
)

// TestReaderGathers: what comes while a reader waits belongs to the batch that was
// large already, and nobody waits for what does not come.
func TestReaderGathers(t *testing.T) {
	const some, more = 10 << 10, 40 << 10
	var peer interface{ Write([]byte) (int, error) }
	write := func(n int) {
		if _, err := peer.Write(make([]byte, n)); err != nil {
			t.Error(err)
		}
	}
	var waits, brings atomic.Int64
	brings.Store(more)
	t.Cleanup(conn.SetNap(func() time.Duration {
		waits.Add(1)
		if n := brings.Load(); n > 0 {
			write(int(n))
		}
		return 0
	}))
	e, b := open(t, "unix", roomy) // what is written at once is there at once
	peer = b
	s := &batches{ends: make(chan int, 10)}
	e.start(s)
	total := 0
	batch := func(what string, size int, waited int64) {
		t.Helper()
		write(some)
		if total += size; within(t, "a batch", s.ends) != total || waits.Load() != waited {
			t.Fatalf("%s: batches of %d bytes in all after %d waits, want %d after %d", what, s.ended, waits.Load(), total, waited)
		}
	}
	batch("the first large batch", some, 0)
	batch("the second", some+more, 1)
	batch("the third", some+more, 2)
	brings.Store(0)
	batch("the fourth, and nothing comes", some, 3)
	batch("the fifth", some, 3)
	if !conn.Gathers() {
		t.Error("the flow is not known")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	within(t, "Finish", e.done)
	if conn.Gathers() {
		t.Error("a connection that has ended is still known to have a flow")
	}
}

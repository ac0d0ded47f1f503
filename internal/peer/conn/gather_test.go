package conn

import (
	"testing"
	"time"
)

const most = readWide

// flow plays n batches of a flow: the socket runs dry after so many bytes, and a
// wait brings more. It returns how often it waited.
func flow(g *gather, n, bytes, more int) (waits int) {
	for range n {
		if g.wants(bytes, most) {
			waits++
			g.wait()
			g.brought(more)
			if g.wants(bytes+more, most) {
				waits = -1 << 20 // twice in a batch
			}
		}
		g.ended()
	}
	return waits
}

func TestGather(t *testing.T) {
	for _, c := range []struct {
		name        string
		bytes, more int
		took        time.Duration // each wait
		waits       int           // in 1000 batches
	}{
		{"a flow of large messages", 32 << 10, 80 << 10, 0, 999}, // the first only makes itself known
		{"little at a time", gatherMin - 1, 80 << 10, 0, 0},
		{"full batches", most, 80 << 10, 0, 0},
		{"each followed by silence", 20 << 10, 0, 0, 11}, // after 1, 2, 4 … 256, 256 others
		{"each followed by a trickle", 20 << 10, gatherGain - 1, 0, 11},
		{"nearly late", 32 << 10, 80 << 10, napLate, 999},
		{"a kernel with coarse timers", 32 << 10, 80 << 10, time.Millisecond, 3}, // after 64, 256
	} {
		t.Run(c.name, func(t *testing.T) {
			defer SetNap(func() time.Duration { return c.took })()
			if got := flow(new(gather), 1000, c.bytes, c.more); got != c.waits {
				t.Errorf("waited %d times in 1000 batches, want %d", got, c.waits)
			}
		})
	}
}

// TestGatherLate: after waits that took too long, however many, one that did not
// makes up for them.
func TestGatherLate(t *testing.T) {
	took := time.Second
	defer SetNap(func() time.Duration { return took })()
	var g gather
	if got, want := flow(&g, 4*lateSkipMax, 32<<10, 80<<10), 8; got != want { // after 64, 256, 1024, 4096, 8192, 8192 …
		t.Errorf("waited %d times, want %d", got, want)
	}
	took = 0
	flow(&g, lateSkipMax+1, 32<<10, 80<<10)
	if got := flow(&g, 100, 32<<10, 80<<10); got != 100 {
		t.Errorf("afterwards it waited %d times in 100 batches, want 100", got)
	}
}

// TestGatherAlone: nobody waits while others have work.
func TestGatherAlone(t *testing.T) {
	defer SetNap(func() time.Duration { return 0 })()
	flows, other := [2]gather{}, gather{}
	for range 100 {
		for i := range flows {
			if flow(&flows[i], 1, 32<<10, 80<<10) != 0 {
				t.Fatal("one of two flows waited")
			}
		}
	}
	for range 100 {
		if flow(&flows[0], 1, 32<<10, 80<<10) != 0 {
			t.Fatal("a flow waited although another connection was served since its last batch")
		}
		other.ended()
	}
	if got := flow(&flows[0], 100, 32<<10, 80<<10); got != 99 {
		t.Errorf("alone again it waited %d times in 100 batches, want 99", got)
	}
}

// TestGatherRecovers: after silence a flow is worth waiting for again.
func TestGatherRecovers(t *testing.T) {
	defer SetNap(func() time.Duration { return 0 })()
	var g gather
	flow(&g, 1000, 20<<10, 0)
	flow(&g, gatherSkipMax, 20<<10, 80<<10)
	if got := flow(&g, 100, 20<<10, 80<<10); got != 100 {
		t.Errorf("waited %d times in 100 batches, want 100", got)
	}
}

package conn_test

import (
	"io"
	"testing"
	"time"

	"dunlin/internal/proto/sysapi"
)

// TestSlowIsNotStale: pings that wait behind much else are not answered soon; the
// connection goes on while the other end takes something, and no longer.
func TestSlowIsNotStale(t *testing.T) {
	e, peer := open(t, "tcp", roomy)
	stall(t, e, peer)
	e.Watch()
	e.Watch()
	for i := range 10 {
		before := e.Written()
		for give := time.Now().Add(patience); e.Written() == before; {
			if _, err := io.CopyN(io.Discard, peer, 4096); err != nil || time.Now().After(give) {
				t.Fatalf("round %d: nothing more is written: %v", i, err)
			}
		}
		if e.Watch(); e.ClosedFor() != sysapi.NotClosed {
			t.Fatalf("round %d: closed for %v", i, e.ClosedFor())
		}
	}
	e.Heard(time.Now().UnixNano())
	for range 3 {
		if e.Watch(); e.ClosedFor() != sysapi.NotClosed {
			t.Fatalf("an end that speaks: closed for %v", e.ClosedFor())
		}
	}
	e.Heard(0)
	// The writer may still have taken a chunk between the look and the next one.
	for i := 0; i < 3 && e.ClosedFor() == sysapi.NotClosed; i++ {
		e.Watch()
	}
	if r := e.ClosedFor(); r != sysapi.StaleConnection {
		t.Errorf("an end that takes nothing: closed for %v, want %v", r, sysapi.StaleConnection)
	}
}

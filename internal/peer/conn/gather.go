package conn

import (
	"sync/atomic"
	"time"

	"dunlin/internal/base/netx"
)

const (
	// gatherMin is how many bytes a batch has brought before it is worth waiting for
	// more: less than that may be all there is to come.
	gatherMin = 8 << 10
	// gatherGain is how many a wait has to bring to have been worth it.
	gatherGain = 4 << 10
	// gatherSkipMax is the longest run of chances that are let pass after waits
	// that were not.
	gatherSkipMax = 1 << 8
	// napLate is when a wait has taken too long, whatever it has brought: a kernel
	// with coarse timers, or no processor to go on with. All that this one could
	// have done has waited, too.
	napLate = 500 * time.Microsecond
	// The chances that are let pass after a late wait, at least and at most.
	lateSkipMin = 1 << 6
	lateSkipMax = 1 << 13 // four times this fits
)

// nap waits and returns for how long; tests put something else here.
var nap = netx.Nap

// gather decides whether a reader that has emptied its socket waits a moment
// (netx.Nap) before what the batch has brought about is written. A publisher of
// large messages sends one or two at a time; alone, each is a write, a wake-up of
// its receiver, an acknowledgement and a round through the poller, which is half
// of what it costs.
//
// Nobody shall wait who gains nothing by it. So it is once a batch, only from the
// second large batch on, only as long as it pays, and only if no other connection
// was served since the last large batch: their bytes come in while one is served,
// and they are not to wait for a processor that does nothing.
type gather struct {
	waited bool   // in this batch
	asked  bool   // what the wait has brought is not known yet
	late   bool   // the wait took too long
	skip   uint16 // chances to let pass
	missed uint16 // how many that were after the last wait that was not worth it
}

// lastGather is whoever had reason to wait, nil if another connection was served
// since. It is only compared. All connections share it, so it is written only
// while there is such a flow, and a few times for each of its batches at most.
var lastGather atomic.Pointer[gather]

// wants reports whether to wait now that the socket is empty. The batch has
// brought so many bytes and is full with most.
func (g *gather) wants(bytes, most int) bool {
	if g.waited || bytes < gatherMin || bytes >= most {
		return false
	}
	if lastGather.Load() != g {
		lastGather.Store(g)
		return false
	}
	if g.skip > 0 {
		g.skip--
		return false
	}
	g.waited, g.asked = true, true
	return true
}

// wait waits.
func (g *gather) wait() {
	g.late = nap() > napLate
}

// brought says how many bytes the first read after a wait has brought. Calls
// that follow no wait change nothing.
func (g *gather) brought(bytes int) {
	if !g.asked {
		return
	}
	g.asked = false
	switch {
	case g.late:
		g.missed = min(max(4*g.missed, lateSkipMin), lateSkipMax)
	case bytes >= gatherGain:
		g.missed = 0
	default:
		g.missed = min(max(2*g.missed, 1), gatherSkipMax)
	}
	g.skip = g.missed
}

// left says that the connection is over.
func (g *gather) left() { lastGather.CompareAndSwap(g, nil) }

// ended says that the batch is over.
func (g *gather) ended() {
	g.waited = false
	if last := lastGather.Load(); last != nil && last != g {
		lastGather.Store(nil)
	}
}

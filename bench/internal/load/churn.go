package load

import (
	"fmt"
	"time"
)

// churn is a connection that subscribes and unsubscribes at a fixed rate while
// others publish. Its subjects have nothing to do with theirs.
type churn struct {
	s         *sock
	perSecond int
	start     time.Time // zero: not yet
	done      int64     // pairs of SUB and UNSUB handed over
	buf       []byte
}

func newChurn(l *loop, a Access, perSecond int) (*churn, error) {
	s, err := l.join(a, 0, "churning subscriber", "", (&frames{}).feed)
	if err != nil {
		return nil, err
	}
	return &churn{s: s, perSecond: perSecond}, nil
}

// begin starts the clock.
func (c *churn) begin(now time.Time) { c.start = now }

// turn sends the pairs that are due. While the server does not keep up they are
// not queued without bound: the rate that was reached is reported.
func (c *churn) turn(now time.Time) error {
	if c.s.full || c.start.IsZero() {
		return nil
	}
	due := int64(now.Sub(c.start).Seconds() * float64(c.perSecond))
	// A tenth of a millisecond's worth at least, a system call each otherwise.
	if due-c.done < int64(c.perSecond/10_000)+1 {
		return nil
	}
	const atOnce = 500
	due = min(due, c.done+atOnce)
	c.buf = c.buf[:0]
	for ; c.done < due; c.done++ {
		// Every fourth a wildcard; sids and subjects do not repeat soon.
		form := "SUB bench.churn.%d.x %d\r\nUNSUB %d\r\n"
		if c.done%4 == 0 {
			form = "SUB bench.churn.%d.* %d\r\nUNSUB %d\r\n"
		}
		c.buf = fmt.Appendf(c.buf, form, c.done%100_000, c.done, c.done)
	}
	return c.s.send(c.buf)
}

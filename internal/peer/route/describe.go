package route

import (
	"time"

	"dunlin/internal/peer/conn"
)

// Description is what there is to tell about a route, for monitoring.
type Description struct {
	Start, LastActivity time.Time
	RTT                 time.Duration
	Subs, Pending       int64
	In, Out             conn.Counters
	Compression         string
}

// Describe takes a snapshot.
func (c *Conn) Describe() Description {
	d := Description{
		Start: c.start, LastActivity: c.LastActive(), RTT: c.RTT(), Subs: int64(c.numSubs()),
		Compression: c.level(),
	}
	if in := time.Unix(0, c.LastHeard()); in.After(d.LastActivity) {
		d.LastActivity = in
	}
	d.Out, d.Pending = c.Conn.Out()
	d.In.Msgs, d.In.Bytes = c.In()
	return d
}

// level is the mode of compression in force, of s2_auto the level it has chosen.
func (c *Conn) level() string {
	level, on := c.Compressed()
	if !on {
		if m := c.mode.Load(); m != nil {
			return *m
		}
		return modeOff
	}
	switch level {
	case conn.Fast:
		return modeFast
	case conn.Better:
		return modeBetter
	case conn.Best:
		return modeBest
	}
	return modeUncompressed
}

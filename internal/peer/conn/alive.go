package conn

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"dunlin/internal/proto/sysapi"
	"dunlin/internal/proto/wire"
)

// Pings says how it is watched whether the other end is alive.
type Pings struct {
	Interval time.Duration
	Max      int // that may be unanswered
	// RTTEvery is how often the round trip is measured on a busy connection, where
	// pings are not needed to know that the other end is alive.
	RTTEvery time.Duration
}

// alive is what a connection knows of its other end, and its one timer.
type alive struct {
	timerMu sync.Mutex
	timer   *time.Timer

	lastIn   atomic.Int64 // ns since 1970
	pingSent atomic.Int64 // ns since 1970
	pingsOut atomic.Int32
	rtt      atomic.Int64 // ns
	taken    atomic.Int64 // bytes that the socket had taken when it was looked at last
}

// SetTimer replaces the connection's one timer. What it runs ends with the
// server: Shutdown waits for it.
func (c *Conn) SetTimer(d time.Duration, fn func()) {
	a := &c.alive
	a.timerMu.Lock()
	defer a.timerMu.Unlock()
	if a.timer != nil {
		a.timer.Stop()
	}
	if c.ClosedFor() == sysapi.NotClosed {
		a.timer = time.AfterFunc(d, func() { c.group.Run(fn) })
	}
}

// StopTimer is the end of it. Once the connection is closed nobody starts
// another.
func (c *Conn) StopTimer() {
	a := &c.alive
	a.timerMu.Lock()
	defer a.timerMu.Unlock()
	if a.timer != nil {
		a.timer.Stop()
	}
}

// rearm runs the current timer once more.
func (c *Conn) rearm(d time.Duration) {
	a := &c.alive
	a.timerMu.Lock()
	defer a.timerMu.Unlock()
	if a.timer != nil && c.ClosedFor() == sysapi.NotClosed {
		a.timer.Reset(d)
	}
}

// WatchAlive begins, or begins anew, to ping the other end; for the first time
// after first, if that is sooner than the interval.
func (c *Conn) WatchAlive(first time.Duration) {
	d := max(min(c.owner.Pings().Interval, first), 0)
	c.SetTimer(d+time.Duration(rand.Int64N(int64(d)/5+1)), c.watch)
}

// watch is the ping timer.
func (c *Conn) watch() {
	a, p, now := &c.alive, c.owner.Pings(), time.Now()
	quiet := now.Sub(time.Unix(0, a.lastIn.Load()))
	written, waiting := c.progress()
	taking := a.taken.Swap(written) != written && waiting
	due := a.rtt.Load() == 0 || now.Sub(time.Unix(0, a.pingSent.Load())) > p.RTTEvery
	switch {
	case quiet < p.Interval*9/10 && !due:
		a.pingsOut.Store(0)
	case int(a.pingsOut.Load())+1 > p.Max && (taking || quiet < p.Interval*9/10):
		// It is alive: it takes from the queue, where the pings may still wait, or it
		// speaks, and is not done with what it has to say before the PONG.
	case int(a.pingsOut.Load())+1 > p.Max:
		c.owner.Stale()
		c.CloseWith(sysapi.StaleConnection, wire.AppendErr(nil, wire.TextStale))
		return
	default:
		c.Pinged(now)
		c.Send([]byte("PING\r\n"))
	}
	c.rearm(p.Interval)
}

// Pinged notes that a PING goes out.
func (c *Conn) Pinged(now time.Time) {
	c.alive.pingsOut.Add(1)
	c.alive.pingSent.Store(now.UnixNano())
}

// Ponged notes a PONG that was read at time now, in ns since 1970. If one was expected
// it tells the round trip.
func (c *Conn) Ponged(now int64) (rtt time.Duration, expected bool) {
	sent := c.alive.pingSent.Load()
	if c.alive.pingsOut.Swap(0) == 0 {
		return 0, false
	}
	rtt = time.Duration(max(1, now-sent))
	c.alive.rtt.Store(int64(rtt))
	return rtt, true
}

// RTT is the round trip measured last, 0 if none was.
func (c *Conn) RTT() time.Duration { return time.Duration(c.alive.rtt.Load()) }

// Heard notes that something was read at time now, in ns since 1970.
func (c *Conn) Heard(now int64) { c.alive.lastIn.Store(now) }

// LastHeard is when something was read last, in ns since 1970.
func (c *Conn) LastHeard() int64 { return c.alive.lastIn.Load() }

package client

import (
	"math/rand/v2"
	"time"

	"dunlin/internal/proto/sysapi"
	"dunlin/internal/proto/wire"
)

const (
	// firstPing comes soon after CONNECT, to measure the round trip.
	firstPing = 2 * time.Second
	// rttEvery is how often the round trip is measured on a busy connection,
	// where pings are not needed to know that the peer is alive.
	rttEvery = time.Hour
)

// startAuthTimer closes a client that does not log in.
func (c *Client) startAuthTimer() {
	if !c.cfg.Auth.Required() {
		c.startPingTimer(true)
		return
	}
	c.setTimer(c.cfg.AuthTimeout, func() {
		if c.grant.Load() == nil {
			c.debug("Authentication timeout")
			c.CloseWith(sysapi.AuthenticationTimeout, wire.AppendErr(nil, wire.TextAuthTimeout))
		}
	})
}

// setTimer replaces the connection's one timer. What it runs ends with the
// server: Shutdown waits for it.
func (c *Client) setTimer(d time.Duration, fn func()) {
	c.timerMu.Lock()
	defer c.timerMu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.ClosedFor() == sysapi.NotClosed {
		c.timer = time.AfterFunc(d, func() { c.group.Run(fn) })
	}
}

// rearm runs the current timer once more.
func (c *Client) rearm(d time.Duration) {
	c.timerMu.Lock()
	defer c.timerMu.Unlock()
	if c.timer != nil && c.ClosedFor() == sysapi.NotClosed {
		c.timer.Reset(d)
	}
}

// stopTimer is the end of it. The connection has been closed before, so that
// nobody starts another.
func (c *Client) stopTimer() {
	c.timerMu.Lock()
	defer c.timerMu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}

// startPingTimer begins, or begins anew, to watch whether the client is alive.
func (c *Client) startPingTimer(first bool) {
	d := c.cfg.PingInterval
	if first && d > firstPing {
		d = firstPing
	}
	d += time.Duration(rand.Int64N(int64(d)/5 + 1))
	c.setTimer(d, c.watch)
}

// watch is the ping timer.
func (c *Client) watch() {
	cfg := c.host.Config()
	now := time.Now()
	quiet := now.Sub(time.Unix(0, c.lastIn.Load()))
	due := c.rtt.Load() == 0 || now.Sub(time.Unix(0, c.pingSent.Load())) > rttEvery
	if quiet < cfg.PingInterval*9/10 && !due {
		c.pingsOut.Store(0)
		c.rearm(cfg.PingInterval)
		return
	}
	if int(c.pingsOut.Load())+1 > cfg.MaxPingsOut {
		c.debug("Stale Client Connection - Closing")
		c.host.Stale(c)
		c.CloseWith(sysapi.StaleConnection, wire.AppendErr(nil, wire.TextStale))
		return
	}
	c.pingsOut.Add(1)
	c.pingSent.Store(now.UnixNano())
	c.Send(pingLine)
	c.rearm(cfg.PingInterval)
}

func (c *Client) pong() {
	if c.pingsOut.Swap(0) > 0 {
		c.rtt.Store(max(1, c.batch.now-c.pingSent.Load()))
	}
}

package route

import (
	"log/slog"
	"math/rand/v2"
	"time"

	"dunlin/internal/proto/sysapi"
	"dunlin/internal/proto/wire"
)

const (
	// firstPing comes soon after the handshake, to measure the round trip.
	firstPing = time.Second
	// rttEvery is how often the round trip is measured on a busy connection.
	rttEvery = time.Minute
)

// setTimer replaces the connection's one timer.
func (c *Conn) setTimer(d time.Duration, fn func()) {
	c.timerMu.Lock()
	defer c.timerMu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.ClosedFor() == sysapi.NotClosed {
		c.timer = time.AfterFunc(d, fn)
	}
}

func (c *Conn) rearm(d time.Duration) {
	c.timerMu.Lock()
	defer c.timerMu.Unlock()
	if c.timer != nil && c.ClosedFor() == sysapi.NotClosed {
		c.timer.Reset(d)
	}
}

func (c *Conn) stopTimer() {
	c.timerMu.Lock()
	defer c.timerMu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}

func (c *Conn) startPingTimer() {
	d := min(c.host.Config().PingInterval, firstPing)
	c.setTimer(d+time.Duration(rand.Int64N(int64(d)/5+1)), c.watchAlive)
}

// watchAlive is the ping timer.
func (c *Conn) watchAlive() {
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
		c.log(slog.LevelInfo, "Stale Client Connection - Closing")
		c.host.Stale(c)
		c.CloseWith(sysapi.StaleConnection, wire.AppendErr(nil, wire.TextStale))
		return
	}
	c.pingsOut.Add(1)
	c.pingSent.Store(now.UnixNano())
	c.Send([]byte("PING\r\n"))
	c.rearm(cfg.PingInterval)
}

func (c *Conn) pong() {
	if sent := c.pingSent.Load(); c.pingsOut.Swap(0) > 0 {
		rtt := max(1, c.batch.now-sent)
		c.rtt.Store(rtt)
		if m := c.mode.Load(); m != nil && *m == modeAuto {
			c.SetLevel(autoLevel(time.Duration(rtt), c.cfg.Thresholds))
		}
	}
}

package route

import (
	"log/slog"
	"time"

	"dunlin/internal/peer/conn"
)

const (
	// firstPing comes soon after the handshake, to measure the round trip.
	firstPing = time.Second
	rttEvery  = time.Minute
)

// Pings implements conn.Owner.
func (c *Conn) Pings() conn.Pings {
	cfg := c.config.Load()
	return conn.Pings{Interval: cfg.PingInterval, Max: cfg.MaxPingsOut, RTTEvery: rttEvery}
}

// Stale implements conn.Owner.
func (c *Conn) Stale() {
	c.log(slog.LevelInfo, "Stale Client Connection - Closing")
	c.host.Stale(c)
}

// pong takes the round trip, which may decide how hard is compressed. On an
// account's own connection it also tells that the other server's interest has come
// here, so what it once told on the pool's can go.
func (c *Conn) pong() {
	rtt, expected := c.Ponged(c.batch.now)
	if !expected {
		return
	}
	if c.own && c.peer != nil {
		c.peer.unburden()
	}
	if m := c.mode.Load(); m != nil && *m == modeAuto {
		c.SetLevel(autoLevel(rtt, c.cfg.Thresholds))
	}
}

package client

import (
	"time"

	"dunlin/internal/peer/conn"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/proto/wire"
)

const (
	// firstPing comes soon after CONNECT, to measure the round trip.
	firstPing = 2 * time.Second
	rttEvery  = time.Hour
)

// startAuthTimer closes a client that does not log in.
func (c *Client) startAuthTimer() {
	if !c.cfg.Auth.Required() {
		c.WatchAlive(firstPing)
		return
	}
	c.SetTimer(c.cfg.AuthTimeout, func() {
		if c.grant.Load() == nil {
			c.debug("Authentication timeout")
			c.CloseWith(sysapi.AuthenticationTimeout, wire.AppendErr(nil, wire.TextAuthTimeout))
		}
	})
}

// Pings implements conn.Owner.
func (c *Client) Pings() conn.Pings {
	cfg := c.host.Config()
	return conn.Pings{Interval: cfg.PingInterval, Max: cfg.MaxPingsOut, RTTEvery: rttEvery}
}

// Stale implements conn.Owner.
func (c *Client) Stale() {
	c.debug("Stale Client Connection - Closing")
	c.host.Stale(c)
}

package client

import (
	"crypto/tls"
	"net"
	"strconv"
	"time"

	"dunlin/internal/core/sublist"
	"dunlin/internal/peer/conn"
)

// Description is what there is to tell about a client, for monitoring.
type Description struct {
	IP                  string
	Port                int
	Start, LastActivity time.Time
	RTT                 time.Duration
	Subs, Stalls        int64
	Name, Lang, Version string
	User, Account       string
	TLS                 *tls.ConnectionState // nil in clear
	TLSFirst            bool
}

// Describe takes a snapshot.
func (c *Client) Describe() Description {
	d := Description{
		Start: c.start, LastActivity: c.LastActive(), RTT: c.RTT(), Subs: c.subs.Load(),
		TLS: c.TLSState(),
	}
	if in := time.Unix(0, c.LastHeard()); in.After(d.LastActivity) {
		d.LastActivity = in
	}
	if host, port, err := net.SplitHostPort(*c.addr.Load()); err == nil {
		d.IP = host
		if n, err := strconv.Atoi(port); err == nil {
			d.Port = n
		}
	}
	if o := c.opts.Load(); o != nil {
		d.Name, d.Lang, d.Version = o.Name, o.Lang, o.Version
		d.User = o.User
		if o.Nkey != "" {
			d.User = o.Nkey
		}
	}
	if id := c.Identity(); id != nil {
		d.User = id.User
	}
	if acc := c.account.Load(); acc != nil {
		d.Account = acc.Name
	}
	if d.TLS != nil {
		d.TLSFirst = c.host.Config().TLSFirst
	}
	c.Lock()
	d.Stalls = c.stalls
	c.Unlock()
	return d
}

// foldCounts gives what was counted since the client was bound to its account.
func (c *Client) foldCounts() {
	in, out := c.InAccount()
	if acc := c.account.Load(); acc != nil {
		acc.Fold(in.Msgs, in.Bytes, out.Msgs, out.Bytes)
	}
	c.Lock()
	c.foldedIn.Msgs += in.Msgs
	c.foldedIn.Bytes += in.Bytes
	c.foldedOut.Msgs += out.Msgs
	c.foldedOut.Bytes += out.Bytes
	c.Unlock()
}

// InAccount is what was counted since the client was bound to its account.
func (c *Client) InAccount() (in, out conn.Counters) {
	in.Msgs, in.Bytes = c.In()
	out, _ = c.Out()
	c.Lock()
	defer c.Unlock()
	in.Msgs -= c.foldedIn.Msgs
	in.Bytes -= c.foldedIn.Bytes
	out.Msgs -= c.foldedOut.Msgs
	out.Bytes -= c.foldedOut.Bytes
	return in, out
}

// In is what came in so far.
func (c *Client) In() (msgs, bytes int64) { return c.inMsgs.Load(), c.inBytes.Load() }

// SubCounts is how many messages s has got and its maximum, 0 for none.
func (c *Client) SubCounts(s *sublist.Sub) (msgs, max int64) {
	c.Lock()
	defer c.Unlock()
	return int64(s.Delivered), int64(s.Max)
}

// lastSubs bounds what is remembered of the subscriptions of a closed client.
const lastSubs = 256

func (c *Client) rememberSubs() {
	c.lastCount = c.subs.Load()
	c.own.All(func(s *sublist.Sub) bool {
		c.last = append(c.last, s)
		return len(c.last) < lastSubs
	})
}

// LastSubs are the subscriptions that the client had when it ended, not more than
// 256, and how many these were.
func (c *Client) LastSubs() ([]*sublist.Sub, int64) { return c.last, c.lastCount }

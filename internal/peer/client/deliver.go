package client

import (
	"context"
	"time"

	"dunlin/internal/core/sublist"
	"dunlin/internal/peer/conn"
	"dunlin/internal/proto/wire"
)

// Deliver implements sublist.Sink: it appends run to the client's queue. Any
// goroutine may call it.
func (c *Client) Deliver(run []wire.Msg, s *sublist.Sub, b *sublist.Batch) (taken int) {
	if b.NoEcho && b.Origin == sublist.Sink(c) {
		return 0
	}
	g := c.grant.Load()
	sid := s.Sid()
	c.Lock()
	for i := range run {
		m := &run[i]
		if !c.takes(m, s, g, b) {
			continue
		}
		full, over := c.encode(m, sid, g.headers)
		taken++
		s.Delivered++
		last := s.Max > 0 && s.Delivered >= uint64(s.Max)
		stall := b.Stalls > 0 && c.Pending() > c.limit.Load().Stalled
		if !full && !last && !over && !stall {
			continue
		}
		c.promise(b)
		c.Unlock()
		if stall {
			c.stall(b)
		}
		c.attend(s, full, last, over)
		c.Lock()
	}
	if taken > 0 {
		c.promise(b)
		c.Active(b.Now)
	}
	c.Unlock()
	if taken > 0 && c.host.Config().Trace {
		c.traceOut(run[0].Append(nil, sid)) // while tracing, runs are of one message
	}
	return taken
}

// promise registers the client to be flushed by the publisher of b, if nobody
// else has promised to. Under the queue's lock.
func (c *Client) promise(b *sublist.Batch) {
	if c.Promise() {
		b.Touched = append(b.Touched, c)
	}
}

// takes decides whether m can go to s. Under the queue's lock.
func (c *Client) takes(m *wire.Msg, s *sublist.Sub, g *grant, b *sublist.Batch) bool {
	if c.Closing() || s.Gone || (s.Max > 0 && s.Delivered >= uint64(s.Max)) ||
		(s.Filtered && g.Permissions.DeniesDelivery(m.Subject, queueOf(s))) {
		return false
	}
	pending := c.Pending()
	if lim := c.limit.Load(); pending > lim.Watch && !c.keepUp(lim, pending, b) {
		return false
	}
	if c.replies != nil && len(m.Reply) > 0 {
		c.replies.Open(m.Reply, b.Now)
	}
	return true
}

// encode writes m into the queue. Under its lock.
func (c *Client) encode(m *wire.Msg, sid string, headers bool) (full, over bool) {
	n := m.Size(len(sid))
	if m.Header > 0 && !headers {
		before := c.Reserve(n)
		after := m.AppendPlain(before, sid)
		c.CountOut(1, int64(len(m.Body)-m.Header))
		return c.Commit(after, len(after)-len(before))
	}
	c.CountOut(1, int64(len(m.Body)))
	return c.Commit(m.Append(c.Reserve(n), sid), n)
}

// stallTime is how long a publisher waits at once for a queue near its bound.
const stallTime = 5 * time.Millisecond

// stall holds the publisher of b back until the queue has shrunk, for a moment.
func (c *Client) stall(b *sublist.Batch) {
	b.Stalls--
	c.host.Stalled(c)
	c.Flush()
	ctx, cancel := context.WithTimeout(c.ctx, stallTime)
	c.WaitDrained(ctx, c.limit.Load().Stalled/2)
	cancel()
}

// attend does what a delivery may bring about besides, without the lock.
func (c *Client) attend(s *sublist.Sub, full, last, over bool) {
	if full {
		c.Flush()
	}
	if last {
		c.exhausted(s)
	}
	if over {
		c.Overflow()
	}
}

func queueOf(s *sublist.Sub) []byte {
	if !s.IsQueue() {
		return nil
	}
	return []byte(s.Queue())
}

// keepUp notes for the publisher how far behind the client is. It returns
// false if the message is to be dropped for this client rather than its
// publisher be held back. Under the queue's lock.
func (c *Client) keepUp(lim *conn.Limits, pending int64, b *sublist.Batch) bool {
	switch {
	case pending > lim.Stalled && lim.DropSlow:
		c.stalls++
		return false
	case pending > lim.Slow && pending > b.SlowBy:
		b.Slow, b.SlowBy = c, pending
	}
	return true
}

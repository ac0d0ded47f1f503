package client

import (
	"dunlin/internal/core/sublist"
	"dunlin/internal/peer/conn"
	"dunlin/internal/proto/wire"
)

// Unhold implements sublist.Holder.
func (c *Client) Unhold() { c.Unlock() }

// Deliver implements sublist.Sink: it appends m to the client's queue. Any
// goroutine may call it. It leaves the queue locked for the next message of
// the batch (sublist.Batch.Held).
func (c *Client) Deliver(m *wire.Msg, s *sublist.Sub, b *sublist.Batch) bool {
	if b.NoEcho && b.Origin == sublist.Sink(c) {
		return false
	}
	g := c.grant.Load()
	sid := s.Sid()
	n := m.Size(len(sid))
	if b.Held != sublist.Holder(c) {
		b.Release()
		c.Lock()
		b.Held = c
	}
	if c.Closing() || s.Gone || (s.Max > 0 && s.Delivered >= uint64(s.Max)) ||
		(s.Filtered && g.Permissions.DeniesDelivery(m.Subject, queueOf(s))) {
		return false
	}
	pending := c.Pending()
	if lim := c.limit.Load(); pending > lim.Watch && !c.keepUp(lim, pending, b) {
		return false
	}
	var full, over bool
	if m.Header > 0 && !g.headers {
		before := c.Reserve(n)
		after := m.AppendPlain(before, sid)
		full, over = c.Commit(after, len(after)-len(before))
		c.CountOut(1, int64(len(m.Body)-m.Header))
	} else {
		full, over = c.Commit(m.Append(c.Reserve(n), sid), n)
		c.CountOut(1, int64(len(m.Body)))
	}
	s.Delivered++
	last := s.Max > 0 && s.Delivered >= uint64(s.Max)
	if c.Promise() {
		b.Touched = append(b.Touched, c)
	}
	if c.replies != nil && len(m.Reply) > 0 {
		c.replies.Open(m.Reply, b.Now)
	}
	if !full && !last && !over {
		return true // and stays locked
	}
	b.Release()
	if full {
		c.Flush()
	}
	if last {
		c.exhausted(s)
	}
	if over {
		c.Overflow()
	}
	return true
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
	case pending > lim.Stalled && c.host.Config().NoStall:
		c.stalls++
		return false
	case pending > lim.Slow && pending > b.SlowBy:
		b.Slow, b.SlowBy = c, pending
	}
	return true
}

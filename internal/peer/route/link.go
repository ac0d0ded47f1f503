package route

import (
	"context"
	"sync/atomic"
	"time"

	"dunlin/internal/core/forward"
	"dunlin/internal/core/interest"
	"dunlin/internal/core/sublist"
	"dunlin/internal/proto/routewire"
	"dunlin/internal/proto/wire"
)

// Link is the receiving end of what one other server wants of one account.
type Link struct {
	account string
	// conns has the connection of each lane; an entry is nil while there is none
	// that may carry messages.
	conns atomic.Pointer[[interest.Lanes]*Conn]
}

var _ sublist.GroupSink = (*Link)(nil)

// carrier is the connection for lane, nil if there is none.
func (l *Link) carrier(lane uint8) *Conn {
	conns := l.conns.Load()
	if conns == nil {
		return nil
	}
	return conns[lane%interest.Lanes]
}

// Deliver implements sublist.Sink.
func (l *Link) Deliver(run []wire.Msg, _ *sublist.Sub, b *sublist.Batch) (taken int) {
	c := l.carrier(b.Lane)
	if c == nil {
		return 0
	}
	name := l.nameOn(c)
	c.Lock()
	for i := range run {
		if c.Closing() {
			break
		}
		m := &run[i]
		before := c.Reserve(routewire.MsgSize(name, m, nil))
		after := c.appendMsg(before, name, m, nil)
		taken++
		c.CountOut(1, int64(len(m.Body)))
		full, over := c.Commit(after, len(after)-len(before))
		if !full && !over && !c.crowded(b) {
			continue
		}
		c.relieve(b, full)
	}
	if taken > 0 {
		c.promise(b)
	}
	c.Unlock()
	return taken
}

// DeliverQueues implements sublist.PeerSink.
func (l *Link) DeliverQueues(m *wire.Msg, _ *sublist.Sub, queues []string, b *sublist.Batch) bool {
	c := l.carrier(b.Lane)
	return c != nil && l.deliverOne(c, m, queues, false, b)
}

// DeliverGroups implements sublist.GroupSink: only Dunlin can be asked for that.
func (l *Link) DeliverGroups(m *wire.Msg, _ *sublist.Sub, queues []string, b *sublist.Batch) bool {
	c := l.carrier(b.Lane)
	if c == nil {
		return false
	}
	info := c.remote.Load()
	return info != nil && info.Dunlin != "" && l.deliverOne(c, m, queues, true, b)
}

func (l *Link) deliverOne(c *Conn, m *wire.Msg, queues []string, alone bool, b *sublist.Batch) bool {
	name := l.nameOn(c)
	size := routewire.MsgSize(name, m, queues)
	c.Lock()
	if c.Closing() || b.Kind == forward.Route && c.Pending() > c.limit.Load().MaxPending {
		c.Unlock()
		return false
	}
	before := c.Reserve(size)
	var after []byte
	if alone {
		after = routewire.AppendGroups(before, name, m, queues)
	} else {
		after = c.appendMsg(before, name, m, queues)
	}
	c.CountOut(1, int64(len(m.Body)))
	full, over := c.Commit(after, len(after)-len(before))
	if full || over || c.crowded(b) {
		c.relieve(b, full)
	}
	c.promise(b)
	c.Unlock()
	return true
}

// nameOn is how the account is named on c: not at all where c is its own.
func (l *Link) nameOn(c *Conn) string {
	if c.own {
		return ""
	}
	return l.account
}

// appendMsg writes m for the groups in queues, or for plain interest alone.
func (c *Conn) appendMsg(dst []byte, account string, m *wire.Msg, queues []string) []byte {
	if m.Header > 0 && !c.peerHeaders {
		return c.appendStripped(dst, account, m, queues)
	}
	return routewire.AppendMsg(dst, account, m, queues)
}

// appendStripped writes m without its header, for an old server that knows none.
func (c *Conn) appendStripped(dst []byte, account string, m *wire.Msg, queues []string) []byte {
	plain := wire.Msg{Subject: m.Subject, Reply: m.Reply, Body: m.Body[m.Header:]}
	tail := wire.AppendTail(nil, m.Reply, -1, len(plain.Body))
	plain.Tail = append(append(tail, plain.Body...), "\r\n"...)
	return c.appendMsg(dst, account, &plain, queues)
}

// promise registers c to be flushed by the publisher of b, if nobody else has
// promised to. Under the queue's lock.
func (c *Conn) promise(b *sublist.Batch) {
	c.Active(b.Now)
	if c.Promise() {
		b.Touched = append(b.Touched, c)
	}
}

// crowded notes for the publisher how far behind c is, and reports whether it
// should wait at once. Under the queue's lock.
func (c *Conn) crowded(b *sublist.Batch) bool {
	pending := c.Pending()
	lim := c.limit.Load()
	if pending <= lim.Watch {
		return false
	}
	if pending > lim.Slow && pending > b.SlowBy {
		b.Slow, b.SlowBy = c, pending
	}
	return b.Stalls > 0 && pending > lim.Stalled
}

// relieve flushes, holds the publisher back for a moment if c is near its
// bound, and closes c when it is beyond it. Under the queue's lock, which it
// gives up meanwhile.
func (c *Conn) relieve(b *sublist.Batch, full bool) {
	c.promise(b)
	pending := c.Pending()
	lim := c.limit.Load()
	c.Unlock()
	if full {
		c.Flush()
	}
	if pending > lim.Stalled && b.Stalls > 0 {
		b.Stalls--
		c.host.Stalled(c)
		c.Flush()
		ctx, cancel := context.WithTimeout(c.ctx, stallTime)
		c.WaitDrained(ctx, lim.Stalled/2)
		cancel()
	}
	// Two servers that wait for each other to read would both be cut off: what a route
	// has brought does not wait, and deliverOne takes no more of it.
	if pending > lim.MaxPending && b.Kind != forward.Route {
		c.Overrun()
	}
	c.Lock()
}

// stallTime is how long a publisher waits at once for a route near its bound:
// longer than for a client, since the alternative is to lose the route.
const stallTime = 20 * time.Millisecond

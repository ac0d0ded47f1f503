package interest

import (
	"slices"
	"sync/atomic"
)

// Change is what a peer is to be told.
type Change struct {
	Subject string
	Queue   string // "" = plain interest
	// Weight is the number of members of the queue group, 1 for plain interest; 0 =
	// nobody is interested any more.
	Weight int32
}

// Cursor follows a ledger for one connection.
type Cursor struct {
	ledger *Ledger
	mask   uint16
	next   [shards]uint64 // the first record not read; each under its shard's lock
	lost   atomic.Bool
}

// unread: nothing of the shard has been read, so all of it is to be told.
const unread = ^uint64(0)

// Watch begins to follow the ledger for a connection that carries the lanes in
// mask. The first calls of Next tell of everything there is.
func (l *Ledger) Watch(mask uint16) *Cursor {
	c := &Cursor{ledger: l, mask: mask}
	for i := range c.next {
		c.next[i] = unread
	}
	l.watch.Lock()
	defer l.watch.Unlock()
	var list []*Cursor
	if old := l.cursors.Load(); old != nil {
		list = slices.Clone(*old)
	}
	list = append(list, c)
	l.cursors.Store(&list)
	return c
}

// Close ends following.
func (c *Cursor) Close() {
	l := c.ledger
	l.watch.Lock()
	defer l.watch.Unlock()
	old := l.cursors.Load()
	if old == nil {
		return
	}
	list := slices.DeleteFunc(slices.Clone(*old), func(other *Cursor) bool { return other == c })
	if len(list) > 0 {
		l.cursors.Store(&list)
		return
	}
	l.cursors.Store(nil)
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		if l.cursors.Load() == nil {
			s.begin += uint64(len(s.log))
			s.log = nil
		}
		s.mu.Unlock()
	}
}

// Lost reports whether so much has changed since Next was last called that it
// is not known any more: the connection has to begin anew.
func (c *Cursor) Lost() bool { return c.lost.Load() }

// Next appends to dst what has changed, and returns dst as it was when nothing
// has. One call tells of one part only, so that whoever calls it can write in between: call it
// until nothing comes.
func (c *Cursor) Next(dst []Change) []Change {
	before := len(dst)
	for i := range c.ledger.shards {
		s := &c.ledger.shards[i]
		s.mu.Lock()
		if pos := c.next[i]; pos == unread {
			c.next[i] = s.begin + uint64(len(s.log))
			dst = c.whole(s, dst)
		} else if pos >= s.begin && !c.lost.Load() {
			c.next[i] = s.begin + uint64(len(s.log))
			for _, r := range s.log[pos-s.begin:] {
				dst = c.appendRecord(dst, r)
			}
		}
		s.mu.Unlock()
		if len(dst) > before {
			return dst
		}
	}
	return dst
}

// whole tells of all keys in s. Under its lock.
func (c *Cursor) whole(s *shard, dst []Change) []Change {
	for key, e := range s.counts {
		if n := sum(e.more, e.n, e.lane, c.mask); n > 0 {
			dst = append(dst, change(key, e.cut, n))
		}
	}
	return dst
}

func (c *Cursor) appendRecord(dst []Change, r record) []Change {
	if c.mask>>r.lane&1 == 0 {
		return dst
	}
	after := sum(r.counts, r.n, r.lane, c.mask)
	if before := after - int32(r.delta); r.cut == 0 && before > 0 && after > 0 {
		return dst
	}
	return append(dst, change(r.key, r.cut, after))
}

func change(key string, cut uint32, n int32) Change {
	if cut == 0 {
		return Change{Subject: key, Weight: min(n, 1)}
	}
	return Change{Subject: key[:cut], Queue: key[cut+1:], Weight: n}
}

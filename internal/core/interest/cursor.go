package interest

import (
	"math/bits"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Change is what a peer is to be told.
type Change struct {
	Subject string
	Queue   string // "" = plain interest
	// Weight is the number of members of the queue group, 1 for plain interest; 0 =
	// nobody is interested any more.
	Weight int32
	// Again: nothing has changed; it is told because of Again.
	Again bool
	// told is the weight that the peer knows of, where the change comes from a record.
	told int32
}

// Cursor follows a ledger for one connection.
type Cursor struct {
	ledger *Ledger
	mask   uint16
	// news has a bit for each shard in which something has changed. Set and
	// cleared under the shard's lock, so that nothing new costs one look.
	news atomic.Uint32
	next [shards]uint64 // the first record not read, or a mark; each under its shard's lock
	// again marks the shards that are to be told from the beginning once more, after
	// what has changed; each under its shard's lock.
	again [shards]bool

	mu      sync.Mutex
	backlog map[int]*backlog // by shard, of those marked behind
}

// backlog is what a cursor has not read of a shard, where that is much.
type backlog struct {
	next uint64
	// net is how much the count of each key has changed in the cursor's lanes. A
	// key that is as it was is not in it: so it grows with what the peer knows
	// and what there is, not with how often that changes.
	net map[string]int32
}

// Marks in Cursor.next.
const (
	unread = ^uint64(0) - iota // nothing of the shard has been read: all of it is to be told
	behind                     // see backlog
	ended                      // by Close
)

// Watch begins to follow the ledger for a connection that carries the lanes in
// mask. The first calls of Next tell of everything there is.
func (l *Ledger) Watch(mask uint16) *Cursor {
	c := &Cursor{ledger: l, mask: mask & AllLanes}
	for i := range c.next {
		c.next[i] = unread
	}
	c.news.Store(1<<shards - 1)
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

// Close ends following: nothing is told any more.
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
	} else {
		l.cursors.Store(nil)
	}
	// What only c had not read is not needed any more.
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		c.next[i] = ended
		if s.trim(i, list); len(list) == 0 {
			s.log = nil
		}
		s.mu.Unlock()
	}
	c.mu.Lock()
	c.backlog = nil
	c.mu.Unlock()
}

// notice has something new in shard at. Under the shard's lock.
func (c *Cursor) notice(at int) {
	if c.news.Load()>>at&1 == 0 {
		c.news.Or(1 << at)
	}
}

// News reports whether Next may have something to tell.
func (c *Cursor) News() bool { return c.news.Load() != 0 }

// Next appends to dst what has changed, and returns dst as it was when nothing
// has. One call tells of one part only, so that whoever calls it can write in between: call it
// until nothing comes.
func (c *Cursor) Next(dst []Change) []Change {
	before := len(dst)
	for news := c.news.Load(); news != 0; news &= news - 1 {
		at := bits.TrailingZeros32(news)
		s := &c.ledger.shards[at]
		s.mu.Lock()
		c.news.And(^uint32(1 << at))
		switch pos := c.next[at]; pos {
		case unread:
			dst = c.whole(dst, s)
		case behind:
			dst = c.catchUp(dst, at, s)
		case ended:
		default:
			list := s.since(pos)
			dst = slices.Grow(dst, min(len(list), logTrim))
			shrunk := false
			for i := range list {
				r := &list[i]
				shrunk = shrunk || r.delta < 0
				dst = c.appendRecord(dst, before, r, shrunk)
			}
		}
		if c.again[at] {
			c.again[at] = false
			dst = c.repeat(dst, s)
		}
		c.passed(at, s)
		s.mu.Unlock()
		if len(dst) > before {
			return dst
		}
	}
	return dst
}

// passed notes that c has read shard at. Under the lock of s.
func (c *Cursor) passed(at int, s *shard) {
	if c.next[at] == ended {
		return
	}
	c.next[at] = s.end()
	if list := c.ledger.cursors.Load(); list != nil && len(s.log) > 0 {
		s.trim(at, *list)
	}
}

// whole tells of all keys in s. Under its lock.
func (c *Cursor) whole(dst []Change, s *shard) []Change {
	dst = slices.Grow(dst, s.counts.used)
	for i := range s.counts.slots {
		e := &s.counts.slots[i]
		if n := e.in(c.mask); n > 0 {
			dst = append(dst, change(e.key, n))
		}
	}
	return dst
}

// Again has the next calls of Next tell of everything there is once more, behind what
// has changed. A second cursor for that would not do: what the two tell has no order.
func (c *Cursor) Again() {
	for at := range c.ledger.shards {
		s := &c.ledger.shards[at]
		s.mu.Lock()
		if pos := c.next[at]; pos != unread && pos != ended {
			c.again[at] = true
			c.notice(at)
		}
		s.mu.Unlock()
	}
}

// repeat is whole for what was told before. Under the lock of s.
func (c *Cursor) repeat(dst []Change, s *shard) []Change {
	from := len(dst)
	dst = c.whole(dst, s)
	for i := range dst[from:] {
		dst[from+i].Again = true
	}
	return dst
}

// lookBack is how many changes back a second change of a key finds the first.
// Who subscribes and unsubscribes at once does so within a few lines, so a peer
// is not troubled with most of that; the rest it is told as it was.
const lookBack = 16

// appendRecord appends what r means to the peer. Where a key has changed twice in
// dst[from:] only the sum is told, which may be nothing; without mixed, all of
// list grew until here, and so no plain key comes twice.
func (c *Cursor) appendRecord(dst []Change, from int, r *record, mixed bool) []Change {
	if c.mask>>r.lane&1 == 0 {
		return dst
	}
	after := r.after(c.mask)
	before := after - int32(r.delta)
	if !r.queue && before > 0 && after > 0 {
		return dst
	}
	ch := change(r.key, after)
	if ch.told = before; !r.queue {
		ch.told = min(before, 1)
	}
	if !mixed {
		return append(dst, ch)
	}
	for i := len(dst) - 1; i >= max(from, len(dst)-lookBack); i-- {
		if first := &dst[i]; first.Subject == ch.Subject && first.Queue == ch.Queue {
			if first.told == ch.Weight {
				return slices.Delete(dst, i, i+1)
			}
			first.Weight = ch.Weight
			return dst
		}
	}
	return append(dst, ch)
}

// catchUp tells how what there is differs from what was told last. Under the
// lock of s.
func (c *Cursor) catchUp(dst []Change, at int, s *shard) []Change {
	c.mu.Lock()
	b := c.backlog[at]
	delete(c.backlog, at)
	c.mu.Unlock()
	b.add(s, c.mask)
	dst = slices.Grow(dst, len(b.net))
	for key, net := range b.net {
		_, tag := hashOf(bytesOf(key))
		after := s.counts.find(tag, bytesOf(key)).in(c.mask)
		ch := change(key, after)
		if before := after - net; ch.Queue == "" && before > 0 && after > 0 {
			continue
		}
		dst = append(dst, ch)
	}
	return dst
}

// oldest is the number of the first record of shard at that c needs. What c
// has not read beyond logMax is summed up. Under the lock of s.
func (c *Cursor) oldest(at int, s *shard) uint64 {
	end := s.end()
	switch pos := c.next[at]; {
	case pos == unread || pos == ended:
		return end
	case pos == behind:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.backlog[at].add(s, c.mask)
		return end
	case c.news.Load()>>at&1 == 0: // what has come since is for other lanes
		c.next[at] = end
		return end
	case end-pos < logMax:
		return pos
	default:
		c.mu.Lock()
		defer c.mu.Unlock()
		b := &backlog{next: pos, net: make(map[string]int32)}
		b.add(s, c.mask)
		if c.backlog == nil {
			c.backlog = make(map[int]*backlog)
		}
		c.backlog[at], c.next[at] = b, behind
		return end
	}
}

// add sums up what s has logged since. Under the lock of s.
func (b *backlog) add(s *shard, mask uint16) {
	list := s.since(b.next)
	for i := range list {
		r := &list[i]
		if mask>>r.lane&1 == 0 {
			continue
		}
		if n := b.net[r.key] + int32(r.delta); n != 0 {
			b.net[r.key] = n
		} else {
			delete(b.net, r.key)
		}
	}
	b.next = s.end()
}

// change is what a peer is told of a key that n subscriptions have.
func change(key string, n int32) Change {
	if i := strings.IndexByte(key, ' '); i >= 0 {
		return Change{Subject: key[:i], Queue: key[i+1:], Weight: n}
	}
	return Change{Subject: key, Weight: min(n, 1)}
}

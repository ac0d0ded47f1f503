package interest

import (
	"strings"
	"sync"
	"sync/atomic"
)

const (
	// Lanes is the number of lanes. It can be divided by the usual numbers of
	// connections, so that each carries as many.
	Lanes = 12
	// AllLanes is the mask of a connection that carries everything.
	AllLanes = 1<<Lanes - 1

	// shards has a bit each in Cursor.news.
	shards = 32
	// logTrim is the length from which on a shard's log is looked through for what all
	// cursors have read.
	logTrim = 256
	// logMax bounds it: what a cursor that is further behind has not read is
	// summed up by key.
	logMax = 1 << 12
)

// Ledger counts the subscriptions of one account. The zero value is empty and
// ready.
type Ledger struct {
	shards  [shards]shard
	watch   sync.Mutex // who changes cursors
	cursors atomic.Pointer[[]*Cursor]
}

// shard is part of the keys. A key is "subject" or "subject queue": neither has
// a blank in it.
type shard struct {
	mu     sync.Mutex
	counts table
	log    []record // changes that some cursor has not read
	begin  uint64   // number of the first record in log; records are numbered for ever
}

// record is one change of a count.
type record struct {
	key   string
	more  *[Lanes]int32 // after the change, a copy; nil: n in lane, nothing in others
	n     int32
	delta int8
	lane  uint8
	queue bool
}

// after is the count of the lanes in mask after the change.
func (r *record) after(mask uint16) int32 { return sum(r.more, r.n, r.lane, mask) }

// Add counts one more subscription to subject, in the queue group queue unless
// that is empty, by a client of lane. The strings are kept.
func (l *Ledger) Add(subject, queue string, lane uint8) { l.change(subject, queue, lane, 1) }

// Remove undoes Add. Without an Add before it nothing changes.
func (l *Ledger) Remove(subject, queue string, lane uint8) { l.change(subject, queue, lane, -1) }

// keyRoom is enough for the keys of most queue subscriptions.
const keyRoom = 128

func (l *Ledger) change(subject, queue string, lane uint8, delta int8) {
	lane %= Lanes
	if queue == "" {
		l.count(bytesOf(subject), subject, lane, delta)
		return
	}
	var room [keyRoom]byte
	l.count(append(append(append(room[:0], subject...), ' '), queue...), "", lane, delta)
}

// count changes the count of view. key is the same if that may be kept, else "".
func (l *Ledger) count(view []byte, key string, lane uint8, delta int8) {
	at, tag := hashOf(view)
	s := &l.shards[at]
	s.mu.Lock()
	if now, ok := s.counts.count(tag, view, key, lane, delta); ok {
		if cursors := l.cursors.Load(); cursors != nil {
			s.report(at, &now, lane, delta, *cursors)
		}
	}
	s.mu.Unlock()
}

// report logs that a count has changed to now, for the cursors that look at
// lane. Under the lock.
func (s *shard) report(at int, now *slot, lane uint8, delta int8, cursors []*Cursor) {
	some := false
	for _, c := range cursors {
		if c.mask>>lane&1 != 0 {
			c.notice(at)
			some = true
		}
	}
	if !some {
		return
	}
	r := record{key: now.key, n: now.n, delta: delta, lane: lane, queue: strings.IndexByte(now.key, ' ') >= 0}
	if now.more != nil {
		counts := *now.more
		r.more = &counts
	}
	if s.log == nil {
		s.log = *spare.Get().(*[]record)
	}
	s.log = append(s.log, r)
	if len(s.log)%logTrim == 0 {
		s.trim(at, cursors)
	}
}

// spare are logs without records. A burst of subscriptions fills and empties
// the log of every shard again and again; growing it each time took a quarter of
// the work.
var spare = sync.Pool{New: func() any { log := make([]record, 0, logSpare); return &log }}

// end is the number of the record that comes next.
func (s *shard) end() uint64 { return s.begin + uint64(len(s.log)) }

// since are the records from number pos on.
func (s *shard) since(pos uint64) []record { return s.log[pos-s.begin:] }

// trim drops what all cursors have read. Under the lock.
func (s *shard) trim(at int, cursors []*Cursor) {
	from := s.end()
	for _, c := range cursors {
		from = min(from, c.oldest(at, s))
	}
	s.drop(from)
}

// logSpare is the length of a log that is lent to a shard; one that has grown beyond
// twice of it is not used again.
const logSpare = 256

// drop forgets the records before number from. Under the lock.
func (s *shard) drop(from uint64) {
	if from == s.begin {
		return
	}
	n := copy(s.log, s.since(from))
	clear(s.log[n:])
	s.log = s.log[:n]
	s.begin = from
	if n > 0 {
		return
	}
	if log := s.log; cap(log) <= 2*logSpare {
		spare.Put(&log)
	}
	s.log = nil
}

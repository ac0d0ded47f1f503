package interest

import (
	"hash/maphash"
	"maps"
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

var seed = maphash.MakeSeed()

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
	counts map[string]entry
	most   int      // keys that counts has had room for
	log    []record // changes that some cursor has not read
	begin  uint64   // number of the first record in log; records are numbered for ever
}

// entry is the count of one key. Most keys belong to one lane.
type entry struct {
	more *[Lanes]int32 // by lane, nil while there is but one
	n    int32         // of all lanes
	lane uint8
}

// in is the count of the lanes in mask.
func (e entry) in(mask uint16) (total int32) {
	if e.more == nil {
		if mask>>e.lane&1 == 0 {
			return 0
		}
		return e.n
	}
	if mask == AllLanes {
		return e.n
	}
	for l, c := range e.more {
		if mask>>l&1 != 0 {
			total += c
		}
	}
	return total
}

// has reports whether anything is counted in lane.
func (e entry) has(lane uint8) bool { return e.in(1<<lane) > 0 }

// record is one change of a count.
type record struct {
	key   string
	after entry // its more is a copy, its lane the one that has changed
	delta int8
	queue bool
}

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
		at := int(maphash.String(seed, subject) % shards)
		s := &l.shards[at]
		s.mu.Lock()
		s.apply(l, at, subject, lane, delta)
		s.mu.Unlock()
		return
	}
	var room [keyRoom]byte
	key := append(append(append(room[:0], subject...), ' '), queue...)
	at := int(maphash.Bytes(seed, key) % shards)
	s := &l.shards[at]
	s.mu.Lock()
	s.apply(l, at, string(key), lane, delta)
	s.mu.Unlock()
}

// apply changes the count of key. Under the lock.
func (s *shard) apply(l *Ledger, at int, key string, lane uint8, delta int8) {
	e := s.counts[key]
	switch {
	case delta < 0 && !e.has(lane):
		return // Remove without Add
	case e.n == 0:
		e.lane = lane
	case e.more == nil && lane != e.lane:
		e.more = new([Lanes]int32)
		e.more[e.lane] = e.n
	}
	if e.more != nil {
		e.more[lane] += int32(delta)
	}
	e.n += int32(delta)
	s.set(key, e)
	if cursors := l.cursors.Load(); cursors != nil {
		s.report(at, key, e, lane, delta, *cursors)
	}
}

// shrinkFrom is the number of keys from which on a shard gives memory back.
const shrinkFrom = 256

// set keeps e for key. Under the lock.
func (s *shard) set(key string, e entry) {
	if e.n > 0 {
		if s.counts == nil {
			s.counts = make(map[string]entry)
		}
		s.counts[key] = e
		s.most = max(s.most, len(s.counts))
		return
	}
	delete(s.counts, key)
	// A map keeps the memory of its largest time.
	if n := len(s.counts); n == 0 {
		s.counts, s.most = nil, 0
	} else if s.most >= shrinkFrom && n < s.most/8 {
		smaller := make(map[string]entry, n)
		maps.Copy(smaller, s.counts)
		s.counts, s.most = smaller, n
	}
}

// report logs that key has changed to e, for the cursors that look at lane.
// Under the lock.
func (s *shard) report(at int, key string, e entry, lane uint8, delta int8, cursors []*Cursor) {
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
	r := record{key: key, after: e, delta: delta, queue: strings.IndexByte(key, ' ') >= 0}
	if r.after.lane = lane; e.more != nil {
		now := *e.more
		r.after.more = &now
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

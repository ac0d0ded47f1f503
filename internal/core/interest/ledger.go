package interest

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

const (
	// Lanes is the number of lanes. It can be divided by the usual numbers of
	// connections, so that each carries as many.
	Lanes = 12
	// AllLanes is the mask of a connection that carries everything.
	AllLanes = 1<<Lanes - 1

	shards = 32
	// logTrim is the length from which on a shard's log is looked through for what all
	// cursors have read.
	logTrim = 256
	// logMax bounds it: a cursor that is further behind is lost.
	logMax = 1 << 14
)

var seed = maphash.MakeSeed()

// Ledger counts the subscriptions of one account. The zero value is empty and
// ready.
type Ledger struct {
	shards  [shards]shard
	watch   sync.Mutex // who changes cursors
	cursors atomic.Pointer[[]*Cursor]
}

// shard is part of the keys.
type shard struct {
	mu     sync.Mutex
	counts map[string]entry
	log    []record // changes that some cursor has not read
	begin  uint64   // number of the first record in log; records are numbered for ever
}

// entry is the count of one key. Most keys belong to one lane.
type entry struct {
	more *[Lanes]int32 // by lane, nil while there is but one
	n    int32         // of all lanes
	lane uint8
	cut  uint32 // length of the subject if a queue name follows, else 0
}

// record is one change of a count.
type record struct {
	key    string
	counts *[Lanes]int32 // after the change; nil: n in lane, nothing in others
	n      int32
	cut    uint32
	delta  int8
	lane   uint8
}

// sum is the count of the lanes in mask.
func sum(counts *[Lanes]int32, n int32, lane uint8, mask uint16) (total int32) {
	if counts == nil {
		if mask>>lane&1 == 0 {
			return 0
		}
		return n
	}
	for l, c := range counts {
		if mask>>l&1 != 0 {
			total += c
		}
	}
	return total
}

// Add counts one more subscription to subject, in the queue group queue unless
// that is empty, by a client of lane. The strings are kept.
func (l *Ledger) Add(subject, queue string, lane uint8) { l.change(subject, queue, lane, 1) }

// Remove undoes Add.
func (l *Ledger) Remove(subject, queue string, lane uint8) { l.change(subject, queue, lane, -1) }

// keyRoom is enough for the keys of most queue subscriptions.
const keyRoom = 128

func (l *Ledger) change(subject, queue string, lane uint8, delta int8) {
	lane %= Lanes
	if queue == "" {
		at := int(maphash.String(seed, subject) % shards)
		s := &l.shards[at]
		s.mu.Lock()
		s.apply(l, at, subject, s.counts[subject], lane, delta)
		s.mu.Unlock()
		return
	}
	var room [keyRoom]byte
	key := append(append(append(room[:0], subject...), ' '), queue...)
	at := int(maphash.Bytes(seed, key) % shards)
	s := &l.shards[at]
	s.mu.Lock()
	e := s.counts[string(key)]
	e.cut = uint32(len(subject))
	s.apply(l, at, string(key), e, lane, delta)
	s.mu.Unlock()
}

// apply changes the count e of key. Under the lock.
func (s *shard) apply(l *Ledger, at int, key string, e entry, lane uint8, delta int8) {
	if e.n == 0 && delta < 0 {
		return // Remove without Add
	}
	switch {
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
	switch {
	case e.n > 0:
		if s.counts == nil {
			s.counts = make(map[string]entry)
		}
		s.counts[key] = e
	case len(s.counts) == 1:
		s.counts = nil // a map keeps the memory of its largest time
	default:
		delete(s.counts, key)
	}
	if cursors := l.cursors.Load(); cursors != nil {
		r := record{key: key, n: e.n, delta: delta, lane: lane, cut: e.cut}
		if e.more != nil {
			now := *e.more
			r.counts = &now
		}
		s.log = append(s.log, r)
		if len(s.log)%logTrim == 0 {
			s.trim(at, *cursors)
		}
	}
}

// trim drops what all cursors have read. Under the lock.
func (s *shard) trim(at int, cursors []*Cursor) {
	end := s.begin + uint64(len(s.log))
	from := end
	for _, c := range cursors {
		switch pos := c.next[at]; {
		case pos == unread:
		case end-pos > logMax:
			c.lost.Store(true)
		default:
			from = min(from, pos)
		}
	}
	n := copy(s.log, s.log[from-s.begin:])
	clear(s.log[n:])
	if s.log = s.log[:n]; n == 0 && cap(s.log) > 4*logTrim {
		s.log = nil
	}
	s.begin = from
}

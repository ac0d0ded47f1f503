package sublist

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"dunlin/internal/core/forward"
	"dunlin/internal/proto/subject"
)

// Remote is the interest that one connection to another server has told of, for
// one account. It belongs to the reader of that connection; Len and All may be
// called by anybody.
//
// Changes are gathered and take effect with Apply: so one lock of the table
// covers what one read has brought, and the table itself is the only index.
type Remote struct {
	table *Table
	sink  Sink
	kind  forward.Kind
	owner uint32 // marks what is its own in the table
	count atomic.Int64
	// refused counts what was beyond groupsMax.
	refused atomic.Int64

	waiting *changes // since Apply; nil if there are none
}

// changes are lent out: many accounts on many connections have interest, and
// few at a time tell of it.
type changes struct {
	list  []change // in order
	words []byte   // of what is to be removed
}

var lent = sync.Pool{New: func() any { return &changes{list: make([]change, 0, applyMax)} }}

// change is a subscription that comes, or with sub nil the words of one that
// goes: words[at:mid] is the subject, words[mid:end] the queue.
type change struct {
	sub          *Sub
	hash         uint64 // of sub's subject
	at, mid, end uint32
}

const (
	// applyMax bounds the changes of one Apply, and with them the time that the
	// table's lock is held.
	applyMax = 256
	// wordsKept is the most memory for words that is lent out again.
	wordsKept = 64 << 10
	// weightMax bounds what a server may claim to be its members of a queue group:
	// their sum over all servers must fit in 32 bits.
	weightMax = 1 << 20
	// groupsMax bounds the queue groups of one subject that one connection tells of.
	groupsMax = 1 << 12
)

// owners counts the Remotes ever made.
var owners atomic.Uint32

// NewRemote makes the interest of a peer whose receiving end is sink. Several
// connections to one server share a sink, and are one server to a publisher.
func NewRemote(t *Table, sink Sink, kind forward.Kind) *Remote {
	return &Remote{table: t, sink: sink, kind: kind, owner: owners.Add(1)}
}

// Len is the number of subscriptions in the table.
func (r *Remote) Len() int { return int(r.count.Load()) }

// Refused is how many subscriptions were not taken because the connection tells of
// too many queue groups of one subject.
func (r *Remote) Refused() int64 { return r.refused.Load() }

// All calls fn for every subscription in the table until it returns false. It
// goes over the whole table: this is for monitoring.
func (r *Remote) All(fn func(*Sub) bool) {
	if r.count.Load() == 0 {
		return
	}
	r.table.All(func(s *Sub) bool { return !r.owns(s) || fn(s) })
}

func (r *Remote) owns(s *Sub) bool { return s.Kind != forward.Client && s.sidHash == r.owner }

// Add notes interest in subj, whose form must be valid; for a queue group with
// weight members. Telling it again changes the weight.
func (r *Remote) Add(subj, queue []byte, weight int) {
	if weight = min(max(weight, 1), weightMax); len(queue) == 0 {
		weight = 1
	}
	key := append(append(make([]byte, 0, len(subj)+len(queue)), subj...), queue...)
	s := &Sub{
		Sink: r.sink, Kind: r.kind, key: bytesToString(key), sidHash: r.owner, Max: uint32(weight),
		subjEnd: uint32(len(subj)), queueEnd: uint32(len(key)),
	}
	c := r.changes()
	c.list = append(c.list, change{sub: s, hash: hashString(s.Subject())})
	if len(c.list) == applyMax {
		r.Apply()
	}
}

func (r *Remote) changes() *changes {
	if r.waiting == nil {
		r.waiting = lent.Get().(*changes)
	}
	return r.waiting
}

// Remove takes interest back; nothing happens if there was none.
func (r *Remote) Remove(subj, queue []byte) {
	c := r.changes()
	at := uint32(len(c.words))
	c.words = append(append(c.words, subj...), queue...)
	mid := at + uint32(len(subj))
	c.list = append(c.list, change{at: at, mid: mid, end: mid + uint32(len(queue))})
	if len(c.list) == applyMax {
		r.Apply()
	}
}

// Apply puts the changes since the last Apply in force.
func (r *Remote) Apply() {
	all := r.waiting
	if all == nil {
		return
	}
	r.waiting = nil
	t, n := r.table, int64(0)
	t.mu.Lock()
	// The places of what comes new are fetched first, since each is a miss of the
	// cache that would be waited for alone.
	for i := range all.list {
		if c := &all.list[i]; c.sub != nil {
			t.literals.Fetch(uint32(c.hash))
		}
	}
	for _, c := range all.list {
		if c.sub == nil {
			if t.removeRemote(r, all.words[c.at:c.mid], all.words[c.mid:c.end]) {
				n--
			}
		} else if t.insertRemote(r, c.sub, c.hash) {
			n++
		}
	}
	t.mu.Unlock()
	r.count.Add(n)
	clear(all.list)
	if cap(all.words) <= wordsKept {
		all.list, all.words = all.list[:0], all.words[:0]
		lent.Put(all)
	}
}

// RemoveAll takes all interest back and applies that.
func (r *Remote) RemoveAll() {
	r.Apply()
	all := make([]*Sub, 0, r.Len())
	r.All(func(s *Sub) bool { all = append(all, s); return true })
	for len(all) > 0 {
		some := all[:min(len(all), applyMax)]
		r.table.mu.Lock()
		for _, s := range some {
			r.table.remove(s)
		}
		r.table.mu.Unlock()
		all = all[len(some):]
	}
	r.count.Store(0)
}

// insertRemote adds s, the hash of whose subject is h, or puts it in the place of the same
// with another weight; false if there is no more than before. Under the lock.
func (t *Table) insertRemote(r *Remote, s *Sub, h uint64) bool {
	subj := s.Subject()
	var n *node
	var head *Sub
	plain := subject.IsLiteral(subj)
	if plain {
		head = (*Sub)(t.literals.Find(uint32(h), unsafe.Slice(unsafe.StringData(subj), len(subj))))
	} else {
		n = t.wild.grow(subj)
		head = n.subs.Load()
	}
	old, others := find(head, r, s.Queue())
	switch {
	case old != nil && old.Max == s.Max:
		return false
	case old == nil && s.IsQueue() && others >= groupsMax:
		r.refused.Add(1)
		return false // n has others, so it was not grown for this
	case plain && old != nil:
		s.hash = uint32(h)
		if s.replace(old) {
			t.literals.Replace((*literal)(old), (*literal)(s))
		}
		t.genLiteral[genOf(h)].Add(1)
	case plain:
		t.insertLiteral(s, h, head)
		return true
	case old != nil:
		if s.replace(old) {
			n.subs.Store(s)
		}
		t.bumpWild(subj)
	default:
		t.insertWild(s, n)
		return true
	}
	t.inserts.Add(1)
	t.removes.Add(1)
	return false
}

// removeRemote takes out what r has told of subj and queue; false if that is
// nothing. Under the lock.
func (t *Table) removeRemote(r *Remote, subj, queue []byte) bool {
	var head *Sub
	if subject.IsLiteral(subj) {
		head = (*Sub)(t.literals.Find(uint32(Hash(subj)), subj))
	} else if n := t.wild.find(string(subj)); n != nil {
		head = n.subs.Load()
	}
	s, _ := find(head, r, bytesToString(queue))
	return s != nil && t.remove(s)
}

// find looks through the subscriptions of one subject for r's to queue, and counts
// r's others before it. It is linear in what other servers want of that subject,
// which groupsMax bounds.
func find(s *Sub, r *Remote, queue string) (found *Sub, others int) {
	for ; s != nil && s.Kind != forward.Client; s = s.next.Load() {
		if !r.owns(s) {
			continue
		}
		if s.Queue() == queue {
			return s, others
		}
		others++
	}
	return nil, others
}

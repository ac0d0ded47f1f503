package sublist

import (
	"dunlin/internal/base/rcu"
	"dunlin/internal/core/forward"
)

// Remote is the interest that one connection to another server has told of, for
// one account. It belongs to the reader of that connection; Len and All may be
// called by anybody.
//
// Changes are gathered and take effect with Apply: so one lock of the table
// covers what one read has brought.
type Remote struct {
	table   *Table
	sink    Sink
	kind    forward.Kind
	index   rcu.Index[byKey, *byKey]
	waiting []change // since Apply, in order
}

// change is a subscription that comes (in) or goes.
type change struct {
	sub *Sub
	in  bool
}

// applyMax bounds the changes of one Apply, and with them the time that the
// table's lock is held.
const applyMax = 256

// weightMax bounds what a server may claim to be its members of a queue group:
// their sum over all servers must fit in 32 bits.
const weightMax = 1 << 20

// waitingKept is the longest list of changes whose memory a connection keeps.
const waitingKept = 16

type byKey Sub

func (b *byKey) IndexHash() uint32 { return b.sidHash }
func (b *byKey) IndexKey() string  { return b.key }

// NewRemote makes the interest of a peer whose receiving end is sink. Several
// connections to one server share a sink, and are one server to a publisher.
func NewRemote(t *Table, sink Sink, kind forward.Kind) *Remote {
	return &Remote{table: t, sink: sink, kind: kind}
}

// Len is the number of subscriptions.
func (r *Remote) Len() int { return r.index.Len() }

// All calls fn for every subscription until it returns false.
func (r *Remote) All(fn func(*Sub) bool) {
	r.index.All(func(b *byKey) bool { return fn((*Sub)(b)) })
}

// remoteKey is what a subscription of another server is known by: "subject" or
// "subject queue". Neither has a blank in it.
func remoteKey(scratch, subj, queue []byte) []byte {
	scratch = append(scratch, subj...)
	if len(queue) > 0 {
		scratch = append(append(scratch, ' '), queue...)
	}
	return scratch
}

// Add notes interest in subj, whose form must be valid; for a queue group with
// weight members. Telling it again changes the weight. It reports whether
// something has changed.
func (r *Remote) Add(subj, queue []byte, weight int) bool {
	var room [256]byte
	key := remoteKey(room[:0], subj, queue)
	hash := uint32(Hash(key))
	if weight = min(max(weight, 1), weightMax); len(queue) == 0 {
		weight = 1
	}
	old := r.index.Find(hash, key)
	if old != nil && (*Sub)(old).Weight() == weight {
		return false
	}
	s := &Sub{
		Sink: r.sink, Kind: r.kind, key: string(key), sidHash: hash, Max: uint32(weight),
		subjEnd: uint32(len(subj)), queueEnd: uint32(len(key)),
	}
	if old != nil {
		r.index.Replace(old, (*byKey)(s))
	} else {
		r.index.Insert((*byKey)(s))
	}
	r.later(s, true) // first, so that no message finds neither
	if old != nil {
		r.later((*Sub)(old), false)
	}
	return true
}

// Remove takes interest back; false if there was none.
func (r *Remote) Remove(subj, queue []byte) bool {
	var room [256]byte
	key := remoteKey(room[:0], subj, queue)
	old := r.index.Find(uint32(Hash(key)), key)
	if old == nil {
		return false
	}
	r.index.Remove(old)
	r.later((*Sub)(old), false)
	return true
}

// RemoveAll takes all interest back and applies that.
func (r *Remote) RemoveAll() {
	all := make([]*Sub, 0, r.index.Len())
	r.All(func(s *Sub) bool { all = append(all, s); return true })
	r.index.Reset()
	for _, s := range all {
		r.later(s, false)
	}
	r.Apply()
}

func (r *Remote) later(s *Sub, in bool) {
	r.waiting = append(r.waiting, change{s, in})
	if len(r.waiting) >= applyMax {
		r.Apply()
	}
}

// Apply puts the changes since the last Apply in force.
func (r *Remote) Apply() {
	if len(r.waiting) == 0 {
		return
	}
	r.table.mu.Lock()
	for _, c := range r.waiting {
		if c.in {
			r.table.insert(c.sub)
		} else {
			r.table.remove(c.sub)
		}
	}
	r.table.mu.Unlock()
	clear(r.waiting)
	if r.waiting = r.waiting[:0]; cap(r.waiting) > waitingKept {
		r.waiting = nil
	}
}

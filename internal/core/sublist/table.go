package sublist

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"unsafe"

	"dunlin/internal/base/rcu"
	"dunlin/internal/proto/subject"
)

// generations is the number of shards a cached match is checked against. A
// change invalidates one in so many of the cached subjects.
const generations = 256

// seed makes the hashes unpredictable, so that nobody can choose subjects that
// all fall into one place.
var seed = maphash.MakeSeed()

// Hash is the hash of a subject or token as the tables use it.
func Hash(b []byte) uint64 { return maphash.Bytes(seed, b) }

func hashString(s string) uint64 { return maphash.String(seed, s) }

func bytesToString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Table is the interest of one account. The zero value is empty and ready.
type Table struct {
	mu       sync.Mutex // writers
	literals rcu.Index[literal, *literal]
	wild     node

	// genLiteral counts changes of literal subscriptions by the hash of the
	// subject, genFirst of wildcard ones that begin with a literal token by the
	// hash of that token, genWild of all other ones.
	genLiteral [generations]atomic.Uint32
	genFirst   [generations]atomic.Uint32
	genWild    atomic.Uint32

	count    atomic.Int64 // subscriptions
	inserts  atomic.Uint64
	removes  atomic.Uint64
	wildSubs atomic.Int64 // lets a match skip the trie when it is empty
}

// node is one token of the wildcard trie.
type node struct {
	token    string
	hash     uint32
	parent   *node
	children rcu.Index[node, *node] // literal tokens
	any      atomic.Pointer[node]   // '*'
	rest     atomic.Pointer[node]   // '>'; only its subs are used
	subs     atomic.Pointer[Sub]    // chain of those that end here
}

func (n *node) IndexHash() uint32 { return n.hash }
func (n *node) IndexKey() string  { return n.token }

// Count is the number of subscriptions, those of other servers included.
func (t *Table) Count() int64 { return t.count.Load() }

// Changes counts the insertions and removals since the table was made.
func (t *Table) Changes() (inserts, removes uint64) { return t.inserts.Load(), t.removes.Load() }

// Insert adds s, whose subject must be valid.
func (t *Table) Insert(s *Sub) {
	t.mu.Lock()
	t.insert(s)
	t.mu.Unlock()
}

// insert is Insert under the lock.
func (t *Table) insert(s *Sub) {
	subj := s.Subject()
	if s.inTable {
		return
	}
	if !subject.IsLiteral(subj) {
		t.insertWild(s, t.wild.grow(subj))
		return
	}
	h := hashString(subj)
	head := t.literals.Find(uint32(h), unsafe.Slice(unsafe.StringData(subj), len(subj)))
	t.insertLiteral(s, h, (*Sub)(head))
}

// insertLiteral adds s, whose subject has the hash h and the chain head. Under
// the lock.
func (t *Table) insertLiteral(s *Sub, h uint64, head *Sub) {
	s.hash = uint32(h)
	switch first := s.chain(head); {
	case head == nil:
		t.literals.Insert((*literal)(s))
	case first != head:
		t.literals.Replace((*literal)(head), (*literal)(s))
	}
	t.genLiteral[genOf(h)].Add(1)
	t.inserted(s)
}

// insertWild adds s, whose subject ends at n. Under the lock.
func (t *Table) insertWild(s *Sub, n *node) {
	t.wildSubs.Add(1)
	n.subs.Store(s.chain(n.subs.Load()))
	t.bumpWild(s.Subject())
	t.inserted(s)
}

func (t *Table) inserted(s *Sub) {
	s.inTable = true
	t.count.Add(1)
	t.inserts.Add(1)
}

// Remove takes s out; false if it was not in.
func (t *Table) Remove(s *Sub) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.remove(s)
}

// remove is Remove under the lock.
func (t *Table) remove(s *Sub) bool {
	subj := s.Subject()
	if !s.inTable {
		return false
	}
	s.inTable = false
	if subject.IsLiteral(subj) {
		if s.prev == nil {
			if next := s.next.Load(); next != nil {
				t.literals.Replace((*literal)(s), (*literal)(next))
			} else {
				t.literals.Remove((*literal)(s))
			}
		}
		s.unlink()
		t.genLiteral[genOf(hashString(subj))].Add(1)
	} else {
		if n := t.wild.find(subj); n != nil {
			if s.prev == nil {
				n.subs.Store(s.next.Load())
			}
			s.unlink()
			n.prune()
		}
		t.wildSubs.Add(-1)
		t.bumpWild(subj)
	}
	t.count.Add(-1)
	t.removes.Add(1)
	return true
}

func genOf(h uint64) uint8 { return uint8(h >> 56) }

func (t *Table) bumpWild(subj string) {
	first, _, _ := subject.Next(subj)
	if subject.IsAny(first) || subject.IsRest(first) {
		t.genWild.Add(1)
	} else {
		t.genFirst[genOf(hashString(first))].Add(1)
	}
}

// grow returns the node where subj ends and makes what is missing on the way.
func (n *node) grow(subj string) *node {
	for more := true; more; {
		var token string
		token, subj, more = subject.Next(subj)
		switch {
		case subject.IsAny(token):
			next := n.any.Load()
			if next == nil {
				next = &node{token: token, parent: n}
				n.any.Store(next)
			}
			n = next
		case subject.IsRest(token):
			next := n.rest.Load()
			if next == nil {
				next = &node{token: token, parent: n}
				n.rest.Store(next)
			}
			n = next
		default:
			h := uint32(hashString(token))
			next := n.children.Find(h, unsafe.Slice(unsafe.StringData(token), len(token)))
			if next == nil {
				next = &node{token: token, hash: h, parent: n}
				n.children.Insert(next)
			}
			n = next
		}
	}
	return n
}

// find returns the node where subj ends, or nil.
func (n *node) find(subj string) *node {
	for more := true; more && n != nil; {
		var token string
		token, subj, more = subject.Next(subj)
		switch {
		case subject.IsAny(token):
			n = n.any.Load()
		case subject.IsRest(token):
			n = n.rest.Load()
		default:
			n = n.children.Find(uint32(hashString(token)), unsafe.Slice(unsafe.StringData(token), len(token)))
		}
	}
	return n
}

// prune takes n and its ancestors out as far as nothing hangs on them.
func (n *node) prune() {
	for p := n.parent; p != nil; n, p = p, p.parent {
		if n.subs.Load() != nil || n.any.Load() != nil || n.rest.Load() != nil || n.children.Len() > 0 {
			return
		}
		switch {
		case p.any.Load() == n:
			p.any.Store(nil)
		case p.rest.Load() == n:
			p.rest.Store(nil)
		default:
			p.children.Remove(n)
		}
	}
}

// All calls fn for every subscription until it returns false. Subscriptions
// that come or go meanwhile may or may not be seen.
func (t *Table) All(fn func(*Sub) bool) {
	going := true
	chain := func(s *Sub) bool {
		for ; s != nil && going; s = s.next.Load() {
			going = fn(s)
		}
		return going
	}
	t.literals.All(func(l *literal) bool { return chain((*Sub)(l)) })
	var walk func(n *node) bool
	walk = func(n *node) bool {
		if n == nil {
			return going
		}
		if chain(n.subs.Load()) && walk(n.any.Load()) && walk(n.rest.Load()) {
			n.children.All(walk)
		}
		return going
	}
	walk(&t.wild)
}

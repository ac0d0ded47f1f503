package sublist

import (
	"dunlin/internal/core/forward"
	"dunlin/internal/proto/subject"
)

// Group is one queue group among the matches.
type Group struct {
	Name  string
	Subs  []*Sub // members here
	Peers []*Sub // members of other servers
	// Weight is the number of members on all servers.
	Weight int
}

// Result is what a subject matches. It belongs to one goroutine; Match fills it anew and keeps its memory.
type Result struct {
	Plain []*Sub
	// Peers are the other servers with plain subscriptions: one Sub of each, since
	// a message is sent to a server once.
	Peers  []*Sub
	Groups []Group
	// byName finds a group when there are many.
	byName map[string]int
}

// groupsLinear is how many groups are searched one by one.
const groupsLinear = 8

// Empty reports whether nothing matched.
func (r *Result) Empty() bool { return len(r.Plain) == 0 && len(r.Peers) == 0 && len(r.Groups) == 0 }

// Group is the queue group of that name, nil if it is not among the matches.
func (r *Result) Group(name string) *Group {
	for i := range r.Groups {
		if r.Groups[i].Name == name {
			return &r.Groups[i]
		}
	}
	return nil
}

// GroupBytes is Group for a name that stands in a buffer.
func (r *Result) GroupBytes(name []byte) *Group {
	for i := range r.Groups {
		if r.Groups[i].Name == string(name) {
			return &r.Groups[i]
		}
	}
	return nil
}

// size is the number of subscriptions.
func (r *Result) size() int {
	n := len(r.Plain) + len(r.Peers)
	for i := range r.Groups {
		n += len(r.Groups[i].Subs) + len(r.Groups[i].Peers)
	}
	return n
}

func (r *Result) reset() {
	clear(r.Plain) // let go of subscriptions that have ended
	r.Plain = r.Plain[:0]
	clear(r.Peers)
	r.Peers = r.Peers[:0]
	for i := range r.Groups {
		g := &r.Groups[i]
		clear(g.Subs)
		clear(g.Peers)
		g.Subs, g.Peers, g.Weight = g.Subs[:0], g.Peers[:0], 0
	}
	r.Groups = r.Groups[:0]
	clear(r.byName)
}

func (r *Result) addChain(s *Sub) {
	for ; s != nil; s = s.next.Load() {
		switch {
		case s.IsQueue():
			r.addQueue(s)
		case s.Kind == forward.Client:
			r.Plain = append(r.Plain, s)
		default:
			r.addPeer(s)
		}
	}
}

// addPeer adds s unless its server is there already. Servers are few.
func (r *Result) addPeer(s *Sub) {
	for _, other := range r.Peers {
		if other.Sink == s.Sink {
			return
		}
	}
	r.Peers = append(r.Peers, s)
}

func (r *Result) addQueue(s *Sub) {
	name := s.Queue()
	at := -1
	if len(r.Groups) <= groupsLinear {
		for i := range r.Groups {
			if r.Groups[i].Name == name {
				at = i
				break
			}
		}
	} else {
		if len(r.byName) == 0 {
			if r.byName == nil {
				r.byName = make(map[string]int)
			}
			for i := range r.Groups {
				r.byName[r.Groups[i].Name] = i
			}
		}
		if i, ok := r.byName[name]; ok {
			at = i
		}
	}
	if at < 0 {
		at = len(r.Groups)
		if at < cap(r.Groups) { // take the memory of an earlier group
			r.Groups = r.Groups[:at+1]
			r.Groups[at].Name = name
			r.Groups[at].Subs, r.Groups[at].Peers, r.Groups[at].Weight = r.Groups[at].Subs[:0], r.Groups[at].Peers[:0], 0
		} else {
			r.Groups = append(r.Groups, Group{Name: name})
		}
		if len(r.byName) > 0 { // else it is filled when it is first asked, with this one
			r.byName[name] = at
		}
	}
	g := &r.Groups[at]
	g.Weight += s.Weight()
	if s.Kind == forward.Client {
		g.Subs = append(g.Subs, s)
	} else {
		g.Peers = append(g.Peers, s)
	}
}

// Match fills r with the subscriptions that subj reaches. A subject with an empty token reaches none.
func (t *Table) Match(subj []byte, r *Result) { t.match(subj, Hash(subj), r) }

func (t *Table) match(subj []byte, hash uint64, r *Result) {
	r.reset()
	if head := t.literals.Find(uint32(hash), subj); head != nil {
		r.addChain((*Sub)(head))
	}
	if t.wildSubs.Load() != 0 && !subject.HasEmptyToken(subj) {
		t.wild.match(subj, r)
	}
}

// match adds the subscriptions below n that the tokens of subj reach.
func (n *node) match(subj []byte, r *Result) {
	for {
		if rest := n.rest.Load(); rest != nil {
			r.addChain(rest.subs.Load())
		}
		token, tail, more := subject.Next(subj)
		lit := n.children.Find(uint32(Hash(token)), token)
		any := n.any.Load()
		switch {
		case !more:
			if lit != nil {
				r.addChain(lit.subs.Load())
			}
			if any != nil {
				r.addChain(any.subs.Load())
			}
			return
		case lit == nil && any == nil:
			return
		case lit == nil:
			n = any
		case any == nil:
			n = lit
		default:
			any.match(tail, r)
			n = lit
		}
		subj = tail
	}
}

package sublist

import "dunlin/internal/proto/subject"

// Group is one queue group among the matches.
type Group struct {
	Name string
	Subs []*Sub
}

// Result is what a subject matches. It belongs to one goroutine; Match fills it anew and keeps its memory.
type Result struct {
	Plain  []*Sub
	Groups []Group
	// byName finds a group when there are many.
	byName map[string]int
}

// groupsLinear is how many groups are searched one by one.
const groupsLinear = 8

// Empty reports whether nothing matched.
func (r *Result) Empty() bool { return len(r.Plain) == 0 && len(r.Groups) == 0 }

// size is the number of subscriptions.
func (r *Result) size() int {
	n := len(r.Plain)
	for i := range r.Groups {
		n += len(r.Groups[i].Subs)
	}
	return n
}

func (r *Result) reset() {
	clear(r.Plain) // let go of subscriptions that have ended
	r.Plain = r.Plain[:0]
	for i := range r.Groups {
		clear(r.Groups[i].Subs)
		r.Groups[i].Subs = r.Groups[i].Subs[:0]
	}
	r.Groups = r.Groups[:0]
	clear(r.byName)
}

func (r *Result) addChain(s *Sub) {
	for ; s != nil; s = s.next.Load() {
		if s.IsQueue() {
			r.addQueue(s)
		} else {
			r.Plain = append(r.Plain, s)
		}
	}
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
			r.Groups[at].Subs = r.Groups[at].Subs[:0]
		} else {
			r.Groups = append(r.Groups, Group{Name: name})
		}
		if len(r.byName) > 0 { // else it is filled when it is first asked, with this one
			r.byName[name] = at
		}
	}
	r.Groups[at].Subs = append(r.Groups[at].Subs, s)
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

package perm

import "dunlin/internal/proto/subject"

// patterns is one compiled list of subject patterns, each with a value. Literal
// patterns are found by one look-up in a map; those with wildcards by a walk
// through a trie of tokens. Both give the indexes of the values.
type patterns struct {
	literal map[string]int32 // pattern -> index into rules
	// lengths has a bit for every length of a literal pattern, modulo 64: most
	// subjects need not be hashed.
	lengths uint64
	root    *node // nil without wildcard patterns
}

// node is a position in the trie after some tokens. A rule index is -1 where
// no pattern ends.
type node struct {
	few  []child          // the first ones
	many map[string]*node // what comes beyond fewMax
	any  *node
	here int32 // a pattern ends with this token
	rest int32 // a pattern ends with '>' after this token
}

type child struct {
	token string
	node  *node
}

// fewMax is how many children are compared one by one, which takes less than a
// hash.
const fewMax = 8

const noRule = int32(-1)

// child is where token leads, nil if no pattern goes on with it.
func (n *node) child(token []byte) *node {
	for i := range n.few {
		if c := &n.few[i]; c.token == string(token) {
			return c.node
		}
	}
	if n.many != nil {
		return n.many[string(token)]
	}
	return nil
}

// grow is child, made if it is missing.
func (n *node) grow(token string) *node {
	if c := n.child([]byte(token)); c != nil {
		return c
	}
	c := newNode()
	if len(n.few) < fewMax {
		n.few = append(n.few, child{token, c})
		return c
	}
	if n.many == nil {
		n.many = make(map[string]*node)
	}
	n.many[token] = c
	return c
}

func newNode() *node { return &node{here: noRule, rest: noRule} }

// add gives the rule index of pattern: that of an equal pattern added before,
// else fresh, which it then stands for. The pattern must be valid.
func (p *patterns) add(pattern string, fresh int32) int32 {
	if subject.IsLiteral(pattern) {
		if i, ok := p.literal[pattern]; ok {
			return i
		}
		if p.literal == nil {
			p.literal = make(map[string]int32)
		}
		p.literal[pattern] = fresh
		p.lengths |= 1 << (len(pattern) % 64)
		return fresh
	}
	if p.root == nil {
		p.root = newNode()
	}
	n := p.root
	for rest, more := pattern, true; more; {
		var token string
		token, rest, more = subject.Next(rest)
		switch {
		case subject.IsRest(token):
			if n.rest == noRule {
				n.rest = fresh
			}
			return n.rest
		case subject.IsAny(token):
			if n.any == nil {
				n.any = newNode()
			}
			n = n.any
		default:
			n = n.grow(token)
		}
	}
	if n.here == noRule {
		n.here = fresh
	}
	return n.here
}

// verdict gathers what the matching rules of one list say of a subject.
type verdict struct {
	rules   []rule
	queue   []byte
	plain   bool // a rule without queue names matches
	named   bool // a rule with queue names matches the subject
	queueOK bool // ... and one of its queue names matches the queue
}

// rule is what one subject pattern of a list says.
type rule struct {
	subject string
	plain   bool     // the list names the subject alone
	queues  []string // the queue patterns the list names with it
}

func (v *verdict) take(i int32) {
	if i == noRule {
		return
	}
	r := &v.rules[i]
	v.plain = v.plain || r.plain
	if len(r.queues) == 0 {
		return
	}
	v.named = true
	v.queueOK = v.queueOK || r.matchesQueue(v.queue)
}

func (r *rule) matchesQueue(queue []byte) bool {
	if len(queue) == 0 {
		return false
	}
	for _, q := range r.queues {
		if queueMatches(q, queue) {
			return true
		}
	}
	return false
}

// settled reports whether no further rule can change what v says.
func (v *verdict) settled() bool { return v.plain && len(v.queue) == 0 }

// walk feeds rules whose pattern matches subj to v, until it is settled. Wildcards in subj are
// ordinary tokens. A subject with an empty token matches nothing: no
// subscription can receive it.
func (p *patterns) walk(subj []byte, v *verdict) {
	if p.lengths>>(len(subj)%64)&1 != 0 {
		if i, ok := p.literal[string(subj)]; ok {
			v.take(i)
		}
	}
	if p.root != nil && !v.settled() {
		p.root.walk(subj, true, v)
	}
}

// walk descends from n with the tokens in subj; more is false once no token is left.
// Only '*' branches, so depth and width are bounded by the patterns.
func (n *node) walk(subj []byte, more bool, v *verdict) {
	for {
		if !more {
			v.take(n.here)
			return
		}
		if n.rest != noRule && !subject.HasEmptyToken(subj) {
			if v.take(n.rest); v.settled() {
				return
			}
		}
		if n.any == nil && len(n.few) == 0 {
			return
		}
		var token []byte
		token, subj, more = subject.Next(subj)
		if len(token) == 0 {
			return
		}
		next := n.child(token)
		if n.any != nil {
			if next != nil {
				if next.walk(subj, more, v); v.settled() {
					return
				}
			}
			next = n.any
		}
		if next == nil {
			return
		}
		n = next
	}
}

// matches reports whether some pattern stands for subj: walk for lists whose
// entries name no queues, asked for every message on a new subject.
func (p *patterns) matches(subj []byte) bool {
	if p.lengths>>(len(subj)%64)&1 != 0 {
		if _, ok := p.literal[string(subj)]; ok {
			return true
		}
	}
	return p.root != nil && p.root.matches(subj)
}

func (n *node) matches(subj []byte) bool {
	for more := true; ; {
		if !more {
			return n.here != noRule
		}
		if n.rest != noRule && !subject.HasEmptyToken(subj) {
			return true
		}
		if n.any == nil && len(n.few) == 0 {
			return false
		}
		var token []byte
		token, subj, more = subject.Next(subj)
		if len(token) == 0 {
			return false
		}
		next := n.child(token)
		if n.any != nil {
			if next != nil && more && next.matches(subj) || next != nil && !more && next.here != noRule {
				return true
			}
			next = n.any
		}
		if next == nil {
			return false
		}
		n = next
	}
}

// queueMatches holds a queue name against a pattern: '*' is one token that is neither empty nor '>',
// '>' as the last token is all that follows. Unlike a subject a queue name may
// have empty tokens ("q.", "."), and '>' takes those too.
func queueMatches(pattern string, queue []byte) bool {
	for {
		pt, prest, pmore := subject.Next(pattern)
		if subject.IsRest(pt) {
			return true
		}
		qt, qrest, qmore := subject.Next(queue)
		if subject.IsAny(pt) {
			if len(qt) == 0 || subject.IsRest(qt) {
				return false
			}
		} else if string(qt) != pt {
			return false
		}
		if !pmore || !qmore {
			return pmore == qmore
		}
		pattern, queue = prest, qrest
	}
}

package perm

import "dunlin/internal/proto/subject"

// patterns is one compiled list of subject patterns, each with a value. Literal
// patterns are found by one look-up in a map; those with wildcards by a walk
// through a trie of tokens. Both give the indexes of the values.
type patterns struct {
	literal map[string]int32 // pattern -> index into rules
	root    *node            // nil without wildcard patterns
}

// node is a position in the trie after some tokens. A rule index is -1 where
// no pattern ends.
type node struct {
	next map[string]*node
	any  *node
	here int32 // a pattern ends with this token
	rest int32 // a pattern ends with '>' after this token
}

const noRule = int32(-1)

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
			if n.next == nil {
				n.next = make(map[string]*node)
			}
			child := n.next[token]
			if child == nil {
				child = newNode()
				n.next[token] = child
			}
			n = child
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

// walk feeds every rule whose pattern matches subj to v. Wildcards in subj are
// ordinary tokens. A subject with an empty token matches nothing: no
// subscription can receive it.
func (p *patterns) walk(subj []byte, v *verdict) {
	if i, ok := p.literal[string(subj)]; ok {
		v.take(i)
	}
	if p.root != nil && !subject.HasEmptyToken(subj) {
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
		v.take(n.rest)
		if n.any == nil && n.next == nil {
			return
		}
		var token []byte
		token, subj, more = subject.Next(subj)
		child := n.next[string(token)]
		if n.any == nil {
			if child == nil {
				return
			}
			n = child
			continue
		}
		if child != nil {
			child.walk(subj, more, v)
		}
		n = n.any
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

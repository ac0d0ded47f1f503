package mapping

import (
	"errors"
	"fmt"
	"math"

	"dunlin/internal/proto/subject"
)

// Table is a compiled list of rules. A nil Table maps nothing. It does not
// change after Compile.
type Table struct {
	exact map[string]*entry
	wild  *node // nil without wildcard sources
	rules []*entry
}

// entry is one compiled rule.
type entry struct {
	scopes []scope
	// listed says that the rule names its own source as a destination, for
	// whatever cluster. Then no cluster's remainder goes to the source.
	listed bool
}

// scope holds the destinations for one cluster, or with "" for all clusters
// that have no scope of their own.
type scope struct {
	cluster      string
	destinations []weighted
}

type weighted struct {
	below uint8 // chosen if the draw from 0 to 99 is below it and not below the one before
	to    *Transform
}

// RuleError says which rule cannot be compiled and why. Destination is empty
// if it is not about a single one.
type RuleError struct {
	Source, Destination string
	Err                 error
}

func (e *RuleError) Error() string {
	if e.Destination == "" {
		return fmt.Sprintf("mapping for %q: %v", e.Source, e.Err)
	}
	return fmt.Sprintf("mapping for %q to %q: %v", e.Source, e.Destination, e.Err)
}

func (e *RuleError) Unwrap() error { return e.Err }

// Compile checks and compiles rules. Of two rules with the same source the
// later counts. The error joins one *RuleError for each rule that is wrong.
func Compile(rules []Rule) (*Table, error) {
	t := &Table{exact: map[string]*entry{}}
	var wrong []error
	for i := range rules {
		r := &rules[i]
		e, err := newEntry(r)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		if subject.IsLiteral(r.Source) {
			t.exact[r.Source] = e
			continue
		}
		if t.wild == nil {
			t.wild = newNode()
		}
		t.wild.add(r.Source, int32(len(t.rules)))
		t.rules = append(t.rules, e)
	}
	if wrong != nil {
		return nil, errors.Join(wrong...)
	}
	return t, nil
}

func newEntry(r *Rule) (*entry, error) {
	if !subject.Valid(r.Source) {
		return nil, &RuleError{Source: r.Source, Err: fmt.Errorf("subject %q is not a valid subject", r.Source)}
	}
	e := &entry{}
	seen := map[string]bool{}
	for _, d := range r.Destinations {
		if seen[d.Subject] {
			return nil, &RuleError{r.Source, "", fmt.Errorf("duplicate entry for %q", d.Subject)}
		}
		seen[d.Subject] = true
		to, err := NewTransform(r.Source, d.Subject)
		if err != nil {
			return nil, &RuleError{r.Source, d.Subject, err}
		}
		if !e.scope(d.Cluster).add(d.Weight, to) {
			return nil, &RuleError{r.Source, "", errors.New("total weight needs to be <= 100")}
		}
		e.listed = e.listed || d.Subject == r.Source
	}
	return e, nil
}

// scope finds the scope of a cluster or adds it.
func (e *entry) scope(cluster string) *scope {
	for i := range e.scopes {
		if e.scopes[i].cluster == cluster {
			return &e.scopes[i]
		}
	}
	e.scopes = append(e.scopes, scope{cluster: cluster})
	return &e.scopes[len(e.scopes)-1]
}

func (s *scope) add(weight uint8, to *Transform) bool {
	total := int(weight)
	if n := len(s.destinations); n > 0 {
		total += int(s.destinations[n-1].below)
	}
	if total > 100 {
		return false
	}
	s.destinations = append(s.destinations, weighted{uint8(total), to})
	return true
}

// Map appends to dst what the rules make of subj for a server in the given
// cluster ("" for none), and reports whether a rule did. rnd should be 64
// random bits; it chooses between weighted destinations and feeds random(n).
//
// If a rule names its own source as a destination and gives out less than a
// hundred percent, the remainder is lost on purpose (a way to simulate loss):
// then mapped is true and nothing is appended. Such a message goes to nobody.
func (t *Table) Map(dst, subj []byte, rnd uint64, cluster string) (out []byte, mapped bool) {
	if t == nil {
		return dst, false
	}
	e := t.exact[string(subj)]
	if e == nil {
		if t.wild == nil {
			return dst, false
		}
		i := t.wild.find(subj, none)
		if i == none {
			return dst, false
		}
		e = t.rules[i]
	}
	draw := uint8(rnd % 100)
	for _, d := range e.destinations(cluster) {
		if draw < d.below {
			return d.to.apply(dst, subj, rnd), true
		}
	}
	return dst, e.listed
}

func (e *entry) destinations(cluster string) (list []weighted) {
	for i := range e.scopes {
		switch e.scopes[i].cluster {
		case cluster:
			return e.scopes[i].destinations
		case "":
			list = e.scopes[i].destinations
		}
	}
	return list
}

// none is the order of a rule that is not there.
const none = math.MaxInt32

// node is a place in the trie of wildcard sources, by token. Orders are
// indices into Table.rules; the lowest that matches counts.
type node struct {
	literal map[string]*node
	any     *node
	rest    int32 // the source that ends here in '>'
	leaf    int32 // the source that ends here
	lowest  int32 // here and below
}

func newNode() *node { return &node{rest: none, leaf: none, lowest: none} }

func (n *node) add(source string, order int32) {
	n.lowest = min(n.lowest, order)
	token, rest, more := subject.Next(source)
	if subject.IsRest(token) {
		n.rest = order
		return
	}
	next := n.any
	if !subject.IsAny(token) {
		next = n.literal[token]
	}
	if next == nil {
		next = newNode()
		switch {
		case subject.IsAny(token):
			n.any = next
		case n.literal == nil:
			n.literal = map[string]*node{token: next}
		default:
			n.literal[token] = next
		}
	}
	if more {
		next.add(rest, order)
		return
	}
	next.leaf = order
	next.lowest = min(next.lowest, order)
}

// find returns the lowest order below best whose source matches the tokens of
// rest, else best. Each node is visited at most once, so a search costs at
// most what looking at every rule would.
func (n *node) find(rest []byte, best int32) int32 {
	best = min(best, n.rest)
	token, rest, more := subject.Next(rest)
	if next := n.literal[string(token)]; next != nil {
		best = next.step(rest, more, best)
	}
	if n.any != nil && isOneToken(token) {
		best = n.any.step(rest, more, best)
	}
	return best
}

func (n *node) step(rest []byte, more bool, best int32) int32 {
	switch {
	case n.lowest >= best:
		return best
	case more:
		return n.find(rest, best)
	}
	return min(best, n.leaf)
}

package perm

import (
	"errors"
	"fmt"
	"strings"

	"dunlin/internal/proto/subject"
)

// Set is the compiled form of one user's permissions.
type Set struct {
	pubAllow, pubDeny *list
	subAllow, subDeny *list
	responses         *Responses
}

// list is one compiled allow or deny list; nil means the list is absent.
type list struct {
	patterns
	rules []rule
}

// Compile checks p and compiles it. A nil p gives a nil Set, which allows
// everything. The error names each entry that is not a subject, one a line.
//
// With Responses set and no publish allow list, nothing may be published but
// replies: nats-server reads a configuration so.
func Compile(p *Permissions) (*Set, error) {
	if p == nil {
		return nil, nil
	}
	s := &Set{}
	var faults []error
	if p.Publish != nil {
		s.pubAllow = compileList("publish allow", p.Publish.Allow, false, &faults)
		s.pubDeny = compileList("publish deny", p.Publish.Deny, false, &faults)
	}
	if p.Subscribe != nil {
		s.subAllow = compileList("subscribe allow", p.Subscribe.Allow, true, &faults)
		s.subDeny = compileList("subscribe deny", p.Subscribe.Deny, true, &faults)
	}
	if p.Responses != nil {
		r := *p.Responses
		s.responses = &r
		if s.pubAllow == nil {
			s.pubAllow = &list{}
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	// A deny list without entries must not cost a look-up each message.
	if s.pubDeny != nil && len(s.pubDeny.rules) == 0 {
		s.pubDeny = nil
	}
	if s.subDeny != nil && len(s.subDeny.rules) == 0 {
		s.subDeny = nil
	}
	return s, nil
}

func compileList(what string, entries []string, queues bool, faults *[]error) *list {
	if entries == nil {
		return nil
	}
	l := &list{}
	for _, e := range entries {
		subj, queue, err := splitEntry(e, queues)
		if err != nil {
			*faults = append(*faults, fmt.Errorf("%s permission %q: %w", what, e, err))
			continue
		}
		i := l.add(subj, int32(len(l.rules)))
		if int(i) == len(l.rules) {
			l.rules = append(l.rules, rule{subject: subj})
		}
		r := &l.rules[i]
		if queue == "" {
			r.plain = true
		} else {
			r.queues = append(r.queues, queue)
		}
	}
	return l
}

var (
	errSubject = errors.New("not a valid subject; use tokens divided by '.', '*' for one token, '>' for the rest")
	errQueue   = errors.New("the queue name is not valid; use tokens divided by '.', '*' for one token, '>' for the rest")
	errWords   = errors.New("more than two words; write \"subject\" or \"subject queue\"")
	errNoQueue = errors.New("a publish permission is one subject; a queue name belongs into a subscribe permission")
)

// splitEntry takes one entry of a list apart. Blanks before, after or between
// more than two words are refused, so that a slip of the pen never widens a
// right.
func splitEntry(e string, queues bool) (subj, queue string, err error) {
	subj = e
	if i := strings.IndexAny(e, " \t"); i > 0 {
		subj, queue = e[:i], strings.TrimLeft(e[i:], " \t")
		switch {
		case !queues:
			return "", "", errNoQueue
		case strings.ContainsAny(queue, " \t"):
			return "", "", errWords
		case !subject.Valid(queue):
			return "", "", errQueue
		}
	}
	if !subject.Valid(subj) {
		return "", "", errSubject
	}
	return subj, queue, nil
}

// CanPublish reports whether subj may be published to. Replies that Responses
// open are the caller's second question (ReplyTracker.Take); a reply that is
// open may be published even if a deny entry names it.
func (s *Set) CanPublish(subj []byte) bool {
	if s == nil {
		return true
	}
	return (s.pubAllow == nil || s.pubAllow.matches(subj)) && (s.pubDeny == nil || !s.pubDeny.matches(subj))
}

// CanSubscribe reports whether a subscription to subj, in the queue group queue unless
// that is empty, is taken. If it is, FiltersDelivery says whether its
// messages need a check each.
//
// An entry with a queue name speaks of queue subscriptions only. In an allow
// list, where such an entry matches the subject it decides alone which groups
// may be joined; elsewhere plain entries allow any group.
func (s *Set) CanSubscribe(subj, queue []byte) bool {
	if s == nil {
		return true
	}
	return s.subAllow.allows(subj, queue) && !s.subDeny.denies(subj, queue)
}

// FiltersDelivery reports whether a subscription that CanSubscribe takes may
// match subjects its owner may not see, so that each message for it must be
// asked for with DeniesDelivery.
func (s *Set) FiltersDelivery(subj, queue []byte) bool {
	if s == nil || subject.IsLiteral(subj) {
		return false
	}
	return s.subDeny.overlaps(subj, queue) || !s.subAllow.covers(subj, queue)
}

// DeniesDelivery reports whether a message with the literal subject subj must be kept from
// a subscription in the queue group queue (empty: none) that FiltersDelivery marked.
func (s *Set) DeniesDelivery(subj, queue []byte) bool { return !s.CanSubscribe(subj, queue) }

// Responses gives the rule for answering requests, or nil. It must not be
// changed.
func (s *Set) Responses() *Responses {
	if s == nil {
		return nil
	}
	return s.responses
}

func (l *list) allows(subj, queue []byte) bool {
	if l == nil {
		return true
	}
	v := verdict{rules: l.rules, queue: queue}
	l.walk(subj, &v)
	if len(queue) > 0 && v.named {
		return v.queueOK
	}
	return v.plain
}

func (l *list) denies(subj, queue []byte) bool {
	if l == nil {
		return false
	}
	v := verdict{rules: l.rules, queue: queue}
	l.walk(subj, &v)
	return v.plain || v.queueOK
}

// overlaps reports whether an entry that holds for queue stands for some subject
// that subj stands for too. It is asked once a subscription, so a scan will do.
func (l *list) overlaps(subj, queue []byte) bool {
	if l == nil {
		return false
	}
	for i := range l.rules {
		r := &l.rules[i]
		if (r.plain || r.matchesQueue(queue)) && subject.Overlap(r.subject, subj) {
			return true
		}
	}
	return false
}

// covers reports whether every subject that subj stands for is surely allowed
// for queue. It may say no where several entries together would do; the price
// is a check each message. A queue-qualified entry that overlaps
// can refuse part of what a plain one allows, so it makes the answer no unless
// its names match.
func (l *list) covers(subj, queue []byte) bool {
	if l == nil {
		return true
	}
	covered := false
	for i := range l.rules {
		r := &l.rules[i]
		named := len(queue) > 0 && len(r.queues) > 0
		if named && !r.matchesQueue(queue) && subject.Overlap(r.subject, subj) {
			return false
		}
		if (r.plain || (named && r.matchesQueue(queue))) && subject.Covers(r.subject, subj) {
			covered = true
		}
	}
	return covered
}

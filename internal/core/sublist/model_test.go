package sublist_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"dunlin/internal/core/sublist"
	"dunlin/internal/proto/wire"

	"pgregory.net/rapid"
)

// sink is a receiver that is never asked to receive.
type sink struct{ name string }

func (*sink) Deliver([]wire.Msg, *sublist.Sub, *sublist.Batch) int { return 0 }

func newSub(subj, queue, sid string) *sublist.Sub {
	return sublist.NewSub(nil, []byte(subj), []byte(queue), []byte(sid))
}

// reaches says whether a message to subj goes to a subscription of pattern. It
// is the definition, in the plainest form, and shares no code with the table.
func reaches(subj, pattern string) bool {
	s, p := strings.Split(subj, "."), strings.Split(pattern, ".")
	if slices.Contains(s, "") {
		return false
	}
	for i, token := range p {
		if token == ">" && i == len(p)-1 {
			return len(s) > i
		}
		if i >= len(s) || token != "*" && token != s[i] {
			return false
		}
	}
	return len(s) == len(p)
}

// model is the interest table as a list.
type model []*sublist.Sub

func (m model) match(subj string) (plain []*sublist.Sub, groups map[string][]*sublist.Sub) {
	groups = map[string][]*sublist.Sub{}
	for _, s := range m {
		if !reaches(subj, s.Subject()) {
			continue
		}
		if q := s.Queue(); q != "" {
			groups[q] = append(groups[q], s)
		} else {
			plain = append(plain, s)
		}
	}
	return plain, groups
}

// compare says how r differs from what the model matches; "" if it does not.
func (m model) compare(subj string, r *sublist.Result) string {
	plain, groups := m.match(subj)
	if diff := sameSubs(plain, r.Plain); diff != "" {
		return fmt.Sprintf("%q, plain: %s", subj, diff)
	}
	seen := map[string]bool{}
	for _, g := range r.Groups {
		if seen[g.Name] {
			return fmt.Sprintf("%q: group %q is there twice", subj, g.Name)
		}
		seen[g.Name] = true
		if diff := sameSubs(groups[g.Name], g.Subs); diff != "" {
			return fmt.Sprintf("%q, group %q: %s", subj, g.Name, diff)
		}
	}
	if len(seen) != len(groups) {
		return fmt.Sprintf("%q: %d groups, want %d", subj, len(seen), len(groups))
	}
	if r.Empty() != (len(plain)+len(groups) == 0) {
		return fmt.Sprintf("%q: Empty is %v", subj, r.Empty())
	}
	return ""
}

// sameSubs compares without regard to order.
func sameSubs(want, got []*sublist.Sub) string {
	count := map[*sublist.Sub]int{}
	for _, s := range want {
		count[s]++
	}
	for _, s := range got {
		count[s]--
	}
	for s, n := range count {
		if n != 0 {
			return fmt.Sprintf("subscription %q sid %s %+d times too rarely", s.Subject(), s.Sid(), n)
		}
	}
	return ""
}

var (
	tokens = []string{"a", "b", "c", "*", ">", "a*", "*b", ">c", "**", "*>", "é", "a-long-token-that-is-unlike-the-others"}
	queues = []string{"", "", "", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9", "q10", "q11", "q12", "q13"}
)

// player makes a table, a list and two caches live through the same changes
// and compares what they match.
type player struct {
	fatalf func(string, ...any)
	choose func(n int) (int, bool) // a choice from 0 to n-1, false at the end
	more   bool

	table  sublist.Table
	in     model
	out    []*sublist.Sub // removed ones, which may come back
	reused sublist.Result
	caches [2]sublist.Cache
	last   string // often asked again, so that the caches have it
	sid    int
}

func play(fatalf func(string, ...any), choose func(n int) (int, bool)) {
	p := &player{fatalf: fatalf, choose: choose, more: true}
	for p.more {
		p.step()
		if int(p.table.Count()) != len(p.in) {
			fatalf("Count is %d, want %d", p.table.Count(), len(p.in))
		}
	}
	var all []*sublist.Sub
	p.table.All(func(s *sublist.Sub) bool { all = append(all, s); return true })
	if diff := sameSubs(p.in, all); diff != "" {
		fatalf("All: %s", diff)
	}
	for len(p.in) > 0 {
		p.remove(len(p.in) / 2)
	}
	p.table.All(func(s *sublist.Sub) bool { fatalf("%q is left in an empty table", s.Subject()); return false })
}

func (p *player) pick(n int) int {
	i, ok := p.choose(n)
	p.more = p.more && ok
	return i
}

func (p *player) pattern() string {
	n := 1 + p.pick(4)
	var list []string
	for i := range n {
		token := tokens[p.pick(len(tokens))]
		if token == ">" && i < n-1 {
			token = "*"
		}
		list = append(list, token)
	}
	return strings.Join(list, ".")
}

// published is a subject that may have empty tokens.
func (p *player) published() string {
	var list []string
	for range 1 + p.pick(4) {
		if i := p.pick(len(tokens) + 1); i < len(tokens) {
			list = append(list, tokens[i])
		} else {
			list = append(list, "")
		}
	}
	return strings.Join(list, ".")
}

func (p *player) insertNew(subj string) {
	p.sid++
	p.insert(newSub(subj, queues[p.pick(len(queues))], fmt.Sprint(p.sid)))
}

func (p *player) insert(s *sublist.Sub) {
	p.table.Insert(s)
	p.table.Insert(s) // it is in: this must do nothing
	p.in = append(p.in, s)
}

func (p *player) remove(i int) {
	s := p.in[i]
	p.in = slices.Delete(p.in, i, i+1)
	if !p.table.Remove(s) {
		p.fatalf("Remove of %q said that it was not in", s.Subject())
	}
	if p.table.Remove(s) {
		p.fatalf("the second Remove of %q said that it was in", s.Subject())
	}
	p.out = append(p.out, s)
}

func (p *player) step() {
	switch op := p.pick(16); {
	case op < 5:
		p.insertNew(p.pattern())
	case op == 5 && len(p.in) > 0: // one more of a subject that is there
		p.insertNew(p.in[p.pick(len(p.in))].Subject())
	case op == 6 && len(p.out) > 0:
		i := p.pick(len(p.out))
		s := p.out[i]
		p.out = slices.Delete(p.out, i, i+1)
		p.insert(s)
	case op < 10 && len(p.in) > 0:
		p.remove(p.pick(len(p.in)))
	case op == 10 && p.pick(8) == 0:
		for len(p.in) > 0 {
			p.remove(p.pick(len(p.in)))
		}
	default:
		p.match()
	}
}

func (p *player) match() {
	switch p.pick(3) {
	case 0:
		p.last = p.published()
	case 1:
		if len(p.in) > 0 {
			p.last = p.in[p.pick(len(p.in))].Subject()
		}
	}
	subj := []byte(p.last)
	p.table.Match(subj, &p.reused)
	if diff := p.in.compare(p.last, &p.reused); diff != "" {
		p.fatalf("Match: %s", diff)
	}
	for i := range p.caches {
		if diff := p.in.compare(p.last, &p.caches[i].Lookup(&p.table, subj).Result); diff != "" {
			p.fatalf("cache %d: %s", i, diff)
		}
		if p.pick(3) == 0 {
			break // the other one falls behind
		}
	}
}

func TestTableAgainstAList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		left := rapid.IntRange(200, 2000).Draw(t, "choices")
		choice := rapid.IntRange(0, 1<<20)
		play(t.Fatalf, func(n int) (int, bool) {
			left--
			return choice.Draw(t, "") % n, left > 0
		})
	})
}

func FuzzTable(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x0f\x00\x00\x00"))
	f.Add([]byte(strings.Repeat("\x00\x02\x03\x04\x00\x01\x05\x01\x07\x0f\x01\x02\x00\x00", 40)))
	f.Fuzz(func(t *testing.T, data []byte) {
		play(t.Fatalf, func(n int) (int, bool) {
			if len(data) == 0 {
				return 0, false
			}
			b := data[0]
			data = data[1:]
			return int(b) % n, true
		})
	})
}

// TestManyGroups has more groups than are searched one by one, with members
// that come in any order, in a Result that was used before.
func TestManyGroups(t *testing.T) {
	for _, groups := range []int{1, 7, 8, 9, 10, 16, 100} {
		var table sublist.Table
		var in model
		sid := 0
		for range 3 { // members of a group do not stand beside each other
			for g := range groups {
				for _, subj := range []string{"a.b", "a.*", ">"} {
					sid++
					s := newSub(subj, fmt.Sprint("q", g), fmt.Sprint(sid))
					table.Insert(s)
					in = append(in, s)
				}
			}
		}
		var r sublist.Result
		for round := range 4 {
			for _, subj := range []string{"a.b", "a.c", "none", "a.b", "a..b"} {
				table.Match([]byte(subj), &r)
				if diff := in.compare(subj, &r); diff != "" {
					t.Fatalf("%d groups, round %d: %s", groups, round, diff)
				}
			}
		}
	}
}

// TestAllStops: All ends when the callback has enough, wherever it is.
func TestAllStops(t *testing.T) {
	var table sublist.Table
	for i, subj := range []string{"a", "a", "b", "*", "*.x", "x.>", ">", "x.y.*", "x.*.z"} {
		table.Insert(newSub(subj, "", fmt.Sprint(i)))
	}
	for want := 1; want <= 9; want++ {
		n := 0
		table.All(func(*sublist.Sub) bool { n++; return n < want })
		if n != want {
			t.Errorf("All went on to %d subscriptions after it was stopped at %d", n, want)
		}
	}
}

func TestSubKeepsItsFieldsApart(t *testing.T) {
	receiver := &sink{"r"}
	subj, queue, sid := []byte("foo.bar"), []byte("workers"), []byte("17")
	s := sublist.NewSub(receiver, subj, queue, sid)
	subj[0], queue[0], sid[0] = 'X', 'X', 'X' // the arguments are the caller's buffer
	if s.Sink != sublist.Sink(receiver) || s.Subject() != "foo.bar" || s.Queue() != "workers" || s.Sid() != "17" || !s.IsQueue() {
		t.Errorf("subject %q queue %q sid %q", s.Subject(), s.Queue(), s.Sid())
	}
	if p := sublist.NewSub(receiver, []byte("foo"), nil, []byte("1")); p.IsQueue() || p.Queue() != "" || p.Sid() != "1" {
		t.Errorf("plain subscription: queue %q sid %q", p.Queue(), p.Sid())
	}
}

func TestChanges(t *testing.T) {
	var table sublist.Table
	a, b := newSub("a", "", "1"), newSub("a.>", "q", "2")
	table.Insert(a)
	table.Insert(b)
	table.Remove(a)
	table.Remove(a)
	if in, out := table.Changes(); in != 2 || out != 1 {
		t.Errorf("Changes: %d and %d, want 2 and 1", in, out)
	}
}

func TestOwnAgainstAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var own sublist.Own
		in := map[string]*sublist.Sub{}
		sids := rapid.SampledFrom([]string{"1", "2", "3", "12", "1234567890", "s", "sid.with.dots", "é"})
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				sid := sids.Draw(t, "sid")
				if in[sid] == nil {
					in[sid] = newSub("foo.bar", "", sid)
					own.Add(in[sid])
				}
			},
			"remove": func(t *rapid.T) {
				sid := sids.Draw(t, "sid")
				if s := in[sid]; s != nil {
					own.Remove(s)
					own.Remove(s) // not there any more: nothing
					delete(in, sid)
				}
			},
			"": func(t *rapid.T) {
				if own.Len() != len(in) {
					t.Fatalf("Len %d, want %d", own.Len(), len(in))
				}
				for _, sid := range []string{"1", "2", "3", "12", "1234567890", "s", "sid.with.dots", "é", "absent", ""} {
					if got := own.Find([]byte(sid)); got != in[sid] {
						t.Fatalf("Find(%q) = %v, want %v", sid, got, in[sid])
					}
				}
				n := 0
				own.All(func(s *sublist.Sub) bool {
					if in[s.Sid()] != s {
						t.Fatalf("All has %q", s.Sid())
					}
					n++
					return true
				})
				if n != len(in) {
					t.Fatalf("All has %d, want %d", n, len(in))
				}
			},
		})
	})
}

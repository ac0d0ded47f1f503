package sublist_test

import (
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"dunlin/internal/core/forward"
	"dunlin/internal/core/sublist"
)

// peers renders what a match says of other servers.
func peers(table *sublist.Table, subj string) string {
	var r sublist.Result
	table.Match([]byte(subj), &r)
	var out []string
	for _, s := range r.Peers {
		out = append(out, s.Sink.(*sink).name)
	}
	for _, g := range r.Groups {
		weight := 0
		for _, s := range g.Peers {
			out = append(out, fmt.Sprintf("%s:%s*%d", g.Name, s.Sink.(*sink).name, s.Weight()))
			weight += s.Weight()
		}
		if weight+len(g.Subs) != g.Weight {
			out = append(out, fmt.Sprintf("%s: weight %d of %d+%d", g.Name, g.Weight, len(g.Subs), weight))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestRemoteInterest(t *testing.T) {
	var table sublist.Table
	b, c := &sink{"B"}, &sink{"C"}
	b1 := sublist.NewRemote(&table, b, forward.Route)
	b2 := sublist.NewRemote(&table, b, forward.Route) // a second connection to the same server
	c1 := sublist.NewRemote(&table, c, forward.Route)
	want := func(subj, want string) {
		t.Helper()
		for _, r := range []*sublist.Remote{b1, b2, c1} {
			r.Apply()
		}
		if got := peers(&table, subj); got != want {
			t.Errorf("%q reaches %q, want %q", subj, got, want)
		}
	}
	add := func(r *sublist.Remote, subj, queue string, weight int) { r.Add([]byte(subj), []byte(queue), weight) }
	remove := func(r *sublist.Remote, subj, queue string) { r.Remove([]byte(subj), []byte(queue)) }

	add(b1, "a.b", "", 0)
	add(b1, "a.*", "", 0)
	add(b2, "a.b", "", 0)
	add(c1, ">", "", 0)
	want("a.b", "B C")
	want("a.c", "B C")
	want("x", "C")
	add(b1, "a.b", "", 7) // again: nothing changes
	b1.Apply()
	if b1.Len() != 2 {
		t.Errorf("%d subscriptions after telling one of two again", b1.Len())
	}
	remove(b1, "a.b", "")
	remove(b1, "a.*", "")
	want("a.b", "B C")
	remove(b2, "a.b", "")
	want("a.b", "C")
	remove(b2, "a.b", "")
	remove(b2, "a.b", "q")
	want("a.b", "C")
	if b2.Len() != 0 {
		t.Errorf("%d subscriptions after taking back what was never told", b2.Len())
	}

	add(b1, "q", "g", 3)
	add(b2, "q", "g", 2)
	add(c1, "*", "g", 1)
	local := sublist.NewSub(&sink{"here"}, []byte("q"), []byte("g"), []byte("1"))
	table.Insert(local)
	want("q", "C g:B*2 g:B*3 g:C*1")
	add(b1, "q", "g", 5)
	want("q", "C g:B*2 g:B*5 g:C*1")
	remove(b1, "q", "g")
	want("q", "C g:B*2 g:C*1")
	// The same letters, divided differently.
	add(b1, "ab", "c", 1)
	add(b1, "a", "bc", 1)
	add(b1, "abc", "", 1)
	remove(b1, "abc", "")
	want("ab", "C c:B*1 g:C*1")
	want("a", "C bc:B*1 g:C*1")
	want("abc", "C g:C*1")
	// What no honest server says.
	add(b1, "lies", "g", 1<<40)
	add(b1, "lies", "h", -5)
	want("lies", "C g:B*1048576 g:C*1 h:B*1")

	for _, r := range []*sublist.Remote{b1, b2, c1} {
		r.RemoveAll()
		if r.Len() != 0 {
			t.Errorf("%d left", r.Len())
		}
	}
	want("q", "")
	if table.Count() != 1 {
		t.Errorf("%d subscriptions, want the one here alone", table.Count())
	}
}

// TestRemoteTogether: changes that are undone before they are applied leave
// nothing behind.
func TestRemoteTogether(t *testing.T) {
	rnd := rand.New(rand.NewSource(3))
	for round := range 200 {
		var table sublist.Table
		r := sublist.NewRemote(&table, &sink{"B"}, forward.Route)
		model := map[string]int{}
		for range 2000 {
			subj, queue := fmt.Sprintf([]string{"s.%d", "s.%d.*", "*.%d.>"}[rnd.Intn(3)], rnd.Intn(4)), []string{"", "g", "h"}[rnd.Intn(3)]
			switch rnd.Intn(8) {
			case 0:
				r.Apply()
			case 1, 2, 3:
				r.Remove([]byte(subj), []byte(queue))
				delete(model, subj+" "+queue)
			default:
				w := rnd.Intn(3) + 1
				r.Add([]byte(subj), []byte(queue), w)
				if queue == "" {
					w = 1
				}
				model[subj+" "+queue] = w
			}
		}
		r.Apply()
		told := 0
		r.All(func(*sublist.Sub) bool { told++; return true })
		if told != r.Len() {
			t.Fatalf("round %d: All gave %d of %d", round, told, r.Len())
		}
		if r.Len() != len(model) || int(table.Count()) != len(model) {
			t.Fatalf("round %d: %d told, %d in the table, want %d", round, r.Len(), table.Count(), len(model))
		}
		table.All(func(s *sublist.Sub) bool {
			if model[s.Subject()+" "+s.Queue()] != s.Weight() {
				t.Fatalf("round %d: %q %q has weight %d, want %d", round, s.Subject(), s.Queue(), s.Weight(), model[s.Subject()+" "+s.Queue()])
			}
			return true
		})
	}
}

func BenchmarkRemoteAdd(b *testing.B) {
	var table sublist.Table
	r := sublist.NewRemote(&table, &sink{"B"}, forward.Route)
	subj := make([]byte, 0, 32)
	b.ReportAllocs()
	for i := range b.N {
		subj = fmt.Appendf(subj[:0], "some.subject.%d", i)
		r.Add(subj, nil, 1)
	}
	r.Apply()
}

// TestRemoteGroupsBound: a server may name any number of queue groups of one subject;
// what is beyond the bound is refused, and what clients want does not make it slower.
func TestRemoteGroupsBound(t *testing.T) {
	var table sublist.Table
	r := sublist.NewRemote(&table, &sink{"B"}, forward.Route)
	other := sublist.NewRemote(&table, &sink{"C"}, forward.Route)
	const most = 1 << 12
	for _, subj := range []string{"a.b", "a.*"} {
		before := r.Refused()
		for i := range most + 10 {
			r.Add([]byte(subj), fmt.Appendf(nil, "q%d", i), 1)
			if i == most/2 {
				other.Add([]byte(subj), []byte("q"), 3)
				other.Apply()
			}
		}
		r.Add([]byte(subj), []byte("q1"), 2) // one that there is
		r.Apply()
		if n := r.Refused() - before; n != 10 {
			t.Errorf("%s: %d refused, want 10", subj, n)
		}
	}
	if r.Len() != 2*most {
		t.Errorf("%d in the table, want %d", r.Len(), 2*most)
	}
	r.Remove([]byte("a.b"), []byte("q1"))
	r.Add([]byte("a.b"), []byte("more"), 1)
	if r.Apply(); r.Refused() != 20 || r.Len() != 2*most {
		t.Errorf("%d refused and %d in the table after one has made room", r.Refused(), r.Len())
	}
	r.Add([]byte("a.b"), nil, 1)
	if r.Apply(); !strings.HasPrefix(peers(&table, "a.b"), "B ") {
		t.Error("plain interest was refused because of many queue groups")
	}
	r.RemoveAll()
	if got := peers(&table, "a.b"); got != "q:C*3 q:C*3" && got != "q:C*6" {
		t.Errorf("left: %q", got)
	}
}

// TestRemoteWeightChanges: while the number of members changes, and other things of the
// same subject do, whoever looks finds the group.
func TestRemoteWeightChanges(t *testing.T) {
	for _, subj := range []string{"a.b", "a.*"} {
		var table sublist.Table
		b, c := sublist.NewRemote(&table, &sink{"B"}, forward.Route), sublist.NewRemote(&table, &sink{"C"}, forward.Route)
		b.Add([]byte(subj), []byte("q"), 1)
		b.Apply()
		stop, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			for i := 2; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if i%8 == 0 {
					c.Remove([]byte(subj), nil)
				} else if i%8 == 4 {
					c.Add([]byte(subj), nil, 1)
				}
				c.Apply()
				b.Add([]byte(subj), []byte("q"), i)
				b.Apply()
			}
		}()
		for range 20_000 {
			var r sublist.Result
			table.Match([]byte("a.b"), &r)
			if len(r.Groups) == 0 {
				t.Errorf("%s: the group was not found", subj)
				break
			}
		}
		close(stop)
		<-ended
		if n := b.Len(); n != 1 {
			t.Errorf("%s: %d subscriptions counted, want 1", subj, n)
		}
	}
}

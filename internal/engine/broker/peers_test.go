package broker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"dunlin/internal/core/account"
	"dunlin/internal/core/forward"
	"dunlin/internal/core/sublist"
	"dunlin/internal/engine/broker"
	"dunlin/internal/proto/wire"
)

// server is the receiving end of another server.
type server struct {
	sink
	lost bool // takes nothing
}

func (s *server) Deliver(run []wire.Msg, sub *sublist.Sub, b *sublist.Batch) int {
	if s.lost {
		return 0
	}
	return s.sink.Deliver(run, sub, b)
}

func (s *server) DeliverQueues(m *wire.Msg, _ *sublist.Sub, queues []string, _ *sublist.Batch) bool {
	if s.lost {
		return false
	}
	s.n++
	if s.quiet {
		return true
	}
	names := slices.Clone(queues)
	slices.Sort(names)
	s.got = append(s.got, fmt.Sprintf("%s|%s:%s", m.Subject, strings.Join(names, ","), m.Body))
	return true
}

// tells makes interest of the server known in acc.
func (s *server) tells(acc *account.Account, subj, queue string, weight int) *sublist.Remote {
	r := sublist.NewRemote(&acc.Subs, s, forward.Route)
	r.Add([]byte(subj), []byte(queue), weight)
	r.Apply()
	return r
}

func TestOneMessageToAServer(t *testing.T) {
	acc := account.New("A")
	b, c, here := &server{}, &server{}, &sink{}
	here.subscribe(acc, "a.b", "", "1")
	b.tells(acc, "a.*", "", 1)
	b.tells(acc, "a.b", "", 1)
	b.tells(acc, "a.b", "g", 2)
	b.tells(acc, "a.>", "h", 1)
	c.tells(acc, "*.b", "", 1)
	p := broker.New(acc, 1)
	if n := publish(p, "a.b", "x", false); n != 4 { // here, the groups on b, c
		t.Errorf("%d took it, want 4", n)
	}
	p.FlushAll()
	if want := []string{"a.b|g,h:x"}; !slices.Equal(b.got, want) {
		t.Errorf("B got %q, want %q", b.got, want)
	}
	if want := []string{"a.b>:x"}; !slices.Equal(c.got, want) {
		t.Errorf("C got %q, want %q", c.got, want)
	}
	if len(here.got) != 1 {
		t.Errorf("here %q came, want one message", here.got)
	}
}

// TestWeightsOfServers: every member of a group has the same chance, wherever it is.
func TestWeightsOfServers(t *testing.T) {
	acc := account.New("A")
	b, c := &server{sink: sink{quiet: true}}, &server{sink: sink{quiet: true}}
	here := []*sink{{quiet: true}, {quiet: true}}
	for _, k := range here {
		k.subscribe(acc, "q", "g", "1")
	}
	b.tells(acc, "q", "g", 5)
	c.tells(acc, "q", "g", 1)
	p := broker.New(acc, 7)
	const messages = 80000
	for range messages {
		if n := publish(p, "q", "x", true); n != 1 {
			t.Fatalf("%d took it, want 1", n)
		}
	}
	const each = messages / 8
	for name, got := range map[string]int{"a member here": here[0].n, "another here": here[1].n, "B's five": b.n / 5, "C's one": c.n} {
		if got < each*9/10 || got > each*11/10 {
			t.Errorf("%s got %d messages, want about %d", name, got, each)
		}
	}
}

// TestNextServerIsTried: a group whose chosen member is gone gets its message
// all the same, and once.
func TestNextServerIsTried(t *testing.T) {
	acc := account.New("A")
	b, c, here := &server{lost: true}, &server{}, &sink{}
	b.tells(acc, "q", "g", 1000)
	c.tells(acc, "q", "g", 1)
	p := broker.New(acc, 7)
	const messages = 50
	for i := range messages {
		if n := publish(p, "q", fmt.Sprint(i), false); n != 1 {
			t.Fatalf("message %d: %d took it, want 1", i, n)
		}
	}
	if len(c.got) != messages {
		t.Errorf("C got %d of %d", len(c.got), messages)
	}
	here.subscribe(acc, "q", "g", "1")
	for i := range messages {
		publish(p, "q", fmt.Sprint(i), false)
	}
	if len(here.got)+len(c.got) != 2*messages || len(here.got) == 0 {
		t.Errorf("%d here and %d at C, want %d together", len(here.got), len(c.got), 2*messages)
	}
	here.refuses, c.lost = true, true
	if n := publish(p, "q", "lost", false); n != 0 {
		t.Errorf("%d took what nobody can take", n)
	}
}

// TestFromARoute: what another server sends is for those here, and for the
// groups that it names.
func TestFromARoute(t *testing.T) {
	acc := account.New("A")
	b, c := &server{}, &server{}
	b.tells(acc, "a", "", 1)
	c.tells(acc, "a", "", 1)
	plain, member, other := &sink{}, &sink{}, &sink{}
	plain.subscribe(acc, "a", "", "1")
	member.subscribe(acc, "a", "g", "1")
	other.subscribe(acc, "a", "h", "1")
	p := broker.New(acc, 1)
	p.Kind, p.Origin = forward.Route, b
	for i := range 100 { // gathered, too
		publish(p, "a", fmt.Sprint(i), true)
	}
	p.FlushAll()
	m := wire.Msg{Subject: []byte("a"), Body: []byte("q")}
	if n := p.PublishQueues(&m, p.Lookup(m.Subject), [][]byte{[]byte("g"), []byte("unknown")}); n != 2 {
		t.Errorf("%d took it, want 2", n)
	}
	p.FlushAll()
	if len(plain.got) != 101 || len(member.got) != 1 || len(other.got) != 0 {
		t.Errorf("plain, member, other got %d, %d, %d, want 101, 1, 0", len(plain.got), len(member.got), len(other.got))
	}
	if b.n+c.n != 0 {
		t.Errorf("other servers got %d messages that came over a route", b.n+c.n)
	}
}

// TestReroute: the last member has just gone, and the server that sent the
// message did not know.
func TestReroute(t *testing.T) {
	acc := account.New("A")
	b, c, d := &server{}, &server{}, &server{}
	b.tells(acc, "a", "g", 1) // where it comes from
	c.tells(acc, "a", "g", 1)
	c.tells(acc, "a", "", 1) // has it already, for its plain subscription
	p := broker.New(acc, 1)
	p.Kind, p.Origin = forward.Route, b
	m := wire.Msg{Subject: []byte("a"), Body: []byte("q")}
	again := func() int { return p.PublishQueues(&m, p.Lookup(m.Subject), [][]byte{[]byte("g")}) }
	if n := again(); n != 0 || b.n+c.n != 0 {
		t.Errorf("%d took it, B and C got %d, want none", n, b.n+c.n)
	}
	d.tells(acc, "a", "g", 1)
	if n := again(); n != 1 || d.n != 1 || b.n+c.n != 0 {
		t.Errorf("%d took it, D got %d, B and C %d, want 1, 1, 0", n, d.n, b.n+c.n)
	}
}

func TestPublishingToServersDoesNotAllocate(t *testing.T) {
	acc := account.New("A")
	b, c := &server{sink: sink{quiet: true}}, &server{sink: sink{quiet: true}}
	b.tells(acc, "plain", "", 1)
	c.tells(acc, "plain", "", 1)
	for _, s := range []*server{b, c} {
		s.tells(acc, "groups", "g", 2)
		s.tells(acc, "groups", "h", 1)
		s.tells(acc, "groups", "", 1)
	}
	p := broker.New(acc, 1)
	for _, subj := range []string{"plain", "groups"} {
		m := wire.Msg{Subject: []byte(subj), Body: []byte("x")}
		round := func() {
			for range 100 {
				p.Publish(&m, p.Lookup(m.Subject), true)
			}
			p.FlushAll()
		}
		round()
		if n := testing.AllocsPerRun(20, round); n > 0 {
			t.Errorf("%s: %v allocations in 100 messages", subj, n)
		}
	}
	if b.n == 0 || c.n == 0 {
		t.Error("nothing was sent")
	}
}

package perm

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"dunlin/internal/proto/subject"
)

// TestRules runs the scripts of testdata. A script gives a permission set and
// asks it; the answers were recorded from nats-server 2.15.2, except where the
// script says otherwise.
//
//	set: lines "pub allow X Y", "sub deny "S Q"", "responses"; '-' alone is an empty list
//	ask: lines "pub S", "sub S [Q]", "msg S [Q]" (delivery to a filtered subscription)
func TestRules(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		var set *Set
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "set":
				var err error
				if set, err = Compile(readPermissions(t, d.Input)); err != nil {
					set = nil
					return err.Error()
				}
				return "ok"
			case "ask":
				var out strings.Builder
				for line := range strings.Lines(d.Input) {
					line = strings.TrimSpace(line)
					fmt.Fprintf(&out, "%s: %s\n", line, ask(t, set, strings.Fields(line)))
				}
				return out.String()
			}
			t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
			return ""
		})
	})
}

func ask(t *testing.T, set *Set, words []string) string {
	t.Helper()
	var queue []byte
	if len(words) == 3 {
		queue = []byte(words[2])
	}
	subj := []byte(words[1])
	switch words[0] {
	case "pub":
		if set.CanPublish(subj) {
			return "yes"
		}
		return "no"
	case "sub":
		switch {
		case !set.CanSubscribe(subj, queue):
			return "no"
		case set.FiltersDelivery(subj, queue):
			return "yes, filtered"
		}
		return "yes"
	case "msg":
		if set.DeniesDelivery(subj, queue) {
			return "withheld"
		}
		return "delivered"
	}
	t.Fatalf("unknown question %q", words)
	return ""
}

func readPermissions(t *testing.T, input string) *Permissions {
	t.Helper()
	p := &Permissions{}
	for line := range strings.Lines(input) {
		line = strings.TrimSpace(line)
		if line == "responses" {
			p.Responses = &Responses{MaxMsgs: 1}
			continue
		}
		side, rest, _ := strings.Cut(line, " ")
		kind, entries, _ := strings.Cut(rest, " ")
		list := splitEntries(entries)
		s := &p.Publish
		if side == "sub" {
			s = &p.Subscribe
		} else if side != "pub" {
			t.Fatalf("bad line %q", line)
		}
		if *s == nil {
			*s = &Subjects{}
		}
		switch kind {
		case "allow":
			(*s).Allow = list
		case "deny":
			(*s).Deny = list
		default:
			t.Fatalf("bad line %q", line)
		}
	}
	return p
}

// splitEntries divides at commas, so that entries may hold blanks.
func splitEntries(s string) []string {
	if s == "-" {
		return []string{}
	}
	return strings.Split(s, ",")
}

func TestNilSetAllowsEverything(t *testing.T) {
	s, err := Compile(nil)
	if s != nil || err != nil {
		t.Fatalf("Compile(nil) = %v, %v", s, err)
	}
	subj, queue := []byte("a.>"), []byte("q")
	if !s.CanPublish(subj) || !s.CanSubscribe(subj, queue) || s.FiltersDelivery(subj, queue) ||
		s.DeniesDelivery(subj, queue) || s.Responses() != nil {
		t.Fatal("a nil set restricts")
	}
}

func TestCompileDoesNotKeepItsArgument(t *testing.T) {
	p := &Permissions{Publish: &Subjects{Allow: []string{"a"}}, Responses: &Responses{MaxMsgs: 3}}
	s, err := Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	p.Publish.Allow[0], p.Responses.MaxMsgs = "b", 9
	if !s.CanPublish([]byte("a")) || s.CanPublish([]byte("b")) || s.Responses().MaxMsgs != 3 {
		t.Fatal("the set changed with the configuration it was compiled from")
	}
}

func TestChecksDoNotAllocate(t *testing.T) {
	s, err := Compile(&Permissions{
		Publish:   &Subjects{Allow: []string{"pub.ok.>", "a.*.c", "lit"}, Deny: []string{"pub.ok.no", "*.*.x"}},
		Subscribe: &Subjects{Allow: []string{"sub.>", "qs q.*"}, Deny: []string{"sub.no.>", "sub.x q"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	pub, lit, sub, wild, queue := []byte("pub.ok.deep.er"), []byte("lit"), []byte("sub.x"), []byte("sub.*"), []byte("q")
	if n := testing.AllocsPerRun(100, func() {
		s.CanPublish(pub)
		s.CanPublish(lit)
		s.CanSubscribe(sub, queue)
		s.CanSubscribe(wild, nil)
		s.FiltersDelivery(wild, queue)
		s.DeniesDelivery(sub, queue)
	}); n != 0 {
		t.Fatalf("checks allocate %v times", n)
	}
}

// The naive matcher: token lists and recursion, no trie, no map.

func naiveMatches(pattern, subj []string) bool {
	for i, p := range pattern {
		if p == ">" {
			return len(subj) > i
		}
		if i >= len(subj) || (p != "*" && p != subj[i]) {
			return false
		}
	}
	return len(subj) == len(pattern)
}

func naiveAllowed(list []string, subj, queue string) bool {
	if list == nil {
		return true
	}
	plain, named, queueOK := naiveScan(list, subj, queue)
	if queue != "" && named {
		return queueOK
	}
	return plain
}

func naiveDenied(list []string, subj, queue string) bool {
	plain, _, queueOK := naiveScan(list, subj, queue)
	return plain || queueOK
}

func naiveScan(list []string, subj, queue string) (plain, named, queueOK bool) {
	for _, e := range list {
		s, q, qualified := strings.Cut(e, " ")
		if !naiveMatches(strings.Split(s, "."), strings.Split(subj, ".")) {
			continue
		}
		if !qualified {
			plain = true
			continue
		}
		named = true
		if queue != "" && naiveMatches(strings.Split(q, "."), strings.Split(queue, ".")) {
			queueOK = true
		}
	}
	return plain, named, queueOK
}

func genPattern(wild bool) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		words := []string{"a", "b", "cc"}
		if wild {
			words = append(words, "*", "*")
		}
		tokens := rapid.SliceOfN(rapid.SampledFrom(words), 1, 4).Draw(t, "tokens")
		if wild && rapid.Bool().Draw(t, "rest") {
			tokens[len(tokens)-1] = ">"
		}
		return strings.Join(tokens, ".")
	})
}

func genEntries(queues bool) *rapid.Generator[[]string] {
	return rapid.Custom(func(t *rapid.T) []string {
		if rapid.IntRange(0, 3).Draw(t, "absent") == 0 {
			return nil
		}
		n := rapid.IntRange(0, 6).Draw(t, "n")
		out := make([]string, 0, n)
		for range n {
			e := genPattern(true).Draw(t, "pattern")
			if queues && rapid.Bool().Draw(t, "queue") {
				e += " " + genPattern(true).Draw(t, "queue pattern")
			}
			out = append(out, e)
		}
		return out
	})
}

// A set agrees with the naive matcher on every question, and a subscription
// that is not marked for filtering never matches a message its owner may not see.
func TestSetAgainstNaiveMatcher(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pub := &Subjects{Allow: genEntries(false).Draw(t, "pub allow"), Deny: genEntries(false).Draw(t, "pub deny")}
		sub := &Subjects{Allow: genEntries(true).Draw(t, "sub allow"), Deny: genEntries(true).Draw(t, "sub deny")}
		s, err := Compile(&Permissions{Publish: pub, Subscribe: sub})
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			lit := genPattern(false).Draw(t, "literal")
			wild := genPattern(true).Draw(t, "wildcard")
			queue := rapid.SampledFrom([]string{"", "a", "a.b", "b.cc.a"}).Draw(t, "queue")
			want := naiveAllowed(pub.Allow, lit, "") && !naiveDenied(pub.Deny, lit, "")
			if got := s.CanPublish([]byte(lit)); got != want {
				t.Fatalf("CanPublish(%q) = %v, want %v", lit, got, want)
			}
			for _, subj := range []string{lit, wild} {
				want = naiveAllowed(sub.Allow, subj, queue) && !naiveDenied(sub.Deny, subj, queue)
				if got := s.CanSubscribe([]byte(subj), []byte(queue)); got != want {
					t.Fatalf("CanSubscribe(%q, %q) = %v, want %v", subj, queue, got, want)
				}
			}
			visible := naiveAllowed(sub.Allow, lit, queue) && !naiveDenied(sub.Deny, lit, queue)
			if s.DeniesDelivery([]byte(lit), []byte(queue)) == visible {
				t.Fatalf("DeniesDelivery(%q, %q) = %v", lit, queue, visible)
			}
			if naiveMatches(strings.Split(wild, "."), strings.Split(lit, ".")) && !visible &&
				s.CanSubscribe([]byte(wild), []byte(queue)) && !s.FiltersDelivery([]byte(wild), []byte(queue)) {
				t.Fatalf("subscription %q %q is not filtered and would see %q", wild, queue, lit)
			}
		}
	})
}

// Any list compiles or is refused, and what compiles answers any question the
// same way twice.
func FuzzCompile(f *testing.F) {
	f.Add("a.b", "a.>", "x q.*", "a.b.c")
	f.Add("a..b", "> >", " ", "*.>")
	f.Add("", "a b c", "\x00.\xff", ">")
	f.Add("*.*.*.*.*.*", "a q", "a  q", "a.a.a.a.a.a")
	f.Fuzz(func(t *testing.T, a, b, c, subj string) {
		p := &Permissions{
			Publish:   &Subjects{Allow: []string{a, b}, Deny: []string{c}},
			Subscribe: &Subjects{Allow: []string{a, b}, Deny: []string{c}},
		}
		s, err := Compile(p)
		if err != nil {
			if s != nil || err.Error() == "" {
				t.Fatalf("error %q with set %v", err, s)
			}
			return
		}
		text, queue := []byte(subj), []byte(c)
		allowed := s.CanSubscribe(text, queue)
		if s.CanSubscribe(text, queue) != allowed || s.DeniesDelivery(text, queue) == allowed {
			t.Fatal("two answers to one question")
		}
		s.CanPublish(text)
		s.FiltersDelivery(text, queue)
		// A deny entry always holds for itself.
		if name, q, _ := strings.Cut(c, " "); s.CanSubscribe([]byte(name), []byte(strings.TrimLeft(q, " \t"))) && !strings.Contains(c, "\t") {
			t.Fatalf("the denied entry %q is allowed", c)
		}
	})
}

func BenchmarkCanPublish(b *testing.B) {
	s, err := Compile(&Permissions{Publish: &Subjects{
		Allow: []string{"orders.>", "metrics.*.cpu", "health"}, Deny: []string{"orders.internal.>", "orders.eu.secret"}}})
	if err != nil {
		b.Fatal(err)
	}
	subj := []byte("orders.eu.created")
	b.ReportAllocs()
	for b.Loop() {
		if !s.CanPublish(subj) {
			b.Fatal("denied")
		}
	}
}

// TestMatchesIsWalk: the short way says what the long one says.
func TestMatchesIsWalk(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	token := func(more ...string) string {
		words := append([]string{"a", "b", "c", ""}, more...)
		return words[rnd.IntN(len(words))]
	}
	text := func(more ...string) string {
		parts := make([]string, rnd.IntN(4)+1)
		for i := range parts {
			parts[i] = token(more...)
		}
		return strings.Join(parts, ".")
	}
	allowed := 0
	for range 20000 {
		var entries []string
		for range rnd.IntN(12) {
			if e := text("*", "*", ">", "d", "e", "f", "g", "h", "i", "j", "k"); subject.Valid(e) {
				entries = append(entries, e)
			}
		}
		s, err := Compile(&Permissions{Publish: &Subjects{Allow: append([]string{}, entries...)}})
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			subj := []byte(text("d", "k"))
			want := s.pubAllow.allows(subj, nil)
			if got := s.CanPublish(subj); got != want {
				t.Fatalf("%q with %q: %v, want %v", subj, entries, got, want)
			}
			if want {
				allowed++
			}
		}
	}
	if allowed < 1000 {
		t.Errorf("only %d subjects were allowed: nothing is tested", allowed)
	}
}

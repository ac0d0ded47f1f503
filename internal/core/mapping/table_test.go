package mapping

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"dunlin/internal/proto/subject"
)

// The shares were measured with nats-server 2.15.2, two thousand messages a
// row; it came as close as chance allows.
func TestWeights(t *testing.T) {
	type to = Destination
	tests := []struct {
		name         string
		source       string
		destinations []Destination
		cluster      string
		want         string // results of 100 messages; "" is a message lost
	}{
		{"the rest stays", "w", []to{{"x", 30, ""}}, "", "w:70 x:30"},
		{"all given out", "w", []to{{"x", 30, ""}, {"y", 70, ""}}, "", "x:30 y:70"},
		{"source listed: loss", "w", []to{{"w", 30, ""}, {"x", 30, ""}}, "", ":40 w:30 x:30"},
		{"nothing", "w", []to{{"x", 0, ""}}, "", "w:100"},
		{"nothing and all", "w", []to{{"x", 0, ""}, {"y", 100, ""}}, "", "y:100"},
		{"no destination", "w", nil, "", "w:100"},
		{"wildcard", "w.*", []to{{"x.$1", 50, ""}}, "", "w:50 x.w:50"},
		{"the source by another spelling is not listed", "w.*", []to{{"w.$1", 50, ""}, {"x.$1", 20, ""}}, "", "w:30 w.w:50 x.w:20"},
		{"rest, listed", "w.>", []to{{"w.>", 50, ""}}, "", ":50 w.w:50"},
		{"another cluster's scope", "w", []to{{"x", 50, ""}, {"y", 100, "C2"}}, "C1", "w:50 x:50"},
		{"no cluster", "w", []to{{"x", 50, ""}, {"y", 100, "C2"}}, "", "w:50 x:50"},
		{"own scope", "w", []to{{"x", 50, ""}, {"y", 100, "C1"}}, "C1", "y:100"},
		{"own scope has its own rest", "w", []to{{"x", 50, ""}, {"y", 40, "C1"}}, "C1", "w:60 y:40"},
		{"only another's scope", "w", []to{{"y", 100, "C2"}}, "C1", "w:100"},
		{"source listed in this scope only", "w", []to{{"y", 100, "C2"}, {"w", 30, "C1"}}, "C1", ":70 w:30"},
		{"source listed in the default scope only", "w", []to{{"w", 50, ""}, {"y", 40, "C1"}}, "C1", ":60 y:40"},
		{"source listed in another's scope only", "w", []to{{"w", 20, "C2"}, {"y", 50, ""}}, "C1", ":50 y:50"},
		{"source listed in another's scope, nothing here", "w", []to{{"w", 20, "C2"}}, "C1", ":100"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table, err := Compile([]Rule{{tt.source, tt.destinations}})
			if err != nil {
				t.Fatal(err)
			}
			in := "w"
			if strings.HasPrefix(tt.source, "w.") {
				in = "w.w"
			}
			counts := map[string]int{}
			for draw := range uint64(100) {
				out, mapped := table.Map(nil, []byte(in), draw, tt.cluster)
				if !mapped {
					out = []byte("w") // it stayed what it was
				}
				counts[string(out)]++
			}
			if got := strings.Trim(fmt.Sprint(counts), "map[]"); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func all(source, destination string) Rule {
	return Rule{source, []Destination{{Subject: destination, Weight: 100}}}
}

func TestWhichRule(t *testing.T) {
	tests := []struct {
		name  string
		rules []Rule
		in    string
		want  string
	}{
		{"literal before wildcard", []Rule{all("*.b", "wild"), all("a.b", "exact")}, "a.b", "exact"},
		{"the first wildcard", []Rule{all("a.*", "one"), all("*.b", "two")}, "a.b", "one"},
		{"the first wildcard, other way round", []Rule{all("*.b", "two"), all("a.*", "one")}, "a.b", "two"},
		{"rest first", []Rule{all(">", "rest.>"), all("a.*", "one")}, "a.b", "rest.a.b"},
		{"deeper first", []Rule{all("a.*.c", "deep"), all("a.>", "rest.>")}, "a.b.c", "deep"},
		{"first does not match", []Rule{all("a.*.c", "deep"), all("a.>", "rest.>")}, "a.b.d", "rest.b.d"},
		{"no chain", []Rule{all("a", "b"), all("b", "c")}, "a", "b"},
		{"a rule that keeps the rest ends the search", []Rule{{"a.*", []Destination{{"x", 0, ""}}}, all("a.>", "rest.>")}, "a.b", ""},
		{"the same source twice", []Rule{all("a", "b"), all("a", "c")}, "a", "c"},
		{"the same wildcard twice", []Rule{all("a.*", "b"), all("a.*", "c")}, "a.x", "c"},
		{"longer than any", []Rule{all("a.*", "b")}, "a.x.y", ""},
		{"shorter", []Rule{all("a.*", "b"), all("a.>", "c.>")}, "a", ""},
		{"none", nil, "a", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table, err := Compile(tt.rules)
			if err != nil {
				t.Fatal(err)
			}
			out, mapped := table.Map(nil, []byte(tt.in), 0, "")
			if string(out) != tt.want || mapped != (tt.want != "") {
				t.Errorf("%q (%v), want %q", out, mapped, tt.want)
			}
		})
	}
	var nothing *Table
	if _, mapped := nothing.Map(nil, []byte("a"), 0, ""); mapped {
		t.Error("a nil table mapped")
	}
}

func TestCompileErrors(t *testing.T) {
	type to = Destination
	tests := []struct {
		rule Rule
		want string
	}{
		{Rule{"a", []to{{"b", 60, ""}, {"c", 60, ""}}}, `mapping for "a": total weight needs to be <= 100`},
		{Rule{"a", []to{{"b", 255, ""}}}, `mapping for "a": total weight needs to be <= 100`},
		{Rule{"a", []to{{"b", 60, "X"}, {"c", 60, "X"}, {"d", 60, ""}}}, `mapping for "a": total weight needs to be <= 100`},
		{Rule{"a", []to{{"b", 60, "X"}, {"c", 60, "Y"}, {"d", 60, ""}}}, ""},
		{Rule{"a", []to{{"b", 60, ""}, {"b", 10, "X"}}}, `mapping for "a": duplicate entry for "b"`},
		{Rule{"a.*", []to{{"b.$2", 60, ""}}}, `mapping for "a.*" to "b.$2": invalid mapping destination: wildcard index out of range in $2: [2]`},
		{Rule{"a..b", nil}, `mapping for "a..b": subject "a..b" is not a valid subject`},
	}
	var rules []Rule
	bad := 0
	for _, tt := range tests {
		rules = append(rules, tt.rule)
		_, err := Compile([]Rule{tt.rule})
		var one *RuleError
		switch {
		case tt.want == "" && err != nil, tt.want != "" && (err == nil || err.Error() != tt.want):
			t.Errorf("%v: %v, want %s", tt.rule, err, tt.want)
		case tt.want != "" && !errors.As(err, &one):
			t.Errorf("%v: %T is no *RuleError", tt.rule, err)
		case tt.want != "":
			bad++
		}
	}
	_, err := Compile(rules)
	if list, ok := err.(interface{ Unwrap() []error }); !ok || len(list.Unwrap()) != bad {
		t.Errorf("of %d bad rules Compile reports: %v", bad, err)
	}
}

// The trie must choose what looking at one rule after the other would.
func TestSearchAgreesWithLookingAtEveryRule(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	token := func(of ...string) string { return of[rnd.IntN(len(of))] }
	name := func(depth int, of ...string) string {
		tokens := make([]string, 1+rnd.IntN(depth))
		for i := range tokens {
			tokens[i] = token(of...)
		}
		return strings.Join(tokens, ".")
	}
	hits := 0
	for range 300 {
		var rules []Rule
		sources := map[string]bool{}
		for i := range 1 + rnd.IntN(20) {
			s := name(4, "a", "b", "*", "*")
			d := fmt.Sprintf("r%d", i)
			if rnd.IntN(3) == 0 {
				s, d = s+".>", d+".>"
			}
			if !sources[s] && !subject.IsLiteral(s) {
				sources[s] = true
				rules = append(rules, all(s, d))
			}
		}
		table, err := Compile(rules)
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			in := name(5, "a", "b", "c")
			want := ""
			for _, r := range rules {
				if subject.Matches(in, r.Source) {
					want = strings.TrimSuffix(r.Destinations[0].Subject, ".>")
					hits++
					break
				}
			}
			out, mapped := table.Map(nil, []byte(in), 0, "")
			got, _, _ := strings.Cut(string(out), ".")
			if got != want || mapped != (want != "") {
				t.Fatalf("%q met rule %q, want %q, of %v", in, got, want, rules)
			}
		}
	}
	if hits < 1000 {
		t.Fatalf("only %d subjects met a rule; the test shows nothing", hits)
	}
}

func TestMapAllocatesNothing(t *testing.T) {
	table, in := thousandRules(t)
	in = append(in, []byte("fn.abc-def.ghijkl"), []byte("nothing.to.do"))
	dst := make([]byte, 0, 256)
	mapped := 0
	for _, subj := range in {
		if n := testing.AllocsPerRun(100, func() {
			if _, ok := table.Map(dst, subj, 12345, ""); ok {
				mapped++
			}
		}); n != 0 {
			t.Errorf("%v allocations for %s", n, subj)
		}
	}
	if mapped == 0 {
		t.Error("nothing was mapped")
	}
}

func thousandRules(t testing.TB) (*Table, [][]byte) {
	t.Helper()
	var rules []Rule
	for i := range 1000 {
		rules = append(rules, all(fmt.Sprintf("exact.%d", i), "x"), all(fmt.Sprintf("wild.%d.*", i), "y.$1"))
	}
	rules = append(rules, all("fn.*.*",
		"z.{{split(1,-)}}.{{sliceFromLeft(2,4)}}.{{sliceFromRight(2,4)}}.{{partition(10,1,2)}}.{{partition(7)}}.{{random(9)}}.{{left(1,2)}}.{{right(1,2)}}"))
	table, err := Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	return table, [][]byte{[]byte("exact.500"), []byte("wild.500.q"), []byte("orders.eu.12345.created")}
}

func BenchmarkMap(b *testing.B) {
	table, in := thousandRules(b)
	for _, subj := range in {
		b.Run(string(subj), func(b *testing.B) {
			dst := make([]byte, 0, 256)
			for b.Loop() {
				table.Map(dst, subj, 1, "")
			}
		})
	}
}

package subject

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestValid(t *testing.T) {
	for s, want := range map[string]bool{
		"": false, "foo": true, "foo.bar": true, ".foo": false, "foo.": false, "foo..bar": false,
		".": false, "..": false, "*": true, ">": true, "foo.*": true, "foo.*.>": true,
		"foo.>.bar": false, ">.foo": false, "foo*": true, "*foo": true, "foo.>x": true, "f b": false,
		"f\tb": false, "f\rb": false, "f\nb": false, "f\fb": false, "a\x00b": true, "fé": true, `a\b`: true,
	} {
		if got := Valid(s); got != want {
			t.Errorf("Valid(%q) = %v, want %v", s, got, want)
		}
		if got := Valid([]byte(s)); got != want {
			t.Errorf("Valid([]byte(%q)) = %v, want %v", s, got, want)
		}
	}
}

func TestIsLiteral(t *testing.T) {
	for s, want := range map[string]bool{
		"foo": true, "foo.*": false, ">": false, "*": false, "foo.>": false, "*.foo": false,
		"foo*": true, "*foo.bar": true, "foo.b*r": true, "foo.>x": true, "a.*.b": false,
	} {
		if got := IsLiteral(s); got != want {
			t.Errorf("IsLiteral(%q) = %v, want %v", s, got, want)
		}
	}
}

func TestCoversAndOverlap(t *testing.T) {
	for _, c := range []struct {
		outer, inner    string
		covers, overlap bool
	}{
		{"foo", "foo", true, true},
		{"foo", "bar", false, false},
		{"foo.*", "foo.bar", true, true},
		{"foo.*", "foo.*", true, true},
		{"foo.*", "foo.>", false, true},
		{"foo.>", "foo.*", true, true},
		{"foo.>", "foo.>", true, true},
		{"foo.>", "foo", false, false},
		{">", "foo.bar", true, true},
		{"foo.bar", "foo.*", false, true},
		{"*.bar", "foo.*", false, true},
		{"foo.*.x", "foo.bar", false, false},
		{"foo.*", "foo.bar.x", false, false},
		{"*.*", ">", false, true},
	} {
		if got := Covers(c.outer, c.inner); got != c.covers {
			t.Errorf("Covers(%q, %q) = %v", c.outer, c.inner, got)
		}
		if got := Overlap(c.outer, c.inner); got != c.overlap {
			t.Errorf("Overlap(%q, %q) = %v", c.outer, c.inner, got)
		}
	}
}

// naiveMatches says the rule in the shortest way, as the model to test against.
func naiveMatches(lit, pat []string) bool {
	switch {
	case len(pat) == 1 && pat[0] == ">":
		return len(lit) > 0
	case len(lit) == 0 || len(pat) == 0:
		return len(lit) == len(pat)
	case pat[0] != "*" && pat[0] != lit[0]:
		return false
	}
	return naiveMatches(lit[1:], pat[1:])
}

func TestMatchesAgainstModel(t *testing.T) {
	token := rapid.SampledFrom([]string{"a", "b", "cc", "*"})
	rapid.Check(t, func(t *rapid.T) {
		lit := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "cc"}), 1, 5).Draw(t, "literal")
		pat := rapid.SliceOfN(token, 0, 4).Draw(t, "pattern")
		if rapid.Bool().Draw(t, "rest") || len(pat) == 0 {
			pat = append(pat, ">")
		}
		l, p := strings.Join(lit, "."), strings.Join(pat, ".")
		want := naiveMatches(lit, pat)
		if got := Matches(l, p); got != want {
			t.Fatalf("Matches(%q, %q) = %v, want %v", l, p, got, want)
		}
		if got := Covers(p, l); got != want {
			t.Fatalf("Covers(%q, %q) = %v, want %v", p, l, got, want)
		}
		if got := Overlap(p, l); got != want {
			t.Fatalf("Overlap(%q, %q) = %v, want %v", p, l, got, want)
		}
	})
}

func FuzzSubject(f *testing.F) {
	for _, s := range []string{"foo.bar", ".", "foo..bar", ">", "*.>", "a\x00b", "\xff\xfe"} {
		f.Add(s, "foo.*")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if Valid(a) != Valid([]byte(a)) {
			t.Fatalf("Valid differs between string and bytes for %q", a)
		}
		if Valid(a) && HasEmptyToken(a) {
			t.Fatalf("%q is valid and has an empty token", a)
		}
		if Valid(a) && Valid(b) {
			if Covers(a, b) && !Overlap(a, b) {
				t.Fatalf("%q covers %q but they do not overlap", a, b)
			}
			if Overlap(a, b) != Overlap(b, a) {
				t.Fatalf("Overlap(%q, %q) is not symmetric", a, b)
			}
			if IsLiteral(a) && Matches(a, b) != Covers(b, a) {
				t.Fatalf("Matches(%q, %q) and Covers disagree", a, b)
			}
		}
	})
}

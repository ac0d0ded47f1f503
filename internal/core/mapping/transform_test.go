package mapping

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"

	"dunlin/internal/proto/subject"
)

// recorded reads a file of lines of Go-quoted columns.
func recorded(t testing.TB, name string, columns int) (rows [][]string) {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		line := in.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		var row []string
		for line != "" {
			quoted, err := strconv.QuotedPrefix(line)
			if err != nil {
				t.Fatalf("%s: %v in %s", name, err, in.Text())
			}
			column, _ := strconv.Unquote(quoted)
			row = append(row, column)
			line = strings.TrimPrefix(line[len(quoted):], " ")
		}
		if len(row) != columns {
			t.Fatalf("%s: %d columns in %s, want %d", name, len(row), in.Text(), columns)
		}
		rows = append(rows, row)
	}
	if len(rows) < 300 {
		t.Fatalf("%s: only %d rows", name, len(rows))
	}
	return rows
}

func TestMappedAsRecorded(t *testing.T) {
	for _, row := range recorded(t, "mapped.txt", 4) {
		source, destination, in, want := row[0], row[1], row[2], row[3]
		tr, err := NewTransform(source, destination)
		if err != nil {
			t.Errorf("%q → %q: %v", source, destination, err)
			continue
		}
		if got, ok := tr.Apply(nil, []byte(in), 0); ok && string(got) != want || !ok && want != in {
			t.Errorf("%q → %q makes %q (%v) of %q, want %q", source, destination, got, ok, in, want)
		}
		table, err := Compile([]Rule{{Source: source, Destinations: []Destination{{Subject: destination, Weight: 100}}}})
		if err != nil {
			t.Errorf("%q → %q: %v", source, destination, err)
			continue
		}
		got, ok := table.Map([]byte("before "), []byte(in), 0, "")
		if ok && string(got) != "before "+want || !ok && (want != in || string(got) != "before ") {
			t.Errorf("a table of %q → %q makes %q (%v) of %q, want %q", source, destination, got, ok, in, want)
		}
	}
}

func TestRefusedAsRecorded(t *testing.T) {
	for _, row := range recorded(t, "refused.txt", 3) {
		source, destination, want := row[0], row[1], row[2]
		_, err := NewTransform(source, destination)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q → %q: %q, want %q", source, destination, got, want)
		}
	}
}

// nats-server takes an empty destination and is brought down by the first
// message that meets it; sources it refuses before it looks at a transform.
func TestRefusedHereAlone(t *testing.T) {
	for _, pair := range [][2]string{{"a", ""}, {"a.>", ""}, {"", "b"}, {"a..b", "c"}, {"a b", "c"}, {"a.", "c"}, {".a", "c"}, {"a.>.b", "c.>"}} {
		if _, err := NewTransform(pair[0], pair[1]); err == nil {
			t.Errorf("%q → %q was taken", pair[0], pair[1])
		}
	}
}

func TestRandomCoversItsRange(t *testing.T) {
	tr, err := NewTransform("a.*", "{{random(3)}}.{{random(3)}}")
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	const draws = 9000
	for i := range uint64(draws) {
		out, _ := tr.Apply(nil, []byte("a.b"), i)
		counts[string(out)]++
	}
	for _, x := range []string{"0", "1", "2"} {
		for _, y := range []string{"0", "1", "2"} {
			if n := counts[x+"."+y]; n < draws/9*8/10 || n > draws/9*12/10 {
				t.Errorf("%s.%s came %d times of %d, want about a ninth", x, y, n, draws)
			}
		}
	}
	if len(counts) != 9 {
		t.Errorf("results %v, want 9 different ones", counts)
	}
	one, _ := tr.Apply(nil, []byte("a.b"), 42)
	two, _ := tr.Apply(nil, []byte("a.b"), 42)
	if string(one) != string(two) {
		t.Errorf("the same random number gave %s and %s", one, two)
	}
}

func FuzzTransform(f *testing.F) {
	for _, row := range recorded(f, "mapped.txt", 4) {
		f.Add(row[0], row[1], row[2], uint64(1))
	}
	for _, row := range recorded(f, "refused.txt", 3) {
		f.Add(row[0], row[1], row[0], uint64(1))
	}
	f.Fuzz(func(t *testing.T, source, destination, in string, rnd uint64) {
		tr, err := NewTransform(source, destination)
		if err != nil {
			if msg := err.Error(); msg == "" {
				t.Error("an error without a text")
			}
			return
		}
		if !subject.Valid(source) {
			t.Errorf("took the source %q", source)
		}
		out, ok := tr.Apply(nil, []byte(in), rnd)
		if again, _ := tr.Apply([]byte("x"), []byte(in), rnd); ok && string(again) != "x"+string(out) {
			t.Errorf("%q → %q makes %q, then %q of %q", source, destination, out, again[1:], in)
		}
		if subject.ValidLiteral(in) && ok != subject.Matches(in, source) {
			t.Errorf("applied to %q: %v, but it matches %q: %v", in, ok, source, !ok)
		}
		table, err := Compile([]Rule{{Source: source, Destinations: []Destination{{Subject: destination, Weight: 100}}}})
		if err != nil {
			t.Fatalf("a transform that is good alone is refused in a table: %v", err)
		}
		if mapped, did := table.Map(nil, []byte(in), rnd, ""); did != ok || ok && string(mapped) != string(out) {
			t.Errorf("%q → %q: the table makes %q (%v) of %q, the transform %q (%v)", source, destination, mapped, did, in, out, ok)
		}
	})
}

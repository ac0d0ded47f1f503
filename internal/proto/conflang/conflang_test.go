package conflang

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// memory is a Source over files and variables that a test script set.
type memory struct {
	files map[string]string
	env   map[string]string
}

func (m memory) source() Source {
	return Source{
		ReadFile: func(path string, max int64) ([]byte, error) {
			text, ok := m.files[path]
			if !ok {
				return nil, fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
			}
			if int64(len(text)) > max {
				return nil, errors.New("too large")
			}
			return []byte(text), nil
		},
		Env: func(name string) (string, bool) {
			v, ok := m.env[name]
			return v, ok
		},
	}
}

// TestScripts runs testdata: "parse" prints the tree or all errors, "pos" the
// place of every key and value, "digest" the digest, "file name=x" and
// "env name=x" set the surroundings for what follows.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		m := memory{files: map[string]string{}, env: map[string]string{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var name string
			d.MaybeScanArgs(t, "name", &name)
			switch d.Cmd {
			case "file":
				m.files[name] = d.Input + "\n"
				return ""
			case "env":
				m.env[name] = d.Input
				return ""
			}
			input := d.Input
			if d.HasArg("escaped") {
				input = strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\0`, "\x00", `\t`, "\t").Replace(input)
			}
			tree, err := Parse("x.conf", []byte(input), m.source())
			if err != nil {
				return err.Error() + "\n"
			}
			switch d.Cmd {
			case "pos":
				var b strings.Builder
				positions(&b, tree.Root, "")
				return b.String()
			case "digest":
				s, err := tree.Digest()
				if err != nil {
					t.Fatal(err)
				}
				return s + "\n"
			}
			return string(tree.Print())
		})
	})
}

func positions(b *strings.Builder, m *Map, indent string) {
	for _, e := range m.Entries() {
		fmt.Fprintf(b, "%s%s %s: %s %s", indent, e.Pos, e.Key, e.Value.Pos, e.Value.Kind)
		if e.Used {
			b.WriteString(" used")
		}
		if e.Value.Variable != "" {
			fmt.Fprintf(b, " from $%s", e.Value.Variable)
		}
		b.WriteString("\n")
		positions(b, e.Value.Map, indent+"  ")
		for _, item := range e.Value.Items {
			fmt.Fprintf(b, "%s  - %s %s\n", indent, item.Pos, item.Kind)
			positions(b, item.Map, indent+"    ")
		}
	}
}

func parse(t *testing.T, text string) (*Tree, error) {
	t.Helper()
	return Parse("x.conf", []byte(text), Source{})
}

func TestLimits(t *testing.T) {
	deep := strings.Repeat("{a:", 300) + "1" + strings.Repeat("}", 300)
	for name, text := range map[string]string{
		"maps":      "a: " + deep,
		"arrays":    "a: " + strings.Repeat("[", 100_000),
		"variables": "a: " + strings.Repeat("{a:", 200) + "1" + strings.Repeat("}", 200) + "\nb: {b:" + strings.Repeat("{a:", 100) + "$a" + strings.Repeat("}", 100) + "}",
	} {
		_, err := parse(t, text)
		if err == nil || !strings.Contains(err.Error(), "256 deep") {
			t.Errorf("%s: want the depth refused, got %v", name, err)
		}
	}

	// Each line doubles the one before: written out it would be 2^60 values.
	var b strings.Builder
	b.WriteString("v0: [a]\n")
	for i := range 60 {
		fmt.Fprintf(&b, "v%d: [$v%d,$v%d]\n", i+1, i, i)
	}
	_, err := parse(t, b.String())
	if err == nil || !strings.Contains(err.Error(), "variables written out") {
		t.Errorf("want the doubling refused, got %v", err)
	}

	many := 0
	src := Source{
		Limits: Limits{FileBytes: 100, TotalBytes: 1 << 20, Includes: 5, IncludeDepth: 100, Depth: 10, Weight: 1 << 20},
		ReadFile: func(path string, _ int64) ([]byte, error) {
			many++
			return []byte(fmt.Sprintf("include f%d", many)), nil
		},
	}
	_, err = Parse("x.conf", []byte("include f0"), src)
	if err == nil || !strings.Contains(err.Error(), "more than 5 files") || many > 6 {
		t.Errorf("want the sixth include refused, got %v after %d", err, many)
	}
	_, err = Parse("x.conf", []byte(strings.Repeat("#", 101)), src)
	if err == nil || !strings.Contains(err.Error(), "at most 100") {
		t.Errorf("want the size refused, got %v", err)
	}
}

// The digests stand in testdata/digests.txt as nats-server 2.15.2 -t printed them.
func TestDigestsOfTheReference(t *testing.T) {
	text, err := os.ReadFile("testdata/digests.txt")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for line := range strings.Lines(string(text)) {
		name, want, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		data, err := os.ReadFile(filepath.Join("testdata/digest", name))
		if err != nil {
			t.Fatal(err)
		}
		tree, err := Parse(filepath.Join("testdata/digest", name), data, Source{
			ReadFile: func(path string, _ int64) ([]byte, error) { return os.ReadFile(path) },
			Env: func(name string) (string, bool) {
				return map[string]string{"DIGEST_PORT": "14222"}[name], name == "DIGEST_PORT"
			},
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := tree.Digest(); err != nil || got != want {
			t.Errorf("%s: digest %s, %v; the reference says %s", name, got, err, want)
		}
		checked++
	}
	if checked < 5 {
		t.Fatalf("only %d digests were checked", checked)
	}
}

func FuzzParse(f *testing.F) {
	seeds, _ := filepath.Glob("testdata/digest/*")
	for _, s := range seeds {
		data, err := os.ReadFile(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, s := range []string{"a: (\nx\n)", `a: "\x41\t"`, "a=$B", "a: 1.5k", "include x", "{a:[1,2.5,yes,2016-05-04T18:53:41Z]}", "a: $2a$11$x", "'a\"b': c", "V: [a,b]\nw: $V\n", "a'b\"c: 1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		src := memory{files: map[string]string{"x": "x: y", "y": "include y"}, env: map[string]string{"B": "[1, {a: $C}]", "C": "$B"}}.source()
		src.Limits = DefaultLimits
		src.Limits.Weight = 1 << 20
		tree, err := Parse("f.conf", data, src)
		if err != nil {
			return
		}
		printed := tree.Print()
		again, err := Parse("p.conf", printed, Source{})
		if err != nil {
			t.Fatalf("the printed tree does not parse: %v\n%s", err, printed)
		}
		if second := again.Print(); string(second) != string(printed) {
			t.Fatalf("printing is not stable:\n%s\n---\n%s", printed, second)
		}
		one, err1 := tree.Digest()
		two, err2 := again.Digest()
		if err1 != nil || err2 != nil || one != two {
			t.Fatalf("the digest changed: %s %v, %s %v", one, err1, two, err2)
		}
	})
}

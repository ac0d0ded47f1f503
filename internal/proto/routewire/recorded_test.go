package routewire

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestRecordedHandshakes: what nats-server 2.15.2 wrote is written again byte
// for byte: the fields, their order, and which are left out.
func TestRecordedHandshakes(t *testing.T) {
	file, err := os.ReadFile("testdata/handshakes.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(file), "\n"), "\n")
	if len(lines) < 15 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		// What it tells of a third server ends without the blank.
		line = strings.TrimRight(line, " ")
		p := newParser(false)
		op, _, err := p.Next([]byte(line + "\r\n"))
		var again []byte
		switch {
		case err != nil:
			t.Fatalf("%s: %v", line, err)
		case op == OpInfo:
			info, err := ParseInfo(p.Arg)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			again = AppendInfo(nil, info)
		case op == OpConnect:
			c, err := ParseConnect(p.Arg)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			again = AppendConnect(nil, c)
		}
		if got := strings.TrimRight(string(again), " \r\n"); got != line {
			t.Errorf("\n got %s\nwant %s", got, line)
		}
	}
}

// TestRecordedLines has conversations of recorded routes, cut in every way.
func TestRecordedLines(t *testing.T) {
	datadriven.RunTest(t, "testdata/recorded", func(t *testing.T, d *datadriven.TestData) string {
		input, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.ReplaceAll(d.Input, `"`, `\"`), "\n", "") + `"`)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		settings := func() *Parser {
			p := newParser(d.HasArg("own"))
			p.LeafOrigin = d.HasArg("origin")
			return p
		}
		want := strings.Join(parse(settings(), []byte(input), func() int { return len(input) }), "\n")
		for size := 1; size < len(input); size++ {
			if got := strings.Join(parse(settings(), []byte(input), func() int { return size }), "\n"); got != want {
				t.Fatalf("%s: in pieces of %d:\n%s\nin one:\n%s", d.Pos, size, got, want)
			}
		}
		return want + "\n"
	})
}

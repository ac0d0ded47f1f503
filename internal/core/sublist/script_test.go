package sublist_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"dunlin/internal/core/sublist"

	"github.com/cockroachdb/datadriven"
)

// TestScripts runs the scripts of testdata against one table each.
//
//	sub: lines "SUBJECT SID [QUEUE]"
//	unsub: lines "SID"
//	match: lines "SUBJECT"; the answer names sids, and for each group its members
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		var table sublist.Table
		subs := map[string]*sublist.Sub{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			for line := range strings.Lines(d.Input) {
				line = strings.TrimSpace(line)
				words := append(strings.Fields(line), "", "")
				switch d.Cmd {
				case "sub":
					s := newSub(words[0], words[2], words[1])
					subs[words[1]] = s
					table.Insert(s)
				case "unsub":
					fmt.Fprintf(&out, "%s: %v\n", line, table.Remove(subs[words[0]]))
				case "match":
					fmt.Fprintf(&out, "%s:%s\n", line, matches(&table, line))
				default:
					t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
				}
			}
			if d.Cmd == "sub" {
				return fmt.Sprintf("%d subscriptions", table.Count())
			}
			return out.String()
		})
	})
}

func matches(table *sublist.Table, subj string) string {
	var r sublist.Result
	table.Match([]byte(subj), &r)
	var words []string
	for _, s := range r.Plain {
		words = append(words, " "+s.Sid())
	}
	slices.Sort(words)
	var groups []string
	for _, g := range r.Groups {
		var members []string
		for _, s := range g.Subs {
			members = append(members, s.Sid())
		}
		slices.Sort(members)
		groups = append(groups, fmt.Sprintf(" %s[%s]", g.Name, strings.Join(members, " ")))
	}
	slices.Sort(groups)
	if r.Empty() {
		return " nobody"
	}
	return strings.Join(append(words, groups...), "")
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dunlin/bench/internal/report"
	"dunlin/bench/internal/runner"
	"dunlin/bench/internal/scenario"
)

func TestParse(t *testing.T) {
	o, err := parse([]string{"-self", "-rounds", "3"})
	if err != nil || o.servers != "nats-server,nats-server" || o.rounds != 3 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range [][]string{{"-set", "other"}, {"-shrink", "0"}, {"-rounds", "0"}, {"-duration", "0s"}, {"-servers", "a,b,c"}, {"row"},
		{"-update-readme", "-self"}, {"-update-readme", "-rows", "1-1"}, {"-update-readme", "-servers", "dunlin"}, {"-update-readme", "-shrink", "2"}, {"-update-readme", "-profile"}} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
}

func TestRunSaysWhatIsWrong(t *testing.T) {
	for want, o := range map[string]options{
		"no row matches": {rows: "^nothing$"},
		"-rows":          {rows: "("},
		"is not known":   {rows: "^1-1-128$", servers: "gnatsd"},
	} {
		o.set = scenario.Core
		if err := run(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, expected %q", err, want)
		}
	}
}

func TestListShowsEveryRow(t *testing.T) {
	for _, set := range scenario.Sets {
		var b bytes.Buffer
		if err := list(&b, scenario.Table(set)); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(b.String(), "\n"); n != len(scenario.Table(set)) {
			t.Errorf("%s: %d lines for %d rows", set, n, len(scenario.Table(set)))
		}
	}
}

// The pages that are checked in have the markers -update-readme needs.
func TestWriteUpdatesTheReadme(t *testing.T) {
	for _, set := range scenario.Sets {
		page, err := os.ReadFile(report.Page(set))
		if err != nil {
			t.Fatal(err)
		}
		writesReadme(t, set, page)
	}
}

func writesReadme(t *testing.T, set string, readme []byte) {
	dir := t.TempDir()
	o := options{out: filepath.Join(dir, "results"), readme: filepath.Join(dir, "README.md"), project: filepath.Join(dir, "project.md")}
	project, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.project, project, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.readme, readme, 0o644); err != nil {
		t.Fatal(err)
	}
	rep := report.Report{Set: set, Rounds: 5, Revision: "abc"}
	if report.HasExcerpt(set) {
		if err := write(o, rep); err == nil {
			t.Errorf("the excerpt of %s was written without its rows", set)
		}
		if got, err := os.ReadFile(o.readme); err != nil || !bytes.Equal(got, readme) {
			t.Errorf("one page was written and the other not: %v", err)
		}
		for _, row := range scenario.Table(set) {
			o := runner.Outcome{Row: row}
			figures := map[scenario.Metric][]float64{}
			for _, c := range row.Checks {
				figures[c.Metric] = []float64{1}
			}
			for _, name := range []string{"nats-server", "dunlin"} {
				o.Sides = append(o.Sides, runner.SideOutcome{Name: name, Rounds: figures})
			}
			// A reference, for the rows that are compared with one.
			o.Sides = append(o.Sides, runner.SideOutcome{Name: "dunlin (reference)", Reference: true, Rounds: figures})
			o.Checks = runner.Judge(o)
			rep.Rows = append(rep.Rows, report.RowOf(o))
		}
	}
	if err := write(o, rep); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(o.project); err != nil || strings.Contains(string(got), "build abc.") != report.HasExcerpt(set) {
		t.Errorf("the excerpt of %s is not in the project's README, or is and should not be: %v", set, err)
	}
	got, err := os.ReadFile(o.readme)
	if err != nil || !strings.Contains(string(got), "5 rounds of 0 s") {
		t.Errorf("the table of %s is not in the README: %v", set, err)
	}
	names := []string{"results.json", "results.md", "results.svg"}
	if set == scenario.Scaling {
		names = append(names, "results.csv")
	}
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(report.Folder(o.out, set), name)); err != nil {
			t.Error(err)
		}
	}
}

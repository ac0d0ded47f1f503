package report

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dunlin/bench/internal/runner"
	"dunlin/bench/internal/scenario"
	"dunlin/bench/internal/stats"
	"dunlin/bench/internal/target"
)

var update = flag.Bool("update", false, "rewrite the golden files")

type figures = map[scenario.Metric][]float64

// outcome builds one from rounds, judged as the runner would.
func outcome(row scenario.Row, peer, judged, ref figures) runner.Outcome {
	o := runner.Outcome{Row: row, Sides: []runner.SideOutcome{{Name: "nats-server", Rounds: peer}, {Name: "dunlin", Rounds: judged}}}
	if ref != nil {
		o.Sides = append(o.Sides, runner.SideOutcome{Name: "dunlin (reference)", Reference: true, Rounds: ref})
	}
	o.Checks = runner.Judge(o)
	return o
}

// sample has a row of every kind of check, one that misses its floor and one
// that failed. Its figures are made up.
func sample() Report {
	r := Report{
		Set: scenario.Core, When: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Rounds: 3, Warmup: 0.3, Duration: 1, Revision: "abc1234",
		Machine: Machine{Model: "Example CPU", Cores: 2, Kernel: "Linux 6.1", Go: "go1.26.0", Congestion: "cubic"},
		Servers: []target.Program{{Name: "nats-server", Version: "nats-server: v2.15.2"}, {Name: "dunlin", Version: "dunlin 0.1"}},
	}
	flow := scenario.Row{Name: "1-1", Title: "1 → 1", Unit: "delivery", Checks: []scenario.Check{{Metric: scenario.CPU, Against: scenario.Peer, Floor: 2.3}}}
	o := outcome(flow, figures{
		scenario.CPU: {600, 620, 590}, scenario.Throughput: {1.6e6, 1.61e6, 1.7e6}, scenario.Foreign: {0, 0.2, 0},
	}, figures{scenario.CPU: {200, 205, 210}, scenario.Throughput: {4.9e6, 4.8e6, 5e6}}, nil)
	r.Rows = append(r.Rows, RowOf(o))

	req := scenario.Row{Name: "request", Title: "request-reply <one at a time>", Unit: "round trip", Checks: []scenario.Check{
		{Metric: scenario.CPU, Against: scenario.Peer, Floor: 1.15}, {Metric: scenario.P999, Against: scenario.Peer, Floor: 1 / 0.65},
	}}
	r.Rows = append(r.Rows, RowOf(outcome(req,
		figures{scenario.CPU: {100e3, 110e3}, scenario.P50: {120e3, 121e3}, scenario.P999: {3e6, 3.2e6}},
		figures{scenario.CPU: {90e3, 85e3}, scenario.P50: {80e3, 81e3}, scenario.P999: {2.5e6, 2.4e6}}, nil)))

	idle := scenario.Row{Name: "idle", Title: "idle connection", Unit: "connection", Checks: []scenario.Check{{Metric: scenario.RSS, Against: scenario.Nothing, Floor: 6 << 10}}}
	r.Rows = append(r.Rows, RowOf(outcome(idle, figures{scenario.RSS: {49 << 10}}, figures{scenario.RSS: {4 << 10}}, nil)))

	perm := scenario.Row{Name: "perm", Title: "1 → 1, permissions", Unit: "delivery", Variant: scenario.Permissions, Checks: []scenario.Check{{Metric: scenario.CPU, Against: scenario.Reference, Floor: 0.9}}}
	r.Rows = append(r.Rows, RowOf(outcome(perm, figures{scenario.CPU: {700}}, figures{scenario.CPU: {220}}, figures{scenario.CPU: {210}})))

	stall := scenario.Row{Name: "stall", Title: "beside a stalled one", Unit: "delivery", Checks: []scenario.Check{{Metric: scenario.Others, Against: scenario.Nothing, Floor: 0.9}}}
	r.Rows = append(r.Rows, RowOf(outcome(stall, figures{scenario.Others: {0.7}}, figures{scenario.Others: {0.97}}, nil)))

	r.Rows = append(r.Rows, RowOf(runner.Outcome{Row: scenario.Row{Name: "bad", Title: "a row that failed", Unit: "delivery"}, Err: "dunlin, round 1: lost | doubled\nits log ends"}))
	return r
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs from what is checked in (rewrite with -update and look at it):\n%s", name, got)
	}
}

func TestMarkdown(t *testing.T) { golden(t, "report.md", Markdown(sample())) }

func TestSVG(t *testing.T) {
	got := SVG(sample())
	golden(t, "report.svg", got)
	d := xml.NewDecoder(strings.NewReader(got))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
	}
	if n := strings.Count(got, `class="floor"`); n != 4 {
		t.Errorf("%d floors are drawn, expected one for each of the 4 comparisons with the peer", n)
	}
	if n := strings.Count(got, `class="bar missed"`); n != 1 {
		t.Errorf("%d bars are marked as missed, expected 1", n)
	}
}

func TestJSONComesBack(t *testing.T) {
	b, err := JSON(sample())
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Rows) != 6 || back.Rows[0].Checks[0].Value != stats.Median([]float64{600.0 / 200, 620.0 / 205, 590.0 / 210}) {
		t.Errorf("%s", b)
	}
}

func TestFailedCounts(t *testing.T) {
	if missed, broken := Failed(sample()); missed != 1 || broken != 1 {
		t.Errorf("%d missed, %d broken; expected the latency floor and the failed row", missed, broken)
	}
}

func TestFigure(t *testing.T) {
	for _, c := range []struct {
		m    scenario.Metric
		v    float64
		want string
	}{
		{scenario.CPU, 52.34, "52.3 ns"},
		{scenario.CPU, 553.4, "553 ns"},
		{scenario.CPU, 999.8, "1.00 µs"},
		{scenario.P999, 3.14e6, "3.14 ms"},
		{scenario.Throughput, 36118, "36.1 k/s"},
		{scenario.Throughput, 5.4e6, "5.40 M/s"},
		{scenario.RSS, 6 << 10, "6.00 KB"},
		{scenario.RSS, 295, "295 B"},
		{scenario.RSS, -12, "-12.0 B"},
		{scenario.Others, 0.913, "0.91"},
	} {
		if got := Figure(c.m, c.v); got != c.want {
			t.Errorf("Figure(%s, %v) = %q, expected %q", c.m, c.v, got, c.want)
		}
	}
}

func TestInReadme(t *testing.T) {
	for _, set := range scenario.Sets {
		inReadme(t, set)
	}
}

func inReadme(t *testing.T, set string) {
	begin, end := markers(set)
	rep := sample()
	rep.Set = set
	old := "# Bench\n\n" + begin + "\nold table\n" + end + "\n\nmore\n"
	got, err := InReadme(old, rep)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got, "# Bench\n\n"+begin) || !strings.HasSuffix(got, end+"\n\nmore\n") || strings.Contains(got, "old table") {
		t.Errorf("got %q", got)
	}
	again, err := InReadme(got, rep)
	if err != nil || again != got {
		t.Errorf("a second time changes it: %v", err)
	}
	for _, bad := range []string{"nothing", begin, end + begin} {
		if _, err := InReadme(bad, rep); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestInProjectReadme(t *testing.T) {
	rep := sample()
	row, failed := rep.Rows[0], rep.Rows[len(rep.Rows)-1]
	rep.Set, rep.Rows = scenario.Core, nil
	for _, name := range excerpts[scenario.Core] {
		row.Name = name
		rep.Rows = append(rep.Rows, row)
	}
	row.Name = "no part of it"
	rep.Rows = append(rep.Rows, row)
	const begin, end = "<!-- excerpt of core: written by the benchmark; do not edit -->", "<!-- end of excerpt of core -->"
	const page = "a\n" + begin + "\nold\n" + end + "\nb\n"
	got, err := InProjectReadme(page, rep)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(got, "\n")
	if lines[0] != "a" || lines[len(lines)-2] != "b" || strings.Contains(got, "old") ||
		strings.Count(got, "| "+row.Title+" ") != len(excerpts[scenario.Core]) || !strings.Contains(got, "Measured on 2026-01-02, build abc1234.\n") {
		t.Errorf("got %q", got)
	}
	if _, err := InProjectReadme("nothing", rep); err == nil {
		t.Error("a page without markers was accepted")
	}
	failed.Name = rep.Rows[1].Name
	for what, other := range map[string]Row{"was not played": row, "failed": failed, "has no figure": {Name: failed.Name}} {
		rep.Rows[1] = other
		if _, err := InProjectReadme(page, rep); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("got %v, want an error with %q", err, what)
		}
	}
}

// Every row of an excerpt is one of the set.
func TestExcerptsAreRows(t *testing.T) {
	for set, names := range excerpts {
		for _, name := range names {
			if !slices.ContainsFunc(scenario.Table(set), func(r scenario.Row) bool { return r.Name == name }) {
				t.Errorf("the set %s has no row %q", set, name)
			}
		}
	}
}

func TestCSV(t *testing.T) {
	rep := sample()
	rep.Rows[0].Nodes = 3
	lines := strings.Split(CSV(rep), "\n")
	if !strings.HasPrefix(lines[0], "row,nodes,unit,server,cpu,time,throughput,") || !strings.HasPrefix(lines[1], "1-1,3,delivery,nats-server,600,,1.61e+06,") {
		t.Errorf("%q", lines[:2])
	}
	for i, l := range lines {
		if l != "" && strings.Count(l, ",") != strings.Count(lines[0], ",") {
			t.Errorf("line %d has another number of fields: %s", i, l)
		}
	}
}

// scaledReport is a report whose costs follow the model exactly.
func scaledReport() Report {
	r := Report{Set: scenario.Scaling, Rounds: 1}
	for _, f := range families {
		for _, n := range scenario.ScalingNodes {
			row := Row{Name: fmt.Sprintf("%s-%d", f.name, n), Unit: f.unit, Nodes: n}
			for i, name := range []string{"nats-server", "dunlin"} {
				cost := float64(2-i) * (100 + 30*f.hops(float64(n))) / f.cost(float64(n))
				row.Sides = append(row.Sides, Side{Name: name, Median: map[scenario.Metric]float64{scenario.CPU: cost}})
			}
			r.Rows = append(r.Rows, row)
		}
	}
	return r
}

func TestModelFindsWhatMadeTheFigures(t *testing.T) {
	all := curves(scaledReport())
	if len(all) != 2*len(families) {
		t.Fatalf("%d curves", len(all))
	}
	for i, c := range all {
		factor := float64(2 - i%2)
		if math.Abs(c.fit.At0-100*factor) > 1e-6 || math.Abs(c.fit.Slope-30*factor) > 1e-6 {
			t.Errorf("%s of %s: %+v", c.name, c.server, c.fit)
		}
		if got, want := c.predict(3), 3e9/(factor*(100+30*c.hops(3))); math.Abs(got-want) > 1 {
			t.Errorf("%s of %s: predicted %g, expected %g", c.name, c.server, got, want)
		}
	}
	if text := Model(scaledReport()); strings.Contains(text, "NaN") || !strings.Contains(text, "N = 200") {
		t.Error(text)
	}
	decoder := xml.NewDecoder(strings.NewReader(ScalingSVG(scaledReport())))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"dunlin/bench/internal/scenario"
)

// Summary is the table of floors: a line a check.
func Summary(r Report) string {
	peerName, judgedName := "nats-server", "dunlin"
	if len(r.Servers) > 0 {
		peerName, judgedName = r.Servers[0].Name, r.Servers[len(r.Servers)-1].Name
	}
	switch {
	case len(r.Servers) == 1:
		judgedName = "–"
	case peerName == judgedName:
		judgedName += " (B)"
	}
	t := &table{
		head: []string{"row", "measured", peerName, judgedName, "compared with", "ratio", "floor", ""},
		side: []align{left, left, right, right, left, right, right, left},
	}
	for _, row := range r.Rows {
		if row.Error != "" {
			first, _, _ := strings.Cut(row.Error, "\n")
			t.add(row.Title, "failed: "+escape(first), "–", "–", "–", "–", "–", "✗")
			continue
		}
		for _, l := range Lines(row) {
			verdict := ""
			if l.Judged {
				verdict = "✗"
				if l.Pass {
					verdict = "✓"
				}
			}
			with := l.With
			if with == "" {
				with = peerName
			}
			t.add(row.Title, l.Measured, l.Peer, l.Value, with, l.Ratio, l.Floor, verdict)
		}
	}
	return t.String()
}

// Line is one check of a row, or one figure where nothing is compared, as
// people read it.
type Line struct {
	Measured, Peer, Value string
	With                  string // what the ratio compares with; "" = the peer
	Ratio, Floor          string
	Judged, Pass          bool
}

// Lines of a row that was measured.
func Lines(row Row) []Line {
	peer, judged, ref := row.sides()
	var out []Line
	if judged == nil { // one server only: figures, no verdicts
		for _, m := range summaryMetrics(row) {
			out = append(out, Line{Measured: measured(m, row.Unit), Peer: Figure(m, peer.value(m)), Value: "–", With: "–", Ratio: "–", Floor: "–"})
		}
		return out
	}
	for _, c := range row.Checks {
		l := Line{
			Measured: measured(c.Metric, row.Unit), Peer: Figure(c.Metric, peer.value(c.Metric)),
			Value: Figure(c.Metric, judged.value(c.Metric)), Ratio: ratio(c.Value), Floor: floorText(c), Judged: true, Pass: c.Pass,
		}
		switch c.Against {
		case scenario.Reference:
			l.With = fmt.Sprintf("%s: %s", without(row.Variant), Figure(c.Metric, ref.value(c.Metric)))
		case scenario.Nothing:
			l.With, l.Ratio = "–", "–"
			if c.Metric != scenario.Others && judged.value(c.Metric) > 0 {
				l.Ratio = ratio(peer.value(c.Metric) / judged.value(c.Metric))
			}
		}
		out = append(out, l)
	}
	return out
}

func summaryMetrics(row Row) []scenario.Metric {
	var out []scenario.Metric
	for _, s := range row.Sides[:min(1, len(row.Sides))] {
		for _, m := range []scenario.Metric{scenario.CPU, scenario.Time, scenario.Throughput, scenario.P999, scenario.RSS, scenario.Others} {
			if _, ok := s.Median[m]; ok {
				out = append(out, m)
			}
		}
	}
	return out
}

// value is the median of a metric; NaN if it, or the side, is missing.
func (s *Side) value(m scenario.Metric) float64 {
	if s == nil {
		return math.NaN()
	}
	v, ok := s.Median[m]
	if !ok {
		return math.NaN()
	}
	return v
}

// without names what the reference run lacked.
func without(v scenario.Variant) string {
	switch v {
	case scenario.Unpinned:
		return "pinned"
	case scenario.Parallel:
		return "one at a time"
	}
	return "without " + string(v)
}

func escape(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

// Details is the table of everything measured, a line a side. A metric that no row
// has gets no column.
func Details(r Report) string {
	metrics := []scenario.Metric{
		scenario.CPU, scenario.Time, scenario.Throughput, scenario.P50, scenario.P99, scenario.P999,
		scenario.RSS, scenario.Anon, scenario.ServerLoad, scenario.LoadLoad, scenario.Foreign,
	}
	metrics = slices.DeleteFunc(metrics, func(m scenario.Metric) bool { return !measures(r, m) })
	t := &table{head: []string{"row", "server"}, side: []align{left, left}}
	for _, m := range metrics {
		t.head, t.side = append(t.head, detailHead(m)), append(t.side, right)
	}
	t.head, t.side = append(t.head, "CPU, rounds"), append(t.side, right)
	for _, row := range r.Rows {
		for i := range row.Sides {
			s := &row.Sides[i]
			cells := []string{row.Title, s.Name}
			for _, m := range metrics {
				cells = append(cells, Figure(m, s.value(m)))
			}
			spread := "–"
			if v := s.Rounds[scenario.CPU]; len(v) > 0 {
				spread = Figure(scenario.CPU, slices.Min(v)) + " … " + Figure(scenario.CPU, slices.Max(v))
			}
			t.add(append(cells, spread)...)
		}
	}
	return t.String()
}

func measures(r Report, m scenario.Metric) bool {
	for _, row := range r.Rows {
		for _, s := range row.Sides {
			if _, ok := s.Median[m]; ok {
				return true
			}
		}
	}
	return false
}

func detailHead(m scenario.Metric) string {
	switch m {
	case scenario.CPU:
		return "CPU"
	case scenario.RSS:
		return "RSS"
	case scenario.ServerLoad:
		return "server busy"
	case scenario.LoadLoad:
		return "load busy"
	case scenario.Foreign:
		return "others busy"
	}
	return string(m)
}

// Circumstances says in a few lines what was measured where.
func Circumstances(r Report) string {
	var b strings.Builder
	names := make([]string, 0, len(r.Servers))
	for _, s := range r.Servers {
		if s.Name == "dunlin" && r.Revision != "" {
			s.Version += " (" + r.Revision + ")"
		}
		names = append(names, s.Version)
	}
	fmt.Fprintf(&b, "%s, %s, %d cores, %s, %s", strings.Join(names, " and "), r.Machine.Model, r.Machine.Cores, r.Machine.Kernel, r.Machine.Go)
	if r.Machine.Congestion != "" {
		fmt.Fprintf(&b, ", TCP with %s", r.Machine.Congestion)
	}
	b.WriteString(".\n")
	fmt.Fprintf(&b, "%d rounds of %.3g s after %.3g s of warm-up; medians; %s.\n", r.Rounds, r.Duration, r.Warmup, r.When.UTC().Format("2006-01-02"))
	if r.Profiled {
		b.WriteString("Servers were being profiled: the figures are not for publishing.\n")
	}
	if r.Set == scenario.Cluster || r.Set == scenario.Scaling {
		b.WriteString("All nodes are pinned to one core; CPU and memory are those of all nodes together.\n")
	}
	if r.Shrunk > 1 {
		fmt.Fprintf(&b, "Counts of subscriptions were divided by %d: the figures are not for publishing.\n", r.Shrunk)
	}
	if n, of := disturbed(r); n > 0 {
		fmt.Fprintf(&b, "Runs beside which other programs kept more than a tenth of a core busy: %d of %d.\n", n, of)
	}
	return b.String()
}

// disturbed counts the runs beside which something else ran, of all.
func disturbed(r Report) (n, of int) {
	const share = 0.1
	for _, row := range r.Rows {
		for _, s := range row.Sides {
			for _, v := range s.Rounds[scenario.Foreign] {
				of++
				if v > share {
					n++
				}
			}
		}
	}
	return n, of
}

// Markdown is the whole report for people.
func Markdown(r Report) string {
	if r.Set == scenario.Scaling {
		return "# Results\n\n" + Circumstances(r) + "\n![Plot](results.svg)\n\n" + Model(r) +
			"\n## Everything measured\n\nMedians over the rounds; *busy* in cores.\n\n" + Details(r)
	}
	return "# Results\n\n" + Circumstances(r) + "\n![Ratios](results.svg)\n\n" + Summary(r) +
		"\n## Everything measured\n\nMedians over the rounds; *busy* in cores.\n\n" + Details(r)
}

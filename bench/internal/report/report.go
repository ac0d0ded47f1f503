// Package report shows what was measured: JSON, Markdown, a plot, and the table
// in the README.
//
// Owns: forms, rounding, the markers in the README. Does not own: measuring and
// judging. Pure functions over values; only writing files has effects.
// Invariant: the same report gives the same bytes.
package report

import (
	"encoding/json"
	"time"

	"dunlin/bench/internal/runner"
	"dunlin/bench/internal/scenario"
	"dunlin/bench/internal/stats"
	"dunlin/bench/internal/target"
)

// Report is everything a reader of results.json gets.
type Report struct {
	When     time.Time        `json:"when"`
	Set      string           `json:"set"` // of rows
	Machine  Machine          `json:"machine"`
	Servers  []target.Program `json:"servers"` // the judged one last
	Revision string           `json:"revision"`
	Rounds   int              `json:"rounds"`
	// Warmup and Duration of a plain row, seconds.
	Warmup   float64 `json:"warmup_seconds"`
	Duration float64 `json:"duration_seconds"`
	// Profiled: the figures include the cost of profiling.
	Profiled bool `json:"profiled,omitempty"`
	// Shrunk is by how much counts of subscriptions were divided, if they were.
	Shrunk int   `json:"shrunk,omitempty"`
	Rows   []Row `json:"rows"`
}

// Machine is where it was measured.
type Machine struct {
	Model  string `json:"model"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	// Congestion is the congestion control of TCP that the system gives connections.
	Congestion string `json:"congestion,omitempty"`
	Go         string `json:"go"`
}

// Row is the outcome of one scenario.
type Row struct {
	Name    string           `json:"name"`
	Title   string           `json:"title"`
	Unit    string           `json:"unit"`
	Nodes   int              `json:"nodes,omitempty"` // of the cluster
	Variant scenario.Variant `json:"variant,omitempty"`
	Sides   []Side           `json:"sides"`
	Checks  []Check          `json:"checks"`
	Error   string           `json:"error,omitempty"`
}

// Side is one server's figures: CPU and latency in ns, memory in bytes,
// throughput in units a second, loads in cores.
type Side struct {
	Name      string                        `json:"name"`
	Reference bool                          `json:"reference,omitempty"`
	Median    map[scenario.Metric]float64   `json:"median"`
	Rounds    map[scenario.Metric][]float64 `json:"rounds"`
}

// Check is a floor and what stands against it.
type Check struct {
	Metric  scenario.Metric  `json:"metric"`
	Against scenario.Against `json:"against"`
	Floor   float64          `json:"floor"`
	Value   float64          `json:"value"`
	Rounds  []float64        `json:"rounds"`
	Pass    bool             `json:"pass"`
}

// RowOf turns an outcome into a report's row.
func RowOf(o runner.Outcome) Row {
	r := Row{Name: o.Row.Name, Title: o.Row.Title, Unit: o.Row.Unit, Nodes: o.Row.Nodes, Variant: o.Row.Variant, Error: o.Err}
	for _, s := range o.Sides {
		side := Side{Name: s.Name, Reference: s.Reference, Rounds: s.Rounds, Median: map[scenario.Metric]float64{}}
		for m, v := range s.Rounds {
			side.Median[m] = stats.Median(v)
		}
		r.Sides = append(r.Sides, side)
	}
	for _, v := range o.Checks {
		if len(v.Rounds) == 0 {
			continue // nothing to stand on; the error says why
		}
		r.Checks = append(r.Checks, Check{v.Metric, v.Against, v.Floor, v.Value, v.Rounds, v.Pass})
	}
	return r
}

// JSON is the report for programs.
func JSON(r Report) ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

// Failed counts the checks that missed their floor and the rows that broke.
func Failed(r Report) (missed, broken int) {
	for _, row := range r.Rows {
		if row.Error != "" {
			broken++
		}
		for _, c := range row.Checks {
			if !c.Pass {
				missed++
			}
		}
	}
	return missed, broken
}

// sides takes a row's columns apart: the peer, the judged server, and the
// judged one without the row's variant. Any may be nil.
func (r *Row) sides() (peer, judged, reference *Side) {
	for i := range r.Sides {
		switch s := &r.Sides[i]; {
		case s.Reference:
			reference = s
		case peer == nil:
			peer = s
		default:
			judged = s
		}
	}
	return peer, judged, reference
}

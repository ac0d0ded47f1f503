// Package runner plays rows: rounds, sides, the order between them, and turns
// what a run returned into metrics and verdicts.
//
// Owns: the method (a fresh pinned server a run, sides interleaved, the order
// alternating, medians of ratios taken round by round). Does not own: loads,
// servers, appearance. One goroutine plays everything; profiling alone has its
// own. Invariant: a verdict rests on rounds in which every run succeeded.
package runner

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"time"

	"dunlin/bench/internal/load"
	"dunlin/bench/internal/procfs"
	"dunlin/bench/internal/scenario"
	"dunlin/bench/internal/stats"
	"dunlin/bench/internal/target"
)

// Side is one column of a round.
type Side struct {
	Name     string
	Programs []target.Program // of each node; one for a single server
	// Reference: runs without the row's variant.
	Reference bool
}

// Options of a play.
type Options struct {
	Rounds           int
	Warmup, Duration time.Duration
	Profile          string // folder for profiles; "" = none
	// Quiet is how long a run may wait for other programs to leave the machine
	// alone; 0 = start at once. With it, a run that was disturbed all the same is
	// played again, at most quietTries times in all.
	Quiet time.Duration
	// Interrupted is asked before each run whether to stop; nil = never.
	Interrupted func() bool
	// Progress is told of every run, before (done false) and after.
	Progress func(Step)
}

// Step is one run's place in a row.
type Step struct {
	Row         scenario.Row
	Round, Of   int
	Side        string
	Done        bool
	Metrics     map[scenario.Metric]float64
	Err         error
	ProfileNote string
}

// Outcome of a row.
type Outcome struct {
	Row    scenario.Row
	Sides  []SideOutcome
	Checks []Verdict
	Err    string // of the first run that failed; "" = none
}

// SideOutcome is what one side showed, a value a round.
type SideOutcome struct {
	Name      string
	Reference bool
	Rounds    map[scenario.Metric][]float64
}

// Median of a metric over the rounds; NaN if it was not measured.
func (s *SideOutcome) Median(m scenario.Metric) float64 { return stats.Median(s.Rounds[m]) }

// Verdict is a check with its figure.
type Verdict struct {
	scenario.Check
	Value  float64   // the median ratio, or the median figure (Nothing)
	Rounds []float64 // what it is the median of
	Pass   bool
}

// the cores of a pinned row.
const (
	serverCore = 0
	loadCore   = 1
)

// ErrInterrupted stands in an outcome whose rounds were not all played.
var ErrInterrupted = errors.New("interrupted")

// Play runs all rounds of a row over the programs: the peer first, then the one
// that is judged. With one program nothing is compared.
func Play(row scenario.Row, programs []target.Program, o Options) Outcome {
	row = row.With(o.Warmup, o.Duration)
	sides := sidesOf(row, programs)
	out := Outcome{Row: row}
	for _, s := range sides {
		out.Sides = append(out.Sides, SideOutcome{Name: s.Name, Reference: s.Reference, Rounds: map[scenario.Metric][]float64{}})
	}
	rounds := o.Rounds
	if row.Rounds > 0 {
		rounds = min(rounds, row.Rounds)
	}
	for round := range rounds {
		for i := range sides {
			// Every other round backwards: whoever comes second finds a machine
			// in another state than who comes first.
			if round%2 == 1 {
				i = len(sides) - 1 - i
			}
			if o.Interrupted != nil && o.Interrupted() {
				out.Err = ErrInterrupted.Error()
				return out
			}
			step := Step{Row: row, Round: round, Of: rounds, Side: sides[i].Name}
			o.Progress(step)
			m, note, err := playQuietly(row, sides[i], round, o)
			step.Done, step.Metrics, step.Err, step.ProfileNote = true, m, err, note
			o.Progress(step)
			if err != nil {
				out.Err = fmt.Sprintf("%s, round %d: %v", sides[i].Name, round+1, err)
				return out
			}
			for k, v := range m {
				out.Sides[i].Rounds[k] = append(out.Sides[i].Rounds[k], v)
			}
		}
	}
	out.Checks = Judge(out)
	return out
}

func sidesOf(row scenario.Row, programs []target.Program) []Side {
	var sides []Side
	for i, p := range programs {
		name := p.Name
		if i == 1 && p.Name == programs[0].Name {
			name += " (B)" // a server against itself
		}
		sides = append(sides, Side{Name: name, Programs: nodesOf(row, programs[0], p, i)})
	}
	if row.NeedsReference() {
		last := sides[len(sides)-1]
		last.Name, last.Reference = last.Name+" (reference)", true
		sides = append(sides, last)
	}
	return sides
}

// nodesOf is what runs on each node of a side: the side's program, but where a
// row mixes, and on the judged side only, the peer on the nodes that are its.
func nodesOf(row scenario.Row, peer, own target.Program, side int) []target.Program {
	nodes := make([]target.Program, max(row.Nodes, 1))
	for i := range nodes {
		nodes[i] = own
		if side > 0 && i < len(row.Mix) && row.Mix[i] == scenario.PeerNode {
			nodes[i] = peer
		}
	}
	return nodes
}

// Judge compares the last program with the first.
func Judge(out Outcome) []Verdict {
	var first, last, ref *SideOutcome
	for i := range out.Sides {
		switch s := &out.Sides[i]; {
		case s.Reference:
			ref = s
		case first == nil:
			first = s
		default:
			last = s
		}
	}
	var verdicts []Verdict
	for _, c := range out.Row.Checks {
		v := Verdict{Check: c}
		judged := last
		if judged == nil && c.Against != scenario.Peer {
			judged = first
		}
		if judged == nil {
			continue
		}
		switch c.Against {
		case scenario.Peer:
			v.Rounds = better(c.Metric, first.Rounds[c.Metric], judged.Rounds[c.Metric])
		case scenario.Reference:
			v.Rounds = better(c.Metric, ref.Rounds[c.Metric], judged.Rounds[c.Metric])
		case scenario.Nothing:
			v.Rounds = judged.Rounds[c.Metric]
		}
		v.Value = stats.Median(v.Rounds)
		v.Pass = v.Value >= c.Floor
		if c.Against == scenario.Nothing && !c.Metric.MoreIsBetter() {
			v.Pass = v.Value <= c.Floor
		}
		verdicts = append(verdicts, v)
	}
	return verdicts
}

// better returns ratios a round that grow as b improves on a.
func better(m scenario.Metric, a, b []float64) []float64 {
	if m.MoreIsBetter() {
		return stats.Ratios(b, a)
	}
	return stats.Ratios(a, b)
}

const (
	quietTries   = 3
	quietForeign = 0.1 // cores others may use beside a run that counts
)

// playQuietly repeats a run beside which others were busy. What decides is what
// they used, never how the run came out; the last try counts as it is.
func playQuietly(row scenario.Row, side Side, round int, o Options) (m map[scenario.Metric]float64, note string, err error) {
	for range quietTries {
		m, note, err = play(row, side, round, o)
		if err != nil || o.Quiet == 0 || m[scenario.Foreign] <= quietForeign {
			break
		}
	}
	return m, note, err
}

// play is one run: a fresh server, one load.
func play(row scenario.Row, side Side, round int, o Options) (m map[scenario.Metric]float64, note string, err error) {
	variant, processors := row.Variant, 0
	switch {
	case side.Reference && variant == scenario.Parallel:
		processors = 1
	case side.Reference:
		variant = scenario.Plain
	}
	set := target.Setting{
		Core: serverCore, Permissions: variant == scenario.Permissions, TLS: variant == scenario.TLS,
		Profile: o.Profile != "", Compression: row.Compression,
		Processors: processors,
	}
	if variant == scenario.Unpinned || variant == scenario.Parallel || procfs.Cores() < 2 {
		set.Core = -1
	}
	if err := awaitQuiet(o.Quiet); err != nil {
		return nil, "", err
	}
	if err := placeGenerator(set.Core >= 0); err != nil {
		return nil, "", err
	}
	srv, err := target.StartAll(side.Programs, set)
	if err != nil {
		return nil, "", err
	}
	defer srv.Stop()
	access, err := accessTo(srv, set)
	if err != nil {
		return nil, "", err
	}
	meter := &meter{pids: srv.PIDs}
	var prof profiles
	if o.Profile != "" {
		prof = startProfiles(srv.Nodes, o.Profile, fmt.Sprintf("%s-%s-%d", row.Name, side.Name, round+1), row.Load)
	}
	runtime.GC() // what earlier runs left behind is not collected during this one
	res, err := load.Run(row.Load, access, meter.snapshot)
	note = prof.finish()
	if err != nil {
		return nil, note, fmt.Errorf("%w%s", err, srv.LogTail())
	}
	return metrics(row, res, meter), note, nil
}

func accessTo(srv *target.Cluster, set target.Setting) (load.Access, error) {
	a := load.Access{Addrs: srv.Addrs(), Kill: srv.Kill, Revive: srv.Revive}
	if set.Permissions {
		a.User, a.Password = target.User, target.Password
	}
	if set.TLS {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(srv.Nodes[0].CertPEM) {
			return a, errors.New("the server's certificate cannot be read back")
		}
		a.TLS = &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
	}
	return a, nil
}

// placeGenerator moves this process to its core, or frees it.
func placeGenerator(pinned bool) error {
	if !pinned {
		runtime.GOMAXPROCS(procfs.Cores())
		return procfs.Pin()
	}
	runtime.GOMAXPROCS(1)
	return procfs.Pin(loadCore)
}

// awaitQuiet waits until nothing much runs, at most so long: a busy machine makes
// a figure worse, it does not make it wrong, and the report tells.
func awaitQuiet(most time.Duration) error {
	const look, share = 300 * time.Millisecond, 0.07
	for deadline := time.Now().Add(most); time.Now().Before(deadline); {
		before, err := procfs.Busy()
		if err != nil {
			return err
		}
		time.Sleep(look)
		after, err := procfs.Busy()
		if err != nil || float64(after-before)/float64(look) < share {
			return err
		}
	}
	return nil
}

// meter takes the snapshots of a run, and with them what else the machine did.
type meter struct {
	pids  func() []int // of the nodes that run
	marks []meterMark
}

type meterMark struct {
	at                time.Time
	server, own, busy time.Duration
}

func (m *meter) snapshot() (load.Usage, error) {
	var u load.Usage
	var mark meterMark
	pids := m.pids()
	for _, pid := range pids {
		mem, err := procfs.MemoryOf(pid)
		if err != nil {
			return u, err
		}
		u.RSS += mem.RSS
		u.Anon += mem.Anon
	}
	var err error
	if mark.busy, err = procfs.Busy(); err != nil {
		return u, err
	}
	if mark.own, err = procfs.CPU(os.Getpid()); err != nil {
		return u, err
	}
	for _, pid := range pids {
		cpu, err := procfs.CPU(pid)
		if err != nil {
			return u, err
		}
		mark.server += cpu
	}
	u.CPU = mark.server
	mark.at = time.Now()
	m.marks = append(m.marks, mark)
	return u, nil
}

func metrics(row scenario.Row, res load.Result, meter *meter) map[scenario.Metric]float64 {
	units := float64(res.Units)
	m := map[scenario.Metric]float64{
		scenario.CPU:        float64(res.CPU) / units,
		scenario.Throughput: units / res.Elapsed.Seconds(),
	}
	if n := len(meter.marks); n >= 2 {
		a, b := meter.marks[0], meter.marks[1]
		wall := float64(b.at.Sub(a.at))
		server, own := float64(b.server-a.server), float64(b.own-a.own)
		m[scenario.ServerLoad], m[scenario.LoadLoad] = server/wall, own/wall
		// Ticks of 10 ms: below a few hundredths this is noise.
		m[scenario.Foreign] = math.Max(0, (float64(b.busy-a.busy)-server-own)/wall)
	}
	if len(res.Latency) > 0 {
		m[scenario.P50] = stats.Quantile(res.Latency, 0.50)
		m[scenario.P99] = stats.Quantile(res.Latency, 0.99)
		m[scenario.P999] = stats.Quantile(res.Latency, 0.999)
	}
	if k := row.Load.Kind; k == load.Interest || k == load.Restart {
		m[scenario.Time] = float64(res.Elapsed)
	}
	switch row.Load.Kind {
	case load.Restart:
		// All that the nodes hold: there was no moment with nothing.
		m[scenario.RSS] = float64(res.MemoryAfter.RSS) / units
		m[scenario.Anon] = float64(res.MemoryAfter.Anon) / units
	case load.Idle, load.Subscriptions, load.Interest:
		m[scenario.RSS] = float64(res.MemoryAfter.RSS-res.MemoryBefore.RSS) / units
		m[scenario.Anon] = float64(res.MemoryAfter.Anon-res.MemoryBefore.Anon) / units
	}
	if row.Load.ChurnPerSecond > 0 {
		m[scenario.Churn] = res.ChurnPerSecond
	}
	if row.Load.Stall || row.Load.ChurnLater {
		before := float64(res.OthersBefore) / res.Elapsed.Seconds()
		m[scenario.Others] = float64(res.OthersWith) / res.LaterElapsed.Seconds() / before
	}
	return m
}

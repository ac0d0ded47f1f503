// Package scenario is the benchmark table as data: the rows, what each one
// measures and the floor it has to reach.
//
// Owns: the table. Does not own: how a load is made, how servers run, how
// results look. Immutable values; safe from anywhere. Invariant: names are
// unique, every check names a metric its row yields.
package scenario

import (
	"fmt"
	"time"

	"dunlin/bench/internal/load"
)

// Metric is one measured quantity of a run.
type Metric string

const (
	CPU        Metric = "cpu"        // server's processor time a unit, ns
	Throughput Metric = "throughput" // units a second
	P50        Metric = "p50"        // latency quantiles, ns
	P99        Metric = "p99"
	P999       Metric = "p99.9"
	Time       Metric = "time" // until all is done, ns
	RSS        Metric = "rss"  // resident memory a unit, bytes
	Anon       Metric = "anon" // the part of it the server wrote itself, bytes
	// Others is the others' throughput beside a stalled subscriber or a churning
	// one, a share of what it was before in the same run.
	Others Metric = "others"

	// About the run, not about the server's merit:
	ServerLoad Metric = "server-load" // cores the server kept busy
	LoadLoad   Metric = "gen-load"    // cores the generator kept busy
	Foreign    Metric = "foreign"     // cores anything else on the machine kept busy
	Churn      Metric = "churn"       // subscriptions churned a second, as reached
)

// MoreIsBetter tells in which direction a metric improves.
func (m Metric) MoreIsBetter() bool { return m == Throughput || m == Others }

// Against is what a check compares dunlin's figure with.
type Against string

const (
	Peer      Against = "nats-server" // the ratio, so turned that more is better
	Reference Against = "reference"   // dunlin without what the row adds; turned likewise
	Nothing   Against = "nothing"     // the figure itself
)

// Check is a floor. For Peer and Reference it is the least ratio; for Nothing
// the least (or, where less is better, the largest) figure.
type Check struct {
	Metric  Metric
	Against Against
	Floor   float64
}

// Variant says what a row adds to a plain pinned server; Reference runs dunlin
// once more without it.
type Variant string

const (
	Plain       Variant = ""
	Permissions Variant = "permissions" // every connection is a user with permissions
	Unpinned    Variant = "unpinned"    // server and generator on any core
	TLS         Variant = "tls"
	// Parallel: unpinned, and so is its reference, which runs one goroutine at a time.
	Parallel Variant = "parallel"
)

// Row is one scenario.
type Row struct {
	Name  string // stable, for -rows and the JSON
	Title string
	// Unit is what CPU, RSS and throughput count: delivery, message, ...
	Unit    string
	Load    load.Spec
	Variant Variant
	// Stretch multiplies the duration: rows that need more samples.
	Stretch int
	// Rounds bounds how often a long row is played; 0 = as often as any other.
	Rounds int
	Checks []Check

	// Nodes of the cluster; 0 = one server, no cluster. All of them are pinned to
	// the one core, and CPU and memory are those of all together.
	Nodes int
	// Mix says for each node whose it is on the judged side; nil = all judged.
	Mix         []NodeKind
	Compression string // of the routes; "" = the servers' default
}

// NodeKind says whose a node of a mixed cluster is.
type NodeKind bool

const (
	JudgedNode NodeKind = false
	PeerNode   NodeKind = true
)

// NeedsReference tells whether a third run, dunlin without the variant, is part
// of each round.
func (r Row) NeedsReference() bool {
	for _, c := range r.Checks {
		if c.Against == Reference {
			return true
		}
	}
	return false
}

// With sets the times of a row's load.
func (r Row) With(warmup, duration time.Duration) Row {
	r.Load.Warmup, r.Load.Duration = warmup, duration*time.Duration(max(r.Stretch, 1))
	return r
}

func peer(m Metric, floor float64) Check { return Check{m, Peer, floor} }

func cpu(floor float64) []Check { return []Check{peer(CPU, floor)} }

// Windows towards one subscriber: enough to keep a server busy, far below the
// 64 MB at which nats-server disconnects one.
const (
	window      = 4 << 20
	windowShare = 1 << 20 // where many subscribers are kept at once
)

func flow(name, title string, l load.Spec, floor float64) Row {
	l.Kind = load.Flow
	l.Flows = max(l.Flows, 1)
	if l.Window == 0 {
		l.Window = window
	}
	unit := "delivery"
	if l.Subs == 0 {
		unit = "message"
	}
	return Row{Name: name, Title: title, Unit: unit, Load: l, Checks: cpu(floor)}
}

// messaging are the rows that also run with permissions.
func messaging() []Row {
	return []Row{
		flow("publish-16", "publish only, 16 B", load.Spec{Pubs: 1, Payload: 16}, 3),
		flow("publish-128", "publish only", load.Spec{Pubs: 1, Payload: 128}, 4),
		flow("1-1-16", "1 → 1, 16 B", load.Spec{Pubs: 1, Subs: 1, Payload: 16}, 3.5),
		flow("1-1-128", "1 → 1", load.Spec{Pubs: 1, Subs: 1, Payload: 128}, 2.3),
		flow("1-1-128-header", "1 → 1, header", load.Spec{Pubs: 1, Subs: 1, Payload: 128, Header: 48}, 2.3),
		flow("1-1-1k", "1 → 1, 1 KiB", load.Spec{Pubs: 1, Subs: 1, Payload: 1 << 10}, 1.5),
		flow("1-1-16k", "1 → 1, 16 KiB", load.Spec{Pubs: 1, Subs: 1, Payload: 16 << 10}, 1.2),
		flow("1-10", "1 → 10", load.Spec{Pubs: 1, Subs: 10, Payload: 128, Window: windowShare}, 3.3),
		flow("1-100", "1 → 100", load.Spec{Pubs: 1, Subs: 100, Payload: 128, Window: windowShare}, 3.3),
		flow("50-pairs", "50 pairs", load.Spec{Flows: 50, Pubs: 1, Subs: 1, Payload: 128, Window: windowShare}, 2.7),
		flow("10-1", "10 → 1", load.Spec{Pubs: 10, Subs: 1, Payload: 128}, 3),
		flow("1-queue-4", "1 → queue group of 4", load.Spec{Pubs: 1, Subs: 4, Queue: true, Payload: 128}, 2),
		{
			Name: "request-1", Title: "request-reply, one at a time", Unit: "round trip", Stretch: 3,
			Load:   load.Spec{Kind: load.Request, Pubs: 1, Payload: 128},
			Checks: []Check{peer(CPU, 1.15), peer(P999, 1/0.65)},
		},
		{
			Name: "request-50", Title: "50 requesters at once", Unit: "round trip",
			Load:   load.Spec{Kind: load.Request, Pubs: 50, Payload: 128},
			Checks: []Check{peer(CPU, 1.4), peer(Throughput, 1.4)},
		},
		{
			Name: "mixed-100k", Title: "100,000 mixed subscriptions, random subjects", Unit: "delivery",
			Load:   load.Spec{Kind: load.Mixed, Count: 100_000, Payload: 128, Window: window},
			Checks: cpu(2),
		},
		flow("1-1-churn", "1 → 1 beside 20,000 SUB and UNSUB a second",
			load.Spec{Pubs: 1, Subs: 1, Payload: 128, ChurnPerSecond: 20_000}, 2),
	}
}

// memory are the rows about what connections and subscriptions hold.
func memory() []Row {
	return []Row{
		{
			Name: "idle", Title: "idle connection with one subscription", Unit: "connection",
			Load:   load.Spec{Kind: load.Idle, Count: 5000},
			Checks: []Check{{RSS, Nothing, 6 << 10}},
		},
		{
			Name: "idle-tls", Title: "idle TLS connection", Unit: "connection", Variant: TLS,
			Load:   load.Spec{Kind: load.Idle, Count: 2000},
			Checks: []Check{peer(RSS, 2)},
		},
		{
			Name: "subscriptions-500k", Title: "a subscription of 500,000 on one connection", Unit: "subscription",
			Load:   load.Spec{Kind: load.Subscriptions, Count: 500_000},
			Checks: []Check{peer(CPU, 3), peer(RSS, 4)},
		},
	}
}

// cores are the rows about using more than one: what it brings, and what it costs. The
// second kind leaves out what the generator costs that takes turns on the server's cores.
func cores() []Row {
	var rows []Row
	for _, pairs := range []int{4, 50} {
		r := flow(fmt.Sprintf("%d-pairs-unpinned", pairs), fmt.Sprintf("%d pairs, nothing pinned", pairs),
			load.Spec{Flows: pairs, Pubs: 1, Subs: 1, Payload: 128, Window: windowShare}, 0)
		r.Variant = Unpinned
		r.Checks = []Check{peer(Throughput, 1.5), {CPU, Reference, 1 / 1.2}}
		rows = append(rows, r)
		r.Name, r.Title = fmt.Sprintf("%d-pairs-parallel", pairs), r.Title+", all cores beside one"
		r.Variant, r.Stretch = Parallel, 3 // this machine's speed changes more than what is asked
		r.Checks = []Check{{CPU, Reference, 1 / 1.2}}
		rows = append(rows, r)
	}
	return rows
}

// Sets are the names of the tables.
var Sets = []string{Core, Cluster, Scaling}

// The tables.
const (
	Core    = "core"    // one server
	Cluster = "cluster" // three nodes
	Scaling = "scaling" // one to nine nodes; no floors
)

// Table returns the rows of a set in the order they are shown; nil if there is
// no such set.
func Table(set string) []Row {
	switch set {
	case Core:
		return core()
	case Cluster:
		return cluster()
	case Scaling:
		return scaling()
	}
	return nil
}

func core() []Row {
	rows := messaging()
	stall := flow("stalled", "49 pairs beside a stalled subscriber",
		load.Spec{Flows: 50, Pubs: 1, Subs: 1, Payload: 128, Window: windowShare, Stall: true}, 0)
	stall.Checks = []Check{{Others, Nothing, 0.9}}
	rows = append(rows, stall)
	rows = append(rows, memory()...)
	rows = append(rows, cores()...)
	for _, r := range messaging() {
		r.Name += "-permissions"
		r.Title += ", permissions"
		r.Variant = Permissions
		// "No more than 10 % below the row without", in work done for the same time.
		r.Checks = []Check{{CPU, Reference, 0.9}}
		rows = append(rows, r)
	}
	return rows
}

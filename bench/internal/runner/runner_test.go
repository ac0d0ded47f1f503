package runner

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"dunlin/bench/internal/fakebroker"
	"dunlin/bench/internal/load"
	"dunlin/bench/internal/scenario"
	"dunlin/bench/internal/target"
)

// The test binary, started as "<binary> -c <file>", is a server: the fake broker
// at the address the configuration names, a liar if liarEnv is set.
const liarEnv = "DUNLIN_BENCH_TEST_LIAR"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "-c" {
		if err := serve(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "fake server:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serve(conf string) error {
	text, err := os.ReadFile(conf)
	if err != nil {
		return err
	}
	m := regexp.MustCompile(`listen: "(.*)"`).FindSubmatch(text)
	if m == nil {
		return fmt.Errorf("no address in %s", text)
	}
	// A cluster is one broker at the addresses of all: its first node serves
	// clients at its route port too, the others pass theirs on to it.
	cluster := regexp.MustCompile(`(?s)cluster.*listen: "(.*?)".*routes: \[\s*(?:"nats-route://(.*?)")?`).FindSubmatch(text)
	if cluster != nil && len(cluster[2]) > 0 {
		return relay(string(m[1]), string(cluster[2]))
	}
	b, err := fakebroker.Listen(string(m[1]))
	if err != nil {
		return err
	}
	if cluster != nil {
		if err := b.AlsoAt(string(cluster[1])); err != nil {
			return err
		}
	}
	if os.Getenv(liarEnv) != "" {
		b.Copies = func(n int64) int {
			if n == 500 {
				return 2
			}
			return 1
		}
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	return nil
}

// relay passes connections on until it is killed.
func relay(from, to string) error {
	l, err := net.Listen("tcp", from)
	if err != nil {
		return err
	}
	for {
		in, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer in.Close()
			out, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			defer out.Close()
			go io.Copy(out, in)
			io.Copy(in, out)
		}()
	}
}

func self(t *testing.T, name string) target.Program {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return target.Program{Name: name, Path: exe}
}

func quick(row scenario.Row) scenario.Row {
	row.Load.Window = 64 << 10
	return row
}

func rowNamed(t *testing.T, name string) scenario.Row {
	t.Helper()
	for _, set := range scenario.Sets {
		for _, r := range scenario.Table(set) {
			if r.Name == name {
				return quick(r)
			}
		}
	}
	t.Fatalf("no row %q", name)
	return scenario.Row{}
}

func brief(progress func(Step)) Options {
	return Options{Rounds: 2, Warmup: 20 * time.Millisecond, Duration: 100 * time.Millisecond, Progress: progress}
}

// One row through everything: processes, pinning, load, figures, verdicts.
func TestPlayInterleaves(t *testing.T) {
	t.Cleanup(func() { placeGenerator(false) })
	var order []string
	out := Play(rowNamed(t, "1-1-128-permissions"), []target.Program{self(t, "peer"), self(t, "judged")}, brief(func(s Step) {
		if s.Done {
			order = append(order, s.Side)
		}
	}))
	if out.Err != "" {
		t.Fatal(out.Err)
	}
	want := []string{"peer", "judged", "judged (reference)", "judged (reference)", "judged", "peer"}
	if !slices.Equal(order, want) {
		t.Errorf("order %v, expected %v", order, want)
	}
	for _, s := range out.Sides {
		for _, m := range []scenario.Metric{scenario.CPU, scenario.Throughput, scenario.ServerLoad, scenario.Foreign} {
			if len(s.Rounds[m]) != 2 {
				t.Errorf("%s: %s has rounds %v, expected 2", s.Name, m, s.Rounds[m])
			}
		}
		if s.Median(scenario.CPU) <= 0 || s.Median(scenario.Throughput) <= 0 {
			t.Errorf("%s: nothing measured: %v", s.Name, s.Rounds)
		}
	}
	if len(out.Checks) != 1 || len(out.Checks[0].Rounds) != 2 {
		t.Errorf("verdicts: %+v", out.Checks)
	}
}

// Several processes to a side, in a mixed row of both kinds.
func TestPlayClusters(t *testing.T) {
	t.Cleanup(func() { placeGenerator(false) })
	interest := rowNamed(t, "interest-300k")
	interest.Load.Count = 2000
	programs := []target.Program{self(t, "peer"), self(t, "judged")}
	for _, row := range []scenario.Row{rowNamed(t, "9-pairs-churn"), rowNamed(t, "a-b-128-to-peer"), interest} {
		o := brief(func(Step) {})
		o.Rounds = 1
		out := Play(row, programs, o)
		if out.Err != "" {
			t.Errorf("%s: %s", row.Name, out.Err)
			continue
		}
		if len(out.Checks) != len(row.Checks) || out.Sides[0].Median(scenario.CPU) <= 0 {
			t.Errorf("%s: %+v", row.Name, out)
		}
	}
}

func TestNodesOfAMixedRow(t *testing.T) {
	peer, judged := target.Program{Name: "p"}, target.Program{Name: "j"}
	row := scenario.Row{Nodes: 3, Mix: []scenario.NodeKind{scenario.JudgedNode, scenario.PeerNode, scenario.JudgedNode}}
	for side, want := range []string{"ppp", "jpj"} {
		got := ""
		for _, n := range nodesOf(row, peer, []target.Program{peer, judged}[side], side) {
			got += n.Name
		}
		if got != want {
			t.Errorf("side %d: %s", side, got)
		}
	}
}

func TestPlayGivesNoFigureForALiar(t *testing.T) {
	t.Cleanup(func() { placeGenerator(false) })
	t.Setenv(liarEnv, "1")
	out := Play(rowNamed(t, "1-1-128"), []target.Program{self(t, "peer"), self(t, "judged")}, brief(func(Step) {}))
	if !strings.Contains(out.Err, "lost, doubled or out of order") || len(out.Checks) != 0 {
		t.Errorf("got %q and verdicts %+v", out.Err, out.Checks)
	}
}

func TestPlayTellsWhyAServerDidNotStart(t *testing.T) {
	t.Cleanup(func() { placeGenerator(false) })
	broken := target.Program{Name: "broken", Path: "/bin/false"}
	out := Play(rowNamed(t, "1-1-128"), []target.Program{broken}, brief(func(Step) {}))
	if !strings.Contains(out.Err, "starting broken: it ended at once") {
		t.Errorf("got %q", out.Err)
	}
}

// The real peer, where it has been installed already.
func TestPlayNATSServer(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	path := filepath.Join(cache, "dunlin-bench", "nats-server-"+target.NATSVersion, "nats-server")
	if _, err := os.Stat(path); err != nil {
		t.Skip("nats-server is not installed yet: make bench does it")
	}
	t.Cleanup(func() { placeGenerator(false) })
	p, err := target.Source{NATSServer: path}.Get("nats-server")
	if err != nil {
		t.Fatal(err)
	}
	idle := rowNamed(t, "idle-tls")
	idle.Load.Count = 20
	interest, restart := rowNamed(t, "interest-300k"), rowNamed(t, "restart-1m")
	interest.Load.Count, restart.Load.Count = 2000, 2000
	for _, row := range []scenario.Row{interest, restart, rowNamed(t, "9-pairs-churn"), rowNamed(t, "a-b-1k-s2"), rowNamed(t, "1-1-128-permissions"), rowNamed(t, "1-1-128-header"), rowNamed(t, "request-50"), idle} {
		o := brief(func(Step) {})
		o.Rounds = 1
		if out := Play(row, []target.Program{p}, o); out.Err != "" {
			t.Errorf("%s: %s", row.Name, out.Err)
		}
	}
}

func TestJudge(t *testing.T) {
	type rounds = map[scenario.Metric][]float64
	out := Outcome{
		Row: scenario.Row{Load: load.Spec{}, Checks: []scenario.Check{
			{Metric: scenario.CPU, Against: scenario.Peer, Floor: 2},
			{Metric: scenario.Throughput, Against: scenario.Peer, Floor: 2},
			{Metric: scenario.CPU, Against: scenario.Reference, Floor: 0.9},
			{Metric: scenario.RSS, Against: scenario.Nothing, Floor: 6000},
			{Metric: scenario.Others, Against: scenario.Nothing, Floor: 0.9},
		}},
		Sides: []SideOutcome{
			{Name: "peer", Rounds: rounds{scenario.CPU: {300, 600, 330}, scenario.Throughput: {10, 20, 11}}},
			{Name: "judged", Rounds: rounds{
				scenario.CPU: {100, 200, 100}, scenario.Throughput: {19, 38, 22},
				scenario.RSS: {5000, 6100, 5900}, scenario.Others: {0.8, 0.95, 0.85},
			}},
			{Name: "ref", Reference: true, Rounds: rounds{scenario.CPU: {80, 190, 95}}},
		},
	}
	want := []struct {
		value float64
		pass  bool
	}{{3, true}, {1.9, false}, {0.95, true}, {5900, true}, {0.85, false}}
	for i, v := range Judge(out) {
		if v.Value != want[i].value || v.Pass != want[i].pass {
			t.Errorf("check %d: %v, pass %v; expected %+v", i, v.Value, v.Pass, want[i])
		}
	}
	// Alone, only what needs no peer is judged.
	out.Sides = out.Sides[1:2]
	out.Row.Checks = out.Row.Checks[3:]
	if v := Judge(out); len(v) != 2 || v[0].Value != 5900 {
		t.Errorf("alone: %+v", v)
	}
}

package netlab

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dunlin/conformance/target"
)

var enabled = flag.Bool("net", false, "run the tests that need network namespaces (make test-net)")

var dunlin string

func TestMain(m *testing.M) {
	flag.Parse()
	if *enabled {
		b, err := target.Dunlin(context.Background())
		if err != nil {
			fmt.Fprintln(os.Stderr, "cannot build the server:", err)
			os.Exit(1)
		}
		dunlin = b.Path
	}
	os.Exit(m.Run())
}

// start makes a cluster of n servers, each with routes to the first two; links
// may put servers behind another address.
func start(t *testing.T, n int) (*Lab, []*Node) {
	t.Helper()
	needs(t)
	lab := NewLab(t, n)
	return lab, startOn(t, lab, n, func(i int) string { return net.JoinHostPort(lab.Host(i).IP, strconv.Itoa(routePort)) })
}

func needs(t *testing.T) {
	t.Helper()
	if !*enabled {
		t.Skip("needs network namespaces: make test-net runs it")
	}
	if err := Possible(); err != nil {
		t.Skip(err)
	}
}

func startOn(t *testing.T, lab *Lab, n int, addr func(int) string) []*Node {
	t.Helper()
	var nodes []*Node
	for i := range n {
		var seeds []string
		for j := range min(n, 2) {
			if j != i {
				seeds = append(seeds, addr(j))
			}
		}
		node := &Node{t: t, host: lab.Host(i), bin: dunlin, routeAddr: addr(i)}
		node.conf = configure(t, lab.Host(i), i, seeds, fmt.Sprintf("advertise: %q", addr(i)))
		node.Start()
		nodes = append(nodes, node)
	}
	t.Cleanup(func() {
		for _, n := range nodes {
			if n.Running() {
				n.Kill()
			}
			if log := n.output.String(); strings.Contains(log, "panic:") || strings.Contains(log, "fatal error:") || strings.Contains(log, "DATA RACE") {
				t.Errorf("%s crashed:\n%s", n.Name(), tail(log))
			}
		}
	})
	return nodes
}

// untouched tells that neither end of a stream is one of hurt.
func untouched(hurt ...int) func(from, to int) bool {
	return func(from, to int) bool {
		for _, h := range hurt {
			if from == h || to == h {
				return false
			}
		}
		return true
	}
}

// holdings is what a server has open.
type holdings struct{ files int }

func (n *Node) holds() holdings {
	n.t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", n.PID()))
	if err != nil {
		n.t.Fatal(err)
	}
	return holdings{files: len(files)}
}

// TestKillEach: servers die without a word and come back, one after the other.
// Between the others nothing is lost.
func TestKillEach(t *testing.T) {
	const n = 3
	_, nodes := start(t, n)
	for i, node := range nodes {
		f := StartTraffic(t, nodes)
		f.Running(200)
		node.Kill()
		f.RunningAt(others(n, i), 400)
		node.Start()
		f.Settle()
		f.Running(200)
		f.Finish(untouched(i))
		f.close()
	}
}

func others(n, but int) (list []int) {
	for i := range n {
		if i != but {
			list = append(list, i)
		}
	}
	return list
}

// TestCutOff: one server is cut off from the others for longer than it takes to
// notice, and comes back.
func TestCutOff(t *testing.T) {
	lab, nodes := start(t, 3)
	f := StartTraffic(t, nodes)
	before := nodes[0].holds()
	for range 2 {
		f.Running(200)
		heal := lab.Cut([]int{2}, []int{0, 1})
		f.until("the others notice", func() string { return hasRoutes(nodes[0], 1) })
		f.until("the one that is cut off notices", func() string { return hasRoutes(nodes[2], 0) })
		f.Running(200)
		heal()
		f.Settle()
	}
	f.Running(200)
	f.Finish(untouched(2))
	if after := nodes[0].holds(); after.files > before.files+3 {
		t.Errorf("%d files are open, %d were before", after.files, before.files)
	}
}

// hasRoutes says what is wrong if n is not connected to count other servers.
func hasRoutes(n *Node, count int) string {
	known, err := n.known()
	if err != nil {
		return err.Error()
	}
	if len(known) != count {
		return fmt.Sprintf("%s is connected to %d servers, want %d", n.Name(), len(known), count)
	}
	return ""
}

// TestHalves: four servers fall into two pairs, and find together again.
func TestHalves(t *testing.T) {
	lab, nodes := start(t, 4)
	f := StartTraffic(t, nodes)
	f.Running(200)
	heal := lab.Cut([]int{0, 1}, []int{2, 3})
	for _, n := range nodes {
		f.until("each half notices", func() string { return hasRoutes(n, 1) })
	}
	f.Running(200)
	heal()
	f.Settle()
	f.Running(200)
	f.Finish(func(from, to int) bool { return (from < 2) == (to < 2) })
}

// TestOneWay: a server hears another and is not heard.
func TestOneWay(t *testing.T) {
	lab, nodes := start(t, 3)
	f := StartTraffic(t, nodes)
	f.Running(200)
	lab.Host(1).Mute(lab.Host(2))
	f.until("both notice", func() string {
		for _, i := range []int{1, 2} {
			if why := hasRoutes(nodes[i], 1); why != "" {
				return why
			}
		}
		return ""
	})
	f.Running(200)
	lab.Host(1).Unmute(lab.Host(2))
	f.Settle()
	f.Running(200)
	f.Finish(func(from, to int) bool { return from == to || from == 0 || to == 0 })
}

// TestFrozen: a server does nothing for a while, as a machine that is being
// moved does, and goes on.
func TestFrozen(t *testing.T) {
	_, nodes := start(t, 3)
	f := StartTraffic(t, nodes)
	f.Running(200)
	nodes[1].Signal(syscall.SIGSTOP)
	f.until("the others notice", func() string { return hasRoutes(nodes[0], 1) })
	f.RunningAt([]int{0, 2}, 400)
	nodes[1].Signal(syscall.SIGCONT)
	f.Settle()
	f.Running(200)
	f.Finish(untouched(1))
}

// TestSlowLink: two hundred milliseconds lie between a server and the others, then
// nothing goes through for a moment. Nothing is lost by that.
func TestSlowLink(t *testing.T) {
	needs(t)
	const n = 3
	lab := NewLab(t, n)
	link := NewLink(t, lab.Outside(), net.JoinHostPort(lab.Host(0).IP, strconv.Itoa(routePort)), 200*time.Millisecond)
	nodes := startOn(t, lab, n, func(i int) string {
		if i == 0 {
			return link.Addr()
		}
		return net.JoinHostPort(lab.Host(i).IP, strconv.Itoa(routePort))
	})
	f := StartTraffic(t, nodes)
	f.Running(400)
	link.Stall()
	f.Running(400)
	link.Resume()
	f.Running(400)
	f.Settle()
	f.Finish(func(int, int) bool { return true })
}

// TestRollingRestart: every server is restarted in turn, under load.
func TestRollingRestart(t *testing.T) {
	const n = 3
	_, nodes := start(t, n)
	f := StartTraffic(t, nodes)
	for _, node := range nodes {
		f.Running(200)
		node.Stop()
		node.Start()
		f.Settle()
	}
	f.Running(200)
	f.Finish(func(int, int) bool { return false })
}

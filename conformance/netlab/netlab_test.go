package netlab

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"dunlin/conformance/target"
)

var enabled = flag.Bool("net", false, "run the tests that need network namespaces (make test-net)")

// binaries are the servers by the letter that stands for them.
var binaries = map[byte]string{}

func TestMain(m *testing.M) {
	flag.Parse()
	if *enabled {
		for letter, get := range map[byte]func(context.Context) (target.Binary, error){'d': target.Dunlin, 'n': target.Reference} {
			b, err := get(context.Background())
			if err != nil {
				fmt.Fprintln(os.Stderr, "cannot get a server:", err)
				os.Exit(1)
			}
			binaries[letter] = b.Path
		}
	}
	os.Exit(m.Run())
}

// start makes a cluster of the servers that the letters of kinds stand for: d
// for Dunlin, n for nats-server. Each has routes to the first two.
func start(t *testing.T, kinds string) (*Lab, []*Node) {
	t.Helper()
	needs(t)
	lab := NewLab(t, len(kinds))
	return lab, startOn(t, lab, kinds, func(i int) string { return net.JoinHostPort(lab.Host(i).IP, strconv.Itoa(routePort)) })
}

// mixtures runs a test with Dunlin alone and with nats-server in between.
func mixtures(t *testing.T, test func(t *testing.T, kinds string)) {
	for _, kinds := range []string{"ddd", "dnd", "nnd"} {
		t.Run(kinds, func(t *testing.T) { test(t, kinds) })
	}
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

// startOn is start for servers that others reach at addr.
func startOn(t *testing.T, lab *Lab, kinds string, addr func(int) string) []*Node {
	t.Helper()
	var nodes []*Node
	for i := range kinds {
		var seeds []string
		for j := range min(len(kinds), 2) {
			if j != i {
				seeds = append(seeds, addr(j))
			}
		}
		node := &Node{t: t, host: lab.Host(i), bin: binaries[kinds[i]]}
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
type holdings struct{ files, goroutines int }

func (n *Node) holds() holdings {
	n.t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", n.PID()))
	if err != nil {
		n.t.Fatal(err)
	}
	resp, err := http.Get(fmt.Sprintf("http://%s:%d/debug/pprof/goroutine?debug=1", n.host.IP, profilePort))
	if err != nil {
		n.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	h := holdings{files: len(files)}
	if _, err := fmt.Fscanf(resp.Body, "goroutine profile: total %d", &h.goroutines); err != nil {
		n.t.Fatal(err)
	}
	return h
}

// TestKillEach: servers die without a word and come back, one after the other.
// Between the others nothing is lost.
func TestKillEach(t *testing.T) {
	mixtures(t, func(t *testing.T, kinds string) {
		_, nodes := start(t, kinds)
		for i, node := range nodes {
			f := StartTraffic(t, nodes)
			f.Running(200)
			node.Kill()
			f.RunningAt(others(len(nodes), i), 400)
			node.Start()
			f.Settle()
			f.Running(200)
			f.Finish(untouched(i))
			f.close()
		}
	})
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
	mixtures(t, func(t *testing.T, kinds string) {
		lab, nodes := start(t, kinds)
		f := StartTraffic(t, nodes)
		f.Running(200)
		before := nodes[0].holds()
		for range 2 {
			heal := lab.Cut([]int{2}, []int{0, 1})
			f.until("the others notice", func() string { return hasRoutes(nodes[0], 1) })
			f.until("the one that is cut off notices", func() string { return hasRoutes(nodes[2], 0) })
			f.Running(200)
			heal()
			f.Settle()
			f.Running(200)
		}
		f.Finish(untouched(2))
		f.until("nothing is left over", func() string {
			if after := nodes[0].holds(); after.files > before.files+slack || after.goroutines > before.goroutines+slack {
				return fmt.Sprintf("%v, before %v", after, before)
			}
			return ""
		})
	})
}

// slack is how much more may be open: monitoring is asked meanwhile.
const slack = 4

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
	lab, nodes := start(t, "dddd")
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
	lab, nodes := start(t, "ddd")
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
	_, nodes := start(t, "ddd")
	f := StartTraffic(t, nodes)
	f.Running(200)
	f.Freeze(1)
	f.until("the others notice", func() string { return hasRoutes(nodes[0], 1) })
	f.RunningAt([]int{0, 2}, 400)
	f.Thaw(1)
	f.Settle()
	f.Running(200)
	f.Finish(untouched(1))
}

// TestSlowLink: two hundred milliseconds lie between a server and the others, then
// nothing goes through for a moment. Nothing is lost by that.
func TestSlowLink(t *testing.T) {
	needs(t)
	const kinds = "ddd"
	lab := NewLab(t, len(kinds))
	link := NewLink(t, lab.Outside(), net.JoinHostPort(lab.Host(0).IP, strconv.Itoa(routePort)), 200*time.Millisecond)
	nodes := startOn(t, lab, kinds, func(i int) string {
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
	f.Finish(func(int, int) bool { return true })
}

// TestRollingRestart: every server is restarted in turn, under load.
func TestRollingRestart(t *testing.T) {
	mixtures(t, func(t *testing.T, kinds string) {
		_, nodes := start(t, kinds)
		f := StartTraffic(t, nodes)
		for _, node := range nodes {
			f.Running(200)
			node.Stop()
			node.Start()
			f.Settle()
		}
		f.Running(200)
		f.Finish(func(int, int) bool { return false })
	})
}

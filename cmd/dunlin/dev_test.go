package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"dunlin/internal/proto/sysapi"
)

// devNode is one row of the table that dunlin dev prints.
type devNode struct{ name, clients, cluster, monitor string }

// startDev runs dunlin dev on free ports until its table is there.
func startDev(t *testing.T, args ...string) (*running, []devNode) {
	t.Helper()
	r := launch(t, t.TempDir(), append([]string{"dev", "-p", "-1"}, args...)...)
	header := r.await("node ")
	var nodes []devNode
	for {
		line := r.await("")
		if line == "" {
			break
		}
		words := strings.Fields(line)
		if len(words) != 4 {
			t.Fatalf("no row of the table: %q", line)
		}
		// The columns stand under their titles.
		for i, title := range []string{"node", "clients", "other servers", "monitoring"} {
			if at := strings.Index(header, title); !strings.HasPrefix(line[at:], words[i]) {
				t.Errorf("%q does not stand under %q in\n%s\n%s", words[i], title, header, line)
			}
		}
		nodes = append(nodes, devNode{words[0], words[1], words[2], words[3]})
	}
	r.await("Ctrl-C stops them all")
	return r, nodes
}

func (n *devNode) varz(t *testing.T) (v sysapi.Varz) {
	t.Helper()
	answer, err := http.Get(n.monitor + "/varz")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// dialNode connects a client to a node.
func (r *running) dialNode(n devNode) *client {
	r.t.Helper()
	r.ports.NATS = []string{n.clients}
	return r.dial()
}

// ends stops the program as Ctrl-C does and looks at how it ended.
func (r *running) endsWell(nodes []devNode) {
	r.t.Helper()
	r.signal(syscall.SIGINT)
	if code := r.exit(); code != 0 {
		r.t.Errorf("exit code %d", code)
	}
	for _, n := range nodes {
		if !slices.ContainsFunc(r.log(), func(line string) bool {
			return strings.HasPrefix(line, n.name+" | ") && strings.HasSuffix(line, "[INF] Server Exiting..")
		}) {
			r.t.Errorf("%s did not end in order", n.name)
		}
	}
	for _, line := range r.log() {
		if strings.Contains(line, "\x1b") {
			r.t.Errorf("colours or cursor movements, and no terminal: %q", line)
		}
	}
}

func TestDevWithOneNode(t *testing.T) {
	r, nodes := startDev(t, "--nodes", "1")
	if len(nodes) != 1 || nodes[0].name != "n1" || nodes[0].cluster != "-" {
		t.Fatalf("got %v", nodes)
	}
	c := r.dialNode(nodes[0])
	c.send("SUB a 1\r\nPUB a 5\r\nhello\r\n")
	c.await("MSG a 1 5")
	if v := nodes[0].varz(t); v.Name != "n1" || v.Cluster.Port != 0 {
		t.Errorf("%s, cluster %+v", v.Name, v.Cluster)
	}
	r.endsWell(nodes)
	c.awaitEnd()
}

func TestDevWithThreeNodes(t *testing.T) {
	r, nodes := startDev(t)
	if len(nodes) != 3 {
		t.Fatalf("%d nodes", len(nodes))
	}
	var all []string
	for _, n := range nodes {
		u, err := url.Parse(n.cluster)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, u.Host)
	}
	for i, n := range nodes {
		if want := fmt.Sprintf("n%d", i+1); n.name != want {
			t.Errorf("node %d is called %s", i+1, n.name)
		}
		v := n.varz(t)
		if v.Name != n.name || v.Cluster.Name != "dev" || net.JoinHostPort(v.Cluster.Host, strconv.Itoa(v.Cluster.Port)) != all[i] || !slices.Equal(v.Cluster.URLs, all[:i]) {
			t.Errorf("%s says %s and %+v; want the address %s and the routes %v", n.name, v.Name, v.Cluster, all[i], all[:i])
		}
	}

	// What is published on one node is heard on each.
	for _, from := range nodes {
		for _, to := range nodes {
			c, p := r.dialNode(to), r.dialNode(from)
			subject := "from." + from.name + ".to." + to.name
			c.send("SUB " + subject + " 1\r\n")
			c.ping()
			r.until(subject, func() bool {
				p.send("PUB " + subject + " 2\r\nhi\r\n")
				p.ping()
				return c.hears("MSG " + subject + " 1 2")
			})
		}
	}
	r.endsWell(nodes)
	for _, line := range r.log() {
		if strings.Contains(line, "[ERR]") || strings.Contains(line, "[WRN]") {
			t.Errorf("in a cluster where all is well: %s", line)
		}
	}
}

// hears says whether a line with the text has come before the answer to a
// PING.
func (c *client) hears(text string) bool {
	c.t.Helper()
	c.send("PING\r\n")
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	for found := false; ; {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("waiting for PONG: %v", err)
		}
		if found = found || strings.Contains(line, text); strings.HasPrefix(line, "PONG") {
			return found
		}
	}
}

func TestDevDemo(t *testing.T) {
	r, nodes := startDev(t, "--nodes", "2", "--demo", "--rate", "500")
	// One publisher of 500 and a subscriber that hears all of them a node.
	figures := regexp.MustCompile(`^messages a second \| n1 in +([0-9.]+)k? +out +([0-9.]+)k? +\| n2 in +([0-9.]+)k? +out +([0-9.]+)k?`)
	r.until("figures of all nodes", func() bool {
		return slices.ContainsFunc(r.log(), func(line string) bool {
			m := figures.FindStringSubmatch(line)
			return m != nil && !slices.Contains(m[1:], "0")
		})
	})
	if v := nodes[0].varz(t); v.Connections != 2 || v.InMsgs == 0 || v.OutMsgs == 0 {
		t.Errorf("%d connections, %d messages in, %d out", v.Connections, v.InMsgs, v.OutMsgs)
	}
	r.endsWell(nodes)
	for _, line := range r.log() {
		if strings.HasPrefix(line, "demo |") {
			t.Errorf("the demo complains: %s", line)
		}
	}
}

// On a terminal each node has a colour, and the figures stay on the last line.
func TestDevOnATerminal(t *testing.T) {
	shown := onATerminal(t, "\x1b[2K\x1b[?7lmessages a second", "dev", "--nodes", "2", "--demo", "-p", "-1")
	for _, want := range []string{
		"\x1b[36mn1 |\x1b[0m ", "\x1b[35mn2 |\x1b[0m ", "[\x1b[32mINF\x1b[0m] Server is ready", "\x1b[1mclients\x1b[0m",
		"\x1b[36mn1\x1b[0m     nats://127.0.0.1:", "Server Exiting..",
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("the terminal shows\n%s\nwithout %q", shown, want)
		}
	}
	// What ends the demo takes its line away before anything else is written.
	last := shown[strings.LastIndex(shown, "messages a second"):]
	if line, _, _ := strings.Cut(last, "\n"); !strings.Contains(line, "\x1b[2K") {
		t.Errorf("the live line is left behind: %q", line)
	}
}

func TestDevTakesAnotherPortForOneThatIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	r, nodes := startDev(t, "--nodes", "1", "-p", strconv.Itoa(port))
	if nodes[0].clients == "nats://"+taken.Addr().String() {
		t.Errorf("got %v", nodes)
	}
	r.dialNode(nodes[0])
	r.endsWell(nodes)
}

func TestMistakesOfDev(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--nodes 0", "--nodes is 0; expected 1 to 16"},
		{"--nodes 17", "--nodes is 17; expected 1 to 16"},
		{"--nodes x", `"x" for flag -nodes: expected a number`},
		{"--rate -1", "--rate is -1"},
		{"-p 65536", "--port is 65536"},
		{"--foo", "-foo"},
		{"now", `unexpected word "now"`},
		{"-a 192.0.2.1 --nodes 1", "no port is free on 192.0.2.1"},
	} {
		stdout, stderr, code := once(t, append([]string{"dev"}, strings.Fields(c.args)...)...)
		if code != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "dunlin: ") || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: %q, %q, exit code %d; want one line with %q", c.args, stdout, stderr, code, c.want)
		}
	}
}

func TestHelpOfDevNamesItsFlags(t *testing.T) {
	stdout, stderr, code := once(t, "dev", "--help")
	if code != 0 || stderr != "" || !strings.Contains(stdout, "dunlin dev") {
		t.Fatalf("%q, %q, exit code %d", stdout, stderr, code)
	}
	var shown []string
	for _, f := range devSections[0].flags {
		shown = append(shown, strings.Split(f.names, ", ")...)
	}
	for _, name := range shown {
		if !strings.Contains(stdout, name) {
			t.Errorf("the help does not show %s", name)
		}
		if _, err := parseDevFlags([]string{name + "=x"}); err == nil || strings.Contains(err.Error(), "not defined") {
			// Addresses are any text.
			if name != "-a" && name != "--addr" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

package conformance

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"dunlin/conformance/target"

	"github.com/nats-io/nats.go"
)

// A composition names the servers of a cluster in the order they start, one
// letter each: d for Dunlin, n for nats-server.
type composition string

// compositions are those every cluster test runs over: pure, and mixed in any
// order of joining, of three to five nodes. With -real all are nats-server.
func compositions() []composition {
	if *real || *update {
		return []composition{"nnn", "nnnnn"}
	}
	return []composition{"ddd", "ndd", "dnn", "nnd", "dnd", "ndnd", "ddnnd"}
}

// threes are the compositions of three nodes, for tests that take long.
func threes() []composition {
	return slices.DeleteFunc(compositions(), func(c composition) bool { return len(c) != 3 })
}

// over runs a test for each composition.
func over(t *testing.T, compositions []composition, test func(t *testing.T, c composition)) {
	t.Helper()
	t.Parallel()
	for _, c := range compositions {
		t.Run(string(c), func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

var reference = sync.OnceValues(func() (target.Binary, error) { return target.Reference(context.Background()) })

// program is the server a letter stands for.
func program(t *testing.T, letter byte) target.Binary {
	t.Helper()
	if letter == 'd' {
		return mustBinary(t)
	}
	b, err := reference()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// setup is what a cluster has beyond the defaults.
type setup struct {
	node    string // configuration of every node
	cluster string // of every cluster block
	seedAll bool   // every node knows all; else all know the first one only
	// errors matches lines of [ERR] that the test provokes.
	errors *regexp.Regexp
	user   string // of its own probes, as user:password
	route  string // of the routes' URLs, as user:password@
}

// cluster is servers that know each other.
type cluster struct {
	t     *testing.T
	setup setup
	nodes []*served
	ports []int // of routes
}

// formed bounds how long servers may take to find each other on a busy machine.
const formed = 20 * time.Second

// serveCluster starts the servers of a composition and waits until each reaches
// each. At the end no server may have crashed or complained.
func serveCluster(t *testing.T, kinds composition, s setup) *cluster {
	t.Helper()
	c := &cluster{t: t, setup: s}
	for range kinds {
		port, err := target.FreePort()
		must(t, err)
		c.ports = append(c.ports, port)
	}
	t.Cleanup(c.end)
	for i := range kinds {
		c.add(kinds[i])
	}
	c.await(c.nodes...)
	return c
}

// add starts one more node.
func (c *cluster) add(kind byte) *served {
	c.t.Helper()
	i := len(c.nodes)
	if i == len(c.ports) {
		port, err := target.FreePort()
		must(c.t, err)
		c.ports = append(c.ports, port)
	}
	port, err := target.FreePort()
	must(c.t, err)
	http, err := target.FreePort()
	must(c.t, err)
	var routes []string
	for j, p := range c.ports {
		if j != i && (c.setup.seedAll || j == 0) {
			routes = append(routes, fmt.Sprintf("\"nats-route://%s127.0.0.1:%d\"", c.setup.route, p))
		}
	}
	n := &served{t: c.t, binary: program(c.t, kind), config: target.Config{
		Dir: c.t.TempDir(), Port: port, HTTP: http,
		Text: fmt.Sprintf("server_name: N%d\nlisten: \"127.0.0.1:%d\"\nhttp: \"127.0.0.1:%d\"\n%s\ncluster {\n name: C\n listen: \"127.0.0.1:%d\"\n %s\n routes: [%s]\n}\n",
			i, port, http, c.setup.node, c.ports[i], c.setup.cluster, strings.Join(routes, ", ")),
	}}
	n.start()
	c.nodes = append(c.nodes, n)
	return n
}

// replace starts a node again, on its ports, as another kind.
func (c *cluster) replace(i int, kind byte) {
	c.t.Helper()
	c.blame(i)
	c.nodes[i].binary = program(c.t, kind)
	c.nodes[i].start()
}

// away are complaints about servers that are not there: true, and no fault.
var away = regexp.MustCompile(`Error trying to connect to route|connection refused|connection reset by peer|broken pipe|TLS route handshake error: EOF`)

// blame fails the test for what a node's log should not hold.
func (c *cluster) blame(i int) {
	log := c.nodes[i].Log()
	if crash := target.Crashed(log); crash != "" {
		c.t.Errorf("node %d crashed: %s\n%s", i, crash, log)
		return
	}
	count := 0
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "[ERR]") || away.MatchString(line) || c.setup.errors != nil && c.setup.errors.MatchString(line) {
			continue
		}
		if count++; count <= 3 {
			c.t.Errorf("node %d (%s) complains: %s", i, c.nodes[i].binary.Name, strings.TrimSpace(line))
		}
	}
	if count > 3 {
		c.t.Errorf("node %d complains %d times in all", i, count)
	}
}

func (c *cluster) end() {
	for _, n := range c.nodes {
		n.Stop()
	}
	for i := range c.nodes {
		c.blame(i)
		if c.t.Failed() {
			c.t.Logf("log of node %d (%s):\n%s", i, c.nodes[i].binary.Name, tail(c.nodes[i].Log()))
		}
	}
}

// tail is the end of a log.
func tail(log string) string {
	const most = 3000
	return log[max(0, len(log)-most):]
}

// options that every client of the cluster needs.
func (c *cluster) options(more []nats.Option) []nats.Option {
	var out []nats.Option
	if user, password, ok := strings.Cut(c.setup.user, ":"); ok {
		out = append(out, nats.UserInfo(user, password))
	}
	return append(out, more...)
}

// dial connects a client to a node, and to no other.
func (c *cluster) dial(node int, more ...nats.Option) *nats.Conn {
	c.t.Helper()
	return dial(c.t, c.nodes[node], c.options(append([]nats.Option{nats.IgnoreDiscoveredServers()}, more...))...)
}

// dialAll connects a client to each node.
func (c *cluster) dialAll(more ...nats.Option) []*nats.Conn {
	c.t.Helper()
	var out []*nats.Conn
	for i := range c.nodes {
		out = append(out, c.dial(i, more...))
	}
	return out
}

// await waits until messages get from each of the nodes to each other, and every
// INFO names all nodes.
func (c *cluster) await(nodes ...*served) {
	c.t.Helper()
	var conns []*nats.Conn
	for _, n := range nodes {
		nc, err := nats.Connect(n.url(), c.options(nil)...)
		must(c.t, err)
		defer nc.Close()
		conns = append(conns, nc)
	}
	knownWithin(c.t, formed, conns...)
	for _, n := range nodes {
		within(c.t, formed, fmt.Sprintf("INFO of %s names %d servers", n.url(), len(nodes)), func() bool { return len(urls(n)) >= len(nodes) })
	}
}

var connectURLs = regexp.MustCompile(`"connect_urls":\[([^\]]*)\]`)

// urls are the client addresses a node tells a client that connects.
func urls(n *served) []string {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", n.Port), soon)
	if err != nil {
		return nil
	}
	defer conn.Close()
	b := make([]byte, 8192)
	if conn.SetReadDeadline(time.Now().Add(soon)) != nil {
		return nil
	}
	size, err := conn.Read(b)
	m := connectURLs.FindStringSubmatch(string(b[:size]))
	if err != nil || m == nil || m[1] == "" {
		return nil
	}
	out := strings.Split(strings.ReplaceAll(m[1], `"`, ""), ",")
	slices.Sort(out)
	return out
}

// known waits until each of the connections, on different nodes, is heard by each
// other on what it has subscribed to up to now.
func known(t *testing.T, conns ...*nats.Conn) {
	t.Helper()
	knownWithin(t, formed, conns...)
}

func knownWithin(t *testing.T, most time.Duration, conns ...*nats.Conn) {
	t.Helper()
	for i, to := range conns {
		// Interest of one connection goes its way in order: one more
		// subscription stands for those before it.
		mark := nats.NewInbox()
		heard := make(chan *nats.Msg, 1000)
		sub, err := to.ChanSubscribe(mark, heard)
		must(t, err)
		must(t, to.Flush())
		for j, from := range conns {
			if i == j {
				continue
			}
			word := fmt.Sprint(j)
			within(t, most, fmt.Sprintf("a message gets from connection %d to %d", j, i), func() bool {
				must(t, from.Publish(mark, []byte(word)))
				must(t, from.Flush())
				for {
					select {
					case m := <-heard:
						if string(m.Data) == word {
							return true
						}
						continue
					case <-time.After(5 * time.Millisecond):
					}
					return false
				}
			})
		}
		must(t, sub.Unsubscribe())
	}
}

// within polls a condition until it holds.
func within(t *testing.T, most time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(most)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, most)
		}
		<-tick.C
	}
}

// ledger counts numbered messages of several publishers, from any goroutine.
type ledger struct {
	mu   sync.Mutex
	got  map[string]int
	last map[string]int // by publisher and reader, where order is looked at
	bad  []string
	// anyOrder: a member of a group leaves, and what was on its way to it goes
	// to another behind what came later.
	anyOrder bool
}

func newLedger() *ledger { return &ledger{got: map[string]int{}, last: map[string]int{}} }

// take notes one message "publisher number", and that readers see each
// publisher's in order.
func (l *ledger) take(reader string, m *nats.Msg) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var publisher string
	var number int
	if _, err := fmt.Sscanf(string(m.Data), "%s %d", &publisher, &number); err != nil {
		l.bad = append(l.bad, fmt.Sprintf("%s got %q", reader, m.Data))
		return
	}
	l.got[string(m.Data)]++
	key := publisher + "→" + reader
	if last, ok := l.last[key]; ok && number <= last && !l.anyOrder {
		l.bad = append(l.bad, fmt.Sprintf("%s got %d of %s after %d", reader, number, publisher, last))
	}
	l.last[key] = number
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, k := range l.got {
		n += k
	}
	return n
}

// all waits for so many messages.
func (l *ledger) all(t *testing.T, count int) {
	t.Helper()
	patience := time.NewTimer(soon)
	defer patience.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := l.count(); n < count; n = l.count() {
		select {
		case <-patience.C:
			t.Errorf("%d of %d deliveries came within %s", n, count, soon)
			return
		case <-tick.C:
		}
	}
}

// exactly fails unless every number below count of each publisher came so often,
// and in order.
func (l *ledger) exactly(t *testing.T, publishers []string, count, times int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, b := range l.bad {
		if t.Errorf("%s", b); i == 5 {
			t.Errorf("… and %d more", len(l.bad)-i-1)
			break
		}
	}
	lost, doubled := 0, 0
	var first []string // some of the lost
	for _, p := range publishers {
		for n := range count {
			switch k := l.got[fmt.Sprintf("%s %d", p, n)]; {
			case k < times:
				if lost += times - k; len(first) < 10 {
					first = append(first, fmt.Sprintf("%s %d", p, n))
				}
			case k > times:
				doubled += k - times
			}
		}
	}
	if lost > 0 || doubled > 0 {
		t.Errorf("%d messages lost (%q), %d too often, of %d publishers with %d messages each", lost, first, doubled, len(publishers), count)
	}
}

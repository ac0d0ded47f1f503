package server_test

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"

	"dunlin/internal/base/tlsconf"
	"dunlin/internal/core/perm"
	"dunlin/internal/ops/config"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/testkit"
	"dunlin/server"
)

// nodes are servers of one cluster; all but the first know the first only.
type nodes []*testkit.Server

// form starts n servers. change may alter the options of the i-th.
func form(t *testing.T, n int, change func(i int, o *server.Options)) nodes {
	t.Helper()
	return formLogging(t, n, slog.LevelDebug, change)
}

func formLogging(t *testing.T, n int, level slog.Level, change func(i int, o *server.Options)) nodes {
	t.Helper()
	var list nodes
	for i := range n {
		list = append(list, list.start(t, i, level, change))
	}
	return list
}

// start makes the i-th server, which dials the first.
func (n nodes) start(t *testing.T, i int, level slog.Level, change func(i int, o *server.Options)) *testkit.Server {
	t.Helper()
	o := &server.Options{ServerName: fmt.Sprint("n", i), HTTPHost: "127.0.0.1", HTTPPort: -1}
	o.Cluster = config.Cluster{Name: "C", Host: "127.0.0.1", Port: -1, Compression: config.Compression{Mode: config.CompressionOff}}
	if i > 0 {
		o.Cluster.Routes = []*url.URL{{Scheme: "nats-route", Host: n[0].ClusterAddr().String()}}
	}
	if change != nil {
		change(i, o)
	}
	return testkit.StartLogging(t, o, level)
}

// settled waits until each server has so many routes to each other one.
func (n nodes) settled(t *testing.T, each int) {
	t.Helper()
	for _, s := range n {
		testkit.Eventually(t, fmt.Sprintf("%s has %d routes to each of %d other servers", s.Name(), each, len(n)-1), func() bool {
			return s.NumRoutes() == each*(len(n)-1)
		})
	}
}

// knows waits until s has heard of so many subscriptions elsewhere.
func knows(t *testing.T, s *testkit.Server, want int) {
	t.Helper()
	testkit.Eventually(t, fmt.Sprintf("%s knows of %d subscriptions elsewhere", s.Name(), want), func() bool {
		got := 0
		for _, r := range routesOf(t, s) {
			got += int(r.NumSubs)
		}
		return got == want
	})
}

func routesOf(t *testing.T, s *testkit.Server) []sysapi.RouteInfo {
	t.Helper()
	var page struct {
		Routes []sysapi.RouteInfo `json:"routes"`
	}
	s.Page(t, "/routez", &page)
	return page.Routes
}

// defaultRoutes are the connections between two servers: a pool of three and
// the system account's.
const defaultRoutes = 4

func TestClusterPlainMessages(t *testing.T) {
	n := form(t, 3, nil)
	n.settled(t, defaultRoutes)
	var clients []*testkit.Client
	for i, s := range n {
		c := testkit.Join(t, s.Address(), "")
		c.Send("SUB all.> %d\r\nSUB all.> again\r\nSUB to.%d me\r\n", i, i)
		c.Sync()
		clients = append(clients, c)
	}
	for _, s := range n {
		knows(t, s, 2*2) // "all.>" and "to.i" of each of two others
	}
	for i, from := range clients {
		from.Send("PUB all.x 2\r\nhi\r\nHPUB all.y rep 12 14\r\nNATS/1.0\r\n\r\nhi\r\n")
		for j, to := range clients {
			var got []string
			for range 2*2 + 2*4 { // two messages, two subscriptions
				got = append(got, to.Line())
			}
			slices.Sort(got)
			for _, want := range []string{fmt.Sprintf("MSG all.x %d 2", j), "MSG all.x again 2", fmt.Sprintf("HMSG all.y %d rep 12 14", j), "HMSG all.y again rep 12 14"} {
				if !slices.Contains(got, want) {
					t.Fatalf("from %d to %d: %q is not among %q", i, j, want, got)
				}
			}
		}
		from.Send("PUB to.0 1\r\n0\r\nPUB to.1 1\r\n1\r\nPUB to.2 1\r\n2\r\n")
		for j, to := range clients {
			to.Want(fmt.Sprintf("MSG to.%d me 1", j), fmt.Sprint(j))
		}
	}
	for _, c := range clients { // nothing came twice
		if more := c.Sync(); len(more) > 0 {
			t.Errorf("more came: %q", more)
		}
	}
}

// TestClusterQueueGroups: a group on all servers gets each message once, and
// each member its share.
func TestClusterQueueGroups(t *testing.T) {
	n := form(t, 3, nil)
	n.settled(t, defaultRoutes)
	var members []*testkit.Client
	for i := range 6 {
		c := testkit.Join(t, n[i%3].Address(), "")
		c.Send("SUB work g 1\r\n")
		c.Sync()
		members = append(members, c)
	}
	const messages = 6000
	pub := testkit.Join(t, n[0].Address(), "")
	// Members of one server may be told on different connections, or on one.
	testkit.Eventually(t, "the members elsewhere are known", func() bool {
		var page struct {
			Subs []sysapi.RouteInfo `json:"routes"`
		}
		n[0].Page(t, "/routez?subs=detail", &page)
		return strings.Count(n[0].Text(t, "/routez?subs=1"), "work") >= 4
	})
	for range messages / 100 {
		pub.Send("%s", strings.Repeat("PUB work 1\r\nx\r\n", 100))
		pub.Sync()
	}
	total := 0
	testkit.Eventually(t, "all messages arrive", func() bool {
		for _, c := range members {
			total += len(c.Sync()) / 2
		}
		return total >= messages
	})
	for _, c := range members {
		total += len(c.Sync()) / 2
	}
	if total != messages {
		t.Errorf("%d messages arrived, want %d", total, messages)
	}
}

func TestClusterRequests(t *testing.T) {
	n := form(t, 2, nil)
	n.settled(t, defaultRoutes)
	asks, answers := testkit.Join(t, n[0].Address(), ""), testkit.Join(t, n[1].Address(), "")
	asks.Send("SUB inbox.* 1\r\nPUB service inbox.0 0\r\n\r\n")
	asks.Want("HMSG inbox.0 1 39 39", "NATS/1.0 503", "Nats-Subject: service", "", "")
	answers.Send("SUB service 1\r\n")
	answers.Sync()
	knows(t, n[0], 1)
	for i := range 500 { // a new inbox each time: its interest must be there before the request
		asks.Send("SUB in.%d %d\r\nPUB service in.%d 1\r\nq\r\n", i, i+10, i)
		answers.Want(fmt.Sprintf("MSG service 1 in.%d 1", i), "q")
		answers.Send("PUB in.%d 1\r\na\r\n", i)
		asks.Want(fmt.Sprintf("MSG in.%d %d 1", i, i+10), "a")
		asks.Send("UNSUB %d\r\n", i+10)
	}
}

// TestClusterInterestEnds: what nobody wants is not sent.
func TestClusterInterestEnds(t *testing.T) {
	n := form(t, 2, nil)
	n.settled(t, defaultRoutes)
	sub, pub := testkit.Join(t, n[0].Address(), ""), testkit.Join(t, n[1].Address(), "")
	sub.Send("SUB a 1\r\nSUB a 2\r\nSUB b q 3\r\nSUB c 4\r\nUNSUB 4 1\r\n")
	sub.Sync()
	knows(t, n[1], 3)
	sub.Send("UNSUB 1\r\n")
	sub.Sync()
	knows(t, n[1], 3)
	pub.Send("PUB c 1\r\nx\r\nPUB c 1\r\nx\r\n")
	sub.Want("MSG c 4 1", "x")
	knows(t, n[1], 2)
	sub.Send("UNSUB 2\r\nUNSUB 3\r\n")
	sub.Sync()
	knows(t, n[1], 0)
	sub.Send("SUB d 5\r\n")
	sub.Sync()
	knows(t, n[1], 1)
	if err := sub.Close(); err != nil {
		t.Fatal(err)
	}
	knows(t, n[1], 0)
}

// TestClusterInterestBefore: subscriptions that were there before the route.
func TestClusterInterestBefore(t *testing.T) {
	n := form(t, 1, nil)
	sub := testkit.Join(t, n[0].Address(), "")
	const many = 5000
	var b strings.Builder
	for i := range many {
		fmt.Fprintf(&b, "SUB some.subject.%d %d\r\n", i, i)
	}
	sub.Send("%s", b.String())
	sub.Sync()
	n = append(n, n.start(t, 1, slog.LevelDebug, nil))
	n.settled(t, defaultRoutes)
	sub.ReadInfo() // tells of the new server
	if urls := fmt.Sprint(sub.Field("connect_urls")); !strings.Contains(urls, n[1].Address()) {
		t.Errorf("the client hears of %s, not of %s", urls, n[1].Address())
	}
	knows(t, n[1], many)
	pub := testkit.Join(t, n[1].Address(), "")
	pub.Send("PUB some.subject.4999 1\r\nx\r\n")
	sub.Want("MSG some.subject.4999 4999 1", "x")
}

// shapes of a cluster, each with the connections between two servers.
var shapes = []struct {
	name   string
	change func(i int, o *server.Options)
	each   int
}{
	{"no pool", func(_ int, o *server.Options) { o.Cluster.PoolSize = -1 }, 1},
	{"pool of one", func(_ int, o *server.Options) { o.Cluster.PoolSize = 1 }, 2},
	{"pools of two and five", func(i int, o *server.Options) { o.Cluster.PoolSize = 2 + 3*i }, 6},
	{"pinned account", func(_ int, o *server.Options) { o.Cluster.Accounts = []string{"$G"} }, 5},
	{"fast", func(_ int, o *server.Options) { o.Cluster.Compression.Mode = config.CompressionFast }, 4},
	{"accept and best", func(i int, o *server.Options) {
		o.Cluster.Compression.Mode = []string{config.CompressionAccept, config.CompressionBest}[i]
	}, 4},
	{"auto", func(_ int, o *server.Options) { o.Cluster.Compression.Mode = config.CompressionAuto }, 4},
	{"password", func(i int, o *server.Options) {
		o.Cluster.Username, o.Cluster.Password = "r", "s3cret"
		if i == 1 {
			o.Cluster.Routes[0].User = url.UserPassword("r", "s3cret")
		}
	}, 4},
	{"generated name", func(i int, o *server.Options) { o.Cluster.Name = []string{"", "C"}[i] }, 4},
}

// TestClusterShapes: whatever the connections are like, messages of every form
// cross them both ways.
func TestClusterShapes(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			n := form(t, 2, s.change)
			n.settled(t, s.each)
			crossing(t, n)
		})
	}
}

// crossing sends messages of every form between the first two servers.
func crossing(t *testing.T, n nodes) {
	t.Helper()
	a, b := testkit.Join(t, n[0].Address(), ""), testkit.Join(t, n[1].Address(), "")
	big := strings.Repeat("0123456789abcdef", 40<<10)
	for i, way := range [][2]*testkit.Client{{a, b}, {b, a}} {
		from, to := way[0], way[1]
		to.Send("SUB x.> 1\r\nSUB x.q g 2\r\nSUB y h 3\r\n")
		to.Sync()
		knows(t, n[i], 3)
		from.Send("PUB x.a 2\r\nhi\r\n")
		to.Want("MSG x.a 1 2", "hi")
		from.Send("HPUB x.a r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n")
		to.Want("HMSG x.a 1 r 12 14", "NATS/1.0", "", "hi")
		from.Send("PUB y r 2\r\nhi\r\n")
		to.Want("MSG y 3 r 2", "hi")
		from.Send("PUB x.q 0\r\n\r\n")
		to.Want("MSG x.q 1 0", "", "MSG x.q 2 0", "")
		from.Send("PUB x.big %d\r\n%s\r\n", len(big), big)
		to.Want(fmt.Sprintf("MSG x.big 1 %d", len(big)), big)
		to.Send("UNSUB 1\r\nUNSUB 2\r\nUNSUB 3\r\n")
		to.Sync()
		knows(t, n[i], 0)
	}
}

func TestClusterTLS(t *testing.T) {
	ca := testkit.NewAuthority(t)
	pair := ca.Issue("server")
	n := form(t, 2, func(i int, o *server.Options) {
		o.Cluster.TLS = &tlsconf.Options{CertFile: pair.CertFile, KeyFile: pair.KeyFile, CAFile: ca.File}
		o.Cluster.Compression.Mode = []string{config.CompressionOff, config.CompressionFast}[i]
	})
	n.settled(t, defaultRoutes)
	crossing(t, n)
	// Somebody without a certificate stays outside.
	nc, err := tls.Dial("tcp", n[0].ClusterAddr().String(), &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		_, err = nc.Read(make([]byte, 1))
		_ = nc.Close()
	}
	if err == nil {
		t.Error("a peer without a certificate was served")
	}
}

func TestClusterPermissions(t *testing.T) {
	n := form(t, 2, func(i int, o *server.Options) {
		if i == 0 {
			o.Cluster.Permissions = &config.RoutePermissions{
				Import: &perm.Subjects{Allow: []string{"in.>"}}, Export: &perm.Subjects{Allow: []string{"out.>"}},
			}
		}
	})
	n.settled(t, defaultRoutes)
	a, b := testkit.Join(t, n[0].Address(), ""), testkit.Join(t, n[1].Address(), "")
	for _, c := range []*testkit.Client{a, b} {
		c.Send("SUB in.x 1\r\nSUB out.x 2\r\nSUB other 3\r\n")
		c.Sync()
	}
	knows(t, n[0], 1) // out.x is all that it lets others ask for
	knows(t, n[1], 1) // in.x is all that it asks for
	for _, c := range []*testkit.Client{a, b} {
		c.Send("PUB in.x 1\r\n1\r\nPUB out.x 1\r\n2\r\nPUB other 1\r\n3\r\n")
		c.Sync()
	}
	testkit.Eventually(t, "what may cross has crossed", func() bool {
		return routeMsgs(t, n[0]) == 1 && routeMsgs(t, n[1]) == 1
	})
}

// routeMsgs is how many messages s has received over routes.
func routeMsgs(t *testing.T, s *testkit.Server) (msgs int64) {
	for _, r := range routesOf(t, s) {
		msgs += r.InMsgs
	}
	return msgs
}

package server_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"dunlin/internal/testkit"
	"dunlin/server"
)

// closedConn is what /connz tells of a connection that has ended.
type closedConn struct {
	Cid    uint64 `json:"cid"`
	Reason string `json:"reason"`
	IP     string `json:"ip"`
	Port   int    `json:"port"`
	User   string `json:"authorized_user"`
	InMsgs int64  `json:"in_msgs"`
}

func closedConns(t *testing.T, s *testkit.Server) []closedConn {
	t.Helper()
	var page struct {
		Conns []closedConn `json:"connections"`
	}
	s.Page(t, "/connz?state=closed&limit=100000&auth=1", &page)
	return page.Conns
}

func closedReasons(t *testing.T, s *testkit.Server) (reasons []string) {
	t.Helper()
	for _, c := range closedConns(t, s) {
		reasons = append(reasons, c.Reason)
	}
	return reasons
}

// openConn is what /connz tells of a client that is there.
type openConn struct {
	Cid      uint64 `json:"cid"`
	InMsgs   int64  `json:"in_msgs"`
	OutMsgs  int64  `json:"out_msgs"`
	InBytes  int64  `json:"in_bytes"`
	OutBytes int64  `json:"out_bytes"`
	Subs     uint32 `json:"subscriptions"`
	Name     string `json:"name"`
	Lang     string `json:"lang"`
	Version  string `json:"version"`
	User     string `json:"authorized_user"`
	Account  string `json:"account"`
	Port     int    `json:"port"`
	List     []struct {
		Subject string `json:"subject"`
		Queue   string `json:"qgroup"`
		Sid     string `json:"sid"`
		Msgs    int64  `json:"msgs"`
		Max     int64  `json:"max"`
	} `json:"subscriptions_list_detail"`
}

func openConns(t *testing.T, s *testkit.Server, query string) map[string]openConn {
	t.Helper()
	var page struct {
		Conns []openConn `json:"connections"`
	}
	s.Page(t, "/connz?"+query, &page)
	byName := make(map[string]openConn)
	for _, c := range page.Conns {
		byName[c.Name] = c
	}
	return byName
}

// TestFiguresAreTrue: after known traffic every figure that monitoring shows
// is exactly what happened.
func TestFiguresAreTrue(t *testing.T) {
	testkit.NothingLeft(t)
	opts := withUsers(withAccounts(&server.Options{HTTPHost: "127.0.0.1", HTTPPort: -1}, "A", "B"), "a/A", "b/B")
	s := testkit.Start(t, opts)
	pub := testkit.Join(t, s.Address(), as("a")+`,"name":"pub","lang":"raw","version":"7"`)
	sub := testkit.Join(t, s.Address(), as("a")+`,"name":"sub"`)
	other := testkit.Join(t, s.Address(), as("b")+`,"name":"other"`)
	sub.Send("SUB x.* 1\r\nSUB x.1 q 2\r\nSUB y 3\r\nUNSUB 3 9\r\nSUB gone 4\r\nUNSUB 4\r\n")
	sub.Sync()
	other.Send("SUB > 1\r\n")
	other.Sync()
	for range 10 {
		pub.Send("PUB x.1 5\r\nhello\r\n")
	}
	pub.Send("HPUB y 12 14\r\nNATS/1.0\r\n\r\nhi\r\nPUB nobody 3\r\nabc\r\n")
	pub.Sync()
	sub.Sync()

	conns := openConns(t, s, "subs=detail&auth=1")
	if len(conns) != 3 {
		t.Fatalf("%d connections", len(conns))
	}
	c := conns["pub"]
	if c.InMsgs != 12 || c.InBytes != 50+14+3 || c.OutMsgs != 0 || c.OutBytes != 0 || c.Subs != 0 {
		t.Errorf("publisher: %+v", c)
	}
	if c.Lang != "raw" || c.Version != "7" || c.User != "a" || c.Account != "A" || fmt.Sprintf("127.0.0.1:%d", c.Port) != pub.Local() {
		t.Errorf("publisher: %+v, it is at %s", c, pub.Local())
	}
	c = conns["sub"]
	if c.InMsgs != 0 || c.OutMsgs != 21 || c.OutBytes != 100+14 || c.Subs != 3 || len(c.List) != 3 {
		t.Errorf("subscriber: %+v", c)
	}
	for _, l := range c.List {
		want := map[string]int64{"1": 10, "2": 10, "3": 1}[l.Sid]
		if l.Msgs != want || (l.Sid == "2") != (l.Queue == "q") || (l.Sid == "3") != (l.Max == 9) {
			t.Errorf("subscription %+v, want %d messages", l, want)
		}
	}
	if c = conns["other"]; c.OutMsgs != 0 || c.Account != "B" {
		t.Errorf("the other account: %+v", c)
	}
	v := varz(t, s)
	if v.InMsgs != 12 || v.InBytes != 67 || v.OutMsgs != 21 || v.OutBytes != 114 || v.Connections != 3 || v.TotalConnections != 3 || v.Subscriptions != 4 {
		t.Errorf("varz: in %d/%d, out %d/%d, %d connections of %d, %d subscriptions", v.InMsgs, v.InBytes, v.OutMsgs, v.OutBytes, v.Connections, v.TotalConnections, v.Subscriptions)
	}
	var sublist struct {
		Subs    uint32 `json:"num_subscriptions"`
		Inserts uint64 `json:"num_inserts"`
		Removes uint64 `json:"num_removes"`
		List    []struct {
			Subject string `json:"subject"`
			Account string `json:"account"`
			Cid     uint64 `json:"cid"`
		} `json:"subscriptions_list"`
	}
	s.Page(t, "/subsz?subs=1&acc=A&test=x.1", &sublist)
	if len(sublist.List) != 2 {
		t.Errorf("subscriptions of x.1 in A: %+v", sublist)
	}
	for _, l := range sublist.List {
		if l.Cid != conns["sub"].Cid {
			t.Errorf("subscription of connection %d", l.Cid)
		}
	}
	s.Page(t, "/subsz", &sublist)
	if sublist.Subs != 4 || sublist.Inserts != 5 || sublist.Removes != 1 {
		t.Errorf("subsz: %d subscriptions, %d inserts, %d removes", sublist.Subs, sublist.Inserts, sublist.Removes)
	}

	afterPublisher(t, s, pub)
}

// afterPublisher: what a client has done counts on after it has gone.
func afterPublisher(t *testing.T, s *testkit.Server, pub *testkit.Client) {
	t.Helper()
	_ = pub.Close()
	testkit.Eventually(t, "the publisher is gone", func() bool { return s.NumClients() == 2 })
	testkit.Eventually(t, "it stands among the closed", func() bool { return len(closedConns(t, s)) == 1 })
	if gone := closedConns(t, s)[0]; gone.Reason != "Client Closed" || gone.InMsgs != 12 || gone.User != "a" {
		t.Errorf("closed: %+v", gone)
	}
	if v := varz(t, s); v.InMsgs != 12 || v.InBytes != 67 || v.Connections != 2 || v.TotalConnections != 3 {
		t.Errorf("varz: in %d/%d, %d connections of %d", v.InMsgs, v.InBytes, v.Connections, v.TotalConnections)
	}
}

// TestMonitoringDuringTraffic asks for everything while clients publish,
// subscribe and leave: no answer fails, no message is lost, and the race
// detector looks on.
func TestMonitoringDuringTraffic(t *testing.T) {
	testkit.NothingLeft(t)
	s := testkit.StartLogging(t, &server.Options{HTTPHost: "127.0.0.1", HTTPPort: -1}, slog.LevelError)
	sub, pub := testkit.Join(t, s.Address(), ""), testkit.Join(t, s.Address(), "")
	for i := range 300 {
		sub.Send("SUB t.%d %d\r\n", i, i)
	}
	sub.Send("SUB all.> 1000\r\n")
	sub.Sync()
	stop := make(chan struct{})
	var busy sync.WaitGroup
	asked := 0
	busy.Go(func() {
		for {
			for _, page := range []string{"/connz?subs=1", "/connz?subs=detail&state=all", "/subsz?subs=1", "/varz", "/metrics", "/connz?sort=msgs_to", "/accstatz?unused=1"} {
				select {
				case <-stop:
					return
				default:
				}
				if text := s.Text(t, page); len(text) < 50 {
					t.Errorf("%s: %q", page, text)
				}
				asked++
			}
		}
	})
	busy.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			c := testkit.Join(t, s.Address(), "")
			c.Send("SUB t.> 1\r\nSUB once 2\r\nUNSUB 1\r\n")
			c.Sync()
			_ = c.Close()
		}
	})
	for range 50 {
		for range 40 {
			pub.Send("PUB all.one 2\r\nhi\r\n")
		}
		for range 40 {
			sub.Want("MSG all.one 1000 2", "hi")
		}
	}
	close(stop)
	busy.Wait()
	if got := sub.Sync(); len(got) > 0 || asked == 0 {
		t.Errorf("%d pages, and then came %q", asked, got)
	}
}

// TestReasonsOfClosed: each way to end is told apart.
func TestReasonsOfClosed(t *testing.T) {
	testkit.NothingLeft(t)
	opts := withUsers(&server.Options{HTTPHost: "127.0.0.1", HTTPPort: -1, PingInterval: 50 * time.Millisecond, MaxPingsOut: 1, MaxConn: 3, MaxClosedClients: 5}, "a")
	opts.Auth.Timeout = 100 * time.Millisecond
	s := testkit.Start(t, opts)
	ends := []struct {
		reason string
		do     func(c *testkit.Client)
	}{
		{"Authentication Timeout", func(*testkit.Client) {}},
		{"Authentication Failure", func(c *testkit.Client) { c.Send("CONNECT {\"user\":\"x\"}\r\n") }},
		{"Authentication Failure", func(c *testkit.Client) { c.Send("PING\r\n") }},
		{"Stale Connection", func(c *testkit.Client) { c.Login(as("a")) }},
		{"Client Closed", func(c *testkit.Client) { c.Login(as("a")); _ = c.Close() }},
		{"Maximum Message Payload Exceeded", func(c *testkit.Client) { c.Login(as("a")); c.Send("PUB a 2000000\r\n") }},
		{"No Responders Requires Headers", func(c *testkit.Client) { c.Send("CONNECT {%s,\"no_responders\":true}\r\n", as("a")) }},
	}
	for _, e := range ends {
		c := testkit.Dial(t, s.Address())
		id := uint64(c.Field("client_id").(float64))
		e.do(c)
		checkClosed(t, s, id, e.reason)
		_ = c.Close()
	}
	kept := closedConns(t, s)
	if len(kept) != 5 {
		t.Errorf("%d closed connections are remembered, want 5", len(kept))
	}
	metrics := s.Text(t, "/metrics")
	if !strings.Contains(metrics, `reason="Authentication Failure"} 2`) {
		t.Errorf("metrics do not count two failed logins:\n%s", metrics)
	}
}

func TestMaxConnections(t *testing.T) {
	testkit.NothingLeft(t)
	s := testkit.Start(t, &server.Options{HTTPHost: "127.0.0.1", HTTPPort: -1, MaxConn: 2})
	a, b := testkit.Join(t, s.Address(), ""), testkit.Dial(t, s.Address())
	for range 3 {
		c := testkit.Dial(t, s.Address())
		wantRest(t, c, "-ERR 'maximum connections exceeded'")
		checkClosed(t, s, uint64(c.Field("client_id").(float64)), "Maximum Connections Exceeded")
	}
	b.Login("")
	a.Sync()
	_ = b.Close()
	testkit.Eventually(t, "there is room again", func() bool { return s.NumClients() == 1 })
	testkit.Join(t, s.Address(), "").Sync()
}

// TestAccountsAreTenants: the same subject in two accounts, the default one
// and the system's are four subjects.
func TestAccountsAreTenants(t *testing.T) {
	testkit.NothingLeft(t)
	opts := withUsers(withAccounts(&server.Options{HTTPHost: "127.0.0.1", HTTPPort: -1, SystemAccount: "SYS"}, "A", "B", "SYS"), "a/A", "b/B", "root/SYS", "g")
	opts.Auth.NoAuthUser = "b"
	s := testkit.Start(t, opts)
	logins := map[string]string{"A": as("a"), "B": "", "SYS": as("root"), "$G": as("g")}
	clients := map[string]*testkit.Client{}
	for acc, login := range logins {
		c := testkit.Join(t, s.Address(), login)
		if got := c.Field("remote_account"); got != acc {
			t.Errorf("bound to %v, want %s", got, acc)
		}
		if isSystem := c.Field("acc_is_sys") == true; isSystem != (acc == "SYS") {
			t.Errorf("%s: acc_is_sys %v", acc, isSystem)
		}
		c.Send("SUB same.> 1\r\nSUB same.x q 2\r\n")
		c.Sync()
		clients[acc] = c
	}
	for acc, c := range clients {
		c.Send("PUB same.y %d\r\n%s\r\n", len(acc), acc)
		c.Want(fmt.Sprintf("MSG same.y 1 %d", len(acc)), acc)
	}
	for acc, c := range clients {
		if got := c.Sync(); len(got) > 0 {
			t.Errorf("%s heard %q of another account", acc, got)
		}
	}
	if v := varz(t, s); v.SystemAccount != "SYS" {
		t.Errorf("system account %q", v.SystemAccount)
	}
	if conns := openConns(t, s, "acc=A"); len(conns) != 1 {
		t.Errorf("%d connections of A", len(conns))
	}
}

package server_test

import (
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"dunlin/internal/ops/config"
	"dunlin/internal/testkit"
	"dunlin/server"
)

// TestClusterLoss: a server goes without a word and comes back; the others and
// their clients notice both, and interest is as it was.
func TestClusterLoss(t *testing.T) {
	n := form(t, 3, nil)
	n.settled(t, defaultRoutes)
	sub, gone := testkit.Join(t, n[1].Address(), ""), testkit.Join(t, n[2].Address(), "")
	sub.Send("SUB a 1\r\n")
	gone.Send("SUB b 1\r\n")
	sub.Sync()
	gone.Sync()
	knows(t, n[0], 2)
	address := n[2].Address()
	n[2].Shutdown()
	n[:2].settled(t, defaultRoutes)
	knows(t, n[0], 1)
	watcher := testkit.Dial(t, n[0].Address())
	if urls := fmt.Sprint(watcher.Field("connect_urls")); strings.Contains(urls, address) {
		t.Errorf("clients are still sent to the server that is gone: %s", urls)
	}
	n[2] = n.start(t, 2, slog.LevelDebug, nil)
	n.settled(t, defaultRoutes)
	knows(t, n[2], 1)
	pub := testkit.Join(t, n[2].Address(), "")
	pub.Send("PUB a 4\r\nback\r\n")
	for line := sub.Line(); line != "MSG a 1 4"; line = sub.Line() {
		if !strings.HasPrefix(line, "INFO ") {
			t.Fatalf("read %q", line)
		}
	}
	sub.Want("back")
}

// TestClusterBothDial: two servers that know each other end up with one
// connection for each place.
func TestClusterBothDial(t *testing.T) {
	n := form(t, 1, nil)
	n = append(n, n.start(t, 1, slog.LevelDebug, nil))
	n.settled(t, defaultRoutes)
	o := testkit.Local(&server.Options{ServerName: "n0", HTTPHost: "127.0.0.1", HTTPPort: -1})
	o.Cluster = config.Cluster{Name: "C", Host: "127.0.0.1", Port: -1, Compression: config.Compression{Mode: config.CompressionOff}}
	o.Cluster.Routes = []*url.URL{{Scheme: "nats-route", Host: n[1].ClusterAddr().String()}}
	if err := n[0].ReloadOptions(o); err != nil {
		t.Fatal(err)
	}
	n.settled(t, defaultRoutes)
	crossing(t, n)
}

func TestClusterReload(t *testing.T) {
	options := func(change func(c *config.Cluster)) *server.Options {
		o := testkit.Local(&server.Options{ServerName: "n0", HTTPHost: "127.0.0.1", HTTPPort: -1})
		o.Cluster = config.Cluster{Name: "C", Host: "127.0.0.1", Port: -1, Compression: config.Compression{Mode: config.CompressionOff}}
		change(&o.Cluster)
		return o
	}
	n := form(t, 2, nil)
	n.settled(t, defaultRoutes)
	reload := func(change func(c *config.Cluster), each int) {
		t.Helper()
		if err := n[0].ReloadOptions(options(change)); err != nil {
			t.Fatal(err)
		}
		n.settled(t, each)
		crossing(t, n)
	}
	reload(func(c *config.Cluster) { c.PoolSize = 5 }, 6)
	reload(func(*config.Cluster) {}, 4)
	reload(func(c *config.Cluster) { c.PingInterval = time.Second }, 4)
	o := options(func(c *config.Cluster) { c.Name = "other" })
	if err := n[0].ReloadOptions(o); err == nil {
		t.Error("another name was taken")
	}
}

// TestClusterPinnedByReload: an account that gets connections of its own takes
// its interest along, leaves none behind, and loses no message on the way.
func TestClusterPinnedByReload(t *testing.T) {
	n := form(t, 2, nil)
	n.settled(t, defaultRoutes)
	sub := testkit.Join(t, n[0].Address(), "")
	sub.Send("SUB a.* 1\r\nSUB a.> workers 2\r\nSUB end 3\r\n")
	sub.Sync()
	knows(t, n[1], 3)
	pub := testkit.Join(t, n[1].Address(), "")
	sent, stop, ended := 0, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
			}
			pub.Send("PUB a.%d 0\r\n\r\n", sent)
			pub.Sync()
			sent++
		}
	}()
	for i := range n {
		o := testkit.Local(&server.Options{ServerName: n[i].Name(), HTTPHost: "127.0.0.1", HTTPPort: -1})
		o.Cluster = config.Cluster{Name: "C", Host: "127.0.0.1", Port: -1, Compression: config.Compression{Mode: config.CompressionOff}, Accounts: []string{"$G"}}
		if i > 0 {
			o.Cluster.Routes = []*url.URL{{Scheme: "nats-route", Host: n[0].ClusterAddr().String()}}
		}
		if err := n[i].ReloadOptions(o); err != nil {
			t.Fatal(err)
		}
	}
	n.settled(t, defaultRoutes+1)
	own := func() (subs uint32, others uint32) {
		for _, r := range routesOf(t, n[1]) {
			if r.Account == "$G" {
				subs += r.NumSubs
			} else {
				others += r.NumSubs
			}
		}
		return subs, others
	}
	testkit.Eventually(t, "the account's own connection has all its interest", func() bool {
		subs, others := own()
		return subs == 3 && others == 0
	})
	close(stop)
	<-ended
	pub.Send("PUB end 0\r\n\r\n")
	got := map[string]int{}
	for line := sub.Line(); !strings.HasPrefix(line, "MSG end "); line = sub.Line() {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "MSG" {
			got[f[1]+" "+f[2]]++
		}
	}
	for i := range sent {
		for sid := 1; sid <= 2; sid++ {
			if key := fmt.Sprintf("a.%d %d", i, sid); got[key] != 1 {
				t.Errorf("%d of %q came, of %d messages sent", got[key], key, sent)
			}
		}
	}
}

func TestClusterLameDuck(t *testing.T) {
	n := form(t, 2, func(i int, o *server.Options) {
		o.LameDuckGracePeriod, o.LameDuckDuration = 50*time.Millisecond, 100*time.Millisecond
	})
	n.settled(t, defaultRoutes)
	there := testkit.Join(t, n[0].Address(), "")
	here := testkit.Join(t, n[1].Address(), "")
	leaving, stays := n[0].Address(), n[1].Address()
	done := make(chan struct{})
	go func() {
		defer close(done)
		n[0].LameDuckShutdown()
	}()
	there.ReadInfo()
	if urls := fmt.Sprint(there.Field("connect_urls")); there.Field("ldm") != true || strings.Contains(urls, leaving) || !strings.Contains(urls, stays) {
		t.Errorf("the clients there are told %s", there.Info)
	}
	here.ReadInfo()
	if urls := fmt.Sprint(here.Field("connect_urls")); strings.Contains(urls, leaving) {
		t.Errorf("the clients elsewhere are sent to the lame duck: %s", urls)
	}
	<-done
}

// TestClusterStrangers: whoever comes to the port for routes and is no server
// is sent away, and the routes do not mind.
func TestClusterStrangers(t *testing.T) {
	n := form(t, 2, func(_ int, o *server.Options) {
		o.Cluster.AuthTimeout, o.Cluster.Compression.Mode = 200*time.Millisecond, config.CompressionAccept
	})
	n.settled(t, defaultRoutes)
	hello := `CONNECT {"echo":true,"headers":true,"name":"NSTRANGER","cluster":"C","lnoc":true,"ln":true}` + "\r\n"
	info := `INFO {"server_id":"NSTRANGER","server_name":"stranger","version":"2.15.2","proto":3,"host":"127.0.0.1","port":1,"headers":true,"max_payload":1048576,"cluster":"C","compression":"off"} ` + "\r\n"
	for what, text := range map[string]string{
		"silence":        "",
		"HTTP":           "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"TLS":            "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"a client":       `CONNECT {"verbose":false,"lang":"go","version":"1"}` + "\r\nPING\r\n",
		"a gateway":      `CONNECT {"name":"x","cluster":"C","gateway":"G"}` + "\r\n",
		"another name":   strings.Replace(hello, `"C"`, `"D"`, 1),
		"INFO only":      info,
		"no JSON":        "CONNECT {\r\n",
		"a long line":    "CONNECT " + strings.Repeat("a", 100<<10),
		"ourselves":      strings.ReplaceAll(hello, "NSTRANGER", n[0].ID()) + strings.ReplaceAll(info, "NSTRANGER", n[0].ID()),
		"a bad index":    hello + strings.Replace(info, `"compression"`, `"route_pool_size":3,"route_pool_idx":77,"compression"`, 1),
		"no account":     hello + strings.Replace(info, `"compression"`, `"route_pool_size":3,"route_account":"none","compression"`, 1),
		"bad operation":  hello + info + "FOO\r\n",
		"bad interest":   hello + info + "RS+ $G a b c d\r\n",
		"a bad message":  hello + info + "RMSG $G foo x\r\nhi\r\n",
		"not compressed": hello + strings.Replace(info, `"off"`, `"s2_fast"`, 1) + "RS+ $G clear\r\n",
		"an error":       hello + info + "-ERR 'bye'\r\n",
	} {
		t.Run(what, func(t *testing.T) {
			p := testkit.Open(t, n[0].ClusterAddr().String())
			p.Send("%s", text)
			p.Rest() // closed
		})
	}
	n.settled(t, defaultRoutes)
	crossing(t, n)
}

// TestClusterUnknownAccount: interest and messages of an account that is not known are of no
// use, and do no harm.
func TestClusterUnknownAccount(t *testing.T) {
	n := form(t, 1, nil)
	sub := testkit.Join(t, n[0].Address(), "")
	sub.Send("SUB a 1\r\n")
	sub.Sync()
	p := testkit.Open(t, n[0].ClusterAddr().String())
	p.Send(`CONNECT {"echo":true,"headers":true,"name":"NPEER","cluster":"C","lnoc":true,"ln":true}` + "\r\n" +
		`INFO {"server_id":"NPEER","server_name":"peer","version":"2.15.2","proto":3,"host":"127.0.0.1","port":1,"headers":true,"max_payload":1048576,"cluster":"C","compression":"off"} ` + "\r\n")
	p.Send("RS+ none x\r\nRS+ none y\r\nRMSG none a 1\r\nx\r\nRS- none x\r\nRMSG $G a 1\r\ny\r\nPING\r\n")
	for line := sub.Line(); line != "MSG a 1 1"; line = sub.Line() {
		if !strings.HasPrefix(line, "INFO ") {
			t.Fatalf("read %q", line)
		}
	}
	sub.Want("y")
	for p.Line() != "PONG" {
	}
	if got := n[0].Log.Count("Unknown account"); got != 1 {
		t.Errorf("the log tells %d times of the unknown account, want once", got)
	}
}

// TestClusterStale: a server that does not answer is given up.
func TestClusterStale(t *testing.T) {
	n := form(t, 1, func(_ int, o *server.Options) {
		o.Cluster.PingInterval, o.Cluster.MaxPingsOut = 50*time.Millisecond, 2
	})
	p := testkit.Open(t, n[0].ClusterAddr().String())
	p.SeePings = true
	p.Send(`CONNECT {"echo":true,"headers":true,"name":"NPEER","cluster":"C"}` + "\r\n" +
		`INFO {"server_id":"NPEER","server_name":"peer","proto":3,"host":"127.0.0.1","port":1,"headers":true,"cluster":"C"} ` + "\r\n")
	lines := p.Rest()
	if last := lines[len(lines)-1]; last != "-ERR 'Stale Connection'" {
		t.Errorf("it ended with %q", last)
	}
}

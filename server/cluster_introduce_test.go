package server_test

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"

	"dunlin/internal/core/perm"
	"dunlin/internal/ops/config"
	"dunlin/internal/testkit"
	"dunlin/server"
)

// TestClusterReloadWhileIntroducing: permissions change while another server is being
// told of much interest; in the end it knows what the new ones allow.
func TestClusterReloadWhileIntroducing(t *testing.T) {
	allow := func(subjects ...string) *config.RoutePermissions {
		return &config.RoutePermissions{Import: &perm.Subjects{Allow: subjects}}
	}
	n := form(t, 1, func(_ int, o *server.Options) { o.Cluster.Permissions = allow("a.>") })
	c := testkit.Join(t, n[0].Address(), "")
	long := strings.Repeat("y", 200)
	const many, step, wanted = 100_000, 1000, 300
	for from := 0; from < many; from += step {
		var b strings.Builder
		for i := from; i < from+step; i++ {
			fmt.Fprintf(&b, "SUB a.%s.%d %d\r\n", long, i, i)
		}
		c.Send("%s", b.String())
	}
	for i := range wanted {
		c.Send("SUB b.%d b%d\r\n", i, i)
	}
	c.Sync()
	p := testkit.Open(t, n[0].ClusterAddr().String())
	p.Send("%s", strings.TrimSuffix(slowHello, "RS+ $G flood.*\r\nPING\r\n"))
	testkit.Eventually(t, "part of it is told", func() bool { return behind(t, n[0]) > 128<<10 })
	o := testkit.Local(&server.Options{ServerName: "n0", HTTPHost: "127.0.0.1", HTTPPort: -1})
	o.Cluster = config.Cluster{Name: "C", Host: "127.0.0.1", Port: -1, Compression: config.Compression{Mode: config.CompressionOff}, Permissions: allow("a.>", "b.>")}
	if err := n[0].ReloadOptions(o); err != nil {
		t.Fatal(err)
	}
	for got := map[string]bool{}; len(got) < wanted; { // reading fails when nothing more comes
		if s, ok := strings.CutPrefix(p.Line(), "RS+ $G b."); ok {
			got[s] = true
		}
	}
}

// TestClusterSlotLost: a connection that was dialed for one account becomes one of
// the pool when the server's last other connection has ended meanwhile, and both
// sides speak so.
func TestClusterSlotLost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	n := form(t, 1, func(_ int, o *server.Options) {
		o.Cluster.Routes = []*url.URL{{Scheme: "nats-route", Host: l.Addr().String()}}
		o.Cluster.PoolSize = 1
	})
	c := testkit.Join(t, n[0].Address(), "")
	c.Send("SUB foo 1\r\n")
	c.Sync()
	const info = `INFO {"server_id":"NFAKE","server_name":"fake","version":"2.15.2","proto":3,"host":"127.0.0.1","port":1,"headers":true,"max_payload":1048576,"cluster":"C","compression":"off","route_pool_size":1,"lnoc":true} ` + "\r\n"
	accept := func() *testkit.Client {
		nc, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return testkit.On(t, nc)
	}
	pool := accept()
	pool.Send("%s", info)
	for pool.Line() != "RS+ $G foo" {
		pool.Send("PONG\r\n")
	}
	own := accept() // for $SYS
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	n[0].Log.Wait(t, "The last route to the server is gone")
	own.SeePings = true
	own.Send("%s", info)
	line := own.Line()
	for ; !strings.HasPrefix(line, "RS+"); line = own.Line() {
		if line == "PING" {
			own.Send("PONG\r\n")
		}
	}
	if line != "RS+ $G foo" {
		t.Errorf("interest on a connection of the pool: %q", line)
	}
	own.Send("RS+ $G bar\r\n")
	knows(t, n[0], 1)
}

// TestClusterPongMeansAll: on an account's own connection between Dunlin servers a PING is answered only when
// all of its interest has been told, however much that is.
func TestClusterPongMeansAll(t *testing.T) {
	const many = 100_000
	n := form(t, 1, func(_ int, o *server.Options) { o.Cluster.Accounts = []string{"$G"} })
	want(t, n[0], many).Sync()
	hello := strings.TrimSuffix(slowHello, "RS+ $G flood.*\r\nPING\r\n")
	pool := strings.Replace(hello, `"compression"`, `"dunlin":"1.0","route_pool_size":3,"compression"`, 1)
	p := testkit.Open(t, n[0].ClusterAddr().String())
	p.Send("%sPING\r\n", pool)
	for p.Line() != "PONG" {
	}
	own := testkit.Open(t, n[0].ClusterAddr().String())
	own.Send("%sPING\r\n", strings.Replace(pool, `"compression"`, `"route_account":"$G","compression"`, 1))
	told := 0
	for line := ""; line != "PONG"; line = own.Line() {
		if strings.HasPrefix(line, "RS+ a.") {
			told++
		}
	}
	if told != many {
		t.Errorf("PONG after %d of %d subscriptions", told, many)
	}
}

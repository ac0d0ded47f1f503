package server_test

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"dunlin/internal/ops/config"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/testkit"
	"dunlin/server"
)

// routezPage is the whole of /routez.
type routezPage struct {
	sysapi.Routez
	Routes []sysapi.RouteInfo `json:"routes"`
}

// TestMonitoringOfRoutes: two servers, of which an account has a connection of
// its own. What /routez and /varz say of them is what went over.
func TestMonitoringOfRoutes(t *testing.T) {
	testkit.NothingLeft(t)
	member := func(name string, routes ...*url.URL) *testkit.Server {
		return testkit.Start(t, &server.Options{
			HTTPHost: "127.0.0.1", HTTPPort: -1, ServerName: name, Accounts: []*config.Account{{Name: "A"}},
			Cluster: config.Cluster{
				Name: "c", Host: "127.0.0.1", Port: -1, Routes: routes, Accounts: []string{"A"}, PoolSize: 2,
				Compression: config.Compression{Mode: config.CompressionOff}, WriteDeadline: 3 * time.Second, WriteTimeout: "close",
			},
		})
	}
	a := member("a")
	b := member("b", &url.URL{Scheme: "nats", Host: a.ClusterAddr().String()})
	const conns = 2 + 2 // the pool, A and the system account
	testkit.Eventually(t, "all connections", func() bool { return a.NumRoutes() == conns && b.NumRoutes() == conns })

	sub := testkit.Join(t, b.Address(), `"protocol":0`)
	sub.Send("SUB x.* 1\r\nSUB work q 2\r\n")
	sub.Sync()
	pub := testkit.Join(t, a.Address(), `"protocol":0`)
	var list routezPage
	testkit.Eventually(t, "the interest of b on a", func() bool {
		list = routezPage{}
		a.Page(t, "/routez?subs=detail", &list)
		n := uint32(0)
		for _, r := range list.Routes {
			n += r.NumSubs
		}
		return n == 2
	})
	checkRoutes(t, &list, b)
	checkSubsz(t, a, 0)
	checkSubsz(t, b, 2)
	pub.Send("PUB x.1 5\r\nhello\r\nPUB x.2 5\r\nhello\r\n")
	sub.Want("MSG x.1 1 5", "hello", "MSG x.2 1 5", "hello")
	pub.Sync()

	var v sysapi.Varz
	a.Page(t, "/varz", &v)
	_, port, _ := strings.Cut(a.ClusterAddr().String(), ":")
	number, _ := strconv.Atoi(port)
	got, err := json.Marshal(v.Cluster)
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(sysapi.ClusterVarz{
		Name: "c", Host: "127.0.0.1", Port: number, AuthTimeoutSeconds: 2, TLSTimeoutSeconds: 2, PoolSize: 2,
		WriteDeadlineNanos: 3e9, WriteTimeout: "close",
	})
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("the cluster of a is\n%s, want\n%s", got, want)
	}
	// What came from clients is counted twice, what went to a server once.
	if v.Routes != conns || v.Remotes != 1 || v.InMsgs != 2 || v.InClientMsgs != 2 || v.OutMsgs != 2 || v.OutBytes != 10 || v.OutClientMsgs != 0 {
		t.Errorf("a: %d routes to %d servers, in %d (clients %d), out %d (clients %d), %d bytes", v.Routes, v.Remotes, v.InMsgs, v.InClientMsgs, v.OutMsgs, v.OutClientMsgs, v.OutBytes)
	}
	v = sysapi.Varz{}
	b.Page(t, "/varz", &v)
	if v.InMsgs != 2 || v.InBytes != 10 || v.InClientMsgs != 0 || v.OutMsgs != 2 || v.OutClientMsgs != 2 || len(v.Cluster.URLs) != 1 || v.Cluster.URLs[0] != a.ClusterAddr().String() {
		t.Errorf("b: in %d, %d bytes (clients %d), out %d (clients %d), urls %v", v.InMsgs, v.InBytes, v.InClientMsgs, v.OutMsgs, v.OutClientMsgs, v.Cluster.URLs)
	}
	if text := a.Text(t, "/metrics"); !strings.Contains(text, `dunlin_route_messages_total{direction="out",remote="b"} 2`) || !strings.Contains(text, "dunlin_remotes 1\n") {
		t.Error("the metrics lack the messages to b, or b")
	}

	b.Shutdown() // what its routes carried is not forgotten
	testkit.Eventually(t, "b to be gone", func() bool { return a.NumRoutes() == 0 })
	testkit.Eventually(t, "the totals", func() bool {
		v = sysapi.Varz{}
		a.Page(t, "/varz", &v)
		return v.Routes == 0 && v.Remotes == 0 && v.OutMsgs == 2 && v.OutBytes == 10
	})
}

// checkSubsz looks at /subsz of one of two servers of which one has two
// subscriptions: it counts what either wants, and lists what its clients want.
func checkSubsz(t *testing.T, s *testkit.Server, listed int) {
	t.Helper()
	var page struct {
		sysapi.Subsz
		List []sysapi.SubDetail `json:"subscriptions_list"`
	}
	s.Page(t, "/subsz?subs=1", &page)
	if page.NumSubs != 2 || page.Total != listed || len(page.List) != listed {
		t.Errorf("/subsz counts %d of 2, total %d, and lists %v: want %d", page.NumSubs, page.Total, page.List, listed)
	}
}

// checkRoutes looks at what a's /routez says of b.
func checkRoutes(t *testing.T, list *routezPage, b *testkit.Server) {
	t.Helper()
	pinned, pooled, sids := map[string]bool{}, map[int]bool{}, map[string]bool{}
	for _, r := range list.Routes {
		if r.RemoteName != "b" || r.RemoteID != b.ID() || r.DidSolicit || r.IsConfigured || r.Compression != "off" || r.IP != "127.0.0.1" || r.Port == 0 {
			t.Errorf("got %+v", r)
		}
		if r.PoolIndex == nil {
			pinned[r.Account] = true
		} else {
			pooled[*r.PoolIndex] = true
		}
		if len(r.SubsDetail) != int(r.NumSubs) {
			t.Errorf("%d subscriptions, %d are listed", r.NumSubs, len(r.SubsDetail))
		}
		for _, d := range r.SubsDetail {
			if sids[d.Sid] = true; d.Cid != r.Rid {
				t.Errorf("%q of connection %d is listed with connection %d", d.Sid, d.Cid, r.Rid)
			}
		}
	}
	if list.NumRoutes != len(list.Routes) || !pinned["A"] || !pinned["$SYS"] || !pooled[0] || !pooled[1] {
		t.Errorf("%d routes, pinned %v, pool %v", list.NumRoutes, pinned, pooled)
	}
	if len(sids) != 2 || !sids["R $G x.*"] || !sids["R $G work q"] {
		t.Errorf("interest %v", sids)
	}
}

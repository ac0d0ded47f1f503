package monitor

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dunlin/internal/proto/sysapi"
)

// The files in testdata are what a nats-server 2.15.2 answered: "cluster" in a
// cluster with two clients, two closed ones and a leaf node; "plain" a single
// server as it comes; "tls" one with a token, client certificates and a base
// path. The tests read the state out of the recordings, lay it into a fake and
// compare the answers key by key, in order, with the values that do not move.

func recorded(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode[T any](t *testing.T, name string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(recorded(t, name), &v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

type recordedConnz struct {
	ID    string            `json:"server_id"`
	Conns []sysapi.ConnInfo `json:"connections"`
}

type recordedSubsz struct {
	sysapi.Subsz
	Subs []sysapi.SubDetail `json:"subscriptions_list"`
}

// connOf undoes connInfo, with the subscriptions of details if there are any.
func connOf(t *testing.T, info sysapi.ConnInfo) Conn {
	t.Helper()
	c := Conn{ID: info.Cid, Kind: info.Kind, Type: info.Type, IP: info.IP, Port: info.Port, Start: info.Start,
		LastActivity: info.LastActivity, RTT: time.Duration(info.RTT), PendingBytes: info.PendingBytes,
		InMsgs: info.InMsgs, OutMsgs: info.OutMsgs, InBytes: info.InBytes, OutBytes: info.OutBytes,
		NumSubs: info.NumSubs, Name: info.Name, Lang: info.Lang, Version: info.Version,
		TLSPeerCerts: info.TLSPeerCerts, User: info.AuthorizedUser, Account: info.Account, NameTag: info.NameTag}
	if c.Account == "" {
		c.Account = info.NameTag // the global account is only told there
	}
	if info.Stop != nil {
		c.Stop = *info.Stop
		for r := sysapi.NotClosed; r.String() != info.Reason; r++ {
			c.Reason = r + 1
		}
	}
	if info.TLSVersion == "1.3" {
		c.TLSVersion = tls.VersionTLS13
		for _, suite := range tls.CipherSuites() {
			if suite.Name == info.TLSCipher {
				c.TLSCipher = suite.ID
			}
		}
	}
	return c
}

func subOf(d sysapi.SubDetail) Sub {
	return Sub{Account: d.Account, Subject: d.Subject, Queue: d.Queue, Sid: d.Sid, Msgs: d.Msgs, Max: d.Max, ConnID: d.Cid}
}

type recordedRoutez struct {
	sysapi.Routez
	Routes []sysapi.RouteInfo `json:"routes"`
}

// withRoutes lays out what a recording of /routez?subs=detail shows.
func (f *fake) withRoutes(t *testing.T, name string) {
	t.Helper()
	r := decode[recordedRoutez](t, name)
	if len(r.Routes) == 0 {
		t.Fatalf("%s shows no routes", name)
	}
	f.varz.ID, f.varz.Name, f.imports, f.exports = r.ID, r.Name, r.Import, r.Export
	f.routeSubs = map[uint64][]Sub{}
	for _, route := range r.Routes {
		for _, d := range route.SubsDetail {
			f.routeSubs[route.Rid] = append(f.routeSubs[route.Rid], subOf(d))
		}
		route.Uptime, route.Idle, route.SubsDetail = 0, 0, nil
		f.routes = append(f.routes, route)
	}
}

// clusterState lays out the state that the recordings in "cluster" show.
func clusterState(t *testing.T) *fake {
	f := newFake()
	open := decode[recordedConnz](t, "cluster/connz-subs-auth.json")
	f.varz.ID, f.varz.SystemAccount = open.ID, "SYS"
	for _, info := range open.Conns {
		f.conns[info.Cid] = connOf(t, info)
	}
	for _, info := range decode[recordedConnz](t, "cluster/connz-subs-detail.json").Conns {
		for _, d := range info.SubsDetail {
			f.connSubs[info.Cid] = append(f.connSubs[info.Cid], subOf(d))
		}
	}
	for _, info := range decode[recordedConnz](t, "cluster/connz-closed.json").Conns {
		f.ring.Add(connOf(t, info), nil)
	}
	all := decode[recordedSubsz](t, "cluster/subsz-subs.json")
	for _, d := range all.Subs {
		f.subs = append(f.subs, subOf(d))
	}
	f.sublists[""] = all.SublistStats
	f.sublists["A"] = decode[recordedSubsz](t, "cluster/subsz-subs-acc-test.json").SublistStats
	for _, name := range []string{"$G", "SYS"} {
		f.accounts[name] = sysapi.AccountInfo{}
	}
	f.withRoutes(t, "cluster/routez-subs-detail.json")
	for name, file := range map[string]string{"A": "cluster/accountz-acc.json", "B": "cluster/accountz-acc-B.json"} {
		f.accounts[name] = *decode[sysapi.Accountz](t, file).Account
	}
	for _, s := range decode[sysapi.Accstatz](t, "cluster/accstatz-unused.json").Accounts {
		f.stats[s.Account] = s
	}
	return f
}

// serverState lays out a state of which only /varz and the like matter.
func serverState(t *testing.T, dir string) *fake {
	f := newFake()
	f.varz = decode[sysapi.Varz](t, dir+"/varz.json")
	if dir == "plain" {
		all := decode[recordedSubsz](t, "plain/subsz-subs.json")
		for _, d := range all.Subs {
			f.subs = append(f.subs, subOf(d))
		}
		f.sublists[""] = all.SublistStats
		for _, s := range decode[sysapi.Accstatz](t, "plain/accstatz-unused.json").Accounts {
			f.stats[s.Account] = s
		}
		f.accounts["$G"] = *decode[sysapi.Accountz](t, "plain/accountz-acc-G.json").Account
		f.accounts["$SYS"] = *decode[sysapi.Accountz](t, "plain/accountz-acc-SYS.json").Account
		return f
	}
	for _, info := range decode[recordedConnz](t, dir+"/connz-auth.json").Conns {
		f.conns[info.Cid] = connOf(t, info)
	}
	return f
}

func get(h http.Handler, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	return w
}

// moving are the values that differ from one moment or machine to the next.
var moving = []string{"now", "uptime", "idle", "mem", "cpu", "cores", "gomaxprocs", "go", "dunlin"}

// anyOrder are the lists whose order nats-server leaves to chance.
var anyOrder = []string{"subscriptions_list", "subscriptions_list_detail", "routes", "accounts", "account_statz"}

// flatten writes JSON as one line a value, "path = value", in the order of the
// text; moving values are written as their type.
func flatten(t *testing.T, body []byte) string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var walk func(path, key string) string
	walk = func(path, key string) string {
		tok, err := dec.Token()
		if err != nil {
			t.Fatalf("not JSON: %v\n%s", err, body)
		}
		switch v := tok.(type) {
		case json.Delim:
			var lines []string
			for n := 0; dec.More(); n++ {
				name := fmt.Sprint(n)
				if v == '{' {
					next, err := dec.Token()
					if err != nil {
						t.Fatal(err)
					}
					name = next.(string)
				} else if slices.Contains(anyOrder, key) {
					name = "*"
				}
				lines = append(lines, walk(path+"/"+name, name))
			}
			if v == '[' && slices.Contains(anyOrder, key) {
				slices.Sort(lines)
			}
			if _, err := dec.Token(); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("%s = %v%d\n", path, v, len(lines)) + strings.Join(lines, "")
		default:
			if slices.Contains(moving, key) {
				return fmt.Sprintf("%s = a %T\n", path, v)
			}
			return fmt.Sprintf("%s = %#v\n", path, v)
		}
	}
	return walk("", "")
}

func sameAnswer(t *testing.T, h http.Handler, target, file string) {
	t.Helper()
	w := get(h, target)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" ||
		w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%s: status %d, header %v", target, w.Code, w.Header())
	}
	got, want := flatten(t, w.Body.Bytes()), flatten(t, recorded(t, file))
	if got != want {
		t.Errorf("%s differs from %s\n%s", target, file, difference(got, want))
	}
	// Apart from order and figures the text is laid out alike.
	if g, w := bytes.Count(w.Body.Bytes(), []byte("\n")), bytes.Count(recorded(t, file), []byte("\n")); g != w {
		t.Errorf("%s has %d lines, recorded %d", target, g, w)
	}
}

func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := 0; i < max(len(g), len(w)); i++ {
		a, b := "(end)", "(end)"
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			return fmt.Sprintf("line %d\n got  %s\n want %s", i, a, b)
		}
	}
	return "nothing"
}

func TestAnswersAreThoseOfTheRecordings(t *testing.T) {
	h := New(Config{Source: clusterState(t)})
	for target, file := range map[string]string{
		"/connz":                     "connz.json",
		"/connz?subs=1&auth=1":       "connz-subs-auth.json",
		"/connz?subs=detail":         "connz-subs-detail.json",
		"/connz?state=closed&auth=1": "connz-closed.json",
		"/connz?state=all&sort=start&limit=2&offset=1": "connz-all-sort.json",
		"/connz?acc=A&auth=true":                       "connz-acc.json",
		"/connz?cid=28&subs=1":                         "connz-cid.json",
		"/connz?user=a&auth=1":                         "connz-user.json",
		"/connz?acc=A&filter_subject=foo.x&subs=1":     "connz-filter-subject.json",
		"/connz?callback=cb&limit=1":                   "connz-callback.json",
		"/connz?sort=reason&state=closed":              "connz-sort-reason-closed.json",
		"/subsz":                                       "subsz.json",
		"/subscriptionsz":                              "subscriptionsz.json",
		"/subsz?subs=1":                                "subsz-subs.json",
		"/subsz?subs=1&acc=A&test=foo.x":               "subsz-subs-acc-test.json",
		"/accountz":                                    "accountz.json",
		"/accountz?acc=A":                              "accountz-acc.json",
		"/accountz?acc=B":                              "accountz-acc-B.json",
		"/accstatz":                                    "accstatz.json",
		"/accstatz?unused=1":                           "accstatz-unused.json",
		"/routez":                                      "routez.json",
		"/routez?subs=1":                               "routez-subs.json",
		"/routez?subs=detail":                          "routez-subs-detail.json",
	} {
		sameAnswer(t, h, target, "cluster/"+file)
	}
}

func TestAnswersOfASingleServer(t *testing.T) {
	h := New(Config{Source: serverState(t, "plain")})
	for target, file := range map[string]string{
		"/connz": "connz.json", "/routez": "routez.json", "/gatewayz": "gatewayz.json", "/leafz": "leafz.json",
		"/jsz": "jsz.json", "/ipqueuesz": "ipqueuesz.json", "/healthz": "healthz.json",
		"/accountz": "accountz.json", "/accountz?acc=$G": "accountz-acc-G.json",
		"/accountz?acc=$SYS": "accountz-acc-SYS.json", "/accstatz": "accstatz.json",
		"/accstatz?unused=1": "accstatz-unused.json", "/subsz": "subsz.json", "/subsz?subs=1": "subsz-subs.json",
	} {
		sameAnswer(t, h, target, "plain/"+file)
	}
	if got, want := get(h, "/healthz").Body.String(), string(recorded(t, "plain/healthz.json")); got != want {
		t.Errorf("/healthz = %q, want %q", got, want)
	}
	if w := get(h, "/raftz"); w.Code != 404 || w.Body.String() != string(recorded(t, "plain/raftz.json")) {
		t.Errorf("/raftz = %d %q", w.Code, w.Body)
	}
}

func TestVarzIsThatOfTheRecordings(t *testing.T) {
	for dir, base := range map[string]string{"plain": "", "tls": "mon"} {
		source := serverState(t, dir)
		recordedStats := source.varz.HTTPReqStats
		h := New(Config{Source: source, BasePath: base})
		path := strings.TrimSuffix("/"+base, "/")
		for range recordedStats["/connz"] { // bring the request counts to where they were
			get(h, path+"/connz")
		}
		sameAnswer(t, h, path+"/varz", dir+"/varz.json")
	}
}

func TestVarzAddsOnlyTheProductsOwnVersion(t *testing.T) {
	source := serverState(t, "plain")
	source.varz.Dunlin = "9.8.7"
	got := flatten(t, get(New(Config{Source: source}), "/varz").Body.Bytes())
	want := flatten(t, recorded(t, "plain/varz.json"))
	added := strings.Replace(want, "/proto = ", "/dunlin = a string\n/proto = ", 1)
	head, tail, _ := strings.Cut(added, "\n")
	if _, gotTail, _ := strings.Cut(got, "\n"); gotTail != tail {
		t.Errorf("after %q:\n%s", head, difference(gotTail, tail))
	}
}

// "routes" is a server with one other, permissions, a pinned account, TLS and
// compression. Below gateway and leaf, which it does not have, the recorded
// /varz also showed the write deadline of the cluster; that is taken out.
func TestRoutesWithPermissions(t *testing.T) {
	f := newFake()
	f.varz = decode[sysapi.Varz](t, "routes/varz.json")
	f.withRoutes(t, "routes/routez-subs-detail.json")
	h := New(Config{Source: f})
	sameAnswer(t, h, "/routez", "routes/routez.json")
	sameAnswer(t, h, "/routez?subs=true", "routes/routez-subs.json")
	sameAnswer(t, h, "/routez?subs=detail", "routes/routez-subs-detail.json")
	sameAnswer(t, h, "/varz", "routes/varz.json")
}

func TestRoutesAreInTheOrderOfTheirIDsAndTellTheirPlaceInThePool(t *testing.T) {
	f := newFake()
	for i, id := range []uint64{9, 3, 7} {
		route := sysapi.RouteInfo{Rid: id, Start: time.Now().Add(-90 * time.Second), LastActivity: time.Now().Add(-2 * time.Second)}
		if i > 0 {
			route.PoolIndex = new(int)
			*route.PoolIndex = i - 1
		}
		f.routes = append(f.routes, route)
	}
	var got recordedRoutez
	if err := json.Unmarshal(get(New(Config{Source: f}), "/routez").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.NumRoutes != 3 || len(got.Routes) != 3 {
		t.Fatalf("got %+v", got)
	}
	for i, want := range []struct {
		id    uint64
		index string
	}{{3, "0"}, {7, "1"}, {9, "none"}} {
		index := "none"
		if got.Routes[i].PoolIndex != nil {
			index = fmt.Sprint(*got.Routes[i].PoolIndex)
		}
		if got.Routes[i].Rid != want.id || index != want.index {
			t.Errorf("route %d is %d with index %s, want %d with %s", i, got.Routes[i].Rid, index, want.id, want.index)
		}
		if up, idle := time.Duration(got.Routes[i].Uptime), time.Duration(got.Routes[i].Idle); up < 90*time.Second || idle < 2*time.Second || idle > time.Minute {
			t.Errorf("uptime %s, idle %s", up, idle)
		}
	}
}

// A route may have told of very much interest: what is held of it while it is
// written is one batch.
func TestRoutesWithMuchInterest(t *testing.T) {
	const subs = 20_000
	f := newFake()
	f.routes = []sysapi.RouteInfo{{Rid: 1, NumSubs: subs}, {Rid: 2}}
	f.routeSubs = map[uint64][]Sub{}
	for i := range subs {
		f.routeSubs[1] = append(f.routeSubs[1], Sub{Subject: fmt.Sprintf("s.%d", i)})
	}
	var got recordedRoutez
	if err := json.Unmarshal(get(New(Config{Source: f}), "/routez?subs=1").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Routes) != 2 || len(got.Routes[0].Subs) != subs || got.Routes[0].Subs[subs-1] != fmt.Sprintf("s.%d", subs-1) || got.Routes[1].Subs != nil {
		t.Errorf("%d routes, %d subscriptions", len(got.Routes), len(got.Routes[0].Subs))
	}
}

func TestTLSConnections(t *testing.T) {
	h := New(Config{Source: serverState(t, "tls"), BasePath: "/mon/"})
	sameAnswer(t, h, "/mon/connz?auth=1", "tls/connz-auth.json")
	sameAnswer(t, h, "/mon/connz", "tls/connz.json")
}

func TestDebugVarsHasTheRecordedShape(t *testing.T) {
	keys := func(b []byte) (names []string) {
		var v map[string]json.RawMessage
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		return names
	}
	w := get(New(Config{Source: newFake()}), "/debug/vars")
	if w.Header().Get("Content-Type") != "application/json; charset=utf-8" || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("header %v", w.Header())
	}
	got, want := keys(w.Body.Bytes()), keys(recorded(t, "cluster/debug-vars.json"))
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("no %q among %q", name, got)
		}
	}
}

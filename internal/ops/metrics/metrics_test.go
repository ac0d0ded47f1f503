package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dunlin/internal/proto/sysapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fake struct {
	varz  sysapi.Varz
	stats map[string]sysapi.AccountStat
	by    map[string]uint64

	routes []sysapi.RouteInfo
}

func (f *fake) Routes() []sysapi.RouteInfo { return slices.Clone(f.routes) }

func (f *fake) Varz(v *sysapi.Varz)               { *v = f.varz }
func (f *fake) ClosedByReason() map[string]uint64 { return f.by }

func (f *fake) Accounts() (names []string) {
	for name := range f.stats {
		names = append(names, name)
	}
	return names
}

func (f *fake) AccountStat(name string, s *sysapi.AccountStat) (ok bool) {
	*s, ok = f.stats[name]
	return ok
}

func stat(conns int, received, sent int64) sysapi.AccountStat {
	return sysapi.AccountStat{Conns: conns, Received: sysapi.DataStats{MsgBytes: sysapi.MsgBytes{Msgs: received, Bytes: 10 * received}},
		Sent: sysapi.DataStats{MsgBytes: sysapi.MsgBytes{Msgs: sent, Bytes: 10 * sent}}}
}

var line = regexp.MustCompile(`(?m)^([a-z_]+(?:\{.*\})?) ([-+0-9.eE]+|NaN)$`)

// scrape returns the values of all series.
func scrape(t *testing.T, c Config) map[string]float64 {
	t.Helper()
	h := Handler(c)
	return ask(t, h)
}

func ask(t *testing.T, h http.Handler) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	values := map[string]float64{}
	for _, m := range line.FindAllStringSubmatch(w.Body.String(), -1) {
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		values[m[1]] = v
	}
	return values
}

func check(t *testing.T, got map[string]float64, want map[string]float64) {
	t.Helper()
	for series, v := range want {
		if have, ok := got[series]; !ok || have != v {
			t.Errorf("%s = %v (there: %v), want %v", series, have, ok, v)
		}
	}
}

func TestFigures(t *testing.T) {
	f := &fake{
		varz: sysapi.Varz{ID: "NID", Name: `a "name"`, Version: "2.15.2", Dunlin: "0.1.0", Start: time.Unix(1000, 5e8), MaxPayload: 1 << 20,
			WriteDeadlineNanos: 10e9, Connections: 3, TotalConnections: 9, Subscriptions: 7, InMsgs: 11, InBytes: 12, OutMsgs: 13, OutBytes: 14,
			InClientMsgs: 15, InClientBytes: 16, OutClientMsgs: 17, OutClientBytes: 18, StalledClients: 19,
			SlowConsumerStats: sysapi.KindStats{Clients: 20, Leafs: 21}, StaleStats: sysapi.KindStats{Routes: 22}, TLSCertNotAfter: time.Unix(5000, 0)},
		by:    map[string]uint64{"Client Closed": 4, "Slow Consumer (Pending Bytes)": 2},
		stats: map[string]sysapi.AccountStat{"$G": stat(3, 100, 200)},
	}
	got := scrape(t, Config{Source: f})
	check(t, got, map[string]float64{
		`dunlin_info{nats_version="2.15.2",server_id="NID",server_name="a \"name\"",version="0.1.0"}`: 1,
		"dunlin_start_time_seconds": 1000.5, "dunlin_max_payload_bytes": 1 << 20, "dunlin_write_deadline_seconds": 10,
		"dunlin_connections": 3, "dunlin_accepted_connections_total": 9, "dunlin_subscriptions": 7,
		"dunlin_in_messages_total": 11, "dunlin_in_bytes_total": 12, "dunlin_out_messages_total": 13, "dunlin_out_bytes_total": 14,
		"dunlin_client_in_messages_total": 15, "dunlin_client_in_bytes_total": 16, "dunlin_client_out_messages_total": 17,
		"dunlin_client_out_bytes_total": 18, "dunlin_stalled_clients_total": 19,
		`dunlin_slow_consumers_total{kind="client"}`: 20, `dunlin_slow_consumers_total{kind="leafnode"}`: 21,
		`dunlin_stale_connections_total{kind="route"}`:                            22,
		`dunlin_closed_connections_total{reason="Client Closed"}`:                 4,
		`dunlin_closed_connections_total{reason="Slow Consumer (Pending Bytes)"}`: 2,
		"dunlin_tls_certificate_not_after_seconds":                                5000,
		"dunlin_accounts":                                             1,
		`dunlin_account_connections{account="$G"}`:                    3,
		`dunlin_account_messages_total{account="$G",direction="in"}`:  100,
		`dunlin_account_messages_total{account="$G",direction="out"}`: 200,
		`dunlin_account_bytes_total{account="$G",direction="in"}`:     1000,
	})
	if got["go_goroutines"] < 1 {
		t.Error("nothing of the Go runtime")
	}
	for series := range got {
		if !strings.HasPrefix(series, "dunlin_") && !strings.HasPrefix(series, "go_") && !strings.HasPrefix(series, "process_") {
			t.Errorf("%s has none of the agreed prefixes", series)
		}
		if strings.Contains(series, `"_other"`) {
			t.Errorf("%s, but there is one account only", series)
		}
	}
}

// TestSeriesAreBounded: neither many accounts nor odd names of theirs make
// more series or spoil a scrape.
func TestSeriesAreBounded(t *testing.T) {
	f := &fake{stats: map[string]sysapi.AccountStat{}}
	h := Handler(Config{Source: f, AccountsMax: 5})
	none := len(ask(t, h))
	for i := range 1000 {
		f.stats[fmt.Sprintf("acc%d", i)] = stat(1, int64(i), 0)
	}
	for _, odd := range []string{"\xff\xfe", "\xfe\xff", "new\nline", `qu"ote`, strings.Repeat("x", 5000), strings.Repeat("x", 5001), "_other", ""} {
		f.stats[odd] = stat(1, 1e6, 0)
	}
	got := ask(t, h)
	if n := len(got) - none; n > 6*8+1 {
		t.Errorf("1008 accounts made %d series", n)
	}
	conns, in := 0.0, 0.0
	for series, v := range got {
		if strings.HasPrefix(series, "dunlin_account_connections{") {
			conns += v
		}
		if strings.HasPrefix(series, "dunlin_account_messages_total{") {
			in += v
		}
	}
	if want := 8e6 + 999*1000/2; conns != 1008 || in != want {
		t.Errorf("the series hold %v connections and %v messages, want 1008 and %v", conns, in, want)
	}
	if got["dunlin_accounts"] != 1008 {
		t.Errorf("dunlin_accounts = %v", got["dunlin_accounts"])
	}
	if n := len(scrape(t, Config{Source: f, AccountsMax: -1})) - none; n != 8 {
		t.Errorf("with no series for accounts: %d", n)
	}
}

// TestCountersNeverGoBack follows accounts that are chosen late, deleted and
// made again.
func TestCountersNeverGoBack(t *testing.T) {
	f := &fake{stats: map[string]sysapi.AccountStat{"busy": stat(1, 100, 0), "calm": stat(1, 10, 0), "idle": stat(1, 1, 0)}}
	h := Handler(Config{Source: f, AccountsMax: 1})
	const series = `dunlin_account_messages_total{account="%s",direction="in"}`
	see := func(name string) float64 { t.Helper(); return ask(t, h)[fmt.Sprintf(series, name)] }
	want := func(name string, v float64) {
		t.Helper()
		if got := see(name); got != v {
			t.Errorf("%s = %v, want %v", name, got, v)
		}
	}
	want("busy", 100)
	want(other, 11)
	f.stats["calm"] = stat(1, 500, 0) // busier now, but the place is taken
	want("busy", 100)
	want(other, 501)
	delete(f.stats, "calm")
	want(other, 501)
	f.stats["calm"] = stat(1, 5, 0) // made again, counts from 0
	want(other, 506)
	delete(f.stats, "busy") // its place goes to the busiest of the rest
	want("calm", 5)
	want(other, 506)
	f.stats["idle"] = stat(1, 2, 0)
	want(other, 507)
}

func route(id uint64, name string, in, out int64) sysapi.RouteInfo {
	return sysapi.RouteInfo{Rid: id, RemoteName: name, RTT: sysapi.RTT(time.Duration(id) * time.Millisecond), NumSubs: 5, PendingBytes: 7,
		InMsgs: in, OutMsgs: out, InBytes: 10 * in, OutBytes: 10 * out}
}

func TestRoutesAreSummedByServer(t *testing.T) {
	f := &fake{varz: sysapi.Varz{Routes: 3, Remotes: 2}, routes: []sysapi.RouteInfo{route(3, "b", 100, 1), route(4, "b", 10, 2), route(9, "c", 1, 3)}}
	h := Handler(Config{Source: f})
	check(t, ask(t, h), map[string]float64{
		"dunlin_routes": 3, "dunlin_remotes": 2,
		`dunlin_route_connections{remote="b"}`:                    2,
		`dunlin_route_subscriptions{remote="b"}`:                  10,
		`dunlin_route_pending_bytes{remote="b"}`:                  14,
		`dunlin_route_rtt_seconds{remote="b"}`:                    0.004,
		`dunlin_route_messages_total{direction="in",remote="b"}`:  110,
		`dunlin_route_messages_total{direction="out",remote="b"}`: 3,
		`dunlin_route_bytes_total{direction="in",remote="b"}`:     1100,
		`dunlin_route_bytes_total{direction="out",remote="c"}`:    30,
	})

	// One connection is replaced, one goes on, c is gone.
	f.routes = []sysapi.RouteInfo{route(4, "b", 15, 2), route(11, "b", 3, 0)}
	got := ask(t, h)
	check(t, got, map[string]float64{
		`dunlin_route_connections{remote="b"}`:                   2,
		`dunlin_route_messages_total{direction="in",remote="b"}`: 118,
		`dunlin_route_connections{remote="c"}`:                   0,
		`dunlin_route_messages_total{direction="in",remote="c"}`: 1,
	})
	if _, ok := got[`dunlin_route_rtt_seconds{remote="c"}`]; ok {
		t.Error("a server that is gone has a round trip time")
	}
	f.routes = append(f.routes, route(12, "c", 4, 0)) // comes again
	check(t, ask(t, h), map[string]float64{
		`dunlin_route_messages_total{direction="in",remote="b"}`: 118,
		`dunlin_route_messages_total{direction="in",remote="c"}`: 5,
	})
}

// TestSeriesOfRoutesAreBounded: neither many servers, nor servers with new
// names all the time, nor odd names make more series or lose a message.
func TestSeriesOfRoutesAreBounded(t *testing.T) {
	f := &fake{}
	h := Handler(Config{Source: f})
	none := len(ask(t, h))
	id, moved := uint64(0), 0.0
	last := map[string]float64{}
	for round := range 5 {
		f.routes = nil
		for i := range 100 {
			id++
			f.routes = append(f.routes, route(id, fmt.Sprintf("pod-%d-%d", round, i), 1, 0), route(id+1000, fmt.Sprintf("pod-%d-%d", round, i), 2, 0))
			moved += 3
		}
		for _, odd := range []string{"\xff\xfe", "new\nline", `qu"ote`, strings.Repeat("x", 5000), strings.Repeat("x", 5001), "_other", ""} {
			id++
			f.routes = append(f.routes, route(id+10_000, odd, 5, 0))
			moved += 5
		}
		got := ask(t, h)
		if n := len(got) - none; n > (remotesMax+1)*8 {
			t.Errorf("round %d: %d series", round, n)
		}
		in := 0.0
		for series, v := range got {
			if strings.HasPrefix(series, `dunlin_route_messages_total{direction="in"`) {
				in += v
			}
		}
		if in != moved {
			t.Errorf("round %d: the series hold %v messages, want %v", round, in, moved)
		}
		const others = `dunlin_route_messages_total{direction="in",remote="_other"}`
		if got[others] < last[others] {
			t.Errorf("round %d: %s went back from %v to %v", round, others, last[others], got[others])
		}
		last = got
	}
}

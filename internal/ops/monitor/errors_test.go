package monitor

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestRefusals is the table of error texts and statuses as recorded from
// nats-server 2.15.2, and which of two mistakes is told.
func TestRefusals(t *testing.T) {
	boolean := func(name, value string) string {
		return "Error decoding boolean for '" + name + `': strconv.ParseBool: parsing "` + value + `": invalid syntax`
	}
	integer := func(name, value string) string {
		return "Error decoding int for '" + name + `': strconv.Atoi: parsing "` + value + `": invalid syntax`
	}
	h := New(Config{Source: clusterState(t)})
	for target, want := range map[string]string{
		"/connz?auth=bogus":  boolean("auth", "bogus"),
		"/connz?subs=bogus":  boolean("subs", "bogus"),
		"/connz?offset=x":    integer("offset", "x"),
		"/connz?limit=x":     integer("limit", "x"),
		"/connz?limit=abc":   string(recorded(t, "cluster/connz-bad-limit.json")),
		"/connz?cid=x":       `Error decoding uint64 for 'cid': strconv.ParseUint: parsing "x": invalid syntax`,
		"/connz?cid=-1":      `Error decoding uint64 for 'cid': strconv.ParseUint: parsing "-1": invalid syntax`,
		"/connz?state=bogus": string(recorded(t, "cluster/connz-bad-state.json")),
		"/connz?state=1":     "Error decoding state for 1",
		"/connz?sort=stop":   string(recorded(t, "cluster/connz-sort-stop-open.json")),
		"/connz?sort=bogus":  string(recorded(t, "cluster/connz-bad-sort.json")),
		"/connz?sort=CID":    "invalid sorting option: CID",
		"/connz?limit=99999999999999999999": `Error decoding int for 'limit': strconv.Atoi: parsing ` +
			`"99999999999999999999": value out of range`,
		"/connz?sort=stop&state=all":   "sort by stop only valid on closed connections",
		"/connz?sort=reason":           "sort by reason only valid on closed connections",
		"/connz?sort=reason&state=any": "sort by reason only valid on closed connections",
		// The first mistake in nats-server's order is told.
		"/connz?sort=bogus&state=bogus":                      "Error decoding state for bogus",
		"/connz?sort=b&limit=x&offset=y&auth=z&subs=z&cid=z": boolean("auth", "z"),
		"/connz?subs=z&offset=z":                             boolean("subs", "z"),
		"/connz?limit=x&offset=y":                            integer("offset", "y"),
		"/connz?cid=z&limit=y":                               integer("limit", "y"),
		"/connz?cid=z&state=bogus":                           `Error decoding uint64 for 'cid': strconv.ParseUint: parsing "z": invalid syntax`,
		"/routez?subs=bogus":                                 boolean("subs", "bogus"),
		"/gatewayz?accs=bogus":                               boolean("accs", "bogus"),
		"/gatewayz?accs=x&subs=y":                            boolean("subs", "y"),
		"/leafz?subs=detail":                                 boolean("subs", "detail"),
		"/leafz?subs=bogus":                                  boolean("subs", "bogus"),
		"/subsz?subs=detail":                                 boolean("subs", "detail"),
		"/subsz?test=foo..":                                  "invalid test subject, must be valid publish subject: foo..",
		"/subsz?subs=1&test=foo..x":                          string(recorded(t, "cluster/subsz-bad-test.json")),
		"/subsz?test=x.*":                                    "invalid test subject, must be valid publish subject: x.*",
		"/subsz?limit=x":                                     integer("limit", "x"),
		"/subsz?limit=y&offset=z":                            integer("offset", "z"),
		"/subscriptionsz?limit=y&test=..":                    integer("limit", "y"),
		"/accountz?acc=NOPE":                                 string(recorded(t, "cluster/accountz-nope.json")),
		"/accstatz?unused=bogus":                             boolean("unused", "bogus"),
		"/jsz?leader-only=1":                                 "filtered response: not leader",
		"/jsz?leader-only=x":                                 boolean("leader-only", "x"),
		"/jsz?limit=x":                                       integer("limit", "x"),
		"/jsz?streams=bogus":                                 boolean("streams", "bogus"),
		"/jsz?accounts=bogus":                                boolean("accounts", "bogus"),
		"/jsz?consumers=bogus":                               boolean("consumers", "bogus"),
		"/jsz?direct-consumers=bogus":                        boolean("direct-consumers", "bogus"),
		"/jsz?config=bogus":                                  boolean("config", "bogus"),
		"/jsz?raft=bogus":                                    boolean("raft", "bogus"),
		"/jsz?stream-leader-only=bogus":                      boolean("stream-leader-only", "bogus"),
		"/healthz?js-enabled=maybe":                          boolean("js-enabled", "maybe"),
		"/healthz?js-enabled-only=x":                         boolean("js-enabled-only", "x"),
		"/healthz?js-server-only=x":                          boolean("js-server-only", "x"),
		"/healthz?js-meta-only=x":                            boolean("js-meta-only", "x"),
		"/healthz?details=bogus":                             boolean("details", "bogus"),
		"/ipqueuesz?all=bogus":                               boolean("all", "bogus"),
	} {
		w := get(h, target)
		if w.Code != http.StatusBadRequest || w.Body.String() != want {
			t.Errorf("%s = %d %q\n want 400 %q", target, w.Code, w.Body, want)
		}
		if ct, cors := w.Header().Get("Content-Type"), w.Header().Get("Access-Control-Allow-Origin"); ct != "text/plain; charset=utf-8" || cors != "" {
			t.Errorf("%s: content type %q, CORS %q", target, ct, cors)
		}
	}
}

// TestUnknownAndHarmlessParameters: what nats-server does not look at is not
// looked at here, and odd values of what it does are not mistakes.
func TestUnknownAndHarmlessParameters(t *testing.T) {
	h := New(Config{Source: clusterState(t)})
	plain := map[string]string{}
	for _, path := range []string{"/connz", "/subsz", "/varz", "/accountz", "/accstatz", "/jsz", "/routez", "/leafz", "/gatewayz", "/healthz"} {
		plain[path] = ""
	}
	for path := range plain {
		plain[path] = flatten(t, get(h, path).Body.Bytes())
	}
	for _, target := range []string{
		"/varz?zzz=1", "/connz?zzz=1", "/connz?foo=1", "/connz?callback=x", "/connz?auth=", "/connz?subs=",
		"/connz?limit=", "/connz?limit=0", "/connz?limit=-5", "/connz?offset=-1", "/connz?cid=0", "/connz?sort=",
		"/connz?state=", "/connz?state=OPEN", "/connz?filter_subject=zz", "/connz?filter_subject=%3E..",
		"/subsz?zzz=1", "/subsz?test=", "/subsz?test=foo.x", "/subsz?test=a%20b", "/subsz?subs=0&test=x", "/subsz?limit=-1", "/subsz?offset=-1",
		"/accountz?acc=", "/accstatz?unused=", "/accstatz?accs=A", "/jsz?acc=NOPE", "/jsz?streams=1&config=1", "/jsz?leader_only=1",
		"/routez?zzz=1", "/routez?subs=", "/routez?subs=0", "/gatewayz?accs=1&subs=detail", "/gatewayz?gw_name=X", "/leafz?subs=1&acc=A",
		"/healthz?js-enabled-only=1", "/healthz?account=A&stream=ORD&consumer=D",
	} {
		w := get(h, target)
		path, _, _ := strings.Cut(target, "?")
		want := plain[path]
		got := flatten(t, w.Body.Bytes())
		if path == "/varz" { // which counts requests
			_, got, _ = strings.Cut(got, "config_load_time")
			_, want, _ = strings.Cut(want, "config_load_time")
		}
		if w.Code != 200 || got != want {
			t.Errorf("%s = %d, differs from %s:\n%s", target, w.Code, path, difference(got, want))
		}
	}
}

func TestHealth(t *testing.T) {
	source := newFake()
	h := New(Config{Source: source})
	check := func(query string, code int, want string) {
		t.Helper()
		w := get(h, "/healthz"+query)
		if w.Code != code || w.Body.String() != want || w.Header().Get("Content-Type") != "application/json" ||
			w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("/healthz%s = %d %q %v\n want %d %q", query, w.Code, w.Body, w.Header(), code, want)
		}
	}
	noAccount := `\"account\" must not be empty when checking stream health`
	noStream := `\"stream\" must not be empty when checking consumer health`
	check("", 200, `{"status":"ok"}`)
	check("?details=true", 200, `{"status":"ok"}`)
	check("?stream=ORD", 400, `{"status":"error","error":"`+noAccount+`"}`)
	check("?stream=ORD&details=1", 400, `{"status":"error","errors":[{"type":"BAD_REQUEST","error":"`+noAccount+`"}]}`)
	check("?account=A&consumer=D", 400, `{"status":"error","error":"`+noStream+`"}`)
	check("?stream=x&consumer=y", 400, `{"status":"error","error":"`+noAccount+`"}`)
	source.health = errors.New("the client port is not open yet")
	check("", 500, `{"status":"error","error":"the client port is not open yet"}`)
	check("?details=1", 500, `{"status":"error","errors":[{"type":"CONNECTION","error":"the client port is not open yet"}]}`)
}

func TestUnknownPaths(t *testing.T) {
	h := New(Config{Source: newFake()})
	for _, path := range []string{"/nope", "/VARZ", "/varz/", "/expvarz", "/debug/pprof/", "/debug", "/metrics", "/favicon.ico", "/index.html"} {
		w := get(h, path)
		if w.Code != 404 || w.Body.String() != string(recorded(t, "cluster/unknown-path.txt")) {
			t.Errorf("%s = %d %q", path, w.Code, w.Body)
		}
	}
	if w := get(h, "//varz"); w.Code != http.StatusTemporaryRedirect || w.Header().Get("Location") != "/varz" {
		t.Errorf("//varz = %d to %q", w.Code, w.Header().Get("Location"))
	}
}

func TestMethods(t *testing.T) {
	h := New(Config{Source: newFake()})
	for _, method := range []string{"GET", "POST", "OPTIONS"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/healthz", nil))
		if w.Code != 200 || w.Body.String() != `{"status":"ok"}` {
			t.Errorf("%s /healthz = %d %q", method, w.Code, w.Body)
		}
	}
}

func TestBasePath(t *testing.T) {
	for _, base := range []string{"mon", "/mon", "/mon/"} {
		h := New(Config{Source: newFake(), BasePath: base})
		for path, code := range map[string]int{"/": 404, "/varz": 404, "/debug/vars": 404, "/mon": 200, "/mon/": 200,
			"/mon/varz": 200, "/mon/debug/vars": 200, "/mon/nope": 404} {
			if w := get(h, path); w.Code != code {
				t.Errorf("base %q: %s = %d, want %d", base, path, w.Code, code)
			}
		}
	}
	// A base path that the mux would take for a pattern must not bring it down.
	for _, base := range []string{"/", "", "{x}", "/a/{b...}/c", "a b", "%zz", "../x", "GET /x"} {
		get(New(Config{Source: newFake(), BasePath: base}), "/varz")
	}
}

func TestRequestsAreCounted(t *testing.T) {
	h := New(Config{Source: newFake()})
	for _, path := range []string{"/", "/varz", "/connz", "/connz?sort=bogus", "/subsz", "/subscriptionsz", "/routez",
		"/gatewayz", "/leafz", "/accountz", "/accstatz", "/jsz", "/healthz", "/raftz", "/ipqueuesz", "/stacksz",
		"/debug/vars", "/nope"} {
		get(h, path)
	}
	want := map[string]uint64{"/": 1, "/varz": 1, "/connz": 2, "/subsz": 2, "/routez": 1, "/gatewayz": 1, "/leafz": 1,
		"/accountz": 1, "/accstatz": 1, "/jsz": 1, "/healthz": 1}
	got := h.Varz().HTTPReqStats
	for path, n := range want {
		if got[path] != n {
			t.Errorf("%s counted %d times, want %d", path, got[path], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("counted %v, want only %v", got, want)
	}
}

package monitor

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"dunlin/internal/proto/sysapi"
)

// FuzzQuery: whatever stands in a query, the answer is JSON with status 200 or
// a text with a status that says who is wrong, and pages are what was asked.
func FuzzQuery(f *testing.F) {
	paths := []string{"/connz", "/subsz", "/subscriptionsz", "/varz", "/healthz", "/accountz", "/accstatz", "/routez", "/gatewayz", "/leafz", "/jsz", "/ipqueuesz"}
	for i, q := range []string{
		"", "sort=bytes_to&state=all&limit=2&offset=1&auth=1&subs=detail", "cid=28&subs=1", "cid=18446744073709551615",
		"state=closed&sort=reason", "user=a&acc=A&mqtt_client=x", "subs=1&test=a.b&acc=$G&limit=1", "test=foo..x", "limit=-9223372036854775808",
		"limit=9223372036854775807&offset=9223372036854775807", "stream=x&consumer=y&details=1", "js-enabled=maybe", "acc=%00%ff", "%zz=%", "a;b&c=d",
	} {
		f.Add(uint8(i), q)
	}
	source := newFake()
	now := time.Now()
	for id := range uint64(5) {
		source.conns[id+1] = Conn{ID: id + 1, Start: now, LastActivity: now, User: "a", Account: "A"}
		source.connSubs[id+1] = []Sub{{Account: "A", Subject: "a.*", Sid: "1", ConnID: id + 1}}
		source.ring.Add(Conn{ID: id + 100, Start: now, LastActivity: now, Stop: now, Reason: sysapi.Kicked}, nil)
		source.subs = append(source.subs, Sub{Account: "A", Subject: "a.*", Sid: "1", ConnID: id + 1})
	}
	source.accounts["A"] = sysapi.AccountInfo{}
	h := New(Config{Source: source})
	f.Fuzz(func(t *testing.T, path uint8, query string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL = &url.URL{Path: paths[int(path)%len(paths)], RawQuery: query}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusOK:
			if r.URL.Path == "/varz" { // where "connections" is a number
				if !json.Valid(w.Body.Bytes()) {
					t.Fatalf("%q: not JSON: %s", query, w.Body)
				}
				return
			}
			var v struct {
				Offset, Limit int
				Num           int               `json:"num_connections"`
				Conns         []json.RawMessage `json:"connections"`
				Subs          []json.RawMessage `json:"subscriptions_list"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
				t.Fatalf("%v\n%s", err, w.Body)
			}
			if v.Offset < 0 || v.Limit < 0 || v.Num != len(v.Conns) || v.Limit > 0 && (len(v.Conns) > v.Limit || len(v.Subs) > v.Limit) {
				t.Fatalf("%q: %+v", query, v)
			}
		case http.StatusBadRequest:
			// The value is quoted in the text, in which a byte can become "\xf0".
			if w.Body.Len() == 0 || w.Body.Len() > 4*len(query)+200 {
				t.Fatalf("%q: %d bytes of error: %q", query, w.Body.Len(), w.Body)
			}
		default:
			t.Fatalf("%q: status %d", query, w.Code)
		}
	})
}

// FuzzBasePath: any text of a configuration makes a handler that answers below
// it and nowhere else.
func FuzzBasePath(f *testing.F) {
	for _, s := range []string{"", "/", "mon", "/a/b/", "{x}", "../x", "a b", "GET /x", "%2e", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, base string) {
		h := New(Config{Source: newFake(), BasePath: base})
		r := httptest.NewRequest("GET", "/", nil)
		r.URL = &url.URL{Path: cleanBase(base) + "/healthz"}
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != 200 {
			t.Fatalf("%q: %d", base, w.Code)
		}
		if clean := cleanBase(base); clean != "" && (strings.HasSuffix(clean, "/") || !strings.HasPrefix(clean, "/")) {
			t.Fatal(fmt.Sprintf("%q became %q", base, clean))
		}
	})
}

package monitor

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"dunlin/internal/proto/sysapi"
)

type connzAnswer struct {
	NumConns int               `json:"num_connections"`
	Total    int               `json:"total"`
	Offset   int               `json:"offset"`
	Limit    int               `json:"limit"`
	Conns    []sysapi.ConnInfo `json:"connections"`
}

func askConnz(t interface{ Fatalf(string, ...any) }, h *Handler, query string) connzAnswer {
	w := get(h, "/connz?"+query)
	var a connzAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != 200 {
		t.Fatalf("/connz?%s = %d %v\n%s", query, w.Code, err, w.Body)
	}
	return a
}

var (
	users    = []string{"", "ann", "bob"}
	accounts = []string{"", "$G", "A", "B"}
)

// drawState lays out some open and closed connections with few different
// values, so that equal keys are common.
func drawState(t *rapid.T) (f *fake, open, closed []Conn) {
	f = newFake()
	f.ring = NewRing(1000)
	for _, name := range accounts[1:] {
		f.accounts[name] = sysapi.AccountInfo{}
	}
	base := time.Now().Add(-time.Hour)
	some := rapid.Int64Range(0, 3)
	id := uint64(0)
	draw := func() Conn {
		id += rapid.Uint64Range(1, 3).Draw(t, "gap")
		start := base.Add(time.Duration(some.Draw(t, "start")) * time.Minute)
		return Conn{ID: id, Start: start, LastActivity: start.Add(time.Duration(some.Draw(t, "last")) * time.Second),
			RTT: time.Duration(some.Draw(t, "rtt")), NumSubs: uint32(some.Draw(t, "subs")),
			PendingBytes: some.Draw(t, "pending"), InMsgs: some.Draw(t, "in"), OutMsgs: some.Draw(t, "out"),
			InBytes: some.Draw(t, "inb"), OutBytes: some.Draw(t, "outb"),
			User: rapid.SampledFrom(users).Draw(t, "user"), Account: rapid.SampledFrom(accounts).Draw(t, "account"),
			MQTTClient: rapid.SampledFrom(users).Draw(t, "mqtt")}
	}
	for range rapid.IntRange(0, 12).Draw(t, "open") {
		c := draw()
		f.conns[c.ID] = c
		open = append(open, c)
	}
	for range rapid.IntRange(0, 12).Draw(t, "closed") {
		c := draw()
		c.Stop = c.LastActivity.Add(time.Duration(some.Draw(t, "stop")) * time.Second)
		c.Reason = sysapi.CloseReason(rapid.Uint8Range(1, 4).Draw(t, "reason"))
		f.ring.Add(c, nil)
		closed = append(closed, c)
	}
	return f, open, closed
}

// orders says by which figure of two connections a sort puts the first in
// front, written from the list of orders and not from the code.
var orders = map[string]func(a, b *Conn, now time.Time) bool{
	"cid":        func(a, b *Conn, _ time.Time) bool { return a.ID < b.ID },
	"start":      func(a, b *Conn, _ time.Time) bool { return a.Start.Before(b.Start) },
	"subs":       func(a, b *Conn, _ time.Time) bool { return a.NumSubs > b.NumSubs },
	"pending":    func(a, b *Conn, _ time.Time) bool { return a.PendingBytes > b.PendingBytes },
	"msgs_to":    func(a, b *Conn, _ time.Time) bool { return a.OutMsgs > b.OutMsgs },
	"msgs_from":  func(a, b *Conn, _ time.Time) bool { return a.InMsgs > b.InMsgs },
	"bytes_to":   func(a, b *Conn, _ time.Time) bool { return a.OutBytes > b.OutBytes },
	"bytes_from": func(a, b *Conn, _ time.Time) bool { return a.InBytes > b.InBytes },
	"last":       func(a, b *Conn, _ time.Time) bool { return a.LastActivity.After(b.LastActivity) },
	"idle":       func(a, b *Conn, _ time.Time) bool { return a.LastActivity.Before(b.LastActivity) },
	"rtt":        func(a, b *Conn, _ time.Time) bool { return a.RTT > b.RTT },
	"stop":       func(a, b *Conn, _ time.Time) bool { return a.Stop.After(b.Stop) },
	"reason":     func(a, b *Conn, _ time.Time) bool { return a.Reason.String() < b.Reason.String() },
	"uptime": func(a, b *Conn, now time.Time) bool {
		age := func(c *Conn) time.Duration {
			if c.Stop.IsZero() {
				return now.Sub(c.Start)
			}
			return c.Stop.Sub(c.Start)
		}
		return age(a) < age(b)
	},
}

// TestConnzAgainstAModel compares any filter, order and page with the same
// thing done in the simplest way.
func TestConnzAgainstAModel(t *testing.T) {
	names := make([]string, 0, len(orders))
	for name := range orders {
		names = append(names, name)
	}
	sort.Strings(names)
	rapid.Check(t, func(t *rapid.T) {
		source, open, closed := drawState(t)
		h := New(Config{Source: source})
		state := rapid.SampledFrom([]string{"open", "closed", "any", "all"}).Draw(t, "state")
		order := rapid.SampledFrom(names).Draw(t, "sort")
		if order == "stop" || order == "reason" {
			state = "closed"
		}
		offset, limit := rapid.IntRange(0, 8).Draw(t, "offset"), rapid.IntRange(0, 8).Draw(t, "limit")
		user, acc := rapid.SampledFrom(users).Draw(t, "by user"), rapid.SampledFrom(append(accounts, "none")).Draw(t, "by account")
		mqtt := rapid.SampledFrom(users).Draw(t, "by client")
		cid := rapid.SampledFrom([]uint64{0, 0, 0, 1, 4, 7}).Draw(t, "cid")

		var pool, want []Conn
		if state != "closed" {
			pool = append(pool, open...)
		}
		if state != "open" {
			pool = append(pool, closed...)
		}
		total := 0
		for _, c := range pool {
			if acc != "" && c.Account != acc {
				continue
			}
			total++
			if (user == "" || c.User == user) && (mqtt == "" || c.MQTTClient == mqtt) && (cid == 0 || c.ID == cid) {
				want = append(want, c)
			}
		}
		now := time.Now()
		slices.SortFunc(want, func(a, b Conn) int { return int(a.ID) - int(b.ID) })
		sort.SliceStable(want, func(i, j int) bool { return orders[order](&want[i], &want[j], now) })
		if limit == 0 {
			limit = 1024
		}
		if cid != 0 {
			limit = 1
		}
		want = want[min(offset, len(want)):]
		want = want[:min(limit, len(want))]

		query := url.Values{"state": {state}, "sort": {order}, "user": {user}, "acc": {acc}, "mqtt_client": {mqtt},
			"offset": {fmt.Sprint(offset)}, "limit": {fmt.Sprint(limit)}, "cid": {fmt.Sprint(cid)}}.Encode()
		got := askConnz(t, h, query)
		var gotIDs, wantIDs []uint64
		for _, c := range got.Conns {
			gotIDs = append(gotIDs, c.Cid)
		}
		for _, c := range want {
			wantIDs = append(wantIDs, c.ID)
		}
		if !slices.Equal(gotIDs, wantIDs) || got.Total != total || got.NumConns != len(want) || got.Offset != offset || got.Limit != limit {
			t.Fatalf("/connz?%s\n got %v num %d total %d offset %d limit %d\nwant %v num %d total %d offset %d limit %d", query,
				gotIDs, got.NumConns, got.Total, got.Offset, got.Limit, wantIDs, len(want), total, offset, limit)
		}
		if none := got.Conns == nil; none != (acc == "none") {
			t.Fatalf("connections null = %v for account %q", none, acc)
		}
	})
}

func TestAuthDetailsAreShownOnlyWhenAsked(t *testing.T) {
	f := newFake()
	now := time.Now()
	f.conns[1] = Conn{ID: 1, Start: now, LastActivity: now, User: "ann", Account: "A", NameTag: "Team A", JWT: "j.w.t",
		IssuerKey: "ISS", Tags: []string{"x"}}
	f.conns[2] = Conn{ID: 2, Start: now, LastActivity: now, User: "bob", Account: "$G"}
	f.conns[3] = Conn{ID: 3, Start: now, LastActivity: now}
	h := New(Config{Source: f})
	for _, c := range askConnz(t, h, "").Conns {
		if c.AuthorizedUser+c.Account+c.NameTag+c.JWT+c.IssuerKey != "" || c.Tags != nil {
			t.Errorf("shown without auth: %+v", c)
		}
	}
	with := askConnz(t, h, "auth=1").Conns
	if c := with[0]; c.AuthorizedUser != "ann" || c.Account != "A" || c.NameTag != "Team A" || c.JWT != "j.w.t" || len(c.Tags) != 1 {
		t.Errorf("with auth: %+v", c)
	}
	if c := with[1]; c.AuthorizedUser != "bob" || c.Account != "" || c.NameTag != "$G" {
		t.Errorf("in the global account: %+v", c)
	}
	if c := with[2]; c.Account != "" || c.NameTag != "" {
		t.Errorf("before authentication: %+v", c)
	}
}

func TestSubscriptionsOfOpenAndClosedConnections(t *testing.T) {
	f := newFake()
	now := time.Now()
	f.conns[1] = Conn{ID: 1, Start: now, LastActivity: now, Account: "A", NumSubs: 3 * BatchMax / 2}
	for i := range 3 * BatchMax / 2 {
		f.connSubs[1] = append(f.connSubs[1], Sub{Account: "A", Subject: fmt.Sprint("s.", i), Sid: fmt.Sprint(i), ConnID: 1})
	}
	f.ring.Add(Conn{ID: 2, Start: now, LastActivity: now, Stop: now, Account: "A", Reason: sysapi.Kicked},
		[]Sub{{Account: "A", Subject: "gone", Queue: "q", Sid: "9", Msgs: 4, Max: 5, ConnID: 2}})
	h := New(Config{Source: f})
	conns := askConnz(t, h, "state=all&subs=detail").Conns
	if n := len(conns[0].SubsDetail); n != len(f.connSubs[1]) {
		t.Fatalf("%d subscriptions, want %d", n, len(f.connSubs[1]))
	}
	for i, d := range conns[0].SubsDetail {
		if d.Sid != fmt.Sprint(i) || d.Account != "" || d.AccountTag != "" || d.Cid != 1 {
			t.Fatalf("subscription %d = %+v", i, d)
		}
	}
	want := sysapi.SubDetail{Account: "A", AccountTag: "A", Subject: "gone", Queue: "q", Sid: "9", Msgs: 4, Max: 5, Cid: 2}
	if got := conns[1].SubsDetail; len(got) != 1 || got[0] != want || conns[1].Reason != "Kicked" {
		t.Errorf("closed: %+v %q", got, conns[1].Reason)
	}
	if list := askConnz(t, h, "state=closed&subs=1").Conns[0].Subs; len(list) != 1 || list[0] != "gone" {
		t.Errorf("closed with subs=1: %q", list)
	}
	if c := askConnz(t, h, "").Conns[0]; c.Subs != nil || c.SubsDetail != nil {
		t.Errorf("shown without subs: %+v", c)
	}
}

// TestConnectionsThatCloseMeanwhile: ids are listed first and looked up later.
func TestConnectionsThatCloseMeanwhile(t *testing.T) {
	f := newFake()
	for id := range uint64(10) {
		f.conns[id+1] = Conn{ID: id + 1, Start: time.Now(), LastActivity: time.Now()}
	}
	for _, query := range []string{"", "sort=subs", "user=", "acc=", "limit=5"} {
		got := askConnz(t, New(Config{Source: vanishing{f}}), query)
		if got.NumConns != len(got.Conns) {
			t.Errorf("%q: num_connections %d for %d connections", query, got.NumConns, len(got.Conns))
		}
		for _, c := range got.Conns {
			if c.Cid%2 == 0 {
				t.Errorf("%q shows connection %d, which has closed", query, c.Cid)
			}
		}
	}
}

// vanishing lists all connections but knows only those with odd ids.
type vanishing struct{ *fake }

func (v vanishing) Conn(id uint64, c *Conn) bool { return id%2 == 1 && v.fake.Conn(id, c) }

func TestSubszPages(t *testing.T) {
	f := newFake()
	for i := range 200 {
		f.subs = append(f.subs, Sub{Account: []string{"A", "B"}[i%2], Subject: fmt.Sprintf("t.%d.x", i%10), Sid: fmt.Sprint(i), ConnID: 1})
	}
	f.subs = append(f.subs, Sub{Account: "A", Subject: "t.>", Sid: "w", ConnID: 1})
	h := New(Config{Source: f})
	rapid.Check(t, func(t *rapid.T) {
		offset, limit := rapid.IntRange(0, 210).Draw(t, "offset"), rapid.IntRange(1, 210).Draw(t, "limit")
		acc := rapid.SampledFrom([]string{"", "A", "B", "none"}).Draw(t, "acc")
		test := rapid.SampledFrom([]string{"", "t.3.x", "t.4.x", "nobody"}).Draw(t, "test")
		var want []string
		for _, s := range f.subs {
			if (acc == "" || s.Account == acc) && (test == "" || s.Subject == test || s.Subject == "t.>" && strings.HasPrefix(test, "t.")) {
				want = append(want, s.Sid)
			}
		}
		total := len(want)
		want = want[min(offset, total):]
		want = want[:min(limit, len(want))]
		w := get(h, fmt.Sprintf("/subsz?subs=1&offset=%d&limit=%d&acc=%s&test=%s", offset, limit, acc, test))
		var got recordedSubsz
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%v\n%s", err, w.Body)
		}
		var sids []string
		for _, s := range got.Subs {
			sids = append(sids, s.Sid)
		}
		if !slices.Equal(sids, want) || got.Total != total || got.Offset != offset || got.Limit != limit {
			t.Fatalf("acc %q test %q: %v total %d, want %v total %d", acc, test, sids, got.Total, want, total)
		}
	})
}

package monitor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"dunlin/internal/proto/sysapi"
)

func TestRingKeepsTheLatest(t *testing.T) {
	r := NewRing(3)
	for id := range uint64(5) {
		r.Add(Conn{ID: id}, nil)
	}
	var ids []uint64
	for _, c := range r.Snapshot() {
		ids = append(ids, c.ID)
	}
	if !slices.Equal(ids, []uint64{2, 3, 4}) || r.Total() != 5 {
		t.Errorf("ring holds %v of %d", ids, r.Total())
	}
	r.Add(Conn{Reason: sysapi.Kicked}, nil)
	r.Add(Conn{Reason: 200}, nil)
	r.Add(Conn{Reason: 201}, nil)
	if by := r.ByReason(); by["Kicked"] != 1 || by["Unknown State"] != 2 || by[""] != 5 || len(by) != 3 {
		t.Errorf("by reason: %v", by)
	}
	var none *Ring
	none.Add(Conn{}, nil)
	zero := NewRing(0)
	zero.Add(Conn{}, nil)
	if none.Snapshot() != nil || len(zero.Snapshot()) != 0 || zero.Total() != 1 {
		t.Error("a ring of nothing holds something")
	}
}

// TestRingIsBounded: clients that come with many subscriptions and long names
// and go again must not fill the memory.
func TestRingIsBounded(t *testing.T) {
	const size = 1000
	r := NewRing(size)
	long := strings.Repeat("n", 10_000)
	count := func() (n int) {
		for _, c := range r.Snapshot() {
			n += len(c.Subs)
		}
		return n
	}
	for i := range 3 * size {
		r.Add(Conn{ID: uint64(i), Name: long, Lang: long, Version: long, User: long}, make([]Sub, 10*subsOfClosedMax))
		if i%97 == 0 {
			if n := count(); n > ringSubsMax {
				t.Fatalf("after %d: %d subscriptions are kept, the bound is %d", i, n, ringSubsMax)
			}
		}
	}
	all := r.Snapshot()
	last := all[len(all)-1]
	if len(last.Subs) != subsOfClosedMax || len(last.Name) != textMax || len(last.User) != textMax {
		t.Errorf("the last has %d subscriptions, a name of %d bytes", len(last.Subs), len(last.Name))
	}
	if len(all) != size || len(all[0].Subs) != 0 {
		t.Errorf("%d connections, the oldest with %d subscriptions", len(all), len(all[0].Subs))
	}
	for i := range 2 * size { // and it recovers when ordinary ones follow
		r.Add(Conn{ID: uint64(i)}, make([]Sub, 2))
	}
	if n := count(); n != 2*size {
		t.Errorf("%d subscriptions of ordinary connections kept, want %d", n, 2*size)
	}
}

func TestSortPacedSorts(t *testing.T) {
	type pair struct{ key, order int }
	for _, n := range []int{0, 1, runMax - 1, runMax, runMax + 1, 2 * runMax, 5*runMax + 7, 16*runMax + 1} {
		list := make([]pair, n)
		for i := range list {
			list[i] = pair{(i * 7919) % 13, i}
		}
		got, err := sortPaced(new(pacer).start(context.Background()), list, make([]pair, n), func(a, b pair) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.order, b.order)) })
		if err != nil || len(got) != n {
			t.Fatalf("%d: %d sorted, %v", n, len(got), err)
		}
		if !slices.IsSortedFunc(got, func(a, b pair) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.order, b.order)) }) {
			t.Errorf("%d are not in order", n)
		}
	}
}

// TestAnswersShareTheirPace: several long answers at a time rest so much longer
// that together they take what one takes.
func TestAnswersShareTheirPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all pacer
		one := all.start(context.Background())
		for busy := 1; busy <= 3; busy++ {
			before := time.Now()
			if err := one.rest(); err != nil {
				t.Fatal(err)
			}
			if got := time.Since(before); got != time.Duration(busy)*restTime {
				t.Errorf("%d answers: a rest of %v, want %v", busy, got, time.Duration(busy)*restTime)
			}
			all.start(context.Background())
		}
		for range 3 {
			one.end()
		}
		before := time.Now()
		if err := one.rest(); err != nil || time.Since(before) != restTime {
			t.Errorf("after the others ended: a rest of %v, want %v (%v)", time.Since(before), restTime, err)
		}
	})
}

// TestLongAnswersRest: an answer over very many connections must sleep again
// and again, or the reader goroutines of a pinned server wait for all of it.
func TestLongAnswersRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(pacer).start(context.Background())
		rests := 0
		for range 1000 {
			p.began = p.began.Add(-stepMax / 4) // so much work was done
			before := time.Now()
			if err := p.step(); err != nil {
				t.Fatal(err)
			}
			if time.Since(before) >= restTime {
				rests++
			}
		}
		if rests < 200 {
			t.Errorf("rested %d times in 1000 quarters of a step", rests)
		}
	})
}

func TestPaceEndsWhenTheClientHasGone(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f := newFake()
	for id := range uint64(20_000) {
		f.conns[id+1] = Conn{ID: id + 1}
	}
	q, err := parseConnQuery(&params{values: url.Values{"sort": {"subs"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := q.search(f, new(pacer).start(ctx), new(scratch), time.Now()); err == nil {
		t.Error("went over 20,000 connections for a client that has gone")
	}
	w := httptest.NewRecorder()
	New(Config{Source: f}).ServeHTTP(w, httptest.NewRequest("GET", "/connz?limit=100000", nil).WithContext(ctx))
	if w.Body.Len() > 2*chunkMax {
		t.Errorf("%d bytes were made for a client that has gone", w.Body.Len())
	}
}

// TestManyConnectionsStream: a large answer is whole, and leaves in chunks.
func TestManyConnectionsStream(t *testing.T) {
	f := newFake()
	const n = 3000
	for id := range uint64(n) {
		f.conns[id+1] = Conn{ID: id + 1, Kind: sysapi.KindClient, Start: time.Now(), LastActivity: time.Now(), NumSubs: 1}
		f.connSubs[id+1] = []Sub{{Account: "$G", Subject: fmt.Sprint("s.", id), Sid: "1", ConnID: id + 1}}
	}
	w := &chunkRecorder{ResponseRecorder: httptest.NewRecorder()}
	New(Config{Source: f}).ServeHTTP(w, httptest.NewRequest("GET", "/connz?subs=1&limit=5000", nil))
	var a connzAnswer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatal(err)
	}
	if len(a.Conns) != n || a.NumConns != n || a.Conns[n-1].Cid != n || a.Conns[7].Subs[0] != "s.7" {
		t.Errorf("%d connections, last %+v", len(a.Conns), a.Conns[len(a.Conns)-1])
	}
	if w.largest > 2*chunkMax || w.writes < 10 {
		t.Errorf("written in %d pieces, the largest %d bytes", w.writes, w.largest)
	}
}

type chunkRecorder struct {
	*httptest.ResponseRecorder
	writes, largest int
}

func (c *chunkRecorder) Write(b []byte) (int, error) {
	c.writes++
	c.largest = max(c.largest, len(b))
	return c.ResponseRecorder.Write(b)
}

// TestLongAnswersAreLimited: while heavyMax of them hang, one more is refused
// after a while, and /healthz is answered at once.
func TestLongAnswersAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := blocking{newFake(), make(chan struct{})}
		h := New(Config{Source: f})
		var hanging sync.WaitGroup
		for range heavyMax {
			hanging.Go(func() { get(h, "/connz") })
		}
		synctest.Wait()
		before := time.Now()
		if w := get(h, "/healthz"); w.Code != 200 || time.Since(before) > 0 {
			t.Errorf("/healthz = %d after %v", w.Code, time.Since(before))
		}
		if w := get(h, "/subsz?subs=1"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("one too many = %d %q", w.Code, w.Body)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		before = time.Now()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/connz", nil).WithContext(ctx))
		if waited := time.Since(before); waited != time.Second {
			t.Errorf("a client that left after 1s was kept for %v", waited)
		}
		close(f.hold)
		hanging.Wait()
		if w := get(h, "/connz"); w.Code != 200 {
			t.Errorf("afterwards = %d", w.Code)
		}
	})
}

type blocking struct {
	*fake
	hold chan struct{}
}

func (b blocking) ConnIDs(dst []uint64) []uint64 { <-b.hold; return dst }

func TestStacks(t *testing.T) {
	h := New(Config{Source: newFake()})
	w := get(h, "/stacksz")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || !strings.HasPrefix(w.Body.String(), "goroutine ") ||
		!strings.Contains(w.Body.String(), "TestStacks") {
		t.Errorf("/stacksz = %d %v %.100s", w.Code, w.Header(), w.Body)
	}
	hold := make(chan struct{})
	var many sync.WaitGroup
	for range 2 * stacksMax {
		many.Go(func() { <-hold })
	}
	w = get(h, "/stacksz")
	close(hold)
	many.Wait()
	if w.Body.Len() > 200_000 || !strings.Contains(w.Body.String(), "TestStacks") {
		t.Errorf("with many goroutines: %d bytes\n%.300s", w.Body.Len(), w.Body)
	}
}

func TestSecretsOfTheCommandLineAreHidden(t *testing.T) {
	got := commandLine([]string{"dunlin", "-p", "4222", "--user", "u", "--pass", "s3cret", "--auth=s3cret", "-auth", "s3cret", "pass", "--pass"})
	want := `["dunlin","-p","4222","--user","u","--pass","[REDACTED]","--auth=[REDACTED]","-auth","[REDACTED]","pass","--pass"]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestUsage(t *testing.T) {
	u := NewUsage()
	var v sysapi.Varz
	u.Fill(&v)
	if v.Mem <= 1<<20 || v.Cores < 1 || v.MaxProcs < 1 || !strings.HasPrefix(v.GoVersion, "go") || v.CPU < 0 {
		t.Errorf("%d bytes, %d cores, %d procs, %q, cpu %v", v.Mem, v.Cores, v.MaxProcs, v.GoVersion, v.CPU)
	}
	// Half of the time since the last measurement was used; one that is too
	// young stands.
	u.cpu = cpuTime() - 5*time.Second
	now := time.Now()
	u.at = now.Add(-10 * time.Second)
	if got := u.share(now); got < 50 || got > 60 {
		t.Errorf("share %v, want about 50", got)
	}
	if was, got := u.percent, u.share(now.Add(usageAge/2)); got != was {
		t.Errorf("measured again after half a second: %v, was %v", got, was)
	}
}

func TestIndex(t *testing.T) {
	f := newFake()
	f.varz = sysapi.Varz{ID: "NID", Name: `<script>alert("x")</script>`, Version: "2.15.2", Dunlin: "0.1.0"}
	w := get(New(Config{Source: f, Metrics: http.NotFoundHandler()}), "/")
	body := w.Body.String()
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("/ = %d %v", w.Code, w.Header())
	}
	if strings.Contains(body, "<script") {
		t.Error("the server's name is not escaped")
	}
	for _, path := range strings.Fields("varz healthz metrics connz subsz accountz accstatz routez gatewayz leafz jsz raftz stacksz debug/vars ipqueuesz") {
		if !strings.Contains(body, `href="./`+path+`"`) {
			t.Errorf("no link to %s", path)
		}
	}
	if strings.Contains(body, "http://") || strings.Contains(body, "https://") {
		t.Error("the page needs something from elsewhere")
	}
}

// TestIndexLinksLeadSomewhere follows every link from each place the page is
// found at.
func TestIndexLinksLeadSomewhere(t *testing.T) {
	for _, c := range []struct{ base, at string }{{"", "/"}, {"mon", "/mon"}, {"mon", "/mon/"}, {"a/b", "/a/b"}} {
		h := New(Config{Source: newFake(), BasePath: c.base, Metrics: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})})
		from, err := url.Parse(c.at)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(get(h, c.at).Body.String(), `href="./`)
		if len(parts) < 15 {
			t.Fatalf("%d links at %s", len(parts), c.at)
		}
		for _, part := range parts[1:] {
			ref, _, _ := strings.Cut(part, `"`)
			to, err := from.Parse("./" + strings.ReplaceAll(ref, "&amp;", "&"))
			if err != nil {
				t.Fatal(err)
			}
			if w := get(h, to.String()); w.Code == http.StatusBadRequest || w.Code == 404 && !strings.HasSuffix(to.Path, "/raftz") {
				t.Errorf("base %q: %s leads to %s = %d", c.base, c.at, to, w.Code)
			}
		}
	}
}

// TestAPageOfManyConnectionsLeavesLittleGarbage: what a list of 10,000
// connections leaves behind, the collector must clean up while messages wait.
func TestAPageOfManyConnectionsLeavesLittleGarbage(t *testing.T) {
	f := newFake()
	for id := range uint64(10_000) {
		f.conns[id+1] = Conn{ID: id + 1, Start: time.Now(), LastActivity: time.Now(), RTT: 123456, Name: "client"}
	}
	h := New(Config{Source: f})
	r := httptest.NewRequest("GET", "/connz?sort=bytes_to", nil)
	if n := testing.AllocsPerRun(3, func() { h.ServeHTTP(discard{http.Header{}}, r) }); n > 2000 {
		t.Errorf("%v allocations for a page of 1024 out of 10,000 connections", n)
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

package broker_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"dunlin/internal/core/account"
	"dunlin/internal/core/mapping"
	"dunlin/internal/core/sublist"
	"dunlin/internal/engine/broker"
	"dunlin/internal/proto/wire"

	"pgregory.net/rapid"
)

// sink is a subscriber that notes what it is given.
type sink struct {
	name    string
	refuses bool
	echo    bool // takes its own messages although the publisher does not want that
	got     []string
	calls   int
	flushed int
	marked  bool
	quiet   bool // count only
	n       int
}

func (k *sink) Deliver(run []wire.Msg, s *sublist.Sub, b *sublist.Batch) int {
	k.calls++
	if k.refuses || b.NoEcho && b.Origin == sublist.Sink(k) {
		return 0
	}
	if !k.marked {
		k.marked = true
		b.Touched = append(b.Touched, k)
	}
	k.n += len(run)
	if !k.quiet {
		for i := range run {
			k.got = append(k.got, fmt.Sprintf("%s>%s:%s", run[i].Subject, s.Sid(), run[i].Body))
		}
	}
	return len(run)
}

func (k *sink) Flush() {
	k.marked = false
	k.flushed++
}

// subscribe makes a subscription of k in acc.
func (k *sink) subscribe(acc *account.Account, subj, queue, sid string) *sublist.Sub {
	s := sublist.NewSub(k, []byte(subj), []byte(queue), []byte(sid))
	acc.Subs.Insert(s)
	return s
}

func publish(p *broker.Publisher, subj, body string, later bool) int {
	m := wire.Msg{Subject: []byte(subj), Body: []byte(body)}
	return p.Publish(&m, p.Lookup(m.Subject), later)
}

func TestEveryoneOnceAndOneOfEachGroup(t *testing.T) {
	acc := account.New("A")
	var sinks []*sink
	at := func(subj, queue string) *sink {
		k := &sink{name: fmt.Sprint(len(sinks))}
		k.subscribe(acc, subj, queue, "1")
		sinks = append(sinks, k)
		return k
	}
	plain := []*sink{at("a.b", ""), at("a.b", ""), at("a.*", ""), at(">", "")}
	red := []*sink{at("a.b", "red"), at("a.*", "red"), at(">", "red")}
	blue := []*sink{at("a.b", "blue")}
	none := []*sink{at("a", ""), at("a.c", "red"), at("a.b.>", "blue")}
	p := broker.New(acc, 1)
	const messages = 200
	for i := range messages {
		if n := publish(p, "a.b", fmt.Sprint(i), false); n != len(plain)+2 {
			t.Fatalf("message %d: %d took it, want %d", i, n, len(plain)+2)
		}
	}
	for _, k := range append(plain, blue...) {
		if len(k.got) != messages {
			t.Errorf("a subscriber got %d messages, want %d", len(k.got), messages)
		}
	}
	total := 0
	for _, k := range red {
		if total += len(k.got); len(k.got) == 0 {
			t.Error("a member of the group got nothing")
		}
	}
	if total != messages {
		t.Errorf("the group got %d messages, want %d", total, messages)
	}
	for _, k := range none {
		if k.calls != 0 {
			t.Errorf("a subscriber of something else got %v", k.got)
		}
	}
	if n := publish(p, "a..b", "", false); n != 0 {
		t.Errorf("%d took a message for nobody", n)
	}
}

// unfair is Pearson's statistic for equal shares, by its degrees of freedom in
// standard deviations: above 5 chance is no explanation.
func unfair(shares []int) float64 {
	total := 0
	for _, n := range shares {
		total += n
	}
	want, sum := float64(total)/float64(len(shares)), 0.0
	for _, n := range shares {
		sum += (float64(n) - want) * (float64(n) - want) / want
	}
	df := float64(len(shares) - 1)
	return (sum - df) / math.Sqrt(2*df)
}

// TestQueueIsFair: one publisher's messages are spread evenly, and so are the
// first messages of many publishers.
func TestQueueIsFair(t *testing.T) {
	for _, members := range []int{2, 3, 4, 7, 16, 100} {
		for _, publishers := range []int{1, 5000} {
			t.Run(fmt.Sprintf("%d members, %d publishers", members, publishers), func(t *testing.T) {
				acc := account.New("A")
				sinks := make([]*sink, members)
				for i := range sinks {
					sinks[i] = &sink{quiet: true}
					sinks[i].subscribe(acc, "q", "workers", fmt.Sprint(i))
				}
				for seed := range publishers {
					p := broker.New(acc, uint64(seed)+1) // a connection's id
					for range 20000 / publishers {
						publish(p, "q", "", false)
					}
				}
				var shares []int
				for _, k := range sinks {
					shares = append(shares, k.n)
				}
				if u := unfair(shares); u > 5 {
					t.Errorf("shares %v are %.1f standard deviations from fair", shares, u)
				}
			})
		}
	}
}

// TestNextMemberIsTried: members that refuse are passed over, and each is
// asked once at most.
func TestNextMemberIsTried(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		acc := account.New("A")
		members := rapid.IntRange(1, 12).Draw(t, "members")
		willing := 0
		sinks := make([]*sink, members)
		for i := range sinks {
			sinks[i] = &sink{refuses: rapid.Bool().Draw(t, "refuses")}
			if !sinks[i].refuses {
				willing++
			}
			sinks[i].subscribe(acc, "q", "workers", "1")
		}
		p := broker.New(acc, rapid.Uint64().Draw(t, "seed"))
		want := min(willing, 1)
		for range 20 {
			for _, k := range sinks {
				k.calls, k.got = 0, nil
			}
			if n := publish(p, "q", "x", false); n != want {
				t.Fatalf("%d took it, want %d", n, want)
			}
			taken := 0
			for _, k := range sinks {
				taken += len(k.got)
				if k.calls > 1 {
					t.Fatalf("a member was asked %d times", k.calls)
				}
				if willing == 0 && k.calls != 1 {
					t.Fatal("nobody took it and not everybody was asked")
				}
			}
			if taken != want {
				t.Fatalf("delivered %d times, want %d", taken, want)
			}
		}
	})
}

func TestEcho(t *testing.T) {
	for _, noEcho := range []bool{false, true} {
		acc := account.New("A")
		self, other := &sink{}, &sink{}
		self.subscribe(acc, "a", "", "1")
		self.subscribe(acc, "a", "workers", "2")
		other.subscribe(acc, "a", "workers", "3")
		p := broker.New(acc, 1)
		p.Origin, p.NoEcho = self, noEcho
		for range 50 {
			want := 2
			if noEcho {
				want = 1 // the group's other member
			}
			if n := publish(p, "a", "x", false); n != want {
				t.Fatalf("NoEcho %v: %d took it, want %d", noEcho, n, want)
			}
		}
		if noEcho && (len(self.got) != 0 || len(other.got) != 50) {
			t.Errorf("without echo: %d came back, the other member got %d of 50", len(self.got), len(other.got))
		}
		if !noEcho && len(self.got)+len(other.got) != 100 {
			t.Errorf("with echo: %d and %d, want 100 in all", len(self.got), len(other.got))
		}
	}
}

// TestRunsKeepTheOrder: whether messages are gathered or not, every subscriber
// gets the same messages in the order they were published, and no later than
// the flush.
func TestRunsKeepTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		acc := account.New("A")
		subjects := []string{"a", "b", "c.d", "c.e", "once.%d"}
		patterns := []string{"a", "b", "c.*", "c.d", ">", "once.>"}
		sinks := make([]*sink, rapid.IntRange(1, 4).Draw(t, "sinks"))
		want := make([][]string, len(sinks))
		var subs [][2]string // subject, sid, by sink
		for i := range sinks {
			sinks[i] = &sink{}
			pattern := rapid.SampledFrom(patterns).Draw(t, "pattern")
			subs = append(subs, [2]string{pattern, fmt.Sprint(i)})
			sinks[i].subscribe(acc, pattern, "", fmt.Sprint(i))
		}
		p := broker.New(acc, 1)
		flush := func() {
			p.FlushAll()
			for i, k := range sinks {
				if !slices.Equal(k.got, want[i]) {
					t.Fatalf("%q got %q, want %q", subs[i][0], k.got, want[i])
				}
				if k.marked {
					t.Fatal("a sink that was touched is not flushed")
				}
			}
		}
		for i := range rapid.IntRange(1, 300).Draw(t, "messages") {
			subj := rapid.SampledFrom(subjects).Draw(t, "subject")
			if subj == "once.%d" {
				subj = fmt.Sprintf(subj, i)
			}
			body := fmt.Sprint(i)
			for j, s := range subs {
				if matches(subj, s[0]) {
					want[j] = append(want[j], fmt.Sprintf("%s>%s:%s", subj, s[1], body))
				}
			}
			publish(p, subj, body, rapid.IntRange(0, 9).Draw(t, "later") > 0)
			if rapid.IntRange(0, 19).Draw(t, "flush") == 0 {
				flush()
			}
		}
		flush()
	})
}

// matches knows the few patterns above.
func matches(subj, pattern string) bool {
	switch pattern {
	case ">":
		return true
	case "c.*":
		return subj == "c.d" || subj == "c.e"
	case "once.>":
		return len(subj) > 5 && subj[:5] == "once."
	}
	return subj == pattern
}

// TestSettle: what was gathered is delivered before it returns.
func TestSettle(t *testing.T) {
	acc := account.New("A")
	k := &sink{}
	k.subscribe(acc, "a", "", "1")
	p := broker.New(acc, 1)
	for i := range 100 {
		publish(p, "a", fmt.Sprint(i), true)
		if i%7 == 0 {
			p.Settle()
			if len(k.got) != i+1 {
				t.Fatalf("%d delivered after Settle, want %d", len(k.got), i+1)
			}
		}
	}
	p.Settle()
	p.Settle() // nothing left
	if len(k.got) != 100 {
		t.Errorf("%d delivered, want 100", len(k.got))
	}
}

func TestTouchedAreFlushedOnce(t *testing.T) {
	acc := account.New("A")
	sinks := make([]*sink, 50)
	for i := range sinks {
		sinks[i] = &sink{quiet: true}
		sinks[i].subscribe(acc, "a", "", "1")
		sinks[i].subscribe(acc, "*", "", "2")
	}
	idle := &sink{}
	idle.subscribe(acc, "other", "", "1")
	p := broker.New(acc, 1)
	for batch := range 5 {
		for range 3 {
			publish(p, "a", "", true)
		}
		p.FlushAll()
		p.FlushAll() // nobody was touched since
		for i, k := range sinks {
			if k.flushed != batch+1 || k.n != (batch+1)*6 {
				t.Fatalf("batch %d: sink %d flushed %d times with %d messages, want %d and %d", batch, i, k.flushed, k.n, batch+1, (batch+1)*6)
			}
		}
	}
	if idle.flushed != 0 {
		t.Error("a sink that got nothing was flushed")
	}
}

func TestRemap(t *testing.T) {
	acc := account.New("A")
	p := broker.New(acc, 1)
	remap := func(subj string) (string, bool) {
		m := wire.Msg{Subject: []byte(subj)}
		ok := p.Remap(&m)
		if ok && string(m.Subject) != subj && !m.Copied {
			t.Errorf("%q was mapped and may not be gathered, but does not say so", subj)
		}
		return string(m.Subject), ok
	}
	if s, ok := remap("a.b"); s != "a.b" || !ok {
		t.Errorf("without mappings: %q, %v", s, ok)
	}
	rules := []mapping.Rule{
		{Source: "a.*", Destinations: []mapping.Destination{{Subject: "z.{{wildcard(1)}}", Weight: 100}}},
		{Source: "half", Destinations: []mapping.Destination{{Subject: "one", Weight: 50}, {Subject: "two", Weight: 50}}},
		{Source: "loss", Destinations: []mapping.Destination{{Subject: "loss", Weight: 75}}},
	}
	table, err := mapping.Compile(rules)
	if err != nil {
		t.Fatal(err)
	}
	acc.SetMappings(table)
	if s, ok := remap("a.b"); s != "z.b" || !ok {
		t.Errorf("a.b is mapped to %q, %v, want z.b", s, ok)
	}
	if s, ok := remap("none"); s != "none" || !ok {
		t.Errorf("a subject without mapping became %q, %v", s, ok)
	}
	share := map[string]int{}
	lost := 0
	for range 20000 {
		s, ok := remap("half")
		if !ok {
			t.Fatal("half: the rules let nothing go and a message is lost")
		}
		share[s]++
		if _, ok := remap("loss"); !ok {
			lost++
		}
	}
	if u := unfair([]int{share["one"], share["two"]}); u > 5 || share["one"]+share["two"] != 20000 {
		t.Errorf("half and half became %v", share)
	}
	if lost < 4500 || lost > 5500 {
		t.Errorf("%d of 20000 lost, want about a quarter", lost)
	}
	acc.SetMappings(nil)
	if s, ok := remap("a.b"); s != "a.b" || !ok {
		t.Errorf("after the mappings were dropped: %q, %v", s, ok)
	}
}

func TestBind(t *testing.T) {
	a, b := account.New("A"), account.New("B")
	inA, inB := &sink{}, &sink{}
	inA.subscribe(a, "s", "", "1")
	inB.subscribe(b, "s", "", "1")
	p := broker.New(a, 1)
	for range 5 {
		publish(p, "s", "", false)
	}
	p.Lookup([]byte("s")).Verdict = 1
	p.Bind(b)
	if v := p.Lookup([]byte("s")).Verdict; v != 0 {
		t.Errorf("a verdict of the account before is still there: %d", v)
	}
	publish(p, "s", "", false)
	if len(inA.got) != 5 || len(inB.got) != 1 {
		t.Errorf("%d and %d delivered, want 5 and 1", len(inA.got), len(inB.got))
	}
	for range 5 {
		p.Lookup([]byte("s"))
	}
	p.Lookup([]byte("s")).Verdict = 1
	p.Forget()
	if v := p.Lookup([]byte("s")).Verdict; v != 0 {
		t.Errorf("a verdict is there after Forget: %d", v)
	}
}

// drainer is a consumer that is behind until its channel is closed.
type drainer struct {
	drained chan struct{}
	want    int64
	calls   int
}

func (d *drainer) WaitDrained(ctx context.Context, want int64) {
	d.calls++
	d.want = want
	select {
	case <-d.drained:
	case <-ctx.Done():
	}
}

func TestWaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := broker.New(account.New("A"), 1)
		wait := func(ctx context.Context, d *drainer, by int64) (bool, time.Duration) {
			if d != nil {
				p.Slow, p.SlowBy = d, by
			}
			begun := time.Now()
			stalled := p.Wait(ctx, 1000)
			return stalled, time.Since(begun)
		}
		if stalled, took := wait(t.Context(), nil, 0); stalled || took != 0 {
			t.Errorf("nobody behind: %v, %v", stalled, took)
		}
		stopped := &drainer{drained: make(chan struct{})}
		stalled, long := wait(t.Context(), stopped, 1000)
		if !stalled || long <= 0 || long > 50*time.Millisecond || stopped.want != 500 {
			t.Errorf("far behind: %v after %v for %d bytes, want true, a moment, 500", stalled, long, stopped.want)
		}
		if p.Slow != nil || p.SlowBy != 0 {
			t.Error("the slow sink is remembered after the wait")
		}
		stalled, short := wait(t.Context(), stopped, 999)
		if stalled || short <= 0 || short >= long {
			t.Errorf("behind: %v after %v, want false and less than %v", stalled, short, long)
		}
		moving := &drainer{drained: make(chan struct{})}
		go func() { <-time.After(long / 4); close(moving.drained) }()
		if stalled, took := wait(t.Context(), moving, 5000); !stalled || took != long/4 {
			t.Errorf("caught up: %v after %v, want true after %v", stalled, took, long/4)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-time.After(long / 4); cancel() }()
		if _, took := wait(ctx, stopped, 5000); took != long/4 {
			t.Errorf("a connection that ends waits for %v, want %v", took, long/4)
		}
	})
}

// TestPublishingDoesNotAllocate for subjects that are remembered and for such
// that are new each time.
func TestPublishingDoesNotAllocate(t *testing.T) {
	for _, c := range []struct {
		sinks int
		queue string
	}{{0, ""}, {1, ""}, {10, ""}, {100, ""}, {4, "workers"}} {
		for _, known := range []bool{true, false} {
			for _, later := range []bool{true, false} {
				t.Run(fmt.Sprintf("%d %s known=%v later=%v", c.sinks, c.queue, known, later), func(t *testing.T) {
					acc := account.New("A")
					sinks := make([]*sink, c.sinks)
					for i := range sinks {
						sinks[i] = &sink{quiet: true}
						sinks[i].subscribe(acc, "a.>", c.queue, fmt.Sprint(i))
					}
					p := broker.New(acc, 1)
					subjects := make([][]byte, 1)
					if !known {
						subjects = make([][]byte, 20000)
					}
					for i := range subjects {
						subjects[i] = fmt.Appendf(nil, "a.%d", i)
					}
					m := wire.Msg{Body: []byte("body")}
					next := 0
					one := func() {
						m.Subject = subjects[next%len(subjects)]
						next++
						p.Publish(&m, p.Lookup(m.Subject), later)
						if next%50 == 0 {
							p.FlushAll()
						}
					}
					for range 10000 {
						one()
					}
					if n := testing.AllocsPerRun(5000, one); n != 0 {
						t.Errorf("%v allocations a message", n)
					}
					p.FlushAll()
					want := 10000 + 5000 + 1
					total := 0
					for _, k := range sinks {
						total += k.n
					}
					if c.queue == "" && total != want*c.sinks || c.queue != "" && total != want {
						t.Errorf("%d deliveries of %d messages to %d", total, want, c.sinks)
					}
				})
			}
		}
	}
}

// TestNothingIsKeptAfterTheFlush: an idle publisher does not hold on to the
// buffer that its messages stood in.
func TestNothingIsKeptAfterTheFlush(t *testing.T) {
	acc := account.New("A")
	k := &sink{quiet: true}
	k.subscribe(acc, "a", "", "1")
	p := broker.New(acc, 1)
	buffer := func() weak.Pointer[byte] {
		b := make([]byte, 64<<10)
		copy(b, "abody")
		m := wire.Msg{Subject: b[:1], Body: b[1:5], Tail: b[1:5]}
		for _, later := range []bool{true, true, false, true, true} {
			p.Publish(&m, p.Lookup(m.Subject), later)
		}
		p.FlushAll()
		return weak.Make(&b[0])
	}()
	for range 3 {
		runtime.GC()
	}
	if buffer.Value() != nil {
		t.Error("the buffer of delivered messages is still held")
	}
	runtime.KeepAlive(p)
}

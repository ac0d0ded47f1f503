package load

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dunlin/bench/internal/fakebroker"
)

func newFake(t *testing.T) *fakebroker.Broker {
	t.Helper()
	f, err := fakebroker.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func snap() (Usage, error) { return Usage{CPU: time.Second}, nil }

// short is a run long enough for some messages, with windows so small that flow
// control is at work.
func short(s Spec) Spec {
	s.Warmup, s.Duration = 20*time.Millisecond, 60*time.Millisecond
	if s.Kind == "" {
		s.Kind = Flow
	}
	if s.Payload == 0 {
		s.Payload = 32
	}
	if s.Window == 0 {
		s.Window = 8 << 10
	}
	return s
}

func TestRunAccountsForEveryMessage(t *testing.T) {
	for name, spec := range map[string]Spec{
		"publish only":  {Pubs: 1},
		"pair":          {Pubs: 1, Subs: 1},
		"header":        {Pubs: 1, Subs: 1, Header: 40},
		"large payload": {Pubs: 1, Subs: 1, Payload: 40 << 10, Window: 1 << 20},
		"fan-out":       {Pubs: 1, Subs: 5},
		"many to one":   {Pubs: 5, Subs: 1},
		"pairs":         {Flows: 6, Pubs: 1, Subs: 1},
		"queue":         {Pubs: 1, Subs: 4, Queue: true},
		"churn":         {Pubs: 1, Subs: 1, ChurnPerSecond: 2000},
		"mixed":         {Kind: Mixed, Count: 50},
		"request":       {Kind: Request, Pubs: 1},
		"requesters":    {Kind: Request, Pubs: 10},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			res, err := Run(short(spec), Access{Addrs: f.Addrs()}, snap)
			if err != nil {
				t.Fatal(err)
			}
			// What a publisher alone sends may all be in socket buffers before
			// the clock starts; it is verified all the same.
			if res.Units <= 0 && spec.Subs > 0 || res.Verified < max(res.Units, 1) || res.Elapsed <= 0 {
				t.Errorf("nothing measured: %+v", res)
			}
			if spec.Kind == Request && len(res.Latency) == 0 {
				t.Error("no latencies")
			}
			if _, unsubs := f.Interest(); spec.ChurnPerSecond > 0 && unsubs == 0 {
				t.Error("nobody unsubscribed")
			}
		})
	}
}

func TestStalledSubscriberIsLeftOut(t *testing.T) {
	f := newFake(t)
	res, err := Run(short(Spec{Flows: 3, Pubs: 1, Subs: 1, Stall: true}), Access{Addrs: f.Addrs()}, snap)
	if err != nil {
		t.Fatal(err)
	}
	if res.OthersBefore <= 0 || res.OthersWith <= 0 || res.OthersBefore >= res.Units || res.LaterElapsed <= 0 {
		t.Errorf("the others were not measured: %+v", res)
	}
}

// A server that loses, doubles or reorders one message must not get a figure.
func TestRunNoticesLies(t *testing.T) {
	const at = 300
	once := func(times int) func(int64) int {
		return func(n int64) int {
			if n == at {
				return times
			}
			return 1
		}
	}
	for name, c := range map[string]struct {
		spec      Spec
		lie       func(int64) int
		reorderAt int64
		want      string
	}{
		"lost":              {Spec{Pubs: 1, Subs: 1}, once(0), 0, "lost, doubled or out of order"},
		"doubled":           {Spec{Pubs: 1, Subs: 1}, once(2), 0, "lost, doubled or out of order"},
		"reordered":         {Spec{Pubs: 1, Subs: 1}, once(1), at, "lost, doubled or out of order"},
		"doubled, fan-out":  {Spec{Pubs: 1, Subs: 3}, once(2), 0, "lost, doubled or out of order"},
		"doubled, queue":    {Spec{Pubs: 1, Subs: 3, Queue: true}, once(2), 0, "messages, "},
		"doubled, 3 to one": {Spec{Pubs: 3, Subs: 1}, once(2), 0, "messages, "},
		"doubled, mixed":    {Spec{Kind: Mixed, Count: 50}, once(2), 0, "messages, "},
		"doubled request":   {Spec{Kind: Request, Pubs: 1}, once(2), 0, "expected"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.Copies, f.HoldBack = c.lie, c.reorderAt
			res, err := Run(short(c.spec), Access{Addrs: f.Addrs()}, snap)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, %+v; expected an error with %q", err, res, c.want)
			}
		})
	}
}

func TestMemoryKinds(t *testing.T) {
	f := newFake(t)
	var rss int64
	growing := func() (Usage, error) {
		rss += 1 << 20
		return Usage{RSS: rss, CPU: time.Duration(rss)}, nil
	}
	for _, kind := range []Kind{Idle, Subscriptions} {
		res, err := Run(Spec{Kind: kind, Count: 25}, Access{Addrs: f.Addrs()}, growing)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		if res.Units != 25 || res.MemoryAfter.RSS-res.MemoryBefore.RSS != 2<<20 || res.CPU != 1<<20 {
			t.Errorf("%s: %+v", kind, res)
		}
	}
	// One for each connection, one for each subscription, and a first of both.
	if subs, _ := f.Interest(); subs != 26+26 {
		t.Errorf("%d subscriptions, expected 52", subs)
	}
}

func TestFramesNameWhatIsWrong(t *testing.T) {
	frame, seqAt := msgFrame("a", "1", nil, 16)
	for name, c := range map[string]struct{ in, want string }{
		"error":         {"-ERR 'Slow Consumer'\r\n", "Slow Consumer"},
		"wrong subject": {"MSG b 1 16\r\n", `expected "MSG a 1 16`},
		"garbage":       {"hello\r\n", "not a message"},
		"wrong payload": {strings.Replace(string(frame), "p\r\n", "x\r\n", 1), "differs"},
		"endless line":  {"INFO " + strings.Repeat("x", 70<<10), "control line"},
	} {
		f := &frames{length: len(frame), expect: frame, seqAt: seqAt, seqCycle: 10}
		if err := feedInPieces(f, []byte(c.in), 1<<10); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, expected %q", name, err, c.want)
		}
	}
	// Where no message may come, one is an error.
	if err := (&frames{}).feed(frame); err == nil {
		t.Error("a message nobody subscribed to was taken")
	}
}

func feedInPieces(f *frames, b []byte, size int) error {
	for len(b) > 0 {
		n := min(size, len(b))
		if err := f.feed(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// However the bytes are cut, the same frames are counted.
func FuzzFramesChunking(f *testing.F) {
	f.Add(uint8(1), uint8(0))
	f.Add(uint8(7), uint8(3))
	f.Add(uint8(255), uint8(200))
	f.Fuzz(func(t *testing.T, piece, messages uint8) {
		frame, seqAt := msgFrame("bench.flow.000", "1", headerBlock(30), 24)
		var in []byte
		for i := range int(messages) {
			if i%5 == 2 {
				in = append(in, "PING\r\nINFO {\"M\":1}\r\nPONG\r\n"...)
			}
			at := len(in)
			in = append(in, frame...)
			writeSeq(in[at+seqAt:], uint32(i%11))
		}
		fr := &frames{length: len(frame), expect: frame, seqAt: seqAt, seqCycle: 11}
		if err := feedInPieces(fr, in, int(piece)+1); err != nil {
			t.Fatal(err)
		}
		if fr.complete() != int64(messages) || fr.pongs != (int(messages)+2)/5 {
			t.Fatalf("%d messages and %d PONGs in pieces of %d, expected %d and %d",
				fr.complete(), fr.pongs, int(piece)+1, messages, (int(messages)+2)/5)
		}
	})
}

func TestSeqRoundTrip(t *testing.T) {
	var b [seqLen]byte
	for _, n := range []uint32{0, 1, 9, 10, 15, 16, 255, 4096, 0xabcde, 0xfffff} {
		if writeSeq(b[:], n); readSeq(b[:]) != n || string(b[:]) != fmt.Sprintf("%08x", n) {
			t.Errorf("%d became %q and %d", n, b, readSeq(b[:]))
		}
	}
}

func TestMixedCountsItsDeliveries(t *testing.T) {
	m := newMixed(300)
	b := m.batch(1000, 16)
	var filters []string
	for line := range strings.Lines(m.lines(0, 1)) {
		filters = append(filters, strings.Fields(line)[1])
	}
	var due int64
	lines := strings.Split(string(b.bytes), "\r\n")
	seen := map[string]int{}
	for i := range int(b.messages()) {
		subject := strings.Fields(lines[2*i])[1]
		seen[subject]++
		here := int64(0)
		for _, f := range filters {
			if fakebroker.Match(f, subject) {
				here++
			}
		}
		if here == 0 {
			t.Errorf("%s meets no subscription", subject)
		}
		if due += here; b.deliveries(int64(i+1)) != due {
			t.Fatalf("after %d messages %d deliveries are due, counted %d", i+1, b.deliveries(int64(i+1)), due)
		}
	}
	if b.deliveries(2500) != 2*due+b.deliveries(500) {
		t.Error("deliveries do not repeat with the batch")
	}
	if len(seen) < 950 {
		t.Errorf("only %d of 1000 subjects differ", len(seen))
	}
}

// newCluster is a fake at several addresses.
func newCluster(t *testing.T, nodes int) *fakebroker.Broker {
	t.Helper()
	f := newFake(t)
	for range nodes - 1 {
		if err := f.AlsoAt("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestRunOverACluster(t *testing.T) {
	for name, spec := range map[string]Spec{
		"across":      {Pubs: 1, Subs: 1},
		"to all":      {Pubs: 1, Subs: 3},
		"pairs":       {Flows: 9, Pubs: 1, Subs: 1},
		"queue":       {Pubs: 1, Subs: 3, Queue: true},
		"text":        {Pubs: 1, Subs: 1, Payload: 1 << 10, Text: true, Window: 64 << 10},
		"mixed":       {Kind: Mixed, Count: 50},
		"request":     {Kind: Request, Pubs: 5},
		"churn later": {Flows: 3, Pubs: 1, Subs: 1, ChurnPerSecond: 2000, ChurnLater: true},
		"interest":    {Kind: Interest, Count: 2000},
		"restart":     {Kind: Restart, Count: 2000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newCluster(t, 3)
			killed, revived := 0, 0
			a := Access{
				Addrs: f.Addrs(),
				Kill:  func(int) error { killed++; f.Forget(); return nil }, Revive: func(int) error { revived++; return nil },
			}
			res, err := Run(short(spec), a, snap)
			if err != nil {
				t.Fatal(err)
			}
			if res.Units <= 0 || res.Verified < res.Units || res.Elapsed <= 0 {
				t.Errorf("nothing measured: %+v", res)
			}
			if spec.ChurnLater && (res.OthersBefore == 0 || res.OthersWith == 0 || res.ChurnPerSecond <= 0) {
				t.Errorf("two stretches were not measured: %+v", res)
			}
			if spec.Kind == Restart && (killed != 1 || revived != 1) {
				t.Errorf("killed %d times, revived %d times", killed, revived)
			}
		})
	}
}

// A cluster in which one node does not hear of another's interest, or of one
// subscription only, gives no figure.
func TestInterestThatGotLostIsNoticed(t *testing.T) {
	f := newCluster(t, 2)
	f.Deaf = func(subject string) bool { return subject == interestSubject(3) }
	a := Access{Addrs: f.Addrs()}
	s, err := newScouts(a)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	c, err := connect(a, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	if err := c.subscribe(0, 10); err != nil {
		t.Fatal(err)
	}
	if err := s.sample(c, 0, 4, 10); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(50*time.Millisecond, func() { c.conn.Close() })
	if err := c.gets(map[string]int{interestSubject(3): 1}); err == nil || !strings.Contains(err.Error(), "got nothing") {
		t.Errorf("a subscription that gets nothing passed: %v", err)
	}
}

func TestPlaces(t *testing.T) {
	for _, nodes := range []int{1, 2, 3, 5, 9} {
		links := map[[2]int]int{}
		for flow := range nodes * max(nodes-1, 1) {
			p, s := publisherNode(nodes, flow, 0), subscriberNode(nodes, flow, 0)
			if p == s && nodes > 1 || p >= nodes || s >= nodes || s < 0 {
				t.Errorf("%d nodes: flow %d goes from %d to %d", nodes, flow, p, s)
			}
			links[[2]int{p, s}]++
		}
		if len(links) != nodes*max(nodes-1, 1) {
			t.Errorf("%d nodes: only %d links are used", nodes, len(links))
		}
		all := map[int]bool{}
		for n := range nodes {
			all[subscriberNode(nodes, 0, n)] = true
		}
		if len(all) != nodes {
			t.Errorf("%d nodes: subscribers on %d", nodes, len(all))
		}
		if requesterNode(nodes, 0) == 0 && nodes > 1 {
			t.Error("the requester is on the responder's node")
		}
	}
}

// Text is compressible and no two payloads are alike.
func TestText(t *testing.T) {
	b := textBatch("a", 1024)
	seen := map[string]bool{}
	for i := range int(b.messages()) {
		one := string(b.bytes[i*b.frame : (i+1)*b.frame])
		if seen[one[40:]] || !strings.HasPrefix(one, "PUB a 1024\r\n") || !strings.HasSuffix(one, "\r\n") {
			t.Fatalf("message %d: %.60q", i, one)
		}
		seen[one[40:]] = true
	}
	if len(seen) != textMessages {
		t.Errorf("%d messages", len(seen))
	}
}

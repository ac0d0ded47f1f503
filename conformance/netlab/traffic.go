package netlab

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// Traffic is a publisher and a subscriber at every server, all to all, and a
// queue group with a member at every server.
type Traffic struct {
	t     testing.TB
	nodes []*Node

	pubs, subs []*nats.Conn
	stop       chan struct{}
	publishers sync.WaitGroup

	mu      sync.Mutex
	next    []int         // by publisher, its next number
	sent    [][]int       // by publisher, the numbers that its connection took
	settled []int         // by publisher, its next number when all servers knew last what is wanted
	frozen  []bool        // by server, whether it stood still for a while
	streams map[pair]*got // plain messages
	queued  map[int]*got  // of the queue group, by publisher
}

// pair is a publisher's server and a subscriber's.
type pair struct{ from, to int }

// got is what came of one stream of numbers.
type got struct {
	last    int   // -1 = none
	missing []int // of those before last
	doubled []int
	seen    map[int]int // of the queue group: how often each came
}

// every is the time between two messages of a publisher.
const every = 500 * time.Microsecond

// connect never goes to another server than n.
func connect(t testing.TB, n *Node, name string) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(n.ClientURL(), nats.Name(name), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond),
		nats.ReconnectJitter(0, 0), nats.IgnoreDiscoveredServers(), nats.Timeout(5*time.Second), nats.RetryOnFailedConnect(true),
		nats.ReconnectBufSize(-1), nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), nats.PingInterval(time.Second), nats.MaxPingsOutstanding(3))
	if err != nil {
		t.Fatal(err)
	}
	return nc
}

// StartTraffic subscribes everywhere, waits until all servers know it, and
// begins to publish.
func StartTraffic(t testing.TB, nodes []*Node) *Traffic {
	t.Helper()
	f := &Traffic{t: t, nodes: nodes, stop: make(chan struct{}), next: make([]int, len(nodes)), sent: make([][]int, len(nodes)),
		settled: make([]int, len(nodes)), frozen: make([]bool, len(nodes)), streams: map[pair]*got{}, queued: map[int]*got{}}
	for from := range nodes {
		f.queued[from] = &got{last: -1, seen: map[int]int{}}
		for to := range nodes {
			f.streams[pair{from, to}] = &got{last: -1}
		}
	}
	for to, n := range nodes {
		nc := connect(t, n, "subscriber")
		f.subs = append(f.subs, nc)
		f.must(nc.Subscribe("all.*", func(m *nats.Msg) { f.plain(to, m) }))
		f.must(nc.QueueSubscribe("one.*", "workers", f.work))
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(f.close)
	f.Settle()
	for from, n := range nodes {
		nc := connect(t, n, "publisher")
		f.pubs = append(f.pubs, nc)
		f.publishers.Go(func() { f.publish(from, nc) })
	}
	return f
}

func (f *Traffic) must(_ *nats.Subscription, err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *Traffic) publish(from int, nc *nats.Conn) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	all, one := fmt.Sprint("all.", from), fmt.Sprint("one.", from)
	for n := 0; ; n++ {
		select {
		case <-f.stop:
			return
		case <-tick.C:
		}
		f.mu.Lock()
		f.next[from] = n
		f.mu.Unlock()
		body := strconv.AppendInt(nil, int64(n), 10)
		// Without a connection this fails, and the number is missing for everybody:
		// only what is told to be whole is looked at for gaps.
		if nc.Publish(all, body) == nil && nc.Publish(one, body) == nil {
			f.mu.Lock()
			f.sent[from] = append(f.sent[from], n)
			f.mu.Unlock()
		}
	}
}

func number(m *nats.Msg) (from, n int) {
	_, token, _ := strings.Cut(m.Subject, ".")
	from, _ = strconv.Atoi(token) // written above
	n, _ = strconv.Atoi(string(m.Data))
	return from, n
}

func (f *Traffic) plain(to int, m *nats.Msg) {
	from, n := number(m)
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.streams[pair{from, to}]
	switch {
	case n <= g.last:
		g.doubled = append(g.doubled, n)
		return
	case g.last >= 0:
		for lost := g.last + 1; lost < n; lost++ {
			g.missing = append(g.missing, lost)
		}
	}
	g.last = n
}

func (f *Traffic) work(m *nats.Msg) {
	from, n := number(m)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queued[from].seen[n]++
}

// Running waits until each publisher has got count messages further.
func (f *Traffic) Running(count int) {
	f.t.Helper()
	all := make([]int, len(f.nodes))
	for i := range all {
		all[i] = i
	}
	f.RunningAt(all, count)
}

// Settle waits until all servers know of each other what is wanted, and nothing
// is left of subscriptions that clients have given up: from then on nothing may
// be lost.
func (f *Traffic) Settle() {
	f.t.Helper()
	f.until("all servers know what is wanted", func() string {
		for _, nc := range slices.Concat(f.pubs, f.subs) {
			if err := nc.FlushTimeout(time.Second); err != nil {
				return fmt.Sprintf("a %s of %s: %v", nc.Opts.Name, nc.Opts.Url, err)
			}
		}
		return settled(f.nodes)
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, n := range f.next {
		f.settled[i] = n + 1 // n itself may have been sent before all was known
	}
}

// Freeze stops a server where it stands, and Thaw lets it go on.
func (f *Traffic) Freeze(i int) {
	f.t.Helper()
	f.mu.Lock()
	f.frozen[i] = true
	f.mu.Unlock()
	f.nodes[i].Signal(syscall.SIGSTOP)
}

func (f *Traffic) Thaw(i int) {
	f.t.Helper()
	f.nodes[i].Signal(syscall.SIGCONT)
}

// patience is how long a cluster may take to find itself again.
const patience = 40 * time.Second

func (f *Traffic) until(what string, missing func() string) {
	f.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.Now().Add(patience)
	for {
		why := missing()
		if why == "" {
			return
		}
		if time.Now().After(end) {
			for _, n := range f.nodes {
				f.t.Logf("log of %s:\n%s", n.Name(), tail(n.output.String()))
			}
			f.t.Fatalf("never: %s: %s", what, why)
		}
		<-tick.C
	}
}

func tail(s string) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// Finish ends publishing, waits for what is on its way, and judges. whole tells
// which streams nothing may be missing from.
func (f *Traffic) Finish(whole func(from, to int) bool) {
	f.t.Helper()
	close(f.stop)
	f.publishers.Wait()
	for _, nc := range f.pubs {
		if err := nc.FlushTimeout(patience); err != nil {
			f.t.Error(err)
		}
	}
	f.until("the last messages arrive", func() string {
		f.mu.Lock()
		defer f.mu.Unlock()
		for p, g := range f.streams {
			if sent := f.sent[p.from]; len(sent) > 0 && g.last < sent[len(sent)-1] {
				return fmt.Sprintf("%v has come to %d, the last is %d", p, g.last, sent[len(sent)-1])
			}
		}
		for from, g := range f.queued {
			for _, n := range f.sent[from] {
				if n >= f.settled[from] && g.seen[n] == 0 {
					return fmt.Sprintf("message %d of publisher %d to the queue group, sent when all was known", n, from)
				}
			}
		}
		return ""
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	for p, g := range f.streams {
		if len(g.doubled) > 0 {
			f.t.Errorf("%v: messages came twice or too late: %v", p, cut(g.doubled))
		}
		lost := slices.DeleteFunc(g.missing, func(n int) bool {
			_, sent := slices.BinarySearch(f.sent[p.from], n)
			return !sent || (n < f.settled[p.from] && !whole(p.from, p.to))
		})
		if len(lost) > 0 {
			f.t.Errorf("%v: %d messages are missing, of them %v; all was known from %d on", p, len(lost), cut(lost), f.settled[p.from])
		}
	}
	for from, g := range f.queued {
		for n, times := range g.seen {
			if times > 1 {
				f.t.Errorf("message %d of publisher %d went to %d members of the queue group", n, from, times)
			}
		}
		// What is written to a server that stands still, nobody takes: when it goes
		// on, the client that sent it is gone, and so are the members and routes
		// that it would be for.
		if sent := len(f.sent[from]); len(g.seen) < sent/4 && !f.frozen[from] {
			f.t.Errorf("the queue group got %d of %d messages of publisher %d", len(g.seen), sent, from)
		}
	}
}

func cut(list []int) []int { return list[:min(len(list), 10)] }

func (f *Traffic) close() {
	for _, nc := range slices.Concat(f.pubs, f.subs) {
		nc.Close()
	}
}

// RunningAt is Running for some of the publishers: the others may stand still.
func (f *Traffic) RunningAt(who []int, count int) {
	f.t.Helper()
	f.mu.Lock()
	begin := make([]int, len(f.sent))
	for i, numbers := range f.sent {
		begin[i] = len(numbers)
	}
	f.mu.Unlock()
	f.until("the publishers go on", func() string {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, i := range who {
			if sent := len(f.sent[i]) - begin[i]; sent < count {
				return fmt.Sprintf("publisher %d has sent %d of %d", i, sent, count)
			}
		}
		return ""
	})
}

package soak

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dunlin/server"
)

var (
	length = flag.Duration("soak", 2*time.Second, "how long the crowd goes on")
	crowd  = flag.Int("soak.clients", 0, "size of the crowd; 0 is 2000 for a soak of a minute or more, else 100")
	seed   = flag.Uint64("soak.seed", 0, "seed of the crowd; 0 is any")
)

// run is one soak.
type run struct {
	addr   string
	until  time.Time
	halted atomic.Bool

	ended   atomic.Int64 // lives of the crowd
	answers atomic.Int64

	mu         sync.Mutex
	complaints []error
	staying    []net.Conn
}

func (r *run) publishing() bool { return !r.halted.Load() && time.Now().Before(r.until) }

// complain notes what is wrong and ends the run early.
func (r *run) complain(err error) {
	r.halted.Store(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.complaints) < 20 {
		r.complaints = append(r.complaints, err)
	}
}

// owned keeps a connection that is closed when all has arrived.
func (r *run) owned(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.staying = append(r.staying, c)
}

func TestSoak(t *testing.T) {
	members := *crowd
	if members == 0 {
		members = 100
		if *length >= time.Minute {
			members = 2000
		}
	}
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("%d clients for %v, -soak.seed %d", members, *length, *seed)

	empty := measure()
	s, err := server.New(&server.Options{Host: "127.0.0.1", Port: -1, MaxPending: 1 << 20, MaxPayload: 64 << 10,
		WriteDeadline: 2 * time.Second, MaxClosedClients: 100})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	if !s.ReadyForConnections(patience()) {
		t.Fatal("the server does not get ready")
	}

	// A short soak first fills pools and caches, so that the long one is
	// compared with a server that has seen load and not with a fresh one.
	soak(t, s, members, min(*length, 2*time.Second), *seed)
	before := measure()
	lives := soak(t, s, members, *length, *seed+1)
	before.compare(t, "after the crowd", measure())
	t.Logf("%d lives ended; before %v, after %v", lives, before, measure())

	s.Shutdown()
	empty.compare(t, "after shutdown", measure())
}

// soak runs the crowd and those who stay, and returns when all have gone. It
// returns how many lives of the crowd there were.
func soak(t *testing.T, s *server.Server, members int, length time.Duration, seed uint64) int64 {
	t.Helper()
	r := &run{addr: s.Addr().String(), until: time.Now().Add(length)}
	ledgers := []*ledger{
		{subject: "stay.0", ordered: true}, {subject: "stay.1", ordered: true}, {subject: "stay.2", ordered: true},
		{subject: "queue.0"}, {subject: "queue.1"},
	}
	var listeners, talkers, ready sync.WaitGroup
	listen := func(f func(ready func()) error) {
		ready.Add(1)
		once := sync.OnceFunc(ready.Done)
		listeners.Go(func() {
			defer once()
			if err := f(once); !errors.Is(err, net.ErrClosed) {
				r.complain(fmt.Errorf("somebody who stays: %w", err))
			}
		})
	}
	talk := func(f func() error) {
		talkers.Go(func() {
			if err := f(); err != nil {
				r.complain(fmt.Errorf("somebody who stays: %w", err))
			}
		})
	}
	for _, l := range ledgers {
		group, size := "", 1
		if strings.HasPrefix(l.subject, "queue.") {
			group, size = "staying", 3
		}
		for range size {
			listen(func(ready func()) error { return r.subscribe(l, group, ready) })
		}
	}
	listen(func(ready func()) error { return r.serve("serve.0", ready) })
	ready.Wait()
	for _, l := range ledgers {
		talk(func() error { return r.publish(l) })
	}
	talk(func() error { return r.request("serve.0", "_INBOX.soak") })
	for i := range members {
		rnd := rand.New(rand.NewPCG(seed, uint64(i)))
		talkers.Go(func() { r.member(rnd) })
	}
	talkers.Wait()
	r.settle(t, ledgers)
	for _, c := range r.staying {
		c.Close()
	}
	listeners.Wait()
	await(t, "the server to see the last client go", func() bool { return s.NumClients() == 0 })
	r.verdict(t, ledgers)
	return r.ended.Load()
}

// settle waits for what is on its way.
func (r *run) settle(t *testing.T, ledgers []*ledger) {
	t.Helper()
	for _, l := range ledgers {
		if r.halted.Load() {
			return
		}
		await(t, fmt.Sprintf("the rest of %s", l.subject), l.complete)
	}
}

func (r *run) verdict(t *testing.T, ledgers []*ledger) {
	t.Helper()
	for _, err := range r.complaints {
		t.Error(err)
	}
	for _, l := range ledgers {
		if n := l.missing(); n != 0 {
			t.Errorf("%s: %d of %d messages are missing", l.subject, n, l.sent.Load())
		}
		if l.sent.Load() == 0 {
			t.Errorf("%s: nothing was sent", l.subject)
		}
	}
	if r.answers.Load() == 0 {
		t.Error("no request was answered")
	}
	if r.ended.Load() == 0 {
		t.Error("nobody of the crowd died")
	}
	if t.Failed() {
		t.FailNow()
	}
}

// await polls, because a server tells nobody that it has let go of something.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience()); !done(); <-tick.C {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Errorf("waited %v in vain for %s\n%s", patience(), what, stacks[:runtime.Stack(stacks, true)])
			return
		}
	}
}

// state is what a leak would change.
type state struct {
	goroutines, files int
	heap              uint64
}

func (s state) String() string {
	return fmt.Sprintf("%d goroutines, %d files, %d KB of heap", s.goroutines, s.files, s.heap>>10)
}

func measure() state {
	runtime.GC()
	runtime.GC() // what finalizers and pools held until the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s := state{goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc, files: -1}
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil { // Linux only
		s.files = len(entries)
	}
	return s
}

// heapSlack is what the heap may differ by without anything being a leak:
// tables that do not shrink, pooled buffers.
const heapSlack = 4 << 20

// compare waits for goroutines and files to be what they were. They may end a
// moment after the connection that they served.
func (s state) compare(t *testing.T, when string, now state) {
	t.Helper()
	await(t, "goroutines and files to go "+when, func() bool {
		now = measure()
		return now.goroutines <= s.goroutines && now.files <= s.files
	})
	if t.Failed() || now.heap > s.heap+heapSlack {
		t.Errorf("%s: %v, before it %v", when, now, s)
	}
}

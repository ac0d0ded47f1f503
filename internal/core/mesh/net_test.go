package mesh

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// world is a network that delays, cuts, keeps silent about it and delivers, with servers
// that are a Mesh and the least of a shell each. It has a clock of its own, and the
// same seed gives the same history.
type world struct {
	t     testing.TB
	seed  uint64
	rnd   *rand.Rand
	now   time.Time
	queue events
	last  int
	nodes []*node
	cut   map[[2]int]bool // pairs of nodes that cannot reach each other
	delay time.Duration   // at most
	steps int
	log   []string
}

type event struct {
	at  time.Time
	seq int
	do  func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	return cmp.Or(q[i].at.Compare(q[j].at), cmp.Compare(q[i].seq, q[j].seq)) < 0
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

// node is one server at one address; a restart gives it a new Mesh.
type node struct {
	w     *world
	index int
	opts  Options
	self  Self
	m     *Mesh
	life  int
	up    bool

	ends    map[ConnID]*end
	regs    map[ConnID]Register
	servers map[string]int // registered connections by server
	clients []string
	name    string
	ticks   int
}

// end is one side of a connection.
type end struct {
	n      *node
	life   int
	id     ConnID
	far    *end
	info   Info // the last that came from there
	dialed bool
	closed bool
	last   time.Time // nothing arrives before what was sent earlier
}

func newWorld(t testing.TB, seed uint64) *world {
	return &world{
		t: t, seed: seed, rnd: rand.New(rand.NewPCG(seed, 7)), now: time.Unix(1_000_000, 0),
		cut: map[[2]int]bool{}, delay: 20 * time.Millisecond,
	}
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	from := max(0, len(w.log)-120)
	w.t.Fatalf("seed %d: %s\n%s", w.seed, fmt.Sprintf(format, args...), strings.Join(w.log[from:], "\n"))
}

func (w *world) note(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%8.3f ", w.now.Sub(time.Unix(1_000_000, 0)).Seconds())+fmt.Sprintf(format, args...))
}

func (w *world) after(d time.Duration, do func()) {
	w.last++
	heap.Push(&w.queue, event{w.now.Add(d), w.last, do})
}

func (w *world) some(most time.Duration) time.Duration {
	return time.Duration(w.rnd.Int64N(int64(most) + 1))
}

// run lets so much time go by.
func (w *world) run(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	for len(w.queue) > 0 && !w.queue[0].at.After(end) {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.do()
		if w.steps++; w.steps > 3_000_000 {
			w.fail("does not come to rest")
		}
	}
	w.now = end
}

func (w *world) add(self Self, opts Options) *node {
	n := &node{w: w, index: len(w.nodes), self: self, opts: opts}
	addr := addrOf(n.index)
	n.opts.AdvertisedURL = "nats-route://" + addr + "/"
	n.opts.Addresses = append(n.opts.Addresses, addr)
	n.opts.ClientURLs = []string{fmt.Sprintf("c%d:4222", n.index)}
	w.nodes = append(w.nodes, n)
	return n
}

func addrOf(i int) string { return fmt.Sprintf("n%d:6222", i) }

func (n *node) start() {
	n.life++
	n.up = true
	self := n.self
	self.ID = fmt.Sprintf("%s%d.%d", n.self.ID, n.index, n.life)
	self.Seed = n.w.seed + uint64(n.index)*100 + uint64(n.life)
	n.m = New(self, n.opts)
	n.ends, n.regs, n.servers = map[ConnID]*end{}, map[ConnID]Register{}, map[string]int{}
	n.clients, n.name = nil, self.Cluster
	n.w.note("start %s", self.ID)
	n.do(n.m.Tick(n.w.now))
}

// stop is a kill: what was sent may get there or not. Silent: nobody is told.
func (n *node) stop(silent bool) {
	n.w.note("stop %s", n.m.self.ID)
	n.up = false
	for _, e := range n.sortedEnds() {
		e.hangUp(silent)
	}
}

func (n *node) sortedEnds() (list []*end) {
	for _, e := range n.ends {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b *end) int { return cmp.Compare(a.id, b.id) })
	return list
}

func (n *node) alive(life int) bool { return n.up && n.life == life }

func (w *world) reachable(a, b *node) bool {
	return !w.cut[[2]int{min(a.index, b.index), max(a.index, b.index)}]
}

// sever cuts two nodes off from each other; each notices some time.
func (w *world) sever(a, b *node) {
	w.note("cut %d %d", a.index, b.index)
	w.cut[[2]int{min(a.index, b.index), max(a.index, b.index)}] = true
	for _, e := range a.sortedEnds() {
		if e.far != nil && e.far.n == b && !e.closed {
			w.after(w.some(15*time.Second), e.ended)
			w.after(w.some(15*time.Second), e.far.ended)
		}
	}
}

func (w *world) heal() {
	w.note("heal")
	clear(w.cut)
}

// ended tells the shell of this side that the connection is over.
func (e *end) ended() {
	if e.closed {
		return
	}
	e.closed = true
	if e.far != nil {
		e.n.w.after(e.n.w.some(15*time.Second), e.far.ended)
	}
	if e.n.alive(e.life) {
		e.n.forget(e)
		e.n.do(e.n.m.Closed(e.n.w.now, e.id))
	}
}

// hangUp closes from this side.
func (e *end) hangUp(silent bool) {
	if e.closed {
		return
	}
	e.closed = true
	delete(e.n.ends, e.id)
	far := e.far
	if far == nil {
		return
	}
	wait := e.arrival(far)
	if silent || !e.n.w.reachable(e.n, far.n) {
		wait = e.n.w.some(15 * time.Second)
	}
	e.n.w.after(wait, far.ended)
}

// arrival is how long the next thing on the way to the other side takes.
func (e *end) arrival(far *end) time.Duration {
	at := e.n.w.now.Add(e.n.w.some(e.n.w.delay))
	if at.Before(far.last) {
		at = far.last
	}
	far.last = at
	return at.Sub(e.n.w.now)
}

// send carries one line to the other side.
func (e *end) send(what string, deliver func(far *end)) {
	far := e.far
	if e.closed || far == nil || !e.n.w.reachable(e.n, far.n) {
		return
	}
	e.n.w.after(e.arrival(far), func() {
		if !far.closed && far.n.alive(far.life) && e.n.w.reachable(e.n, far.n) {
			e.n.w.note("%s -> %s: %s (%d/%d)", e.n.self.ID+fmt.Sprint(e.n.index), far.n.self.ID+fmt.Sprint(far.n.index), what, e.id, far.id)
			deliver(far)
		}
	})
}

func (n *node) forget(e *end) {
	delete(n.ends, e.id)
	if r, ok := n.regs[e.id]; ok {
		delete(n.regs, e.id)
		n.servers[r.Peer.ID]--
	}
}

// do is the shell: it carries out effects and sees to the timer.
func (n *node) do(effects []Effect) {
	for _, effect := range effects {
		n.one(effect)
	}
	n.ticks++
	tick, life := n.ticks, n.life
	if at, ok := n.m.Next(); ok {
		n.w.after(max(0, at.Sub(n.w.now)), func() {
			if n.ticks == tick && n.alive(life) {
				n.do(n.m.Tick(n.w.now))
			}
		})
	}
}

func (n *node) one(effect Effect) {
	w := n.w
	switch e := effect.(type) {
	case Dial:
		n.dial(e)
	case Send:
		if from := n.ends[e.Conn]; from != nil {
			n.write(from, e)
		}
	case Register:
		n.registered(e)
	case Close:
		w.note("%s closes %d: %v %s", n.m.self.ID, e.Conn, e.Reason, e.Log)
		if end := n.ends[e.Conn]; end != nil {
			if e.Err != "" {
				text := e.Err
				end.send("-ERR "+text, func(far *end_) { far.n.do(far.n.m.RemoteError(w.now, far.id, text)) })
			}
			n.forget(end)
			end.hangUp(false)
		}
	case Forward:
		about := n.ends[e.About]
		for _, id := range e.To {
			to := n.ends[id]
			if to == nil || about == nil {
				w.fail("%s forwards to %d about %d, which are not both there", n.m.self.ID, id, e.About)
			}
			info := about.info
			info.IP, info.Cluster, info.GossipMode, info.Account, info.PoolIdx = e.IP, e.Cluster, e.GossipMode, e.Account, 0
			to.send("gossip of "+info.ID, func(far *end_) { far.got(info) })
		}
	case ServerGone:
		w.note("%s: %s is gone", n.m.self.ID, e.Peer.ID)
		if left, was := n.servers[e.Peer.ID]; !was || left != 0 {
			w.fail("%s: ServerGone of %s, which has %d connections", n.m.self.ID, e.Peer.ID, left)
		}
		delete(n.servers, e.Peer.ID)
	case ClientURLs:
		n.clients = e.URLs
	case ClusterName:
		w.note("%s is of cluster %s", n.m.self.ID, e.Name)
		n.name = e.Name
	}
}

type end_ = end

func (n *node) registered(e Register) {
	w := n.w
	w.note("%s registers %d of %s %v first=%v", n.m.self.ID, e.Conn, e.Peer.ID, e.Slot, e.First)
	if _, was := n.servers[e.Peer.ID]; was == e.First {
		w.fail("%s: Register of %s has First %v", n.m.self.ID, e.Peer.ID, e.First)
	}
	for id, r := range n.regs {
		if r.Peer.ID == e.Peer.ID && r.Slot == e.Slot {
			w.fail("%s: %d and %d are both %s's for %v", n.m.self.ID, id, e.Conn, e.Peer.ID, e.Slot)
		}
	}
	n.regs[e.Conn] = e
	n.servers[e.Peer.ID]++
	if from := n.ends[e.Conn]; from != nil {
		from.send("interest", func(far *end_) { far.n.do(far.n.m.Confirmed(w.now, far.id)) })
	} else {
		w.fail("%s registers %d, which is gone", n.m.self.ID, e.Conn)
	}
}

func (n *node) write(from *end, e Send) {
	w := n.w
	if e.Connect != nil {
		hello := *e.Connect
		from.send("CONNECT "+hello.Cluster, func(far *end_) { far.n.do(far.n.m.Connect(w.now, far.id, hello)) })
	}
	if e.Info != nil {
		info := *e.Info
		info.Version = "2.15.2"
		from.send(fmt.Sprintf("INFO %s %s %d%s mode %d", info.ID, info.Cluster, info.PoolIdx, info.Account, info.GossipMode), func(far *end_) { far.got(info) })
	}
	if e.Ping {
		from.send("PING", func(far *end_) {
			far.send("PONG", func(back *end_) { back.n.do(back.n.m.Confirmed(w.now, back.id)) })
		})
	}
}

func (e *end) got(info Info) {
	if info.ID == e.info.ID || e.info.ID == "" {
		e.info = info
	}
	e.n.do(e.n.m.Info(e.n.w.now, e.id, info))
}

func (n *node) dial(d Dial) {
	w := n.w
	w.note("%s dials %s for %v %s (%d)", n.m.self.ID, d.Addr, d.Slot, d.Peer, d.Conn)
	life := n.life
	near := &end{n: n, life: life, id: d.Conn, dialed: true}
	n.ends[d.Conn] = near
	fail := func(after time.Duration) {
		w.after(after, func() {
			if n.alive(life) && !near.closed {
				n.forget(near)
				near.closed = true
				n.do(n.m.Dialed(w.now, d.Conn, errors.New("refused")))
			}
		})
	}
	var to *node
	for _, other := range w.nodes {
		if addrOf(other.index) == d.Addr {
			to = other
		}
	}
	switch {
	case to == nil || !to.up:
		fail(w.some(w.delay))
		return
	case !w.reachable(n, to):
		fail(time.Second)
		return
	}
	w.after(w.some(w.delay), func() {
		if !n.alive(life) || near.closed {
			return
		}
		if !to.up || !w.reachable(n, to) {
			fail(0)
			return
		}
		far := &end{n: to, life: to.life}
		near.far, far.far = far, near
		id, effects := to.m.Accepted(w.now)
		far.id = id
		to.ends[id] = far
		to.do(effects)
		n.do(n.m.Dialed(w.now, d.Conn, nil))
	})
}

package mesh

import (
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"dunlin/internal/core/interest"
	"dunlin/internal/proto/sysapi"
)

// Mesh is the membership of one server. It is owned by whoever calls it, one
// goroutine at a time. All lists are in the order of arrival, so that the same
// events give the same effects.
type Mesh struct {
	self Self
	opts Options

	cluster  string // the name in force
	anchored bool   // it was taken from a server that has it by configuration
	lameDuck bool

	now      time.Time // of the call that is being served
	rnd      *rand.Rand
	lastConn ConnID

	conns   map[ConnID]*conn
	pending []*conn // those that are not registered
	servers []*server
	byID    map[string]*server
	targets []*target
	byAddr  map[string]*target

	told ClientURLs // what clients were told last
	out  []Effect
}

// conn is one connection, from the wish to dial it until it ends.
type conn struct {
	id     ConnID
	dialed bool // by this side
	since  time.Time

	addr   string  // dialed
	target *target // dialed to find out who is there
	server string  // its id: expected, then known
	slot   Slot
	gossip int // mode to say, where this side dialed

	connected  bool // CONNECT was accepted, or sent
	greeted    bool // this side has dialed and said INFO
	registered bool
	info       Info
}

// New makes the state of a server that has started and knows nobody. Call Tick
// to have the configured routes dialed.
func New(self Self, opts Options) *Mesh {
	m := &Mesh{
		self: self, cluster: self.Cluster,
		rnd:    rand.New(rand.NewPCG(self.Seed, 1)),
		conns:  map[ConnID]*conn{},
		byID:   map[string]*server{},
		byAddr: map[string]*target{},
	}
	m.opts = opts.clone()
	for _, addr := range m.opts.Routes {
		m.addExplicit(addr, time.Time{})
	}
	return m
}

// ClusterName is the name in force.
func (m *Mesh) ClusterName() string { return m.cluster }

// Next is when Tick has something to do; false: nothing is planned.
func (m *Mesh) Next() (time.Time, bool) {
	var first time.Time
	found := false
	consider := func(p plan) {
		if p.set && (!found || p.at.Before(first)) {
			first, found = p.at, true
		}
	}
	for _, c := range m.pending {
		consider(plan{c.since.Add(handshakeMax), true})
	}
	if m.lameDuck {
		return first, found
	}
	for _, t := range m.targets {
		consider(t.next)
	}
	for _, s := range m.servers {
		consider(s.introduce)
		for _, o := range s.openings {
			consider(o.next)
		}
	}
	return first, found
}

// Tick does what is due at this time.
func (m *Mesh) Tick(now time.Time) []Effect {
	m.now = now
	for _, c := range slices.Clone(m.pending) {
		if now.Sub(c.since) >= handshakeMax && m.conns[c.id] == c {
			m.close(c, sysapi.StaleConnection, "", slog.LevelInfo, "Route handshake took longer than "+handshakeMax.String())
		}
	}
	if m.lameDuck {
		return m.done()
	}
	for _, t := range slices.Clone(m.targets) {
		if t.next.due(now) {
			m.try(t)
		}
	}
	for _, s := range m.servers {
		for _, o := range s.openings {
			if o.next.due(now) {
				m.open(s, o)
			}
		}
		if s.introduce.due(now) {
			m.introduceLate(s)
		}
	}
	return m.done()
}

// plan is a time that may not be set.
type plan struct {
	at  time.Time
	set bool
}

func (p plan) due(now time.Time) bool { return p.set && !p.at.After(now) }

// in is a plan for this long from now, and a jitter that keeps servers that lost the
// same connection from meeting again.
func (m *Mesh) in(d time.Duration) plan {
	return plan{m.now.Add(d + time.Duration(m.rnd.Int64N(int64(jitterMax)))), true}
}

func (m *Mesh) emit(e Effect) { m.out = append(m.out, e) }

func (m *Mesh) log(c ConnID, level slog.Level, text string) {
	m.emit(Log{Conn: c, Level: level, Text: text})
}

// done ends a call: clients hear what is new, and the effects go out.
func (m *Mesh) done() []Effect {
	m.tellClients()
	out := m.out
	m.out = nil
	return out
}

func (m *Mesh) newConn(dialed bool) *conn {
	m.lastConn++
	c := &conn{id: m.lastConn, dialed: dialed, since: m.now}
	m.conns[c.id] = c
	m.pending = append(m.pending, c)
	return c
}

// close ends a connection from this side.
func (m *Mesh) close(c *conn, reason sysapi.CloseReason, err string, level slog.Level, text string) {
	m.emit(Close{Conn: c.id, Reason: reason, Err: err, Level: level, Log: text})
	m.drop(c)
}

// drop forgets a connection and plans what is to replace it.
func (m *Mesh) drop(c *conn) {
	delete(m.conns, c.id)
	m.pending = remove(m.pending, c)
	if c.registered {
		m.lost(c)
	}
	if t := c.target; t != nil && t.dialing == c.id {
		t.dialing = 0
		m.failed(t)
	}
	if s := m.byID[c.server]; s != nil {
		if o := s.opening(c.slot); o != nil && o.dialing == c.id {
			o.dialing = 0
			o.fails++
			most := retryMax
			if o.refused { // it tells when that changes, or it has been started again
				most = retryLearnt
			}
			o.next = m.in(backoff(retryEvery, o.fails, o.refused || m.opts.ConnectBackoff, most))
		}
	}
}

// remove takes one element out and keeps the order.
func remove[T comparable](list []T, x T) []T {
	if i := slices.Index(list, x); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}

// AccountIndex is the pool connection of an account: 32-bit FNV-1a of its name
// modulo the size of the pool, as in nats-server.
func AccountIndex(account string, pool int) int {
	if pool < 2 {
		return 0
	}
	h := fnv.New32a()
	h.Write([]byte(account))
	return int(h.Sum32() % uint32(pool))
}

// LaneMask has the bits of the lanes that connection index of a pool carries
// between servers that divide by lane.
func LaneMask(index, pool int) uint16 {
	if pool < 2 {
		return interest.AllLanes
	}
	var mask uint16
	for lane := index; lane < interest.Lanes; lane += pool {
		mask |= 1 << lane
	}
	return mask
}

package mesh

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"dunlin/internal/proto/sysapi"
)

// routeRemoved is what a Dunlin server says before it closes a connection
// that its operator has taken out of the configuration: the other side does not
// open it again.
const routeRemoved = "Route Removed"

// server is another server that at least one connection is registered of.
type server struct {
	peer Peer
	addr string // where it was reached, or says that it can be
	said string // where it says that it can be reached

	conns    []*conn    // one a slot
	openings []*opening // the slots that are missing
	leading  bool       // this side opens what is missing, the other one only if it takes too long

	urls, ws  []string // of its client listeners
	leaving   bool     // lame duck
	removed   bool     // taken out of a configuration: not dialed again
	gossip    int      // mode to say on connections to it
	toldBy    string   // the server that told of it, and so knows it
	told      bool     // the others were told of it, or will be
	introduce plan     // tell the others of it after all
}

// opening is a slot of a connected server without a connection.
type opening struct {
	slot    Slot
	dialing ConnID
	next    plan
	fails   int
	refused bool // the server has no connection of its own for the account
}

func (s *server) conn(slot Slot) *conn {
	for _, c := range s.conns {
		if c.slot == slot {
			return c
		}
	}
	return nil
}

func (s *server) opening(slot Slot) *opening {
	for _, o := range s.openings {
		if o.slot == slot {
			return o
		}
	}
	return nil
}

func (s *server) at(addr string) bool { return s.addr == addr || s.said == addr }

// settled says that no connection of the server is new.
func (s *server) settled(now time.Time) bool {
	for _, c := range s.conns {
		if now.Sub(c.since) < settleAfter {
			return false
		}
	}
	return true
}

func (m *Mesh) openingOf(c *conn) *opening {
	if s := m.byID[c.server]; s != nil {
		if o := s.opening(c.slot); o != nil && o.dialing == c.id {
			return o
		}
	}
	return nil
}

// supersede closes what there is of a server that has evidently begun anew, or
// the connection that says so while the others are new themselves.
func (m *Mesh) supersede(c *conn, s *server) bool {
	if s.settled(m.now) {
		m.closeServer(s, c, sysapi.DuplicateRoute, "", "The server has begun anew with another pool size")
		return true
	}
	m.close(c, sysapi.DuplicateRoute, "", slog.LevelInfo, "Pool size differs from that of the server's other connections")
	return false
}

// register makes a connection the server's for its slot.
func (m *Mesh) register(c *conn) {
	s := m.byID[c.server]
	first := s == nil
	if first {
		if s = m.join(c); s == nil {
			return
		}
	}
	if o := s.opening(c.slot); o != nil {
		s.openings = remove(s.openings, o)
	}
	m.pending = remove(m.pending, c)
	c.registered, c.since = true, m.now
	s.conns = append(s.conns, c)
	if t := c.target; t != nil && t.dialing == c.id {
		t.dialing = 0
	}
	configured := false
	for _, t := range slices.Clone(m.targets) {
		if t.peer == s.peer.ID || s.at(t.addr) {
			configured = configured || t.explicit
			t.peer = s.peer.ID
			m.satisfy(t)
		}
	}
	m.emit(Register{
		Conn: c.id, Peer: s.peer, Slot: c.slot, First: first,
		Solicited: c.dialed, Configured: configured, LaneMask: m.lanes(s, c.slot),
	})
	m.complete(s, c)
	m.arrived(s, c)
}

// join makes the entry of a server with its first connection; nil: there are
// too many.
func (m *Mesh) join(c *conn) *server {
	if len(m.servers) >= ServersMax {
		m.close(c, sysapi.MaxConnectionsExceeded, "maximum connections exceeded", slog.LevelError,
			fmt.Sprintf("The cluster has %d other servers already; %s is not let in", ServersMax, c.server))
		return nil
	}
	s := &server{
		peer: Peer{
			ID: c.server, Name: c.info.Name, Version: c.info.Version, Dunlin: c.info.Dunlin, IP: c.info.IP,
			Pool:  m.pool(&c.info),
			Lanes: m.self.Lanes && c.info.Lanes && c.info.Dunlin != "",
		},
		said: dialAddr(c.info.IP), leading: c.dialed,
		urls: c.info.ConnectURLs, ws: c.info.WSConnectURLs, leaving: c.info.LameDuck,
	}
	s.addr = s.said
	if c.dialed {
		s.addr, s.gossip = c.addr, c.gossip
	}
	if c.target != nil && c.target.told == s.peer.ID {
		s.toldBy = c.target.toldBy
	}
	for _, other := range slices.Clone(m.servers) {
		switch {
		case other.peer.Name == "" || other.peer.Name != s.peer.Name:
		case other.said != "" && other.said == s.said: // it has been started again
			m.closeServer(other, c, sysapi.StaleConnection, "", "The server was started again with another id")
		default:
			m.log(c.id, slog.LevelWarn, fmt.Sprintf("Two servers have the name %q: %s and %s", s.peer.Name, other.peer.ID, s.peer.ID))
		}
	}
	m.servers = append(m.servers, s)
	m.byID[s.peer.ID] = s
	for _, slot := range m.wanted(s) {
		s.openings = append(s.openings, &opening{slot: slot})
	}
	return s
}

// wanted are the slots that a server should have connections for.
func (m *Mesh) wanted(s *server) []Slot {
	slots := []Slot{{}}
	if s.peer.Pool > 0 {
		for _, account := range m.opts.Accounts {
			slots = append(slots, Slot{Account: account})
		}
	}
	for i := 1; i < s.peer.Pool; i++ {
		slots = append(slots, Slot{Index: i})
	}
	return slots
}

func (m *Mesh) lanes(s *server, slot Slot) uint16 {
	if !s.peer.Lanes || slot.Account != "" {
		return LaneMask(0, 0)
	}
	return LaneMask(slot.Index, s.peer.Pool)
}

// complete plans the missing connections of a server after one was registered.
// The side that has dialed index 0 opens them; the other one waits for it.
func (m *Mesh) complete(s *server, c *conn) {
	begins := c.slot == Slot{}
	if begins {
		s.leading = c.dialed
	}
	for _, o := range s.openings {
		switch {
		case o.dialing != 0:
		case begins && s.leading:
			o.next = plan{m.now, true}
		case begins || !o.next.set:
			o.next = m.in(takeOverAfter)
		}
	}
	if begins && s.leading && !m.lameDuck {
		for _, o := range s.openings {
			if o.next.due(m.now) && o.dialing == 0 {
				m.open(s, o)
			}
		}
	}
}

// open dials a missing connection.
func (m *Mesh) open(s *server, o *opening) {
	o.next = plan{}
	switch {
	case o.dialing != 0 || s.addr == "" || s.leaving || s.removed:
		return
	case len(m.pending) >= HandshakesMax:
		o.next = m.in(retryEvery)
		return
	}
	c := m.newConn(true)
	c.server, c.slot, c.addr, c.gossip, o.dialing = s.peer.ID, o.slot, s.addr, s.gossip, c.id
	t := m.byAddr[s.addr]
	if t == nil {
		t = &target{addr: s.addr}
	}
	m.emit(Dial{Conn: c.id, Addr: s.addr, TLSHost: m.tlsHost(t), Explicit: t.explicit, Attempt: o.fails + 1, Slot: o.slot, Peer: s.peer.ID})
}

// lost takes a registered connection off its server.
func (m *Mesh) lost(c *conn) {
	s := m.byID[c.server]
	s.conns = remove(s.conns, c)
	if len(s.conns) == 0 {
		m.gone(s)
		return
	}
	if !slices.Contains(m.wanted(s), c.slot) {
		return
	}
	o := &opening{slot: c.slot, next: m.in(takeOverAfter)}
	if s.leading {
		o.next = m.in(0)
	}
	s.openings = append(s.openings, o)
}

// gone forgets a server whose last connection has ended, and plans to look for
// it where it was.
func (m *Mesh) gone(s *server) {
	m.servers = remove(m.servers, s)
	delete(m.byID, s.peer.ID)
	m.emit(ServerGone{Peer: s.peer})
	if len(m.servers) == 0 {
		m.anchored = false
	}
	configured := false
	for _, t := range m.targets {
		if t.explicit && (t.peer == s.peer.ID || s.at(t.addr)) {
			configured = true
			if t.dialing == 0 {
				t.next = m.in(retryEvery)
			}
		}
	}
	if configured || s.leaving || s.removed || m.lameDuck {
		return
	}
	if t := m.learn(s.addr, s.peer.ID); t != nil && t.dialing == 0 {
		t.since = m.now
		t.next = m.in(takeOverAfter)
		if s.leading {
			t.next = m.in(0)
		}
	}
}

// closeServer closes all connections of a server but the one, which is not
// registered, that is the reason for it.
func (m *Mesh) closeServer(s *server, but *conn, reason sysapi.CloseReason, err, text string) {
	for _, o := range s.openings {
		c := m.conns[o.dialing]
		o.dialing = 0
		if c != nil && c != but {
			m.close(c, reason, "", slog.LevelDebug, text)
		}
	}
	for _, c := range slices.Clone(s.conns) {
		m.close(c, reason, err, slog.LevelInfo, text)
	}
}

package mesh

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"dunlin/internal/proto/sysapi"
)

// Dialed reports the outcome of a Dial effect.
func (m *Mesh) Dialed(now time.Time, id ConnID, err error) []Effect {
	m.now = now
	c := m.conns[id]
	switch {
	case c == nil:
		if err == nil { // given up while it was dialed: the Close found no connection
			m.emit(Close{Conn: id})
		}
	case !c.dialed || c.registered:
	case err != nil:
		m.logFailure(c, err)
		m.drop(c)
	default:
		c.since = now
	}
	return m.done()
}

// logFailure says the first failure and then each time their number doubles.
func (m *Mesh) logFailure(c *conn, err error) {
	t := c.target
	if t == nil {
		m.log(c.id, slog.LevelDebug, fmt.Sprintf("Error trying to connect another route to %s: %v", c.server, err))
		return
	}
	level := slog.LevelError
	if !t.explicit && t.fails > m.opts.ConnectRetries {
		level = slog.LevelDebug
	}
	if n := t.fails + 1; n&(n-1) == 0 {
		m.log(c.id, level, fmt.Sprintf("Error trying to connect to route (attempt %d): %v", n, err))
	}
}

// Accepted reports a connection that somebody else has dialed, and names it.
func (m *Mesh) Accepted(now time.Time) (ConnID, []Effect) {
	m.now = now
	c := m.newConn(false)
	if len(m.pending) > HandshakesMax {
		m.close(c, sysapi.MaxConnectionsExceeded, "maximum connections exceeded", slog.LevelError,
			fmt.Sprintf("More than %d routes have not said who they are; this one is closed", HandshakesMax))
		return c.id, m.done()
	}
	m.emit(Send{Conn: c.id, Info: m.ownInfo(c)})
	return c.id, m.done()
}

// Connect reports a CONNECT whose credentials are good.
func (m *Mesh) Connect(now time.Time, id ConnID, hello Connect) []Effect {
	m.now = now
	c := m.conns[id]
	switch {
	case c == nil:
	case hello.Lang != "":
		const text = "attempted to connect to route port"
		m.close(c, sysapi.WrongPort, text, slog.LevelError, text)
	case hello.Gateway != "":
		text := fmt.Sprintf("Rejecting connection from gateway %q on the Route port", clip(hello.Gateway))
		m.close(c, sysapi.WrongGateway, text, slog.LevelError, text)
	case c.dialed || c.connected:
		m.close(c, sysapi.ProtocolViolation, "", slog.LevelError, "CONNECT where none belongs")
	case len(hello.ID) > textMax || len(hello.Cluster) > textMax:
		m.close(c, sysapi.ProtocolViolation, "", slog.LevelError, "CONNECT with a name that is too long")
	default:
		if m.sameCluster(c, hello.Cluster, hello.Dynamic) {
			c.connected, c.server = true, hello.ID
		}
	}
	return m.done()
}

// OwnConnect is the CONNECT of a connection this side has dialed. The shell
// takes it where compression is to be negotiated, after Check; Send leaves it out then.
func (m *Mesh) OwnConnect(id ConnID) Connect {
	if c := m.conns[id]; c != nil {
		c.connected = true
	}
	return Connect{ID: m.self.ID, Cluster: m.cluster, Dynamic: m.dynamic()}
}

// OwnInfo is what INFO says on this connection now.
func (m *Mesh) OwnInfo(id ConnID) Info {
	if c := m.conns[id]; c != nil {
		return *m.ownInfo(c)
	}
	return *m.ownInfo(&conn{})
}

func (m *Mesh) ownInfo(c *conn) *Info {
	info := &Info{
		ID: m.self.ID, Name: m.self.Name, Dunlin: m.self.Version, Lanes: m.self.Lanes,
		Cluster: m.cluster, Dynamic: m.dynamic(), IP: m.opts.AdvertisedURL,
		PoolSize: max(m.opts.PoolSize, 0), LameDuck: m.lameDuck,
	}
	if !m.opts.NoAdvertise {
		info.ConnectURLs, info.WSConnectURLs = m.opts.ClientURLs, m.opts.WSClientURLs
	}
	if c.dialed {
		info.PoolIdx, info.Account, info.GossipMode = c.slot.Index, c.slot.Account, c.gossip
	}
	return info
}

// Check gives the verdict on the INFO of a server that this side has dialed
// without going on: what the shell needs to know before it negotiates compression.
func (m *Mesh) Check(now time.Time, id ConnID, info Info) []Effect {
	m.now = now
	if c := m.conns[id]; c != nil && c.dialed && !c.greeted {
		m.meet(c, &info)
	}
	return m.done()
}

// Info reports an INFO. While compression is negotiated only the last INFO of a side
// is reported, the one after the switch.
func (m *Mesh) Info(now time.Time, id ConnID, info Info) []Effect {
	m.now = now
	c := m.conns[id]
	switch {
	case c == nil:
	case c.registered && (info.ID == c.server || info.AccAddReqID != ""): // the latter may come bare
		m.update(c, &info)
	case c.registered:
		m.gossip(c.server, &info)
	case c.greeted: // registered on that side, and already has news
		if info.ID == c.server {
			c.info = bounded(info)
		} else {
			m.gossip(c.server, &info)
		}
	case c.dialed:
		if m.meet(c, &info) {
			m.greet(c, &info)
		}
	case !c.connected:
		m.close(c, sysapi.AuthenticationViolation, "Authorization Violation", slog.LevelError, "INFO before CONNECT")
	default:
		m.welcome(c, &info)
	}
	return m.done()
}

// greet goes on with a dialed connection that is fine so far. The PONG shows
// that the other side keeps it.
func (m *Mesh) greet(c *conn, info *Info) {
	c.info, c.greeted = bounded(*info), true
	send := Send{Conn: c.id, Info: m.ownInfo(c), Ping: true}
	if !c.connected {
		c.connected = true
		send.Connect = &Connect{ID: m.self.ID, Cluster: m.cluster, Dynamic: m.dynamic()}
	}
	m.emit(send)
}

// Confirmed reports that the other side keeps a connection: the PONG that Send
// asked for, or interest or messages, whichever comes first and before it is
// looked at. On a connection that is not waiting for it nothing happens.
func (m *Mesh) Confirmed(now time.Time, id ConnID) []Effect {
	m.now = now
	if c := m.conns[id]; c != nil && c.greeted && !c.registered {
		// Meanwhile another connection may have come for the same slot.
		if s := m.byID[c.server]; s != nil && (s.conn(c.slot) != nil || s.peer.Pool != m.pool(&c.info)) {
			m.duplicate(c)
		} else {
			m.register(c)
		}
	}
	return m.done()
}

// Closed reports that a connection has ended, whoever did it. After a Close
// effect it may be called or not.
func (m *Mesh) Closed(now time.Time, id ConnID) []Effect {
	m.now = now
	if c := m.conns[id]; c != nil {
		m.drop(c)
	}
	return m.done()
}

// RemoteError reports a -ERR of the other side, without quotes. The connection
// ends by itself.
func (m *Mesh) RemoteError(now time.Time, id ConnID, text string) []Effect {
	m.now = now
	c := m.conns[id]
	if c == nil {
		return m.done()
	}
	s := m.byID[c.server]
	switch {
	case s == nil:
	case text == routeRemoved:
		s.removed = true
	case c.slot.Account != "" && (strings.HasPrefix(text, "No route for account") || strings.HasPrefix(text, "Not possible to have a dedicated route")):
		if o := s.opening(c.slot); o != nil && !o.refused {
			o.refused = true
			m.emit(PinnedRefused{Peer: s.peer.ID, Account: c.slot.Account})
		}
	}
	return m.done()
}

// known checks what an INFO must have on either side, and closes the
// connection where it does not.
func (m *Mesh) known(c *conn, info *Info) bool {
	switch {
	case info.ID == "" || len(info.ID) > textMax || len(info.Name) > textMax:
		m.close(c, sysapi.ProtocolViolation, "", slog.LevelError, "INFO without a server id, or with one that is too long")
	case info.Gateway != "":
		m.close(c, sysapi.WrongGateway, "", slog.LevelError, fmt.Sprintf("A gateway of %q answers at the address of a route", clip(info.Gateway)))
	case info.ID == m.self.ID:
		m.close(c, sysapi.DuplicateRoute, "", slog.LevelDebug, "Route to this server itself")
	case info.Name != "" && info.Name == m.self.Name:
		m.close(c, sysapi.DuplicateServerName, "", slog.LevelError, fmt.Sprintf("Another server has the name of this one, %q (id %s); every server needs a server_name of its own", clip(info.Name), info.ID))
	case strings.HasPrefix(info.Version, "0.") || strings.HasPrefix(info.Version, "1."):
		m.close(c, sysapi.MinimumVersionRequired, "", slog.LevelError, fmt.Sprintf("Server %q has version %s; routes need 2.0 or later", clip(info.Name), clip(info.Version)))
	case info.PoolSize < 0 || info.PoolSize > PoolSizeMax:
		m.close(c, sysapi.ProtocolViolation, "", slog.LevelError, fmt.Sprintf("Pool size %d is not within 0 and %d", info.PoolSize, PoolSizeMax))
	default:
		return true
	}
	return false
}

// meet gives the verdict on the INFO of a server that this side has dialed.
func (m *Mesh) meet(c *conn, info *Info) bool {
	if t := c.target; t != nil && len(info.ID) <= textMax {
		t.peer = info.ID
		if info.ID == m.self.ID && !t.self {
			t.self = true
			m.log(c.id, slog.LevelInfo, fmt.Sprintf("Route %s leads to this server itself", t.addr))
		}
	}
	if !m.known(c, info) || !m.sameCluster(c, info.Cluster, info.Dynamic) {
		return false
	}
	if c.server != "" && c.server != info.ID { // somebody else lives there now
		if o := m.openingOf(c); o != nil {
			o.dialing, o.next = 0, m.in(takeOverAfter)
		}
		c.slot = Slot{}
	}
	c.server = info.ID
	if s := m.byID[info.ID]; s != nil && s.peer.Pool != m.pool(info) && !m.supersede(c, s) {
		return false
	}
	s := m.byID[info.ID]
	if s == nil {
		c.slot = Slot{}
	}
	if s != nil && s.conn(c.slot) != nil || m.greeting(c) != nil {
		m.duplicate(c)
		return false
	}
	return true
}

// welcome gives the verdict on the INFO of a server that has dialed this one.
func (m *Mesh) welcome(c *conn, info *Info) {
	if !m.known(c, info) || !m.sameCluster(c, info.Cluster, info.Dynamic) {
		return
	}
	pool := m.pool(info)
	switch {
	case c.server != "" && c.server != info.ID:
		m.close(c, sysapi.ProtocolViolation, "", slog.LevelError, fmt.Sprintf("CONNECT is of server %s, INFO of %s", clip(c.server), info.ID))
		return
	case info.Account != "" && pool == 0:
		text := fmt.Sprintf("Not possible to have a dedicated route for account %q between those servers", clip(info.Account))
		m.close(c, sysapi.ProtocolViolation, text, slog.LevelError, text)
		return
	case info.Account != "" && !slices.Contains(m.opts.Accounts, info.Account):
		text := fmt.Sprintf("No route for account %q", clip(info.Account))
		m.close(c, sysapi.ProtocolViolation, text, slog.LevelError, text)
		return
	case info.Account == "" && (info.PoolIdx < 0 || info.PoolIdx >= max(pool, 1)):
		text := fmt.Sprintf("Invalid route pool index: %d - pool size is %d", info.PoolIdx, pool)
		m.close(c, sysapi.ProtocolViolation, text, slog.LevelError, text)
		return
	}
	c.server, c.slot, c.info = info.ID, Slot{Index: info.PoolIdx, Account: info.Account}, bounded(*info)
	if info.Account != "" {
		c.slot.Index = 0
	}
	if s := m.byID[info.ID]; s != nil && s.peer.Pool != pool && !m.supersede(c, s) {
		return
	}
	if m.prevails(c) {
		m.register(c)
	} else {
		m.duplicate(c)
	}
}

// prevails decides between an accepted connection and what is there for its
// slot, and closes the other one if it gives way.
//
// Towards a nats-server what is there stays: it decides by itself in the same
// way. Between Dunlin servers the dialer has neither a connection for the slot nor one
// on the way when it says INFO. So either the connections have crossed, and
// both sides keep the one of the server with the smaller id; or the dialer has lost what
// this side still believes in, and the new one replaces it.
func (m *Mesh) prevails(c *conn) bool {
	alike := m.self.Version != "" && c.info.Dunlin != ""
	if own := m.greeting(c); own != nil {
		if alike && m.self.ID < c.server {
			return false
		}
		m.duplicate(own)
	}
	s := m.byID[c.server]
	if s == nil {
		return true
	}
	there := s.conn(c.slot)
	switch {
	case there == nil:
		return true
	case !alike, there.dialed && m.now.Sub(there.since) < settleAfter:
		return false
	}
	s.conns = remove(s.conns, there) // not lost: the slot is taken again at once
	there.registered = false
	m.close(there, sysapi.DuplicateRoute, "", slog.LevelDebug, "Replaced by a newer connection of the same server")
	return true
}

// greeting is another connection that this side has dialed for the same slot and that
// waits for its PONG.
func (m *Mesh) greeting(c *conn) *conn {
	for _, p := range m.pending {
		if p != c && p.greeted && p.server == c.server && p.slot == c.slot {
			return p
		}
	}
	return nil
}

func (m *Mesh) duplicate(c *conn) {
	m.close(c, sysapi.DuplicateRoute, "", slog.LevelDebug, "Duplicate route to "+c.server)
}

// pool is the number of connections that both sides will have, 0 for one
// without a pool.
func (m *Mesh) pool(info *Info) int {
	if m.opts.PoolSize < 1 || info.PoolSize < 1 {
		return 0
	}
	return max(min(m.opts.PoolSize, PoolSizeMax), info.PoolSize)
}

// bounded keeps what is remembered of an INFO within bounds.
func bounded(info Info) Info {
	info.Version, info.Dunlin, info.Cluster = clip(info.Version), clip(info.Dunlin), clip(info.Cluster)
	info.Gateway, info.AccAddReqID, info.Account = "", "", clip(info.Account)
	if dialAddr(info.IP) == "" {
		info.IP = ""
	}
	info.ConnectURLs = boundedURLs(info.ConnectURLs)
	info.WSConnectURLs = boundedURLs(info.WSConnectURLs)
	return info
}

func boundedURLs(urls []string) (kept []string) {
	for _, u := range urls {
		if isHostPort(u) && len(kept) < ClientURLsMax && !slices.Contains(kept, u) {
			kept = append(kept, strings.Clone(u))
		}
	}
	return kept
}

func clip(s string) string {
	if len(s) > textMax {
		return s[:textMax]
	}
	return s
}

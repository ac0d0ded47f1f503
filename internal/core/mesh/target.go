package mesh

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// target is an address at which a server may be found. A configured one stays;
// one that was learnt exists while nobody there is connected.
type target struct {
	addr     string
	explicit bool
	peer     string // who answered there last
	self     bool   // this server answers there
	gossip   int    // mode to say when somebody answers
	toldBy   string // the server that told of the server told there
	told     string

	dialing ConnID
	next    plan
	fails   int
	since   time.Time // learnt, or last connected
}

func (m *Mesh) addExplicit(addr string, at time.Time) {
	t := m.byAddr[addr]
	if t == nil {
		t = &target{addr: addr}
		m.byAddr[addr] = t
		m.targets = append(m.targets, t)
	}
	t.explicit = true
	if !slices.Contains(m.opts.Addresses, addr) && t.dialing == 0 {
		t.next = plan{at, true}
	}
}

// learn remembers an address that somebody else gave; nil where it is not to
// be dialed.
func (m *Mesh) learn(addr, id string) *target {
	if addr == "" || slices.Contains(m.opts.Addresses, addr) {
		return nil
	}
	t := m.byAddr[addr]
	if t == nil {
		if !m.makeRoom() {
			return nil
		}
		t = &target{addr: addr, peer: id, since: m.now}
		m.byAddr[addr] = t
		m.targets = append(m.targets, t)
	}
	if t.self {
		return nil
	}
	return t
}

// makeRoom forgets the learnt address that has failed for longest when there
// are too many; false: all of them are being dialed.
func (m *Mesh) makeRoom() bool {
	if len(m.targets) < LearntMax+len(m.opts.Routes) {
		return true
	}
	var oldest *target
	for _, t := range m.targets {
		if !t.explicit && t.dialing == 0 && (oldest == nil || t.since.Before(oldest.since)) {
			oldest = t
		}
	}
	if oldest != nil {
		m.forget(oldest)
	}
	return oldest != nil
}

func (m *Mesh) forget(t *target) {
	delete(m.byAddr, t.addr)
	m.targets = remove(m.targets, t)
	t.next, t.dialing = plan{}, 0
}

// reached says whether the server at this address is connected already.
func (m *Mesh) reached(t *target) bool {
	if t.peer != "" && m.byID[t.peer] != nil {
		return true
	}
	for _, s := range m.servers {
		if s.at(t.addr) {
			return true
		}
	}
	return false
}

// satisfy stops what was planned for an address whose server is connected.
func (m *Mesh) satisfy(t *target) {
	t.next, t.fails, t.since = plan{}, 0, m.now
	if !t.explicit && t.dialing == 0 {
		m.forget(t)
	}
}

// try dials an address, unless its server has come by other ways.
func (m *Mesh) try(t *target) {
	t.next = plan{}
	switch {
	case t.dialing != 0:
	case m.reached(t):
		m.satisfy(t)
	case len(m.pending) >= HandshakesMax:
		t.next = m.in(retryEvery)
	default:
		c := m.newConn(true)
		c.target, c.addr, c.gossip = t, t.addr, t.gossip
		t.dialing = c.id
		m.emit(Dial{Conn: c.id, Addr: t.addr, TLSHost: m.tlsHost(t), Explicit: t.explicit, Attempt: t.fails + 1, Peer: t.peer})
	}
}

// failed plans the next try after a connection that did not come to be.
func (m *Mesh) failed(t *target) {
	if m.byAddr[t.addr] != t {
		return
	}
	if m.reached(t) {
		m.satisfy(t)
		return
	}
	if t.self && isIP(t.addr) {
		return
	}
	t.fails++
	t.gossip = GossipDefault // whoever told of it has told others as well; that was then
	switch {
	case t.explicit:
		t.next = m.in(backoff(retryEvery, t.fails, m.opts.ConnectBackoff, retryMax))
	case m.now.Sub(t.since) > forgetAfter:
		m.log(0, slog.LevelInfo, fmt.Sprintf("No server has answered at %s for %v; it is not tried again", t.addr, forgetAfter))
		m.forget(t)
	case t.fails <= m.opts.ConnectRetries:
		t.next = m.in(backoff(retryEvery, t.fails, m.opts.ConnectBackoff, retryMax))
	default: // slowly, so that two servers that were cut off from each other meet again
		t.next = m.in(backoff(2*retryEvery, t.fails-m.opts.ConnectRetries, true, retryLearnt))
	}
}

// backoff is the wait after this many failures.
func backoff(first time.Duration, fails int, doubling bool, most time.Duration) time.Duration {
	if !doubling || fails < 2 {
		return first
	}
	if fails > 20 {
		return most
	}
	return min(first<<(fails-1), most)
}

// tlsHost is the name expected in the certificate at an address that was
// learnt, and so is an IP as a rule: that of the first configured route which
// has one.
func (m *Mesh) tlsHost(t *target) string {
	if !isIP(t.addr) {
		return ""
	}
	for _, addr := range m.opts.Routes {
		if !t.explicit && !isIP(addr) {
			host, _, _ := net.SplitHostPort(addr)
			return host
		}
	}
	return ""
}

func isIP(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	_, err = netip.ParseAddr(host)
	return err == nil
}

// dialAddr is the "host:port" of the ip in an INFO, "" if it is none.
func dialAddr(ip string) string {
	if len(ip) > textMax {
		return ""
	}
	u, err := url.Parse(ip)
	if err != nil || !strings.HasPrefix(u.Scheme, "nats") || !isHostPort(u.Host) {
		return ""
	}
	return u.Host
}

func isHostPort(addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	return err == nil && host != "" && port != "" && port != "0" && len(addr) <= textMax
}

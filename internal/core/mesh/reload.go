package mesh

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"dunlin/internal/proto/sysapi"
)

func (o Options) clone() Options {
	o.Routes, o.Addresses = slices.Clone(o.Routes), slices.Clone(o.Addresses)
	o.Accounts = slices.Clone(o.Accounts)
	o.ClientURLs, o.WSClientURLs = slices.Clone(o.ClientURLs), slices.Clone(o.WSClientURLs)
	o.PoolSize = min(o.PoolSize, PoolSizeMax)
	if len(o.Accounts) > AccountsMax {
		o.Accounts = o.Accounts[:AccountsMax]
	}
	return o
}

// Reload takes over a changed configuration, or refuses it as a whole.
func (m *Mesh) Reload(now time.Time, opts Options) ([]Effect, error) {
	m.now = now
	if opts.Cluster != "" && (opts.Cluster != m.self.Cluster || opts.Dynamic != m.self.Dynamic) {
		return nil, fmt.Errorf("the cluster's name cannot be changed from %q to %q while the server runs: restart it", m.self.Cluster, opts.Cluster)
	}
	old := m.opts
	m.opts = opts.clone()
	m.reloadRoutes(&old)
	if max(m.opts.PoolSize, 0) != max(old.PoolSize, 0) {
		for _, c := range slices.Clone(m.pending) {
			if c.greeted || !c.dialed { // has been told the former size
				m.close(c, sysapi.RouteRemoved, "", slog.LevelDebug, "The pool size has changed")
			}
		}
		for _, s := range slices.Clone(m.servers) {
			m.closeServer(s, nil, sysapi.RouteRemoved, "", "The pool size has changed")
			m.again(s)
		}
	} else {
		m.reloadAccounts(&old)
	}
	if m.opts.NoAdvertise != old.NoAdvertise || m.opts.AdvertisedURL != old.AdvertisedURL ||
		!slices.Equal(m.opts.ClientURLs, old.ClientURLs) || !slices.Equal(m.opts.WSClientURLs, old.WSClientURLs) {
		m.sayAgain()
	}
	return m.done(), nil
}

// again dials a server that was closed for a new beginning at once, if it was
// this side that had dialed it.
func (m *Mesh) again(s *server) {
	for _, t := range m.targets {
		if s.leading && t.next.set && (t.peer == s.peer.ID || s.at(t.addr)) {
			t.next = m.in(0)
		}
	}
}

func (m *Mesh) reloadRoutes(old *Options) {
	for _, addr := range old.Routes {
		if t := m.byAddr[addr]; t != nil && !slices.Contains(m.opts.Routes, addr) {
			m.removeRoute(t)
		}
	}
	for _, addr := range m.opts.Routes {
		if t := m.byAddr[addr]; t == nil || !t.explicit {
			m.addExplicit(addr, m.now)
		}
	}
}

// removeRoute closes the connections that were made because of a configured
// route.
func (m *Mesh) removeRoute(t *target) {
	c := m.conns[t.dialing]
	m.forget(t)
	if c != nil {
		m.close(c, sysapi.RouteRemoved, "", slog.LevelInfo, "The route was removed from the configuration")
	}
	for _, s := range slices.Clone(m.servers) {
		if s.leading && (t.peer == s.peer.ID || s.at(t.addr)) && !m.configured(s) {
			s.removed = true
			said := ""
			if s.peer.Dunlin != "" {
				said = routeRemoved
			}
			m.closeServer(s, nil, sysapi.RouteRemoved, said, "The route was removed from the configuration")
		}
	}
}

// reloadAccounts opens and closes the connections of accounts that are pinned
// now, or no longer.
func (m *Mesh) reloadAccounts(old *Options) {
	for _, s := range slices.Clone(m.servers) {
		if s.peer.Pool == 0 {
			continue
		}
		for _, account := range old.Accounts {
			if !slices.Contains(m.opts.Accounts, account) {
				m.unpin(s, account)
			}
		}
		for _, account := range m.opts.Accounts {
			if !slices.Contains(old.Accounts, account) && m.byID[s.peer.ID] == s {
				m.pin(s, account)
			}
		}
	}
}

func (m *Mesh) unpin(s *server, account string) {
	slot := Slot{Account: account}
	if o := s.opening(slot); o != nil {
		s.openings = remove(s.openings, o)
		if c := m.conns[o.dialing]; c != nil {
			m.close(c, sysapi.RouteRemoved, "", slog.LevelDebug, "The account is not pinned any more")
		}
	}
	m.emit(PinnedRefused{Peer: s.peer.ID, Account: account})
	if c := s.conn(slot); c != nil {
		m.close(c, sysapi.RouteRemoved, "", slog.LevelInfo, fmt.Sprintf("Account %q is not pinned any more", account))
	}
}

// request is the name of a question, as nats-server's are.
func (m *Mesh) request() string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	name := make([]byte, 22)
	for i := range name {
		name[i] = digits[m.rnd.IntN(len(digits))]
	}
	return string(name)
}

// pin announces an account's connection to a server and opens it.
func (m *Mesh) pin(s *server, account string) {
	about := s.talk()
	info := m.ownInfo(about)
	info.PoolIdx, info.GossipMode = 0, GossipDefault
	info.Account, info.AccAddReqID = account, m.request()
	m.emit(Send{Conn: about.id, Info: info})
	o := &opening{slot: Slot{Account: account}, next: m.in(takeOverAfter)}
	if s.leading {
		o.next = m.in(0)
	}
	s.openings = append(s.openings, o)
}

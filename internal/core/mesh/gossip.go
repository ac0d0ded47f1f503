package mesh

import (
	"slices"
	"time"
)

// arrived tells the others of a server when its first pool connection is
// there, and of each pinned account's connection those that are nats-servers:
// they open one only when they are told of it, or have it configured.
//
// A server that was told of by somebody (GossipDisabled) is told of by that
// one; but if two join at the same time at different places, each may be told of
// by one who does not yet know the other. So the others are told all the
// same, a little later, when most of them know it and let it be.
func (m *Mesh) arrived(s *server, c *conn) {
	mode := c.info.GossipMode
	if c.dialed {
		mode = c.gossip
	}
	switch {
	case c.slot.Account != "":
		if mode != GossipDisabled || s.told && !s.introduce.set {
			m.introduceAccount(s, c)
		}
	case s.told:
	case mode == GossipDisabled:
		s.told, s.introduce = true, m.in(introduceWait)
	default:
		s.told = true
		m.introduce(s, c)
	}
}

// introduce forwards the INFO of a server to all others. Those that this side
// has gone to by configuration belong to another part of the cluster as far as it
// knows, and are asked to pass it on.
func (m *Mesh) introduce(s *server, about *conn) {
	s.introduce = plan{}
	if s.said == "" || s.leaving || m.lameDuck {
		return
	}
	var usual, bridge []ConnID
	for _, other := range m.servers {
		if other == s || other.peer.ID == s.toldBy {
			continue
		}
		if to := other.talk(); to != nil && other.leading && m.configured(other) {
			bridge = append(bridge, to.id)
		} else if to != nil {
			usual = append(usual, to.id)
		}
	}
	f := Forward{To: usual, About: about.id, IP: s.peer.IP, Cluster: m.cluster, GossipMode: GossipDisabled}
	if len(usual) > 0 {
		m.emit(f)
	}
	if len(bridge) > 0 {
		f.To, f.GossipMode = bridge, GossipOverride
		m.emit(f)
	}
}

// introduceLate makes up for what was left to others to tell.
func (m *Mesh) introduceLate(s *server) {
	m.introduce(s, s.talk())
	for _, c := range s.conns {
		if c.slot.Account != "" {
			m.introduceAccount(s, c)
		}
	}
}

func (m *Mesh) introduceAccount(s *server, about *conn) {
	if s.said == "" || s.leaving || m.lameDuck {
		return
	}
	var to []ConnID
	for _, other := range m.servers {
		if c := other.conn(about.slot); other != s && c != nil && other.peer.Dunlin == "" {
			to = append(to, c.id)
		}
	}
	if len(to) > 0 {
		m.emit(Forward{To: to, About: about.id, Account: about.slot.Account, IP: s.peer.IP, Cluster: m.cluster, GossipMode: GossipDisabled})
	}
}

// talk is the connection on which a server is told of others and of changes:
// index 0 of the pool, or another one while that is missing.
func (s *server) talk() *conn {
	if c := s.conn(Slot{}); c != nil {
		return c
	}
	for _, c := range s.conns {
		if c.slot.Account == "" {
			return c
		}
	}
	if len(s.conns) > 0 {
		return s.conns[0]
	}
	return nil
}

func (m *Mesh) configured(s *server) bool {
	for _, t := range m.targets {
		if t.explicit && (t.peer == s.peer.ID || s.at(t.addr)) {
			return true
		}
	}
	return false
}

// gossip takes the INFO of a server that somebody else is connected to.
func (m *Mesh) gossip(from string, info *Info) {
	if s := m.byID[info.ID]; s != nil && info.Account != "" {
		if o := s.opening(Slot{Account: info.Account}); o != nil && o.dialing == 0 && !o.refused && !m.lameDuck {
			m.open(s, o)
		}
		return
	}
	switch {
	case m.lameDuck || info.LameDuck || info.Gateway != "":
		return
	case info.ID == "" || len(info.ID) > textMax || info.ID == m.self.ID || m.byID[info.ID] != nil:
		return
	}
	addr := dialAddr(info.IP)
	if slices.ContainsFunc(m.servers, func(s *server) bool { return s.at(addr) }) {
		return // of one that was there before, and whose end is not known yet
	}
	t := m.learn(addr, info.ID)
	if t == nil || t.dialing != 0 {
		return
	}
	t.gossip, t.toldBy, t.told = info.GossipMode, from, info.ID
	switch {
	case t.fails == 0: // never tried, or not since it was connected
		m.try(t)
	case !t.explicit && t.next.at.Sub(m.now) > retryEvery: // somebody has just seen it
		t.next = m.in(retryEvery)
	}
}

// update takes a later INFO of a connected server.
func (m *Mesh) update(c *conn, info *Info) {
	s := m.byID[c.server]
	if info.AccAddReqID != "" {
		if info.Account != "" && len(info.AccAddReqID) <= textMax {
			answer := m.ownInfo(c)
			answer.AccAddReqID, answer.Account, answer.PoolIdx, answer.GossipMode = info.AccAddReqID, "", 0, 0
			m.emit(Send{Conn: c.id, Info: answer})
			m.pinnedElsewhere(s, info.Account)
		}
		return
	}
	b := bounded(*info)
	s.urls, s.ws = b.ConnectURLs, b.WSConnectURLs
	s.leaving = s.leaving || info.LameDuck
	if b.IP != "" && s.peer.IP != b.IP {
		s.peer.IP, s.said = b.IP, dialAddr(b.IP)
		c.info.IP = b.IP
	}
}

// pinnedElsewhere: the server has an account pinned by now that it may have
// refused before.
func (m *Mesh) pinnedElsewhere(s *server, account string) {
	if o := s.opening(Slot{Account: account}); o != nil && o.dialing == 0 && o.refused {
		o.fails, o.refused = 0, false
		o.next = m.in(retryEvery)
	}
}

// tellClients emits the list of client addresses if it has changed: own
// addresses first, then those of the others in the order of their coming. As
// long as nobody else was ever there it is empty.
func (m *Mesh) tellClients() {
	list := ClientURLs{}
	if !m.opts.NoAdvertise {
		known := m.told.URLs != nil || m.told.WS != nil
		for _, s := range m.servers {
			known = known || len(s.urls)+len(s.ws) > 0
		}
		if known {
			if !m.lameDuck {
				list.URLs = append(list.URLs, m.opts.ClientURLs...)
				list.WS = append(list.WS, m.opts.WSClientURLs...)
			}
			for _, s := range m.servers {
				if !s.leaving {
					list.URLs = appendNew(list.URLs, s.urls)
					list.WS = appendNew(list.WS, s.ws)
				}
			}
		}
	}
	if !slices.Equal(list.URLs, m.told.URLs) || !slices.Equal(list.WS, m.told.WS) {
		m.told = list
		m.emit(ClientURLs{URLs: slices.Clone(list.URLs), WS: slices.Clone(list.WS)})
	}
}

func appendNew(list, more []string) []string {
	for _, x := range more {
		if !slices.Contains(list, x) {
			list = append(list, x)
		}
	}
	return list
}

// LameDuck says goodbye: clients elsewhere shall not come here any more, and
// nothing is dialed from now on.
func (m *Mesh) LameDuck(now time.Time) []Effect {
	m.now = now
	if m.lameDuck {
		return nil
	}
	m.lameDuck = true
	for _, t := range m.targets {
		t.next = plan{}
	}
	for _, s := range m.servers {
		s.introduce = plan{}
		for _, o := range s.openings {
			o.next = plan{}
		}
	}
	m.sayAgain()
	return m.done()
}

// sayAgain sends what has changed of this server to all others.
func (m *Mesh) sayAgain() {
	for _, s := range m.servers {
		if to := s.talk(); to != nil {
			info := m.ownInfo(to)
			info.PoolIdx, info.Account, info.GossipMode = 0, "", GossipDefault
			m.emit(Send{Conn: to.id, Info: info})
		}
	}
}

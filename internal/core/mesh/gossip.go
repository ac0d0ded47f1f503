package mesh

import (
	"slices"
	"time"
)

// arrived tells the others of a server that was not there before. One that
// was told of by somebody (GossipDisabled) is told of by that one; but if two join
// at the same time at different places, each may be told of by one who does not
// yet know the other. So the others are told all the same, a little later,
// when most of them know it and let it be.
func (m *Mesh) arrived(s *server, c *conn) {
	mode := c.info.GossipMode
	if c.dialed {
		mode = c.gossip
	}
	if mode == GossipDisabled {
		s.introduce = m.in(introduceWait)
		return
	}
	m.introduce(s, GossipDisabled)
}

// introduce forwards the INFO of a server to all others. Those that this side
// has gone to by configuration belong to another part of the cluster as far as it
// knows, and are asked to pass it on.
func (m *Mesh) introduce(s *server, mode int) {
	s.introduce = plan{}
	if s.said == "" || s.leaving || m.lameDuck || len(s.conns) == 0 {
		return
	}
	var usual, bridge []ConnID
	for _, other := range m.servers {
		if other == s || len(other.conns) == 0 {
			continue
		}
		if other.leading && m.configured(other) {
			bridge = append(bridge, other.conns[0].id)
		} else {
			usual = append(usual, other.conns[0].id)
		}
	}
	about := s.conns[0].id
	if len(usual) > 0 {
		m.emit(Forward{To: usual, About: about, IP: s.peer.IP, Cluster: m.cluster, GossipMode: mode})
	}
	if len(bridge) > 0 {
		m.emit(Forward{To: bridge, About: about, IP: s.peer.IP, Cluster: m.cluster, GossipMode: GossipOverride})
	}
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
func (m *Mesh) gossip(info *Info) {
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
	t.gossip = info.GossipMode
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
		if len(s.conns) > 0 {
			info := m.ownInfo(s.conns[0])
			info.PoolIdx, info.Account, info.GossipMode = 0, "", GossipDefault
			m.emit(Send{Conn: s.conns[0].id, Info: info})
		}
	}
}

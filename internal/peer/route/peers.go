package route

import (
	"maps"
	"slices"
	"sync"

	"dunlin/internal/core/interest"
	"dunlin/internal/core/mesh"
)

// Peers are the servers that this one has routes to.
type Peers struct {
	mu   sync.Mutex
	byID map[string]*Peer
}

// Peer is one of them.
type Peer struct {
	id    string
	users int // connections that hold it; under Peers.mu

	mu     sync.Mutex
	size   int // of the pool; 1 if there is none
	lanes  bool
	pool   map[int]*Conn
	owned  map[string]*Conn // connections that carry one account
	pinned map[string]bool  // accounts that the pool does not carry
	links  map[string]*Link
}

// acquire returns the peer of that id, made if need be, and keeps it until
// release.
func (p *Peers) acquire(id string) *Peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byID == nil {
		p.byID = make(map[string]*Peer)
	}
	peer := p.byID[id]
	if peer == nil {
		peer = &Peer{
			id: id, size: 1, pool: make(map[int]*Conn), owned: make(map[string]*Conn),
			pinned: make(map[string]bool), links: make(map[string]*Link),
		}
		p.byID[id] = peer
	}
	peer.users++
	return peer
}

func (p *Peers) release(peer *Peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if peer.users--; peer.users == 0 {
		delete(p.byID, peer.id)
	}
}

// Pin tells whether the pool connections to the server id leave account to a
// connection of its own. Rewatch of these connections puts it in force.
func (p *Peers) Pin(id, account string, own bool) {
	p.mu.Lock()
	peer := p.byID[id]
	p.mu.Unlock()
	if peer == nil {
		return
	}
	peer.mu.Lock()
	peer.pinned[account] = own
	peer.assign()
	peer.mu.Unlock()
}

// PinOnly has the pool connections to the server id leave accounts, and no others, to
// connections of their own: it is for a server whose first connection has come.
func (p *Peers) PinOnly(id string, accounts []string) {
	p.mu.Lock()
	peer := p.byID[id]
	p.mu.Unlock()
	if peer == nil {
		return
	}
	peer.mu.Lock()
	defer peer.mu.Unlock()
	clear(peer.pinned)
	for _, name := range accounts {
		peer.pinned[name] = true
	}
	peer.assign()
}

// describe takes over what a registration says of the pool.
func (p *Peer) describe(r *mesh.Register) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size, p.lanes = max(r.Peer.Pool, 1), r.Peer.Lanes
}

// join makes c carry messages. An account's own connection takes it from the
// pool only now, so that messages always have a way; relieved are those that
// need not carry it any more.
func (p *Peer) join(c *Conn, s mesh.Slot) (relieved []*Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.Account == "" {
		p.pool[s.Index] = c
	} else {
		if !p.pinned[s.Account] {
			relieved = slices.Collect(maps.Values(p.pool))
		}
		p.owned[s.Account], p.pinned[s.Account] = c, true
	}
	p.assign()
	return relieved
}

// unburden has the pool forget what the other server told there of accounts
// that have connections of their own.
func (p *Peer) unburden() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.pool {
		c.relieved.Store(true)
	}
}

// moved reports whether account has a connection of its own.
func (p *Peer) moved(account string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.owned[account] != nil
}

// leave undoes join; without that it does nothing.
func (p *Peer) leave(c *Conn, s mesh.Slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case s.Account != "" && p.owned[s.Account] == c:
		delete(p.owned, s.Account)
	case s.Account == "" && p.pool[s.Index] == c:
		delete(p.pool, s.Index)
	}
	p.assign()
}

// link is the receiving end of the peer's interest in account.
func (p *Peer) link(account string) *Link {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.links[account]
	if l == nil {
		l = &Link{account: account}
		p.links[account] = l
		l.conns.Store(p.carriers(account))
	}
	return l
}

// assign tells each link which connections carry it. Under the lock.
func (p *Peer) assign() {
	for name, l := range p.links {
		l.conns.Store(p.carriers(name))
	}
}

func (p *Peer) carriers(account string) *[interest.Lanes]*Conn {
	var list [interest.Lanes]*Conn
	own := p.owned[account]
	for lane := range list {
		switch {
		case own != nil:
			list[lane] = own
		case p.pinned[account]:
		case p.lanes:
			list[lane] = p.pool[lane%p.size]
		default:
			list[lane] = p.pool[mesh.AccountIndex(account, p.size)]
		}
	}
	return &list
}

// laneMask has the lanes of account that the connection in s carries; 0 = it
// carries none.
func (p *Peer) laneMask(account string, s mesh.Slot) uint16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case s.Account != "":
		if account == s.Account {
			return interest.AllLanes
		}
	case p.pinned[account]:
	case p.lanes:
		return mesh.LaneMask(s.Index, p.size)
	case mesh.AccountIndex(account, p.size) == s.Index:
		return interest.AllLanes
	}
	return 0
}

package sim

import (
	"dunlin/internal/core/account"
	"dunlin/internal/core/interest"
	"dunlin/internal/core/sublist"
	"dunlin/internal/proto/routewire"
	"dunlin/internal/proto/wire"
)

// node is a server with one account.
type node struct {
	id      int
	world   *World
	account *account.Account
	links   map[*node]*link
}

func newNode(w *World, id int) *node {
	n := &node{id: id, world: w, account: account.New("ACC"), links: make(map[*node]*link)}
	n.account.Interest = new(interest.Ledger)
	return n
}

// link is what another node wants, as a receiver of messages.
type link struct {
	from *node
	ends []*end // by slot; nil while there is none that carries messages
}

var _ sublist.GroupSink = (*link)(nil)

func (n *node) link(to *node) *link {
	l := n.links[to]
	if l == nil {
		l = &link{from: n, ends: make([]*end, n.world.Pool)}
		n.links[to] = l
	}
	return l
}

// Deliver implements sublist.Sink.
func (l *link) Deliver(run []wire.Msg, _ *sublist.Sub, b *sublist.Batch) int {
	e := l.ends[l.from.world.slot(b.Lane)]
	if e == nil {
		return 0
	}
	for i := range run {
		e.out = routewire.AppendMsg(e.out, l.from.account.Name, &run[i], nil)
	}
	return len(run)
}

// DeliverQueues implements sublist.PeerSink.
func (l *link) DeliverQueues(m *wire.Msg, _ *sublist.Sub, queues []string, b *sublist.Batch) bool {
	e := l.ends[l.from.world.slot(b.Lane)]
	if e == nil {
		return false
	}
	e.out = routewire.AppendMsg(e.out, l.from.account.Name, m, queues)
	return true
}

// DeliverGroups implements sublist.GroupSink.
func (l *link) DeliverGroups(m *wire.Msg, _ *sublist.Sub, queues []string, b *sublist.Batch) bool {
	e := l.ends[l.from.world.slot(b.Lane)]
	if e == nil {
		return false
	}
	l.from.world.Rerouted++
	if m := l.from.world.sent[number(m.Body)]; m != nil {
		m.passed = true
	}
	e.out = routewire.AppendGroups(e.out, l.from.account.Name, m, queues)
	return true
}

// tell has all other nodes learn what has changed.
func (n *node) tell() {
	for _, p := range n.world.pipes {
		if e := p.endAt(n); e != nil && !e.introducing {
			e.tell()
		}
	}
}

// knowsOf is what n believes that other wants.
func (n *node) knowsOf(other *node) map[string]int {
	knows := make(map[string]int)
	for _, p := range n.world.pipes {
		if p.endAt(n) == nil || p.endAt(other) == nil {
			continue
		}
		p.endAt(n).remote.All(func(s *sublist.Sub) bool {
			if s.IsQueue() {
				knows[s.Subject()+" "+s.Queue()] += s.Weight()
			} else {
				knows[s.Subject()] = 1
			}
			return true
		})
	}
	return knows
}

// interest is what the clients of n want.
func (n *node) interest() map[string]int {
	is := make(map[string]int)
	for _, c := range n.world.clients {
		if c.node != n {
			continue
		}
		for _, s := range c.subs {
			if s.queue == "" {
				is[s.subject] = 1
			} else {
				is[s.subject+" "+s.queue]++
			}
		}
	}
	return is
}

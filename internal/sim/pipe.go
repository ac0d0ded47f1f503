package sim

import (
	"slices"
	"strings"

	"dunlin/internal/core/forward"
	"dunlin/internal/core/interest"
	"dunlin/internal/core/sublist"
	"dunlin/internal/engine/broker"
	"dunlin/internal/proto/routewire"
)

// pipe is one connection of the pool between two nodes. Either end may find it
// broken before the other does.
type pipe struct {
	world *World
	slot  int
	nodes [2]*node
	ends  [2]*end // of nodes; nil where it is closed
}

// end is what a node has of a connection.
type end struct {
	pipe        *pipe
	node        *node
	cursor      *interest.Cursor
	introducing bool   // not everything is told yet; no messages
	out         []byte // on its way to the other end
	in          []byte // arrived, not parsed
	parser      routewire.Parser
	pub         *broker.Publisher
	remote      *sublist.Remote
}

func (p *pipe) endAt(n *node) *end {
	for i, e := range p.ends {
		if p.nodes[i] == n {
			return e
		}
	}
	return nil
}

// connect makes both ends anew.
func (p *pipe) connect() {
	for i, n := range p.nodes {
		to := n.link(p.nodes[1-i])
		e := &end{
			pipe: p, node: n, introducing: true, cursor: n.account.Interest.Watch(p.world.mask(p.slot)),
			parser: routewire.Parser{MaxControlLine: 4096, MaxPayload: 1 << 20},
			pub:    broker.New(n.account, p.world.rnd.Uint64()),
			remote: sublist.NewRemote(&n.account.Subs, to, forward.Route),
		}
		e.pub.Kind, e.pub.Origin = forward.Route, to
		// What comes over a connection that is chosen by lane goes on in that lane.
		e.pub.Lane = uint8(p.slot)
		p.ends[i] = e
	}
}

// close ends one side: what was on its way from there may still arrive in part.
func (p *pipe) close(side int) {
	e := p.ends[side]
	p.ends[side] = nil
	p.world.Broken++
	e.cursor.Close()
	e.remote.RemoveAll()
	if to := e.node.link(p.nodes[1-side]); to.ends[p.slot] == e {
		to.ends[p.slot] = nil
	}
	if other := p.ends[1-side]; other != nil && len(e.out) > 0 {
		other.in = append(other.in, e.out[:p.world.rnd.IntN(len(e.out)+1)]...)
		other.read()
	}
}

// shake lets something happen to the connection as such.
func (p *pipe) shake() {
	side := p.world.rnd.IntN(2)
	switch {
	case p.ends[side] != nil:
		p.close(side)
	case p.ends[1-side] != nil:
		p.close(1 - side)
	default:
		p.connect()
	}
}

// mend sees to it that the connection stands.
func (p *pipe) mend() (changed bool) {
	if p.ends[0] != nil && p.ends[1] != nil {
		return false
	}
	for side, e := range p.ends {
		if e != nil {
			p.close(side)
		}
	}
	p.connect()
	return true
}

// move carries some bytes from one side to the other, or tells some more there
// is to say first. It reports whether anything was done.
func (p *pipe) move(side int) bool {
	e, other := p.ends[side], p.ends[1-side]
	if e == nil {
		return false
	}
	if e.introducing {
		e.introduce()
		return true
	}
	if other == nil || len(e.out) == 0 {
		return false
	}
	n := 1 + p.world.rnd.IntN(len(e.out))
	if p.world.rnd.IntN(3) == 0 {
		n = min(n, 1+p.world.rnd.IntN(40))
	}
	other.in = append(other.in, e.out[:n]...)
	e.out = e.out[n:]
	other.read()
	return true
}

// introduce tells part of all there is; when all is told, messages may go.
func (e *end) introduce() {
	if e.tellSome() {
		return
	}
	e.introducing = false
	for i, n := range e.pipe.nodes {
		if n != e.node {
			e.node.link(e.pipe.nodes[i]).ends[e.pipe.slot] = e
		}
	}
}

func (e *end) tell() {
	for e.tellSome() {
	}
}

func (e *end) tellSome() bool {
	changes := e.cursor.Next(nil)
	// Which key comes first is the ledger's choice, and does not depend on the seed.
	slices.SortStableFunc(changes, func(a, b interest.Change) int {
		return strings.Compare(a.Subject+" "+a.Queue, b.Subject+" "+b.Queue)
	})
	for _, c := range changes {
		e.node.world.Told++
		if c.Weight > 0 {
			e.out = routewire.AppendInterest(e.out, e.node.account.Name, c.Subject, c.Queue, int(c.Weight))
		} else {
			e.out = routewire.AppendNoInterest(e.out, e.node.account.Name, c.Subject, c.Queue)
		}
	}
	return len(changes) > 0
}

// read does what has arrived says.
func (e *end) read() {
	w := e.node.world
	for len(e.in) > 0 && len(e.in) >= e.parser.Need {
		op, n, err := e.parser.Next(e.in)
		if err != nil {
			w.complain("node %d cannot read %.60q: %v", e.node.id, e.in, err)
			break
		}
		if n == 0 {
			break
		}
		switch p := &e.parser; op {
		case routewire.OpInterest:
			e.remote.Add(p.Subject, p.Queue, p.Weight)
		case routewire.OpNoInterest:
			e.remote.Remove(p.Subject, p.Queue)
		case routewire.OpMsg:
			e.remote.Apply() // who answers must find who asked
			e.message()
		default:
			w.complain("node %d reads operation %d", e.node.id, op)
		}
		e.in = e.in[n:]
	}
	e.pub.Settle()
	e.remote.Apply()
	e.pub.FlushAll()
	e.in = append([]byte(nil), e.in...)
	e.parser.Need = 0
}

func (e *end) message() {
	m := &e.parser.Msg
	w := e.node.world
	w.Crossed++
	w.arrives(e.node, m.Body)
	hit := e.pub.Lookup(m.Subject)
	switch {
	case e.parser.Alone:
		e.pub.PublishGroups(m, hit, e.parser.Queues)
		return
	case len(e.parser.Queues) > 0:
		e.pub.PublishQueues(m, hit, e.parser.Queues)
		return
	}
	e.pub.Publish(m, hit, true)
}

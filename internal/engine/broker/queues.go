package broker

import (
	"dunlin/internal/core/forward"
	"dunlin/internal/core/sublist"
	"dunlin/internal/proto/wire"
)

// chosen is a server that gets the message for a member each of some groups.
type chosen struct {
	sub    *sublist.Sub // one of its queue subscriptions
	queues []string
}

// pick hands the message in p.one to one of members, which stand here.
func (p *Publisher) pick(members []*sublist.Sub) int {
	n := uint64(len(members))
	switch n {
	case 0:
		return 0
	case 1:
		return members[0].Sink.Deliver(p.one[:], members[0], &p.Batch)
	}
	return p.pickFrom(members, (p.next()>>32)*n>>32)
}

// pickFrom begins with the member at and goes round until one takes it.
func (p *Publisher) pickFrom(members []*sublist.Sub, at uint64) int {
	for range members {
		s := members[at]
		if s.Sink.Deliver(p.one[:], s, &p.Batch) > 0 {
			return 1
		}
		if at++; at == uint64(len(members)) {
			at = 0
		}
	}
	return 0
}

// choose picks one member of g, each on any server with the same chance. One
// here gets the message now; a server is noted for deliverPeers.
func (p *Publisher) choose(g *sublist.Group) int {
	if len(g.Peers) == 0 {
		return p.pick(g.Subs)
	}
	at := int((p.next() >> 32) * uint64(g.Weight) >> 32)
	if at < len(g.Subs) && p.pickFrom(g.Subs, uint64(at)) > 0 {
		return 1
	}
	at -= len(g.Subs)
	if at < 0 { // nobody here takes it
		at = int((p.next() >> 32) * uint64(g.Weight-len(g.Subs)) >> 32)
	}
	for _, s := range g.Peers {
		if at -= s.Weight(); at < 0 {
			p.note(s, g.Name)
			return 0
		}
	}
	return 0
}

// note adds a queue group to what s's server is to get.
func (p *Publisher) note(s *sublist.Sub, queue string) {
	for i := range p.chosen {
		if c := &p.chosen[i]; c.sub.Sink == s.Sink {
			c.queues = append(c.queues, queue)
			return
		}
	}
	if n := len(p.chosen); n < cap(p.chosen) { // take the memory of an earlier one
		p.chosen = p.chosen[:n+1]
		p.chosen[n].sub = s
		p.chosen[n].queues = append(p.chosen[n].queues[:0], queue)
		return
	}
	p.chosen = append(p.chosen, chosen{sub: s, queues: []string{queue}})
}

// deliverPeers sends the message in p.one to every server that wants it: once,
// whatever for.
func (p *Publisher) deliverPeers(hit *sublist.Hit) (delivered int) {
	for _, s := range hit.Peers {
		if !p.isChosen(s) {
			delivered += s.Sink.Deliver(p.one[:], s, &p.Batch)
		}
	}
	for i := range p.chosen {
		c := &p.chosen[i]
		if sink, ok := c.sub.Sink.(sublist.PeerSink); ok && sink.DeliverQueues(&p.one[0], c.sub, c.queues, &p.Batch) {
			delivered += len(c.queues)
			continue
		}
		for _, queue := range c.queues {
			delivered += p.offer(hit, queue, c.sub.Sink)
		}
	}
	p.forgetChosen()
	return delivered
}

func (p *Publisher) isChosen(s *sublist.Sub) bool {
	for i := range p.chosen {
		if p.chosen[i].sub.Sink == s.Sink {
			return true
		}
	}
	return false
}

// offer gives the message in p.one to a member of queue, here or on a server
// other than not, because the one chosen first did not take it.
func (p *Publisher) offer(hit *sublist.Hit, queue string, not sublist.Sink) int {
	g := hit.Group(queue)
	if g == nil {
		return 0
	}
	if p.pick(g.Subs) > 0 {
		return 1
	}
	return p.offerPeers(hit, g, not)
}

// offerPeers looks for another server with a member of g.
func (p *Publisher) offerPeers(hit *sublist.Hit, g *sublist.Group, not sublist.Sink) int {
	for _, s := range g.Peers {
		if s.Sink != not && p.offerTo(s, hit, g) {
			return 1
		}
	}
	return 0
}

// offerTo offers the message in p.one to the members of g at the server of s,
// to them alone if that is possible and called for: if the server has plain
// subscriptions it got the message already, and what another server has sent
// was not meant for those here and there that came later.
func (p *Publisher) offerTo(s *sublist.Sub, hit *sublist.Hit, g *sublist.Group) bool {
	has := hasSink(hit.Peers, s.Sink) || p.isChosen(s)
	if has || forward.Reroutes(p.Kind) {
		sink, ok := s.Sink.(sublist.GroupSink)
		if ok && sink.DeliverGroups(&p.one[0], s, []string{g.Name}, &p.Batch) {
			return true
		}
	}
	if has {
		return false
	}
	sink, ok := s.Sink.(sublist.PeerSink)
	if !ok || !sink.DeliverQueues(&p.one[0], s, []string{g.Name}, &p.Batch) {
		return false
	}
	p.note(s, g.Name) // for the next group it has the message
	return true
}

// forgetChosen ends a message. The lists of queues keep their memory.
func (p *Publisher) forgetChosen() {
	for i := range p.chosen {
		p.chosen[i].sub = nil // it may end
	}
	p.chosen = p.chosen[:0]
}

func hasSink(subs []*sublist.Sub, sink sublist.Sink) bool {
	for _, s := range subs {
		if s.Sink == sink {
			return true
		}
	}
	return false
}

// PublishQueues delivers what another server has sent: to the plain
// subscribers here and to one member here of each group in queues, in m's
// server's name. It returns how many took it.
func (p *Publisher) PublishQueues(m *wire.Msg, hit *sublist.Hit, queues [][]byte) (delivered int) {
	p.Settle()
	p.one[0] = *m
	for _, s := range hit.Plain {
		delivered += s.Sink.Deliver(p.one[:], s, &p.Batch)
	}
	for _, queue := range queues {
		delivered += p.publishGroup(hit, queue, true)
	}
	p.forgetChosen()
	return delivered
}

// PublishGroups is PublishQueues without the plain subscribers: another server
// passes on what it had got for a group that has no member there.
func (p *Publisher) PublishGroups(m *wire.Msg, hit *sublist.Hit, queues [][]byte) (delivered int) {
	p.Settle()
	p.one[0] = *m
	for _, queue := range queues {
		delivered += p.publishGroup(hit, queue, false)
	}
	p.forgetChosen()
	return delivered
}

// publishGroup delivers the message in p.one to a member of queue here, or
// passes it on. The server it came from gets it back (back) if that has a
// member, nobody else has, and it did not pass it on itself: so it does not go
// to and fro.
func (p *Publisher) publishGroup(hit *sublist.Hit, queue []byte, back bool) int {
	g := hit.GroupBytes(queue)
	if g == nil {
		return 0
	}
	n := p.pick(g.Subs)
	if n > 0 || !forward.Reroutes(p.Kind) {
		return n
	}
	if n = p.offerPeers(hit, g, p.Origin); n > 0 || !back {
		return n
	}
	for _, s := range g.Peers {
		if s.Sink != p.Origin {
			continue
		}
		sink, ok := s.Sink.(sublist.GroupSink)
		if ok && sink.DeliverGroups(&p.one[0], s, []string{g.Name}, &p.Batch) {
			return 1
		}
	}
	return 0
}

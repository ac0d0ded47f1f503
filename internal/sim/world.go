package sim

import (
	"fmt"
	"math/rand/v2"

	"dunlin/internal/core/interest"
)

// Options say what kind of world it is.
type Options struct {
	Nodes int
	Pool  int  // connections between two nodes
	Lanes bool // each carries some lanes; else one of them carries all
	// Breaks: connections break and come again.
	Breaks bool
	// Quiet: clients only subscribe and unsubscribe.
	Quiet bool
	// Steps is how often something happens.
	Steps int
}

// World is a cluster with its clients.
type World struct {
	Options
	seed    uint64
	rnd     *rand.Rand
	nodes   []*node
	pipes   []*pipe
	clients []*client // all that live
	seq     int       // of messages
	ids     int       // of clients
	sent    map[int]*sent
	wrong   []string
	// settled: everybody knows everything, so every message has to arrive.
	settled bool

	Stats
}

// Stats is what has happened.
type Stats struct {
	Subs, Unsubs, Published, Delivered, Crossed, Rerouted, Told, Broken, Answers int
}

// sent is a message and where it has been.
type sent struct {
	seq       int
	publisher *client
	order     int // of its publisher's messages
	subject   string
	passed    bool // from one server to the next, for a group
	arrived   []int
	plain     map[*sub]int
	queues    map[string]int
	// must are the plain subscriptions that have to get it, groups the queue
	// groups.
	must   []*sub
	groups map[string]bool
}

// NewWorld makes a cluster whose nodes are all connected.
func NewWorld(seed uint64, o Options) *World {
	w := &World{Options: o, seed: seed, rnd: rand.New(rand.NewPCG(seed, 0xd)), sent: make(map[int]*sent)}
	for i := range o.Nodes {
		w.nodes = append(w.nodes, newNode(w, i))
	}
	for a := range o.Nodes {
		for b := range a {
			for slot := range o.Pool {
				w.pipes = append(w.pipes, &pipe{world: w, slot: slot, nodes: [2]*node{w.nodes[a], w.nodes[b]}})
			}
		}
	}
	return w
}

// complain notes a broken rule.
func (w *World) complain(format string, args ...any) {
	if len(w.wrong) < 10 {
		w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
	}
}

// mask has the lanes that the connection in slot carries.
func (w *World) mask(slot int) uint16 {
	if !w.Lanes {
		if slot == 0 {
			return interest.AllLanes
		}
		return 0
	}
	var mask uint16
	for lane := slot; lane < interest.Lanes; lane += w.Pool {
		mask |= 1 << lane
	}
	return mask
}

// slot is the connection that carries lane.
func (w *World) slot(lane uint8) int {
	if !w.Lanes {
		return 0
	}
	return int(lane) % interest.Lanes % w.Pool
}

// Run lets o.Steps things happen, then comes to rest.
func (w *World) Run() {
	for range w.Steps {
		w.step()
		if len(w.wrong) > 0 {
			return
		}
	}
	w.Rest()
}

func (w *World) step() {
	switch n := w.rnd.IntN(100); {
	case n < 55:
		w.pipes[w.rnd.IntN(len(w.pipes))].move(w.rnd.IntN(2))
	case n < 58 && w.Breaks:
		w.pipes[w.rnd.IntN(len(w.pipes))].shake()
	case n < 62 || len(w.clients) == 0:
		w.join()
	case n < 64:
		w.clients[w.rnd.IntN(len(w.clients))].leave()
	default:
		w.clients[w.rnd.IntN(len(w.clients))].act()
	}
}

// join brings one more client to a node.
func (w *World) join() *client {
	if len(w.clients) >= 8*len(w.nodes) {
		return w.clients[0]
	}
	w.ids++
	c := newClient(w, w.nodes[w.rnd.IntN(len(w.nodes))], w.ids)
	w.clients = append(w.clients, c)
	return c
}

// Rest lets everything that is on its way arrive, and what is broken be mended.
func (w *World) Rest() {
	for busy := true; busy && len(w.wrong) == 0; {
		busy = false
		for _, c := range w.clients {
			busy = c.finish() || busy
		}
		for _, p := range w.pipes {
			busy = p.mend() || busy
			for side := range 2 {
				for p.move(side) {
					busy = true
				}
			}
		}
	}
}

// CheckTables compares what each node knows of each other with what is there.
func (w *World) CheckTables() {
	for _, a := range w.nodes {
		for _, b := range w.nodes {
			if a == b {
				continue
			}
			knows, is := a.knowsOf(b), b.interest()
			for key, n := range is {
				if knows[key] != n {
					w.complain("node %d knows %q of node %d with weight %d, it is %d", a.id, key, b.id, knows[key], n)
				}
			}
			for key := range knows {
				if is[key] == 0 {
					w.complain("node %d believes that node %d wants %q", a.id, b.id, key)
				}
			}
		}
	}
}

// CheckMessages looks whether every message came where it had to.
func (w *World) CheckMessages() {
	for _, m := range w.sent {
		for _, s := range m.must {
			if m.plain[s] != 1 {
				w.complain("message %d of client %d (node %d) on %s: %d copies for client %d (node %d), %s; it was at nodes %v", m.seq, m.publisher.id,
					m.publisher.node.id, m.subject, m.plain[s], s.client.id, s.client.node.id, s.subject, m.arrived)
			}
		}
		for group := range m.groups {
			if m.queues[group] != 1 {
				w.complain("message %d of client %d (node %d) on %s: %d copies for group %q; it was at nodes %v", m.seq, m.publisher.id,
					m.publisher.node.id, m.subject, m.queues[group], group, m.arrived)
			}
		}
	}
}

// Wrong are the rules that were broken.
func (w *World) Wrong() []string { return w.wrong }

func (s *Stats) add(o Stats) {
	s.Subs += o.Subs
	s.Unsubs += o.Unsubs
	s.Published += o.Published
	s.Delivered += o.Delivered
	s.Crossed += o.Crossed
	s.Rerouted += o.Rerouted
	s.Told += o.Told
	s.Broken += o.Broken
	s.Answers += o.Answers
}

// idle reports whether something did not happen that should have.
func (s *Stats) idle(o Options) bool {
	if s.Subs == 0 || s.Unsubs == 0 || s.Told == 0 || (s.Broken > 0) != o.Breaks {
		return true
	}
	return !o.Quiet && (s.Published == 0 || s.Delivered == 0 || s.Crossed == 0 || s.Answers == 0)
}

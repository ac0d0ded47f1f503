package sim

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"dunlin/internal/proto/wire"
)

var (
	seeds = flag.Uint64("seeds", 0, "worlds of each kind, instead of the usual number")
	one   = flag.Uint64("seed", 0, "only this world of each kind")
)

// settle makes a world in which every node has somebody who stays.
func settle(w *World) {
	for i, n := range w.nodes {
		w.ids++
		c := newClient(w, n, w.ids)
		c.stays = true
		w.clients = append(w.clients, c)
		c.subscribe([]string{"s.*", "s.1", ">"}[w.rnd.IntN(3)], "")
		c.subscribe("ask", "")
		if i == 0 {
			c.subscribe("s.*", "g")
		}
		if i == len(w.nodes)-1 {
			c.subscribe("s.2", "h")
		}
		if !w.Breaks {
			for _, s := range c.subs {
				s.known = true
			}
		}
	}
	w.Rest()
}

// run runs a world and says what is wrong with it.
func run(seed uint64, o Options) (*World, []string) {
	w := NewWorld(seed, o)
	settle(w)
	w.Run()
	if len(w.wrong) == 0 {
		w.CheckTables()
	}
	if len(w.wrong) == 0 {
		w.settled = true
		for _, c := range append([]*client(nil), w.clients...) {
			for range 4 {
				c.publish(w.literal(), "")
			}
			c.publish("ask", "")
		}
		w.Rest()
		w.CheckMessages()
	}
	return w, w.wrong
}

// many runs worlds of one kind until one is wrong.
func many(t *testing.T, usual uint64, o Options, run func(seed uint64, o Options) (*World, []string)) {
	t.Helper()
	from, to := uint64(1), usual
	if *seeds > 0 {
		to = *seeds
	}
	if *one > 0 {
		from, to = *one, *one
	}
	var all Stats
	for seed := from; seed <= to; seed++ {
		w, wrong := run(seed, o)
		if len(wrong) > 0 {
			t.Fatalf("seed %d:\n  %s", seed, strings.Join(wrong, "\n  "))
		}
		all.add(w.Stats)
	}
	t.Logf("%+v", all)
	if all.idle(o) && *one == 0 {
		t.Errorf("too little has happened: %+v", all)
	}
}

func (o Options) name() string {
	return fmt.Sprintf("nodes=%d,pool=%d,lanes=%v,breaks=%v", o.Nodes, o.Pool, o.Lanes, o.Breaks)
}

// TestInterest: at rest all nodes know what the others want.
func TestInterest(t *testing.T) {
	for _, o := range []Options{
		{Nodes: 2, Pool: 3, Lanes: true, Steps: 150},
		{Nodes: 3, Pool: 1, Steps: 200, Breaks: true},
		{Nodes: 3, Pool: 4, Lanes: true, Steps: 300, Breaks: true},
	} {
		o.Quiet = true
		t.Run(o.name(), func(t *testing.T) {
			many(t, 1000, o, func(seed uint64, o Options) (*World, []string) {
				w := NewWorld(seed, o)
				w.Run()
				w.CheckTables()
				return w, w.wrong
			})
		})
	}
}

// TestWorlds: the rules of messages hold while everything changes, and when it
// has come to rest, every message arrives.
func TestWorlds(t *testing.T) {
	for _, o := range []Options{
		{Nodes: 2, Pool: 1, Steps: 400},
		{Nodes: 3, Pool: 1, Steps: 600},
		{Nodes: 3, Pool: 3, Lanes: true, Steps: 600},
		{Nodes: 5, Pool: 2, Lanes: true, Steps: 600},
		{Nodes: 3, Pool: 1, Steps: 600, Breaks: true},
		{Nodes: 3, Pool: 3, Lanes: true, Steps: 600, Breaks: true},
		{Nodes: 5, Pool: 2, Lanes: true, Steps: 600, Breaks: true},
	} {
		t.Run(o.name(), func(t *testing.T) { many(t, 30, o, run) })
	}
}

// TestRulesCanBreak: a world that forgets something is found out.
func TestRulesCanBreak(t *testing.T) {
	w := NewWorld(1, Options{Nodes: 3, Pool: 1, Steps: 50})
	settle(w)
	for s := range w.pipes[0].ends {
		w.pipes[0].ends[s].remote.RemoveAll()
	}
	if w.CheckTables(); len(w.wrong) == 0 {
		t.Error("nobody missed the interest of a whole connection")
	}
	w.wrong, w.settled = nil, true
	m := w.clients[0].publish("ask", "")
	w.Rest()
	if w.CheckMessages(); len(w.wrong) == 0 {
		t.Error("nobody missed a message")
	}
	w.wrong = nil
	for s := range m.plain {
		s.client.take(&wire.Msg{Subject: []byte(m.subject), Body: []byte(fmt.Sprint(m.seq))}, s)
	}
	if len(w.wrong) == 0 {
		t.Error("nobody noticed a message that came twice")
	}
}

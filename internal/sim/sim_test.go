package sim

import (
	"flag"
	"fmt"
	"strings"
	"testing"
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

func TestWorlds(t *testing.T) {
	for _, o := range []Options{
		{Nodes: 2, Pool: 1, Steps: 400},
		{Nodes: 3, Pool: 1, Steps: 600},
		{Nodes: 3, Pool: 3, Lanes: true, Steps: 600},
		{Nodes: 5, Pool: 2, Lanes: true, Steps: 900},
		{Nodes: 3, Pool: 1, Steps: 600, Breaks: true},
		{Nodes: 3, Pool: 3, Lanes: true, Steps: 600, Breaks: true},
		{Nodes: 5, Pool: 2, Lanes: true, Steps: 900, Breaks: true},
	} {
		t.Run(fmt.Sprintf("nodes=%d,pool=%d,lanes=%v,breaks=%v", o.Nodes, o.Pool, o.Lanes, o.Breaks), func(t *testing.T) {
			from, to := uint64(1), uint64(60)
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
		})
	}
}

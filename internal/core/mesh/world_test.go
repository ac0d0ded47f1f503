package mesh

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// atRest fails unless all nodes that are up know each other by the same one
// connection per slot, and their clients know all addresses.
func (w *world) atRest() {
	w.t.Helper()
	links := 0
	for _, a := range w.nodes {
		if !a.up {
			continue
		}
		for _, c := range a.m.pending {
			if c.dialed && c.slot.Account == "" { // a pinned account may be refused now and then
				w.fail("%s has handshakes: %+v", a.m.self.ID, *c)
			}
		}
		want := []string{fmt.Sprintf("c%d:4222", a.index)}
		for _, b := range w.nodes {
			if b == a || !b.up {
				continue
			}
			want = append(want, fmt.Sprintf("c%d:4222", b.index))
			links += w.pair(a, b)
			if a.m.cluster != b.m.cluster || a.name != a.m.cluster {
				w.fail("clusters %q, %q and %q", a.m.cluster, a.name, b.m.cluster)
			}
		}
		if len(a.servers) != len(want)-1 || len(a.m.servers) != len(want)-1 {
			w.fail("%s has servers %v, others are %v", a.m.self.ID, a.servers, want)
		}
		got := slices.Clone(a.clients)
		slices.Sort(got)
		slices.Sort(want)
		if a.opts.NoAdvertise {
			want = nil
		}
		if !slices.Equal(got, want) {
			w.fail("clients of %s know %v, want %v", a.m.self.ID, got, want)
		}
		for _, x := range a.m.targets {
			if !x.explicit && x.next.set && a.m.byID[x.peer] != nil {
				w.fail("%s still plans to dial %s", a.m.self.ID, x.addr)
			}
		}
	}
	if links == 0 {
		w.fail("nobody was connected")
	}
}

// pair compares the connections between two nodes, as one sees them.
func (w *world) pair(a, b *node) (links int) {
	w.t.Helper()
	slots := map[Slot]bool{}
	for id, r := range a.regs {
		if r.Peer.ID != b.m.self.ID {
			continue
		}
		far := a.ends[id].far
		other, ok := b.regs[far.id]
		if !ok || b.ends[far.id] != far || other.Peer.ID != a.m.self.ID || other.Slot != r.Slot {
			w.fail("%s has %d for %v of %s, which has it for %v (%v)", a.m.self.ID, id, r.Slot, b.m.self.ID, other.Slot, ok)
		}
		if slots[r.Slot] || other.LaneMask != r.LaneMask || other.Peer.Pool != r.Peer.Pool || r.Solicited == other.Solicited {
			w.fail("%s and %s differ about %v: %+v and %+v", a.m.self.ID, b.m.self.ID, r.Slot, r, other)
		}
		slots[r.Slot] = true
		links++
	}
	s := a.m.byID[b.m.self.ID]
	if s == nil {
		w.fail("%s does not know %s", a.m.self.ID, b.m.self.ID)
	}
	for _, slot := range a.m.wanted(s) {
		both := slot.Account == "" || slices.Contains(b.opts.Accounts, slot.Account)
		if slots[slot] != both {
			w.fail("%s has %v of %s: %v", a.m.self.ID, slot, b.m.self.ID, slots[slot])
		}
	}
	if len(slots) != len(s.conns) {
		w.fail("%s has %d connections of %s, its shell %d", a.m.self.ID, len(s.conns), b.m.self.ID, len(slots))
	}
	return links
}

// topologies by which nodes know of each other at the start.
var topologies = map[string]func(i, n int) []string{
	"seed": func(i, n int) []string { return []string{addrOf(0)} },
	"all": func(i, n int) (all []string) {
		for k := range n {
			all = append(all, addrOf(k))
		}
		return all
	},
	"chain":     func(i, n int) []string { return []string{addrOf(max(0, i-1))} },
	"ring":      func(i, n int) []string { return []string{addrOf((i + 1) % n)} },
	"two seeds": func(i, n int) []string { return []string{addrOf(i % 2), addrOf(0)} },
}

func topologyNames() []string {
	var names []string
	for name := range topologies {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// random makes a cluster in which nearly everything is by chance.
func random(t testing.TB, seed uint64) *world {
	w := newWorld(t, seed)
	n := 2 + w.rnd.IntN(5)
	names := topologyNames()
	topology := topologies[names[w.rnd.IntN(len(names))]]
	w.delay = time.Duration(1+w.rnd.IntN(200)) * time.Millisecond
	kinds, dynamic := w.rnd.IntN(3), w.rnd.IntN(3)
	for i := range n {
		self := Self{Name: fmt.Sprintf("S%d", i), Cluster: "C", ID: string(rune('A' + w.rnd.IntN(20)))}
		if kinds == 0 || kinds == 1 && w.rnd.IntN(2) == 0 {
			self.Version, self.Lanes = "1.0", true
		}
		if dynamic == 2 || dynamic == 1 && i > 0 {
			self.Dynamic, self.Cluster = true, strings.Repeat(string(rune('a'+w.rnd.IntN(20))), 3)+fmt.Sprint(i)
		}
		opts := Options{Routes: topology(i, n), PoolSize: []int{-1, 1, 3, 3, 5}[w.rnd.IntN(5)], Accounts: []string{"$SYS"}}
		if w.rnd.IntN(3) == 0 {
			opts.Accounts = append(opts.Accounts, "A")
		}
		opts.ConnectBackoff = w.rnd.IntN(2) == 0
		opts.ConnectRetries = w.rnd.IntN(3)
		w.add(self, opts)
	}
	for _, node := range w.nodes {
		w.after(w.some(3*time.Second), node.start)
	}
	return w
}

// seeds is how many histories a test plays.
func seeds(t *testing.T) uint64 {
	if testing.Short() {
		return 50
	}
	if n, err := strconv.ParseUint(os.Getenv("MESH_SEEDS"), 10, 64); err == nil {
		return n
	}
	return 300
}

func TestEverybodyMeetsEverybody(t *testing.T) {
	for seed := range seeds(t) {
		w := random(t, seed)
		w.run(100 * time.Second)
		w.atRest()
	}
}

func TestCutsAndRestarts(t *testing.T) {
	for seed := range seeds(t) {
		w := random(t, 1_000_000+seed)
		w.run(5 * time.Second)
		for range 1 + w.rnd.IntN(6) {
			a, b := w.nodes[w.rnd.IntN(len(w.nodes))], w.nodes[w.rnd.IntN(len(w.nodes))]
			switch w.rnd.IntN(5) {
			case 0, 1:
				if a != b {
					w.sever(a, b)
				}
			case 2:
				if a.up {
					a.stop(w.rnd.IntN(2) == 0)
				}
			case 3:
				if !a.up {
					a.start()
				}
			case 4: // one connection breaks
				if ends := a.sortedEnds(); a.up && len(ends) > 0 {
					w.after(w.some(time.Second), ends[w.rnd.IntN(len(ends))].ended)
				}
			}
			w.run(w.some(20 * time.Second))
		}
		w.heal()
		for _, node := range w.nodes {
			if !node.up {
				node.start()
			}
		}
		w.run(15 * time.Minute)
		w.atRest()
	}
}

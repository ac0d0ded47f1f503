package mesh

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// witness holds the effects of one Mesh against what they may be.
type witness struct {
	t       testing.TB
	live    map[ConnID]bool
	slots   map[ConnID]Register
	servers map[string]int
	dialed  []ConnID
}

func newWitness(t testing.TB) *witness {
	return &witness{t: t, live: map[ConnID]bool{}, slots: map[ConnID]Register{}, servers: map[string]int{}}
}

func (w *witness) see(effects []Effect) {
	w.t.Helper()
	for _, effect := range effects {
		switch e := effect.(type) {
		case Dial:
			if w.live[e.Conn] {
				w.t.Fatalf("connection %d is dialed twice", e.Conn)
			}
			w.live[e.Conn] = true
			w.dialed = append(w.dialed, e.Conn)
		case Send:
			w.needs(e.Conn, e)
		case Register:
			w.needs(e.Conn, e)
			for id, r := range w.slots {
				if r.Peer.ID == e.Peer.ID && r.Slot == e.Slot {
					w.t.Fatalf("%d and %d are registered for %v of %s", id, e.Conn, e.Slot, e.Peer.ID)
				}
			}
			if _, was := w.servers[e.Peer.ID]; was == e.First {
				w.t.Fatalf("%+v is not the first of its server, or is", e)
			}
			w.slots[e.Conn] = e
			w.servers[e.Peer.ID]++
		case Close:
			w.needs(e.Conn, e)
			w.over(e.Conn)
		case Forward:
			for _, id := range append(slices.Clone(e.To), e.About) {
				w.needs(id, e)
			}
		case ServerGone:
			if n, was := w.servers[e.Peer.ID]; !was || n != 0 {
				w.t.Fatalf("ServerGone of %s with %d connections", e.Peer.ID, n)
			}
			delete(w.servers, e.Peer.ID)
		}
	}
}

func (w *witness) needs(id ConnID, e Effect) {
	w.t.Helper()
	if !w.live[id] {
		w.t.Fatalf("%T for connection %d, which is over: %+v", e, id, e)
	}
}

func (w *witness) over(id ConnID) {
	if r, ok := w.slots[id]; ok {
		w.servers[r.Peer.ID]--
		delete(w.slots, id)
	}
	delete(w.live, id)
}

// compare holds what is inside against what came out, and against the bounds.
func (w *witness) compare(m *Mesh) {
	w.t.Helper()
	if len(m.conns) != len(w.live) || len(m.servers) != len(w.servers) || len(m.byID) != len(m.servers) || len(m.byAddr) != len(m.targets) {
		w.t.Fatalf("%d connections, %d live; %d servers, %d known, %d by id; %d targets, %d by address",
			len(m.conns), len(w.live), len(m.servers), len(w.servers), len(m.byID), len(m.targets), len(m.byAddr))
	}
	registered := 0
	for _, s := range m.servers {
		registered += len(s.conns)
		if len(s.conns) == 0 || len(s.urls) > ClientURLsMax || len(s.openings)+len(s.conns) > len(m.wanted(s))+len(m.opts.Accounts) {
			w.t.Fatalf("server %+v", *s)
		}
		for _, o := range s.openings {
			if s.conn(o.slot) != nil {
				w.t.Fatalf("slot %v of %s is missing and there", o.slot, s.peer.ID)
			}
		}
	}
	if registered != len(w.slots) || registered+len(m.pending) != len(m.conns) {
		w.t.Fatalf("%d registered, %d seen, %d pending, %d in all", registered, len(w.slots), len(m.pending), len(m.conns))
	}
	if len(m.targets) > LearntMax+len(m.opts.Routes) || len(m.pending) > HandshakesMax || len(m.servers) > ServersMax {
		w.t.Fatalf("%d addresses, %d handshakes, %d servers", len(m.targets), len(m.pending), len(m.servers))
	}
	for _, t := range m.targets {
		if c := m.conns[t.dialing]; t.dialing != 0 && (c == nil || c.target != t) {
			w.t.Fatalf("%s is being dialed by %d, which is not there", t.addr, t.dialing)
		}
	}
}

// script reads choices from bytes.
type choices struct{ data []byte }

func (c *choices) next() int {
	if len(c.data) == 0 {
		return 0
	}
	b := c.data[0]
	c.data = c.data[1:]
	return int(b)
}

func (c *choices) one(of ...string) string { return of[c.next()%len(of)] }

func (c *choices) options() Options {
	o := Options{PoolSize: c.next()%5 - 1, Addresses: []string{"me:1"}, AdvertisedURL: "nats-route://me:1/"}
	for i := range c.next() % 4 {
		o.Routes = append(o.Routes, fmt.Sprintf("s%d:1", i))
	}
	for i := range c.next() % 3 {
		o.Accounts = append(o.Accounts, string(rune('A'+i)))
	}
	flags := c.next()
	o.ConnectBackoff, o.NoAdvertise, o.ConnectRetries = flags&1 > 0, flags&2 > 0, flags>>2&3
	o.ClientURLs = []string{"me:4222"}
	return o
}

func (c *choices) info() Info {
	n := c.next()
	info := Info{
		ID: c.one("N2", "N2", "N3", "N4", "N5", "N1", "", "N6"), Name: c.one("S2", "S3", "S4", "S1", "", strings.Repeat("x", 600)),
		Cluster: c.one("C", "C", "C", "C", "D", "zzz", ""), Dynamic: n&1 > 0, LameDuck: n&0xf0 == 0xf0,
		IP:       c.one("nats-route://s0:1/", "nats-route://s1:1/", "nats-route://s2:1/", "nats-route://me:1/", "", "s2:1", "nats-route://10.0.0.1:6222/", "%"),
		PoolSize: c.next()%7 - 1, PoolIdx: c.next()%6 - 1, GossipMode: c.next() % 4, Version: c.one("2.15.2", "2.15.2", "2.15.2", "1.0.0"),
	}
	if n&2 > 0 {
		info.Dunlin, info.Lanes = "1.0", n&4 > 0
	}
	if n&8 > 0 {
		info.Account = c.one("A", "B", "C", strings.Repeat("y", 600))
		if n&3 == 3 {
			info.AccAddReqID = "R"
		}
	}
	for i := range c.next() % 4 {
		info.ConnectURLs = append(info.ConnectURLs, fmt.Sprintf("c%d:%d", n, i))
	}
	return info
}

// FuzzEvents gives any events in any order: nothing panics, grows without
// bound, or is done to a connection that is over.
func FuzzEvents(f *testing.F) {
	f.Add([]byte{})
	for seed := range 20 {
		data := make([]byte, 400)
		x := uint32(seed*2654435761 + 1)
		for i := range data {
			x = x*1664525 + 1013904223
			data[i] = byte(x >> 24)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { anyEvents(t, data[:min(len(data), 4000)]) })
}

// TestAnyEvents is the same with long histories by chance.
func TestAnyEvents(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 10 * seeds(t) {
		data := make([]byte, 200+rnd.IntN(3000))
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		anyEvents(t, data)
	}
}

func anyEvents(t *testing.T, data []byte) {
	c := &choices{data}
	self := Self{ID: "N1", Name: "S1", Cluster: "C", Dynamic: c.next()%2 == 0, Seed: uint64(c.next())}
	if c.next()%2 == 0 {
		self.Version, self.Lanes = "1.0", true
	}
	m, w := New(self, c.options()), newWitness(t)
	now := time.Unix(1_000_000, 0)
	w.see(m.Tick(now))
	for len(c.data) > 0 {
		now = c.event(m, w, now)
		w.compare(m)
	}
}

func (c *choices) event(m *Mesh, w *witness, now time.Time) time.Time {
	kind := c.next() % 16
	id := ConnID(int(m.lastConn) - c.next()%12)
	switch kind {
	case 0, 1:
		now = now.Add(time.Duration(c.next()*c.next()) * time.Millisecond)
		w.see(m.Tick(now))
		if at, ok := m.Next(); ok && !at.After(now) {
			w.t.Fatalf("after a Tick at %v something is still due at %v", now, at)
		}
	case 2:
		var err error
		if c.next()%2 == 0 {
			err = errors.New("no")
			if x := m.conns[id]; x != nil && x.dialed && !x.registered {
				w.over(id)
			}
		}
		known := w.live[id] || err != nil
		effects := m.Dialed(now, id, err)
		if !known { // what nobody waits for any more is closed at once
			if len(effects) == 0 || effects[0] != Effect(Close{Conn: id}) {
				w.t.Fatalf("a connection that was given up while it was dialed: %v", effects)
			}
			effects = effects[1:]
		}
		w.see(effects)
	case 3, 4:
		id, effects := m.Accepted(now)
		w.live[id] = true
		w.see(effects)
	case 5, 6:
		w.see(m.Connect(now, id, Connect{ID: c.one("N2", "N2", "N3", "N4", "N1", ""), Cluster: c.one("C", "C", "C", "D", "zzz"), Dynamic: c.next()%2 == 0, Lang: c.one("", "", "", "", "", "go"), Gateway: c.one("", "", "", "", "G")}))
	case 7, 8, 9:
		w.see(m.Info(now, id, c.info()))
	case 10:
		w.see(m.Check(now, id, c.info()))
		m.OwnConnect(id)
		m.OwnInfo(id)
	case 11, 12:
		w.see(m.Confirmed(now, id))
	case 13:
		if w.live[id] {
			w.over(id)
		}
		w.see(m.Closed(now, id))
	case 14:
		w.see(m.RemoteError(now, id, c.one(`No route for account "A"`, "Route Removed", "bye")))
	case 15:
		if c.next()%8 == 0 {
			w.see(m.LameDuck(now))
			break
		}
		effects, err := m.Reload(now, c.options())
		if err != nil {
			w.t.Fatal(err)
		}
		w.see(effects)
	}
	return now
}

// TestFloods: what others can make a server remember has an end.
func TestFloods(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	m, w := New(Self{ID: "N1", Name: "S1", Cluster: "C"}, Options{}), newWitness(t)
	join := func(id string, info Info) ConnID {
		conn, effects := m.Accepted(now)
		w.live[conn] = true
		w.see(effects)
		w.see(m.Connect(now, conn, Connect{ID: id, Cluster: "C"}))
		info.ID, info.Name, info.Cluster = id, "of "+id, "C"
		w.see(m.Info(now, conn, info))
		return conn
	}
	var urls []string
	for i := range 10_000 {
		urls = append(urls, fmt.Sprintf("c%d:4222", i))
	}
	first := join("N2", Info{ConnectURLs: urls})
	for i := range 5 * LearntMax {
		w.see(m.Info(now, first, Info{ID: fmt.Sprintf("G%d", i), Cluster: "C", IP: fmt.Sprintf("nats-route://g%d:6222/", i)}))
		if i%2 == 0 && len(w.dialed) > i/2 {
			if id := w.dialed[i/2]; w.live[id] {
				w.over(id)
				w.see(m.Dialed(now, id, errors.New("refused")))
			}
		}
	}
	w.compare(m)
	for range 2 * HandshakesMax {
		conn, effects := m.Accepted(now)
		w.live[conn] = true
		w.see(effects)
	}
	w.compare(m)
	if len(m.targets) != LearntMax || len(m.pending) != HandshakesMax || len(m.told.URLs) != ClientURLsMax {
		t.Errorf("%d addresses, %d handshakes, %d client addresses; each should be at its bound", len(m.targets), len(m.pending), len(m.told.URLs))
	}
	now = now.Add(handshakeMax)
	w.see(m.Tick(now))
	for i := range ServersMax + 100 {
		join(fmt.Sprintf("J%d", i), Info{})
	}
	w.compare(m)
	if len(m.servers) != ServersMax {
		t.Errorf("%d servers", len(m.servers))
	}
}

// TestSameSeedSameHistory: a failure of the tests above can be looked at again.
func TestSameSeedSameHistory(t *testing.T) {
	play := func() string {
		w := random(t, 42)
		w.run(20 * time.Second)
		return strings.Join(w.log, "\n")
	}
	if a, b := play(), play(); a != b || len(a) < 1000 {
		t.Error("the same seed has two histories, or none")
	}
}

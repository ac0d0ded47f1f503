package route

import (
	"fmt"
	"testing"
	"time"

	"dunlin/internal/core/interest"
	"dunlin/internal/core/mesh"
	"dunlin/internal/peer/conn"
)

func newPeer(pool int, lanes bool) (*Peers, *Peer) {
	var all Peers
	p := all.acquire("N")
	p.describe(&mesh.Register{Peer: mesh.Peer{ID: "N", Pool: pool, Lanes: lanes}})
	return &all, p
}

// masks are the lanes of account that each connection of the pool tells interest for,
// and last those of its own connection.
func masks(p *Peer, account string) string {
	out := ""
	for i := range p.size {
		out += fmt.Sprintf("%03x ", p.laneMask(account, mesh.Slot{Index: i}))
	}
	return out + fmt.Sprintf("%03x", p.laneMask(account, mesh.Slot{Account: account}))
}

// carried names the connection that each lane of account goes out by.
func carried(p *Peer, account string, names map[*Conn]string) (out string) {
	for lane := range uint8(interest.Lanes) {
		out += names[p.link(account).carrier(lane)]
	}
	return out
}

// TestPeerConnections: which connection tells and carries what, as connections come
// and go.
func TestPeerConnections(t *testing.T) {
	all, p := newPeer(3, true)
	a, b, c, own := &Conn{}, &Conn{}, &Conn{}, &Conn{}
	names := map[*Conn]string{nil: "-", a: "a", b: "b", c: "c", own: "o"}
	check := func(when, wantMasks, wantCarried string) {
		t.Helper()
		if m, k := masks(p, "A"), carried(p, "A", names); m != wantMasks || k != wantCarried {
			t.Errorf("%s: told for %q, carried by %q; want %q and %q", when, m, k, wantMasks, wantCarried)
		}
	}
	check("alone", "249 492 924 fff", "------------")
	p.join(a, mesh.Slot{Index: 0})
	p.join(c, mesh.Slot{Index: 2})
	check("two of three", "249 492 924 fff", "a-ca-ca-ca-c")
	p.join(b, mesh.Slot{Index: 1})
	check("the pool", "249 492 924 fff", "abcabcabcabc")
	if relieved := p.join(own, mesh.Slot{Account: "A"}); len(relieved) != 3 {
		t.Errorf("%d connections are relieved, want 3", len(relieved))
	}
	check("its own", "000 000 000 fff", "oooooooooooo")
	if got := carried(p, "B", names); got != "abcabcabcabc" {
		t.Errorf("another account is carried by %q", got)
	}
	p.leave(a, mesh.Slot{Account: "A"}) // not the one
	check("another has left", "000 000 000 fff", "oooooooooooo")
	p.leave(own, mesh.Slot{Account: "A"})
	check("its own is gone", "000 000 000 fff", "------------")
	all.Pin("N", "A", false)
	check("it was refused", "249 492 924 fff", "abcabcabcabc")
	all.PinOnly("N", []string{"A"})
	check("a new life", "000 000 000 fff", "------------")
	all.PinOnly("N", nil)
	check("one without pins", "249 492 924 fff", "abcabcabcabc")
	all.PinOnly("nobody", []string{"A"})
	all.Pin("nobody", "A", true)

	// Without lanes the account's name decides.
	_, p = newPeer(3, false)
	at := mesh.AccountIndex("A", 3)
	for i, conn := range []*Conn{a, b, c} {
		p.join(conn, mesh.Slot{Index: i})
		want := uint16(0)
		if i == at {
			want = interest.AllLanes
		}
		if got := p.laneMask("A", mesh.Slot{Index: i}); got != want {
			t.Errorf("connection %d tells %03x of an account of connection %d", i, got, at)
		}
	}
	want := names[[]*Conn{a, b, c}[at]]
	if got := carried(p, "A", names); got[:1] != want || got[11:] != want {
		t.Errorf("carried by %q, want %s", got, want)
	}
}

// TestPeerKept: a peer is one as long as somebody holds it.
func TestPeerKept(t *testing.T) {
	var all Peers
	first := all.acquire("N")
	if all.acquire("N") != first || all.acquire("M") == first {
		t.Error("not one peer for each server")
	}
	all.release(first)
	if again := all.acquire("N"); again != first {
		t.Error("a peer that is held was forgotten")
	}
	all.release(first)
	all.release(first)
	if all.acquire("N") == first {
		t.Error("a peer that nobody holds was kept")
	}
}

// TestAgree: the table of nats-server's documentation of route compression, and what
// two sides that accept make.
func TestAgree(t *testing.T) {
	modes := []string{modeOff, modeAccept, modeFast, modeAuto, modeNotSupported}
	want := map[string]string{
		modeOff:          "off off off off not supported",
		modeAccept:       "off off s2_fast s2_fast not supported",
		modeFast:         "off s2_fast s2_fast s2_fast not supported",
		modeAuto:         "off s2_auto s2_auto s2_auto not supported",
		modeNotSupported: "not supported not supported not supported not supported not supported",
	}
	for _, own := range modes {
		got := ""
		for i, other := range modes {
			if i > 0 {
				got += " "
			}
			got += agree(own, other)
		}
		if got != want[own] {
			t.Errorf("%s with %v: %q, want %q", own, modes, got, want[own])
		}
	}
	if agree(modeFast, "") != modeNotSupported {
		t.Error("a server that names no mode supports none")
	}
}

func TestAutoLevel(t *testing.T) {
	const ms = time.Millisecond
	usual := []time.Duration{10 * ms, 50 * ms, 100 * ms}
	for _, c := range []struct {
		rtt        time.Duration
		thresholds []time.Duration
		want       conn.Level
	}{
		{1 * ms, usual, conn.Uncompressed}, {10 * ms, usual, conn.Uncompressed}, {11 * ms, usual, conn.Fast},
		{100 * ms, usual, conn.Better}, {101 * ms, usual, conn.Best},
		{1 * ms, []time.Duration{0, 50 * ms}, conn.Fast}, {51 * ms, []time.Duration{0, 50 * ms}, conn.Best},
		{1 * ms, nil, conn.Best},
	} {
		if got := autoLevel(c.rtt, c.thresholds); got != c.want {
			t.Errorf("round trip %v with %v: level %v, want %v", c.rtt, c.thresholds, got, c.want)
		}
	}
}

package netx

import (
	"testing"
)

func TestParkerReportsOnceForEachPark(t *testing.T) {
	p, err := NewParker()
	if err != nil {
		t.Skip(err)
	}
	woken := make(chan uint64)
	ended := make(chan error, 1)
	go func() { ended <- p.Run(func(id uint64) { woken <- id }) }()
	a, b := pair(t)
	raw := NewRaw(b)
	const id = 1<<40 | 7
	if err := p.Park(raw, id); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := <-woken; got != id {
		t.Fatalf("woken %d, want %d", got, id)
	}
	// The byte has not been read: parking again reports at once.
	if err := p.Park(raw, id+1); err != nil {
		t.Fatal(err)
	}
	if got := <-woken; got != id+1 {
		t.Fatalf("woken %d, want %d", got, id+1)
	}
	var buf [8]byte
	if _, err := b.Read(buf[:]); err != nil {
		t.Fatal(err)
	}
	// The end of the connection is reported, too.
	if err := p.Park(raw, id); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-woken; got != id {
		t.Fatalf("woken %d, want %d", got, id)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

package interest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

// peer is what the other end of a connection knows.
type peer struct {
	cursor *Cursor
	mask   uint16
	knows  map[string]int32
}

// catchUp reads until nothing comes and checks what a peer may rely on.
func (p *peer) catchUp(t *testing.T) (told int) {
	t.Helper()
	for {
		list := p.cursor.Next(nil)
		if len(list) == 0 {
			return told
		}
		for _, c := range list {
			told++
			key := c.Subject + " " + c.Queue
			old, known := p.knows[key]
			switch {
			case c.Weight < 0 || c.Queue == "" && c.Weight > 1:
				t.Fatalf("%q has weight %d", key, c.Weight)
			case c.Weight == 0 && !known:
				t.Fatalf("%q is taken back, but was never told", key)
			case known && old == c.Weight:
				t.Fatalf("%q is told again with weight %d", key, old)
			case c.Weight == 0:
				delete(p.knows, key)
			default:
				p.knows[key] = c.Weight
			}
		}
	}
}

// model counts plainly.
type model map[string]*[Lanes]int32

func (m model) want(mask uint16) map[string]int32 {
	out := map[string]int32{}
	for key, counts := range m {
		n := int32(0)
		for lane, c := range counts {
			if mask>>lane&1 != 0 {
				n += c
			}
		}
		if n > 0 && key[len(key)-1] == ' ' {
			n = 1
		}
		if n > 0 {
			out[key] = n
		}
	}
	return out
}

func same(t *testing.T, what string, got, want map[string]int32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: the peer knows %d keys, want %d", what, len(got), len(want))
	}
	for key, n := range want {
		if got[key] != n {
			t.Fatalf("%s: the peer knows %q with %d, want %d", what, key, got[key], n)
		}
	}
}

// TestPeersKnowWhatThereIs: whenever connections come, look and go, each knows
// the counts of its lanes when it has read all.
func TestPeersKnowWhatThereIs(t *testing.T) {
	for seed := range uint64(25) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var l Ledger
		m := model{}
		var peers []*peer
		for step := range 3000 {
			switch n := rnd.IntN(100); {
			case n < 2 && len(peers) < 6:
				mask := uint16(rnd.UintN(AllLanes) + 1)
				if rnd.IntN(2) == 0 {
					mask = AllLanes
				}
				peers = append(peers, &peer{cursor: l.Watch(mask), mask: mask, knows: map[string]int32{}})
			case n < 3 && len(peers) > 0:
				i := rnd.IntN(len(peers))
				peers[i].cursor.Close()
				peers = append(peers[:i], peers[i+1:]...)
			case n < 20 && len(peers) > 0:
				p := peers[rnd.IntN(len(peers))]
				p.catchUp(t)
				same(t, fmt.Sprintf("seed %d, step %d", seed, step), p.knows, m.want(p.mask))
			default:
				subj, queue := fmt.Sprint("s", rnd.IntN(30)), []string{"", "", "q", "r"}[rnd.IntN(4)]
				lane := uint8(rnd.IntN(Lanes))
				counts := m[subj+" "+queue]
				if counts == nil {
					counts = new([Lanes]int32)
					m[subj+" "+queue] = counts
				}
				if rnd.IntN(5) < 2 && counts[lane] > 0 {
					counts[lane]--
					l.Remove(subj, queue, lane)
				} else if rnd.IntN(2) == 0 {
					counts[lane]++
					l.Add(subj, queue, lane)
				}
			}
		}
		for _, p := range peers {
			p.catchUp(t)
			same(t, fmt.Sprint("seed ", seed), p.knows, m.want(p.mask))
			p.cursor.Close()
		}
		for i := range l.shards {
			if len(l.shards[i].log) > 0 {
				t.Fatalf("seed %d: nobody watches, and %d records are kept", seed, len(l.shards[i].log))
			}
		}
	}
}

// TestChurnIsForgotten: what all have read is not kept.
func TestChurnIsForgotten(t *testing.T) {
	var l Ledger
	p := &peer{cursor: l.Watch(AllLanes), knows: map[string]int32{}}
	for i := range 50000 {
		subj := fmt.Sprint("inbox.", i)
		l.Add(subj, "", uint8(i))
		l.Remove(subj, "", uint8(i))
		p.catchUp(t)
	}
	kept := 0
	for i := range l.shards {
		kept += cap(l.shards[i].log)
	}
	if kept > shards*4*logTrim {
		t.Errorf("room for %d records is kept", kept)
	}
}

// TestSomebodyWhoNeverLooks is lost instead of making everybody's memory grow.
func TestSomebodyWhoNeverLooks(t *testing.T) {
	var l Ledger
	asleep, awake := l.Watch(AllLanes), &peer{cursor: l.Watch(AllLanes), knows: map[string]int32{}}
	for asleepStarts := asleep.Next(nil); len(asleepStarts) > 0; {
		asleepStarts = asleep.Next(nil)
	}
	for range 3 * logMax {
		l.Add("a", "", 1)
		l.Remove("a", "", 1)
		if awake.catchUp(t); asleep.Lost() {
			break
		}
	}
	if !asleep.Lost() || awake.cursor.Lost() {
		t.Fatalf("lost: the one that sleeps %v, the one that reads %v", asleep.Lost(), awake.cursor.Lost())
	}
	if got := asleep.Next(nil); len(got) > 0 {
		t.Errorf("one that is lost is told %v", got)
	}
}

// TestTogether: many change while connections come, look and go.
func TestTogether(t *testing.T) {
	var l Ledger
	var clients, lookers sync.WaitGroup
	stop := make(chan struct{})
	for i := range 4 {
		clients.Go(func() {
			for n := range 20000 {
				subj := fmt.Sprint("s", n%50)
				l.Add(subj, "", uint8(i))
				l.Add(subj, "q", uint8(i))
				l.Remove(subj, "q", uint8(i))
				if n%3 > 0 {
					l.Remove(subj, "", uint8(i))
				}
			}
		})
	}
	final := &peer{cursor: l.Watch(AllLanes), knows: map[string]int32{}}
	for range 2 {
		lookers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				p := &peer{cursor: l.Watch(1 << 2), knows: map[string]int32{}}
				for range 20 {
					p.catchUp(t)
				}
				p.cursor.Close()
			}
		})
	}
	clients.Wait()
	close(stop)
	lookers.Wait()
	final.catchUp(t)
	want := map[string]int32{}
	for n := range 50 {
		want[fmt.Sprint("s", n)+" "] = 1
	}
	same(t, "at rest", final.knows, want)
}

func BenchmarkLedger(b *testing.B) {
	for _, watchers := range []int{0, 2} {
		b.Run(fmt.Sprint(watchers, " watchers"), func(b *testing.B) {
			var l Ledger
			subjects := make([]string, 1<<16)
			for i := range subjects {
				subjects[i] = fmt.Sprint("some.subject.", i)
			}
			var list []*Cursor
			for range watchers {
				list = append(list, l.Watch(AllLanes))
			}
			var buf []Change
			b.ReportAllocs()
			for i := range b.N {
				l.Add(subjects[i&(1<<16-1)], "", 3)
				if i&63 == 63 {
					for _, c := range list {
						for buf = c.Next(buf[:0]); len(buf) > 0; buf = c.Next(buf[:0]) {
						}
					}
				}
			}
		})
	}
}

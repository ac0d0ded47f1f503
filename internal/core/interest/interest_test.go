package interest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
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
	if kept > shards*logSpare {
		t.Errorf("room for %d records is kept", kept)
	}
}

// A key that is again as the peer knows it is not told, and one that has changed
// twice is told once.
func TestThereAndBackIsNotTold(t *testing.T) {
	var l Ledger
	l.Add("old", "", 0)
	l.Add("work", "crew", 0)
	p := &peer{cursor: l.Watch(AllLanes), mask: AllLanes, knows: map[string]int32{}}
	p.catchUp(t)
	steps := []struct {
		what string
		do   func()
		told int
	}{
		{"comes and goes", func() { l.Add("a", "", 0); l.Remove("a", "", 0) }, 0},
		{"goes and comes", func() { l.Remove("old", "", 0); l.Add("old", "", 1) }, 0},
		{"comes, goes and comes", func() { l.Add("b", "", 0); l.Remove("b", "", 0); l.Add("b", "", 0) }, 1},
		{"member comes and goes", func() { l.Add("work", "crew", 0); l.Remove("work", "crew", 0) }, 0},
		{"two members for one", func() {
			l.Remove("work", "crew", 0)
			l.Add("work", "crew", 2)
			l.Add("work", "crew", 3)
		}, 1},
		{"group comes and goes", func() { l.Add("work", "other", 0); l.Remove("work", "other", 0) }, 0},
	}
	for _, s := range steps {
		if s.do(); p.catchUp(t) != s.told {
			t.Errorf("%s: not told %d times", s.what, s.told)
		}
	}
	same(t, "at last", p.knows, map[string]int32{"old ": 1, "b ": 1, "work crew": 2})
}

// Again tells what there is and nothing else, whatever has changed since the last
// look.
func TestAgain(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var l Ledger
		c, knows, counts := l.Watch(AllLanes), map[string]int32{}, map[string]int{}
		for range 300 {
			switch key := fmt.Sprint("k", rnd.IntN(20)); {
			case rnd.IntN(10) == 0:
				c.Again()
				knows = map[string]int32{}
				fallthrough
			case rnd.IntN(5) == 0:
				for list := c.Next(nil); len(list) > 0; list = c.Next(nil) {
					for _, ch := range list {
						if ch.Again && ch.Weight == 0 {
							t.Fatalf("%q is told again and is not there", ch.Subject)
						}
						if knows[ch.Subject] = ch.Weight; ch.Weight == 0 {
							delete(knows, ch.Subject)
						}
					}
				}
			case counts[key] > 0 && rnd.IntN(2) == 0:
				l.Remove(key, "", uint8(counts[key]))
				counts[key]--
			default:
				counts[key]++
				l.Add(key, "", uint8(counts[key]))
			}
		}
		c.Again()
		for list := c.Next(nil); len(list) > 0; list = c.Next(nil) {
			for _, ch := range list {
				if knows[ch.Subject] = ch.Weight; ch.Weight == 0 {
					delete(knows, ch.Subject)
				}
			}
		}
		for key, n := range counts {
			if n > 0 != (knows[key] > 0) {
				t.Fatalf("seed %d: %q is there %d times, and the peer knows of %d", seed, key, n, knows[key])
			}
		}
	}
}

// TestSomebodyWhoSleeps does not make anybody's memory grow, and knows all when
// it has caught up.
func TestSomebodyWhoSleeps(t *testing.T) {
	for seed := range uint64(8) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		var l Ledger
		m := model{}
		change := func(subj, queue string, lane uint8, add bool) {
			counts := m[subj+" "+queue]
			if counts == nil {
				counts = new([Lanes]int32)
				m[subj+" "+queue] = counts
			}
			if add {
				counts[lane]++
				l.Add(subj, queue, lane)
			} else if counts[lane] > 0 {
				counts[lane]--
				l.Remove(subj, queue, lane)
			}
		}
		// All keys in few shards, so that their logs become long.
		keys := []string{"a", "b", "c"}
		for _, k := range keys {
			for lane := range uint8(rnd.IntN(Lanes)) {
				change(k, "", lane, true)
				change(k, "q", lane, true)
			}
		}
		asleep := []*peer{}
		for _, mask := range []uint16{AllLanes, 0xf, 1 << 3} {
			asleep = append(asleep, &peer{cursor: l.Watch(mask), mask: mask, knows: map[string]int32{}})
		}
		awake := &peer{cursor: l.Watch(AllLanes), mask: AllLanes, knows: map[string]int32{}}
		for range 3 {
			for _, p := range append(asleep, awake) {
				p.catchUp(t)
				same(t, fmt.Sprint("seed ", seed), p.knows, m.want(p.mask))
			}
			for i := range 16 * logMax {
				change(keys[rnd.IntN(3)], []string{"", "q"}[rnd.IntN(2)], uint8(rnd.IntN(Lanes)), rnd.IntN(2) == 0)
				if i%64 == 0 {
					awake.catchUp(t)
				}
			}
			for i := range l.shards {
				if n := len(l.shards[i].log); n > logMax {
					t.Fatalf("a log has %d records", n)
				}
			}
		}
		if sum := len(asleep[0].cursor.backlog); sum == 0 {
			t.Fatal("nobody is behind")
		}
		for _, p := range append(asleep, awake) {
			p.catchUp(t)
			same(t, fmt.Sprint("seed ", seed), p.knows, m.want(p.mask))
			p.cursor.Close()
		}
	}
}

// TestChurnWhileAsleep: names that come and go meanwhile cost nothing.
func TestChurnWhileAsleep(t *testing.T) {
	var l Ledger
	p := &peer{cursor: l.Watch(AllLanes), mask: AllLanes, knows: map[string]int32{}}
	p.catchUp(t)
	for i := range shards * logMax * 3 {
		subj := fmt.Sprint("inbox.", i)
		l.Add(subj, "", 1)
		l.Remove(subj, "", 1)
	}
	if len(p.cursor.backlog) < shards {
		t.Fatalf("behind in %d shards only", len(p.cursor.backlog))
	}
	for _, b := range p.cursor.backlog {
		if len(b.net) > 1 { // one may be between Add and Remove
			t.Fatalf("%d names are kept", len(b.net))
		}
	}
	if told := p.catchUp(t); told > 2*shards*logMax {
		t.Errorf("%d changes are told", told)
	}
	same(t, "at the end", p.knows, map[string]int32{})
}

// TestClosed: nothing is told after Close, and a Remove too many changes nothing.
func TestClosed(t *testing.T) {
	var l Ledger
	c, other := l.Watch(AllLanes), l.Watch(1<<4)
	l.Add("a", "", 3)
	c.Close()
	l.Add("b", "", 3)
	l.Remove("b", "", 4)
	l.Remove("c", "q", 4)
	if got := c.Next(nil); len(got) > 0 {
		t.Errorf("told %v after Close", got)
	}
	if got := other.Next(nil); len(got) > 0 {
		t.Errorf("told %v of other lanes", got)
	}
	c.Close()
	other.Close()
}

// TestMemoryComesBack: a ledger that had many keys and has few is small.
func TestMemoryComesBack(t *testing.T) {
	var l Ledger
	const n = 200000
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint("some.subject.", i)
	}
	before := heap()
	for _, s := range names {
		l.Add(s, "", 1)
	}
	if each := float64(heap()-before) / n; each > 90 {
		t.Errorf("%.0f bytes a subscription", each)
	} else {
		t.Logf("%.0f bytes a subscription", each)
	}
	for _, s := range names[100:] {
		l.Remove(s, "", 1)
	}
	if left := heap() - before; left > 1<<20 {
		t.Errorf("%d bytes are left", left)
	}
	runtime.KeepAlive(names)
	runtime.KeepAlive(&l)
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
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
	const many = 1 << 18
	subjects := make([]string, many)
	for i := range subjects {
		subjects[i] = fmt.Sprint("some.subject.", i)
	}
	for _, c := range []struct {
		name            string
		watchers, drain int
		queue           string
	}{{"alone", 0, 64, ""}, {"watched", 2, 64, ""}, {"watched, told at once", 2, 1, ""}, {"queue, watched", 2, 64, "q"}} {
		b.Run(c.name, func(b *testing.B) {
			var l Ledger
			var list []*Cursor
			for range c.watchers {
				list = append(list, l.Watch(AllLanes))
			}
			var buf []Change
			b.ReportAllocs()
			for i := range b.N {
				if i&(2*many-1) < many {
					l.Add(subjects[i&(many-1)], c.queue, 3)
				} else {
					l.Remove(subjects[i&(many-1)], c.queue, 3)
				}
				if i%c.drain > 0 {
					continue
				}
				for _, cur := range list {
					for buf = cur.Next(buf[:0]); len(buf) > 0; buf = cur.Next(buf[:0]) {
					}
				}
			}
		})
	}
}

func BenchmarkNext(b *testing.B) {
	for _, n := range []int{1, 100000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var l Ledger
			subjects := make([]string, n)
			for i := range subjects {
				subjects[i] = fmt.Sprint("some.subject.", i)
				l.Add(subjects[i], "", 3)
			}
			var buf []Change
			read := 0
			for read < b.N {
				c := l.Watch(AllLanes)
				for buf = c.Next(buf[:0]); len(buf) > 0; buf = c.Next(buf[:0]) {
					read += len(buf)
				}
				c.Close()
			}
		})
	}
	b.Run("nothing", func(b *testing.B) {
		var l Ledger
		c := l.Watch(AllLanes)
		c.Next(nil)
		for range b.N {
			c.Next(nil)
		}
	})
}

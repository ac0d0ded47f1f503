package interest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unsafe"
)

// TestTable compares the table with a map, through growing, shrinking and
// places that are taken.
func TestTable(t *testing.T) {
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		var tab table
		want := map[string]int32{}
		names := 1 << (2 + seed*2)
		for step := range 20000 {
			// Alternately more and fewer keys.
			delta := int8(1)
			if grows := step/5000%2 == 0; rnd.IntN(10) < 3 == grows {
				delta = -1
			}
			key := fmt.Sprint("k", rnd.IntN(names))
			tag := uint32(strings.Count(key, "1")) << 28 // few hashes
			if seed%2 == 0 {
				_, tag = hashOf([]byte(key))
			}
			now, ok := tab.count(tag, []byte(key), []string{"", key}[rnd.IntN(2)], uint8(rnd.IntN(2)), delta)
			if ok {
				if want[key] += int32(delta); want[key] == 0 {
					delete(want, key)
				}
			}
			if ok && (now.n != want[key] || now.key != key) {
				t.Fatalf("seed %d, step %d: %q is %d in the table, %d in the map", seed, step, now.key, now.n, want[key])
			}
			if tab.used != len(want) {
				t.Fatalf("seed %d, step %d: %d keys, the map has %d", seed, step, tab.used, len(want))
			}
			if step%2000 == 1999 {
				check(t, &tab, want, seed%2 == 0)
			}
		}
	}
}

func check(t *testing.T, tab *table, want map[string]int32, hashed bool) {
	t.Helper()
	for key, n := range want {
		tag := uint32(strings.Count(key, "1")) << 28
		if hashed {
			_, tag = hashOf([]byte(key))
		}
		if s := tab.find(tag, []byte(key)); s == nil || s.n != n || s.in(AllLanes) != n {
			t.Fatalf("%q is not found with %d", key, n)
		}
	}
	used := 0
	for i := range tab.slots {
		s := &tab.slots[i]
		if s.n != 0 {
			used++
		} else if s.key != "" || s.more != nil {
			t.Fatalf("a free slot holds %q", s.key)
		}
	}
	if used != len(want) || len(tab.slots) > max(shrinkFrom, 9*used) {
		t.Fatalf("%d of %d slots are used, want %d", used, len(tab.slots), len(want))
	}
}

// TestKeyOfOneWhoLeaves: the table does not hold the memory of a subscription
// that has gone while others want the same.
func TestKeyOfOneWhoLeaves(t *testing.T) {
	var l Ledger
	first := strings.Clone("a.subject")
	l.Add(first, "", 1)
	l.Add(strings.Clone("a.subject"), "", 2)
	l.Remove(first, "", 1)
	at, tag := hashOf(bytesOf(first))
	s := l.shards[at].counts.find(tag, bytesOf(first))
	if s == nil || s.n != 1 || unsafe.StringData(s.key) == unsafe.StringData(first) {
		t.Errorf("%+v", s)
	}
}

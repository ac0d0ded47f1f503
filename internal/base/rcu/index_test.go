package rcu

import (
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

type item struct {
	key  string
	hash uint32
}

func (i *item) IndexHash() uint32 { return i.hash }
func (i *item) IndexKey() string  { return i.key }

// newItem makes hashes collide on purpose: only 64 different ones.
func newItem(key string) *item {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return &item{key: key, hash: h.Sum32() % 64 * 0x01000193}
}

func TestIndexAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x Index[item, *item]
		model := map[string]*item{}
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			key := fmt.Sprint(rapid.IntRange(0, 60).Draw(t, "key"))
			probe := newItem(key)
			old := model[key]
			if got := x.Find(probe.hash, []byte(key)); got != old {
				t.Fatalf("Find(%q) = %v, want %v", key, got, old)
			}
			switch {
			case old == nil:
				x.Insert(probe)
				model[key] = probe
			case rapid.Bool().Draw(t, "replace"):
				x.Replace(old, probe)
				model[key] = probe
			default:
				x.Remove(old)
				delete(model, key)
			}
			if x.Len() != len(model) {
				t.Fatalf("Len %d, want %d", x.Len(), len(model))
			}
		}
		seen := 0
		x.All(func(e *item) bool {
			if model[e.key] != e {
				t.Fatalf("All gave %q that is not there", e.key)
			}
			seen++
			return true
		})
		if seen != len(model) {
			t.Fatalf("All gave %d of %d", seen, len(model))
		}
	})
}

// TestReadersNeverMiss keeps 100 entries in place while others come and go.
func TestReadersNeverMiss(t *testing.T) {
	var x Index[item, *item]
	stay := make([]*item, 100)
	for i := range stay {
		stay[i] = newItem(fmt.Sprint("stay", i))
		x.Insert(stay[i])
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for !stop.Load() {
				for _, e := range stay {
					if x.Find(e.hash, []byte(e.key)) != e {
						t.Errorf("missed %q", e.key)
						return
					}
				}
			}
		}()
	}
	for round := range 300 {
		var batch []*item
		for i := range 50 + round {
			e := newItem(fmt.Sprint("move", i))
			x.Insert(e)
			batch = append(batch, e)
		}
		for _, e := range batch {
			x.Remove(e)
		}
	}
	stop.Store(true)
	wg.Wait()
}

package sublist_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dunlin/internal/core/sublist"
)

// visitor comes and goes. Its state counts up: 4n is out, 4n+1 on its way in,
// 4n+2 in, 4n+3 on its way out.
type visitor struct {
	subj, queue string
	state       atomic.Uint64
	sub         *sublist.Sub // the writer's
}

// reader looks at one subject again and again.
type reader struct {
	subj           string
	staying        map[*sublist.Sub]bool
	visitors       map[string]*visitor // by sid
	table          *sublist.Table
	cache          *sublist.Cache // nil: match without one
	result         sublist.Result
	seen, notThere atomic.Int64 // how often each half of the invariant was put to the test
}

// look matches once and says what is wrong with it.
func (r *reader) look(before map[string]uint64, count map[string]int) string {
	clear(count)
	for sid, v := range r.visitors {
		before[sid] = v.state.Load()
	}
	res := &r.result
	if r.cache != nil {
		res = &r.cache.Lookup(r.table, []byte(r.subj)).Result
	} else {
		r.table.Match([]byte(r.subj), res)
	}
	stayed := 0
	see := func(s *sublist.Sub) {
		if r.staying[s] {
			stayed++
		}
		count[s.Sid()]++
	}
	for _, s := range res.Plain {
		see(s)
	}
	for _, g := range res.Groups {
		for _, s := range g.Subs {
			see(s)
		}
	}
	if stayed != len(r.staying) {
		return fmt.Sprintf("%q: %d subscriptions that stay, want %d", r.subj, stayed, len(r.staying))
	}
	for sid, v := range r.visitors {
		n, b, a := count[sid], before[sid], v.state.Load()
		if n > 1 && a == b {
			return fmt.Sprintf("%q: subscription %s is there %d times", r.subj, sid, n)
		}
		if a != b {
			continue
		}
		switch b % 4 {
		case 0:
			r.notThere.Add(1)
			if n != 0 {
				return fmt.Sprintf("%q: subscription %s (%s) is seen after Remove had returned", r.subj, sid, v.subj)
			}
		case 2:
			r.seen.Add(1)
			if n != 1 {
				return fmt.Sprintf("%q: subscription %s (%s) is not seen after Insert had returned", r.subj, sid, v.subj)
			}
		}
	}
	return ""
}

// TestReadersAndAWriter: a match begun after Insert has returned sees the
// subscription, one begun after Remove has returned does not, and those that
// stay are never missed; with a cache and without.
func TestReadersAndAWriter(t *testing.T) {
	var table sublist.Table
	patterns := map[string][]string{
		"a.b.c": {"a.b.c", "a.*.c", "a.b.*", "a.>", ">", "*.b.c", "*.*.*", "a.b.>"},
		"x":     {"x", "*", ">"},
		"a.q":   {"a.q", "a.*", "*.>", "*.q"},
	}
	var visitors []*visitor
	var readers []*reader
	sid := 0
	for subj, list := range patterns {
		r := &reader{subj: subj, table: &table, staying: map[*sublist.Sub]bool{}, visitors: map[string]*visitor{}}
		cached := &reader{subj: subj, table: &table, staying: r.staying, visitors: r.visitors, cache: &sublist.Cache{}}
		readers = append(readers, r, cached)
		for i, p := range list {
			for _, queue := range []string{"", "q1", "q2"} {
				sid++
				if i%2 == 0 {
					s := newSub(p, queue, fmt.Sprint(sid))
					table.Insert(s)
					r.staying[s] = true
				}
				sid++
				v := &visitor{subj: p, queue: queue}
				r.visitors[fmt.Sprint(sid)] = v
				v.sub = newSub(p, queue, fmt.Sprint(sid))
				visitors = append(visitors, v)
			}
		}
	}
	// Each subject's own subscriptions are looked at; those of other subjects
	// that reach it as well only stand in the way.
	var stop atomic.Bool
	var all sync.WaitGroup
	for _, r := range readers {
		all.Go(func() {
			before, count := map[string]uint64{}, map[string]int{}
			for !stop.Load() {
				if wrong := r.look(before, count); wrong != "" {
					stop.Store(true)
					t.Errorf("cache %v: %s", r.cache != nil, wrong)
				}
			}
		})
	}
	churn(&table, visitors, readers, &stop)
	stop.Store(true)
	all.Wait()
	for _, r := range readers {
		if !t.Failed() && (r.seen.Load() == 0 || r.notThere.Load() == 0) {
			t.Errorf("%q: looked at %d times after Insert and %d times after Remove: tested nothing", r.subj, r.seen.Load(), r.notThere.Load())
		}
	}
}

// churn inserts and removes visitors, with crowds of others in between that
// make the indexes grow and shrink, until every reader has seen enough.
func churn(table *sublist.Table, visitors []*visitor, readers []*reader, stop *atomic.Bool) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var crowd []*sublist.Sub
	const enough = 3000
	for until := time.Now().Add(2 * time.Second); !stop.Load() && time.Now().Before(until); {
		for range 50 {
			v := visitors[rnd.IntN(len(visitors))]
			v.state.Add(1)
			if v.state.Load()%4 == 1 {
				// A new one with the same sid, as a client would: a Sub that has left does not come back.
				v.sub = newSub(v.subj, v.queue, v.sub.Sid())
				table.Insert(v.sub)
			} else {
				table.Remove(v.sub)
			}
			v.state.Add(1)
		}
		if len(crowd) > 2000 {
			for _, s := range crowd {
				table.Remove(s)
			}
			crowd = crowd[:0]
		}
		for range 50 {
			subj := []string{"a.%d", "a.b.%d", "%d", "a.*.%d", "%d.>", "%d.b.c"}[rnd.IntN(6)]
			s := newSub(fmt.Sprintf(subj, rnd.IntN(1000)+10), "", "crowd")
			crowd = append(crowd, s)
			table.Insert(s)
		}
		done := true
		for _, r := range readers {
			done = done && r.seen.Load() > enough && r.notThere.Load() > enough
		}
		if done {
			return
		}
	}
}

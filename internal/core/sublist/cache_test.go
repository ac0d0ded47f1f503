package sublist_test

import (
	"fmt"
	"testing"

	"dunlin/internal/core/sublist"
)

// TestCacheIsNeverStale: whatever kind of subscription comes or goes, the next
// look-up of a remembered subject knows.
func TestCacheIsNeverStale(t *testing.T) {
	const subj = "first.second.third"
	for _, p := range []struct {
		pattern string
		reached bool
	}{
		{"first.second.third", true},
		{"first.second.other", false}, {"other", false},
		{"first.*.third", true}, {"first.>", true}, {"first.second.>", true}, {"first.*", false},
		{"other.*", false}, {"other.>", false},
		{"*.second.third", true}, {"*.*.*", true}, {"*", false}, {"*.>", true},
		{">", true},
	} {
		for _, queue := range []string{"", "workers"} {
			t.Run(p.pattern+" "+queue, func(t *testing.T) {
				var table sublist.Table
				var cache sublist.Cache
				table.Insert(newSub(subj, "", "stays"))
				size := func() int {
					h := cache.Lookup(&table, []byte(subj))
					n := len(h.Plain)
					for _, g := range h.Groups {
						n += len(g.Subs)
					}
					return n
				}
				for range 3 {
					size() // seen more than once, so that it is remembered
				}
				with := 1
				if p.reached {
					with = 2
				}
				for round := range 5 {
					s := newSub(p.pattern, queue, "comes and goes")
					table.Insert(s)
					for range 2 {
						if n := size(); n != with {
							t.Fatalf("round %d: %d subscriptions after Insert, want %d", round, n, with)
						}
					}
					table.Remove(s)
					for range 2 {
						if n := size(); n != 1 {
							t.Fatalf("round %d: %d subscriptions after Remove, want 1", round, n)
						}
					}
				}
			})
		}
	}
}

// learn makes the cache remember subj.
func learn(t *testing.T, c *sublist.Cache, table *sublist.Table, subj string) {
	t.Helper()
	for range 8 {
		if h := c.Lookup(table, []byte(subj)); h.Lasting {
			return
		}
	}
	t.Fatalf("%q was looked up eight times in a row and is not remembered", subj)
}

// inboxes returns n subjects that have not been there before.
func inboxes(from, n int) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = fmt.Appendf(nil, "_INBOX.%08d.%d", from+i, i)
	}
	return list
}

// TestSubjectsSeenOnce: they push nothing out and cost no memory.
func TestSubjectsSeenOnce(t *testing.T) {
	var table sublist.Table
	var cache sublist.Cache
	for i := range 4 {
		table.Insert(newSub("_INBOX.>", "", fmt.Sprint(i)))
		table.Insert(newSub("known.*", "", fmt.Sprint("k", i)))
	}
	for _, subj := range inboxes(0, 20000) { // the cache grows as far as these may make it grow
		cache.Lookup(&table, subj)
	}
	known := []string{"known.a", "known.b", "known.c"}
	for _, subj := range known {
		learn(t, &cache, &table, subj)
		cache.Lookup(&table, []byte(subj)).Verdict = 7
	}
	once := inboxes(100000, 20000)
	i := 0
	allocs := testing.AllocsPerRun(len(once)-1, func() {
		if h := cache.Lookup(&table, once[i]); len(h.Plain) != 4 || h.Verdict != 0 {
			t.Fatalf("%q: %d subscriptions, verdict %d, want 4 and 0", once[i], len(h.Plain), h.Verdict)
		}
		i++
	})
	if allocs != 0 {
		t.Errorf("%v allocations for a subject that is seen once", allocs)
	}
	for _, subj := range known {
		if h := cache.Lookup(&table, []byte(subj)); h.Verdict != 7 || len(h.Plain) != 4 {
			t.Errorf("%q was pushed out by subjects seen once", subj)
		}
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	var table sublist.Table
	var cache sublist.Cache
	for i := range 100 {
		table.Insert(newSub("a.b", "", fmt.Sprint(i)))
		table.Insert(newSub("a.*", fmt.Sprint("q", i%5), fmt.Sprint("q", i)))
	}
	learn(t, &cache, &table, "a.b")
	subj := []byte("a.b")
	if n := testing.AllocsPerRun(1000, func() { cache.Lookup(&table, subj) }); n != 0 {
		t.Errorf("%v allocations for a remembered subject", n)
	}
	var r sublist.Result
	table.Match(subj, &r)
	if n := testing.AllocsPerRun(1000, func() { table.Match(subj, &r) }); n != 0 {
		t.Errorf("%v allocations for a match without cache", n)
	}
}

// TestManySubjectsAreRemembered: a publisher of some hundred subjects in turn
// finds nearly all of them remembered.
func TestManySubjectsAreRemembered(t *testing.T) {
	var table sublist.Table
	var cache sublist.Cache
	subjects := inboxes(0, 300)
	hits := 0
	for round := range 20 {
		for _, subj := range subjects {
			if h := cache.Lookup(&table, subj); round >= 10 && h.Lasting {
				hits++
			}
		}
	}
	if share := float64(hits) / float64(10*len(subjects)); share < 0.7 {
		t.Errorf("%.0f %% of the look-ups of 300 subjects in turn were remembered, want at least 70 %%", share*100)
	}
}

func TestVerdicts(t *testing.T) {
	var table, other sublist.Table
	var cache sublist.Cache
	subj := []byte("a.b")
	learn(t, &cache, &table, "a.b")
	if v := cache.Lookup(&table, subj).Verdict; v != 0 {
		t.Fatalf("a new verdict is %d", v)
	}
	cache.Lookup(&table, subj).Verdict = 3
	table.Insert(newSub("a.b", "", "1"))
	if h := cache.Lookup(&table, subj); h.Verdict != 3 || len(h.Plain) != 1 {
		t.Errorf("after a change of interest: verdict %d, %d subscriptions, want 3 and 1", h.Verdict, len(h.Plain))
	}
	cache.Forget()
	if h := cache.Lookup(&table, subj); h.Verdict != 0 || len(h.Plain) != 1 {
		t.Errorf("after Forget: verdict %d, %d subscriptions, want 0 and 1", h.Verdict, len(h.Plain))
	}
	learn(t, &cache, &table, "a.b")
	cache.Lookup(&table, subj).Verdict = 3
	cache.Reset(&other)
	if h := cache.Lookup(&other, subj); h.Verdict != 0 || len(h.Plain) != 0 {
		t.Errorf("after Reset to another table: verdict %d, %d subscriptions, want 0 and 0", h.Verdict, len(h.Plain))
	}
	learn(t, &cache, &other, "a.b")
	if h := cache.Lookup(&table, subj); len(h.Plain) != 1 {
		t.Errorf("asked about the first table again: %d subscriptions, want 1", len(h.Plain))
	}
	cache.Lookup(&table, []byte("seen.once")).Verdict = 9
	if v := cache.Lookup(&table, []byte("seen.first")).Verdict; v != 0 {
		t.Errorf("the verdict of one subject seen once is that of the next: %d", v)
	}
}

// TestDistinct: it says that no sink is there twice among the plain
// subscriptions, and follows every change.
func TestDistinct(t *testing.T) {
	for _, others := range []int{0, 1, 31, 32, 33, 200} {
		var table sublist.Table
		var cache sublist.Cache
		insert := func(to sublist.Sink, queue, sid string) *sublist.Sub {
			s := sublist.NewSub(to, []byte("a"), []byte(queue), []byte(sid))
			table.Insert(s)
			return s
		}
		distinct := func() bool { return cache.Lookup(&table, []byte("a")).Distinct }
		for i := range others {
			insert(&sink{fmt.Sprint(i)}, "", "1")
		}
		learn(t, &cache, &table, "a")
		same := &sink{"same"}
		insert(same, "", "1")
		if !distinct() {
			t.Errorf("%d sinks: not distinct although each is there once", others+1)
		}
		again := insert(same, "", "2")
		if distinct() {
			t.Errorf("%d sinks: distinct although one is there twice", others+1)
		}
		table.Remove(again)
		if !distinct() {
			t.Errorf("%d sinks: not distinct after the second subscription has gone", others+1)
		}
		insert(same, "workers", "3")
		if !distinct() {
			t.Errorf("%d sinks: not distinct although only a queue group has one of them again", others+1)
		}
	}
}

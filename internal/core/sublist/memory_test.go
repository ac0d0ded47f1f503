//go:build !race

package sublist_test

import (
	"fmt"
	"runtime"
	"testing"

	"dunlin/internal/core/sublist"
)

func heap() int64 {
	for range 2 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestBytesPerSubscription: 100,000 literal subscriptions of one subscriber
// with the table's and the subscriber's index, subjects of 16 bytes.
func TestBytesPerSubscription(t *testing.T) {
	const subs, bound = 100_000, 176
	before := heap()
	var table sublist.Table
	var own sublist.Own
	for i := range subs {
		s := newSub(fmt.Sprintf("sensors.%08d", i), "", fmt.Sprint(i))
		table.Insert(s)
		own.Add(s)
	}
	if each := (heap() - before) / subs; each > bound || each < 80 {
		t.Errorf("%d bytes a subscription, want at most %d (and no less than a Sub is large)", each, bound)
	}
	own.All(func(s *sublist.Sub) bool {
		table.Remove(s)
		own.Remove(s)
		return true
	})
	if left := heap() - before; left > 64<<10 {
		t.Errorf("%d bytes are held by empty tables", left)
	}
	runtime.KeepAlive(&table)
	runtime.KeepAlive(&own)
}

// TestWildcardsLeaveNothing: the nodes of wildcard subscriptions go with them.
func TestWildcardsLeaveNothing(t *testing.T) {
	before := heap()
	var table sublist.Table
	var subs []*sublist.Sub
	for i := range 20_000 {
		s := newSub(fmt.Sprintf("a.%d.*.b.%d.>", i, i), "", "1")
		table.Insert(s)
		subs = append(subs, s)
	}
	for _, s := range subs {
		table.Remove(s)
	}
	clear(subs)
	subs = nil
	if left := heap() - before; left > 64<<10 {
		t.Errorf("%d bytes are held by an empty table", left)
	}
	runtime.KeepAlive(&table)
}

// TestCacheIsBounded: subjects that are all seen again and again, more than
// fit, may not make it grow without end.
func TestCacheIsBounded(t *testing.T) {
	var table sublist.Table
	table.Insert(newSub(">", "", "1"))
	measure := func(c *sublist.Cache, subjects, times int) int64 {
		list := inboxes(0, subjects)
		before := heap()
		for _, subj := range list {
			for range times {
				c.Lookup(&table, subj)
			}
		}
		return heap() - before
	}
	var once, often, empty sublist.Cache
	if n := measure(&once, 50000, 1); n > 16<<10 {
		t.Errorf("50,000 subjects seen once hold %d bytes, want at most 16 KiB", n)
	}
	if n := measure(&often, 50000, 3); n > 1<<20 {
		t.Errorf("50,000 subjects seen three times hold %d bytes, want at most 1 MiB", n)
	}
	if n := measure(&empty, 5, 2); n > 4<<10 {
		t.Errorf("5 subjects hold %d bytes, want at most 4 KiB", n)
	}
}

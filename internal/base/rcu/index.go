package rcu

import (
	"sync/atomic"
	"unsafe"
)

// Entry is what an index can hold: a pointer that knows its own key and the
// hash of that key.
type Entry[T any] interface {
	*T
	IndexHash() uint32
	IndexKey() string
}

// tombstone marks a slot whose entry was removed; nobody looks behind the pointer.
var tombstoneMark byte
var tombstone = unsafe.Pointer(&tombstoneMark)

// table is open addressing with linear probing. Tags stand by themselves: a search
// goes over them, sixteen to a cache line, and looks at an entry only when its tag is
// the one; growing a table looks at no entry at all.
//
// A slot that has ever had an entry keeps a tag, so a search goes on behind it. The
// writer stores an entry before its tag: who sees the tag sees the entry, or one
// that came after it and has another key.
type table struct {
	mask  uint32
	tags  []uint32 // 0 = never used
	slots []unsafe.Pointer
}

// tagOf is the tag of what has the hash.
func tagOf(hash uint32) uint32 { return max(hash, 1) }

// Index maps keys to entries. The zero value is empty. It costs 24 bytes plus
// 12 bytes a slot, with one to two thirds of the slots in use.
type Index[T any, P Entry[T]] struct {
	tab  atomic.Pointer[table]
	live int32 // entries
	used int32 // slots that are not nil: entries and tombstones
}

const minSlots = 4

// Len is the number of entries; for the writer.
func (x *Index[T, P]) Len() int { return int(x.live) }

// Find returns the entry for key, or nil.
func (x *Index[T, P]) Find(hash uint32, key []byte) P {
	tab := x.tab.Load()
	if tab == nil {
		return nil
	}
	tag := tagOf(hash)
	for i := tag & tab.mask; ; i = (i + 1) & tab.mask {
		switch atomic.LoadUint32(&tab.tags[i]) {
		case 0:
			return nil
		case tag:
			p := atomic.LoadPointer(&tab.slots[i])
			if p == tombstone {
				continue
			}
			if e := P(p); e.IndexKey() == string(key) {
				return e
			}
		}
	}
}

// Fetch brings what an Insert or Find of this hash looks at first into the
// processor's cache. It pays for several at a time, whose misses overlap
// (on amd64; arm64 keeps such loads in order).
func (x *Index[T, P]) Fetch(hash uint32) {
	tab := x.tab.Load()
	if tab == nil {
		return
	}
	i := tagOf(hash) & tab.mask
	// Go has no instruction for it, and a load that nobody uses is left out, unless
	// it is atomic.
	atomic.LoadUint32(&tab.tags[i])
	atomic.LoadPointer(&tab.slots[i])
}

// Insert adds e, whose key must not be present.
func (x *Index[T, P]) Insert(e P) {
	tab := x.tab.Load()
	if tab == nil || (int(x.used)+1)*3 > len(tab.slots)*2 {
		tab = x.rebuild(int(x.live) + 1)
	}
	tag := tagOf(e.IndexHash())
	i := tag & tab.mask
	for ; ; i = (i + 1) & tab.mask {
		if tab.tags[i] == 0 {
			x.used++
			break
		}
		if tab.slots[i] == tombstone {
			break
		}
	}
	atomic.StorePointer(&tab.slots[i], unsafe.Pointer(e))
	atomic.StoreUint32(&tab.tags[i], tag)
	x.live++
}

// Replace puts e in the place of old, which has the same key.
func (x *Index[T, P]) Replace(old, e P) {
	if s := x.slotOf(old); s != nil {
		atomic.StorePointer(s, unsafe.Pointer(e))
	}
}

// Remove takes e out; it does nothing if e is not there.
func (x *Index[T, P]) Remove(e P) {
	s := x.slotOf(e)
	if s == nil {
		return
	}
	atomic.StorePointer(s, tombstone)
	x.live--
	if x.live == 0 {
		x.tab.Store(nil)
		x.used = 0
	} else if n := len(x.tab.Load().slots); n > minSlots && int(x.live)*8 < n {
		x.rebuild(int(x.live))
	}
}

func (x *Index[T, P]) slotOf(e P) *unsafe.Pointer {
	tab := x.tab.Load()
	if tab == nil {
		return nil
	}
	tag := tagOf(e.IndexHash())
	for i := tag & tab.mask; tab.tags[i] != 0; i = (i + 1) & tab.mask {
		if tab.tags[i] == tag && tab.slots[i] == unsafe.Pointer(e) {
			return &tab.slots[i]
		}
	}
	return nil
}

// rebuild makes a table for want entries at most half full, without tombstones, and publishes it.
func (x *Index[T, P]) rebuild(want int) *table {
	n := minSlots
	for n < want*2 {
		n *= 2
	}
	next := &table{mask: uint32(n - 1), tags: make([]uint32, n), slots: make([]unsafe.Pointer, n)}
	if old := x.tab.Load(); old != nil {
		for at, tag := range old.tags {
			p := old.slots[at]
			if tag == 0 || p == tombstone {
				continue
			}
			i := tag & next.mask
			for next.tags[i] != 0 {
				i = (i + 1) & next.mask
			}
			next.tags[i], next.slots[i] = tag, p
		}
	}
	x.used = x.live
	x.tab.Store(next)
	return next
}

// Reset removes every entry.
func (x *Index[T, P]) Reset() {
	x.tab.Store(nil)
	x.live, x.used = 0, 0
}

// All calls fn for every entry until fn returns false. Entries that come or go
// meanwhile may or may not be seen.
func (x *Index[T, P]) All(fn func(P) bool) {
	tab := x.tab.Load()
	if tab == nil {
		return
	}
	for i := range tab.slots {
		p := atomic.LoadPointer(&tab.slots[i])
		if p != nil && p != tombstone && !fn(P(p)) {
			return
		}
	}
}

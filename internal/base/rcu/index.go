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

type table struct {
	mask  uint32
	slots []unsafe.Pointer
}

// Index maps keys to entries. The zero value is empty. It costs 24 bytes plus
// 8 bytes a slot, with one to two thirds of the slots in use.
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
	for i := hash & tab.mask; ; i = (i + 1) & tab.mask {
		p := atomic.LoadPointer(&tab.slots[i])
		if p == nil {
			return nil
		}
		if p == tombstone {
			continue
		}
		if e := P(p); e.IndexHash() == hash && e.IndexKey() == string(key) {
			return e
		}
	}
}

// Insert adds e, whose key must not be present.
func (x *Index[T, P]) Insert(e P) {
	tab := x.tab.Load()
	if tab == nil || (int(x.used)+1)*3 > len(tab.slots)*2 {
		tab = x.rebuild(int(x.live) + 1)
	}
	i := e.IndexHash() & tab.mask
	for {
		p := tab.slots[i]
		if p == nil {
			x.used++
			break
		}
		if p == tombstone {
			break
		}
		i = (i + 1) & tab.mask
	}
	atomic.StorePointer(&tab.slots[i], unsafe.Pointer(e))
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
	for i := e.IndexHash() & tab.mask; ; i = (i + 1) & tab.mask {
		p := tab.slots[i]
		if p == unsafe.Pointer(e) {
			return &tab.slots[i]
		}
		if p == nil {
			return nil
		}
	}
}

// rebuild makes a table for want entries at most half full, without tombstones, and publishes it.
func (x *Index[T, P]) rebuild(want int) *table {
	n := minSlots
	for n < want*2 {
		n *= 2
	}
	next := &table{mask: uint32(n - 1), slots: make([]unsafe.Pointer, n)}
	if old := x.tab.Load(); old != nil {
		for _, p := range old.slots {
			if p == nil || p == tombstone {
				continue
			}
			i := P(p).IndexHash() & next.mask
			for next.slots[i] != nil {
				i = (i + 1) & next.mask
			}
			next.slots[i] = p
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

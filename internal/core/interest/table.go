package interest

import (
	"hash/maphash"
	"strings"
	"unsafe"
)

// table has the counts of a shard: open addressing, each key as near behind
// its place as there is room. The places are in the order of the hashes, so that it
// grows by copying from front to back, without looking at a key. Go's map took
// twice the time for a new key: it hashes all keys again when it grows.
type table struct {
	slots []slot
	used  int
}

// slot has one key; n 0 = free.
type slot struct {
	key  string
	more *[Lanes]int32 // by lane, nil while there is but one
	n    int32         // of all lanes
	tag  uint32        // bits of the hash, and the lane in the last four
}

const (
	laneBits = 4
	laneMask = 1<<laneBits - 1
	slotsMin = 8
	// shrinkFrom is the number of slots from which on memory is given back.
	shrinkFrom = 256
)

// seed of the hash of keys.
var seed = maphash.MakeSeed()

// hashOf is the shard of key and its tag, without a lane.
func hashOf(key []byte) (at int, tag uint32) {
	h := maphash.Bytes(seed, key)
	return int(h % shards), uint32(h>>32) &^ laneMask
}

// bytesOf is key as it is; it may not be written to.
func bytesOf(key string) []byte { return unsafe.Slice(unsafe.StringData(key), len(key)) }

func (s *slot) lane() uint8 { return uint8(s.tag & laneMask) }

// in is the count of the lanes in mask.
func (s *slot) in(mask uint16) (total int32) {
	if s == nil {
		return 0
	}
	return sum(s.more, s.n, s.lane(), mask)
}

// sum is the count of the lanes in mask, of n in lane if counts is nil.
func sum(counts *[Lanes]int32, n int32, lane uint8, mask uint16) (total int32) {
	if counts == nil {
		if mask>>lane&1 == 0 {
			return 0
		}
		return n
	}
	if mask == AllLanes {
		return n
	}
	for l, c := range counts {
		if mask>>l&1 != 0 {
			total += c
		}
	}
	return total
}

// home is the place of a tag among n slots.
func home(tag uint32, n int) int { return int(uint64(tag) * uint64(n) >> 32) }

// find is the slot of key, nil if it is not counted.
func (t *table) find(tag uint32, key []byte) *slot {
	n := len(t.slots)
	if n == 0 {
		return nil
	}
	for i := home(tag, n); ; {
		s := &t.slots[i]
		if s.n == 0 {
			return nil
		}
		if s.tag&^laneMask == tag && s.key == string(key) {
			return s
		}
		if i++; i == n {
			i = 0
		}
	}
}

// count adds 1 or -1 to key in lane and returns how that is now and the key; ok is false if
// there is nothing to take away. For a new key the table keeps key if keep
// allows.
func (t *table) count(tag uint32, view []byte, key string, lane uint8, delta int8) (now slot, ok bool) {
	s := t.find(tag, view)
	switch {
	case s == nil && delta < 0, s != nil && delta < 0 && s.in(1<<lane) == 0:
		return slot{}, false
	case s == nil:
		if key == "" {
			key = string(view)
		}
		s = t.insert(tag | uint32(lane))
		s.key = key
	case s.more == nil && lane != s.lane():
		s.more = new([Lanes]int32)
		s.more[s.lane()] = s.n
	}
	if s.n += int32(delta); s.more != nil {
		s.more[lane] += int32(delta)
	}
	now = *s
	if s.n == 0 {
		t.remove(s)
	} else if delta < 0 && unsafe.StringData(s.key) == unsafe.StringData(key) {
		s.key = strings.Clone(key) // or it would hold the memory of one who has gone
		now.key = s.key
	}
	return now, true
}

// insert makes a slot for a tag; its n is for the caller to set.
func (t *table) insert(tag uint32) *slot {
	if t.used+1 > len(t.slots)/5*4 {
		t.resize(max(slotsMin, len(t.slots)*2))
	}
	t.used++
	s := t.free(tag &^ laneMask)
	s.tag = tag
	return s
}

// free is the first free slot from the place of tag on.
func (t *table) free(tag uint32) *slot {
	i := home(tag, len(t.slots))
	for t.slots[i].n != 0 {
		if i++; i == len(t.slots) {
			i = 0
		}
	}
	return &t.slots[i]
}

func (t *table) resize(n int) {
	old := t.slots
	t.slots = make([]slot, n)
	for i := range old {
		if s := &old[i]; s.n != 0 {
			*t.free(s.tag &^ laneMask) = *s
		}
	}
}

// remove frees s. What stands behind moves up if that is nearer to its place.
func (t *table) remove(s *slot) {
	n := len(t.slots)
	if t.used--; t.used == 0 {
		*t = table{}
		return
	}
	s.n = 0
	hole := int((uintptr(unsafe.Pointer(s)) - uintptr(unsafe.Pointer(&t.slots[0]))) / unsafe.Sizeof(*s))
	for i := hole; ; {
		if i++; i == n {
			i = 0
		}
		next := &t.slots[i]
		if next.n == 0 {
			break
		}
		// From its place to where it stands, the way leads over the hole?
		if way := (i - home(next.tag&^laneMask, n) + n) % n; way >= (i-hole+n)%n {
			t.slots[hole] = *next
			next.n = 0
			hole = i
		}
	}
	t.slots[hole] = slot{}
	if n >= shrinkFrom && t.used < n/8 {
		t.resize(max(slotsMin, t.used*2))
	}
}

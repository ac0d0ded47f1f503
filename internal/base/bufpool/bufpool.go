package bufpool

import (
	"math/bits"
	"sync"
	"unsafe"
)

const (
	minBits = 9  // 512 B
	maxBits = 22 // 4 MiB; larger buffers are rare and not kept
)

// Smallest and Largest are the sizes at the ends of the scale, in bytes.
const (
	Smallest = 1 << minBits
	Largest  = 1 << maxBits
)

// pools[i] holds the first bytes of buffers of 1<<(minBits+i). A bare pointer
// goes into a sync.Pool without allocating, a slice would not.
var pools [maxBits - minBits + 1]sync.Pool

// Get lends a buffer of length 0 and at least n bytes of capacity.
func Get(n int) []byte {
	if n > Largest {
		return make([]byte, 0, n)
	}
	class := 0
	if n > Smallest {
		class = bits.Len(uint(n-1)) - minBits
	}
	size := Smallest << class
	if p, ok := pools[class].Get().(*byte); ok {
		return unsafe.Slice(p, size)[:0]
	}
	return make([]byte, 0, size)
}

// Put takes a buffer back. A nil buffer is fine.
func Put(b []byte) {
	size := cap(b)
	if size < Smallest || size > Largest || size&(size-1) != 0 {
		return
	}
	pools[bits.Len(uint(size))-1-minBits].Put(unsafe.SliceData(b))
}

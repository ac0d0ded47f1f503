package conn

import (
	"time"

	"dunlin/internal/base/bufpool"
)

// Unpack decodes a stream that comes in pieces of size bytes.
func Unpack(data []byte, size int) (out []byte, err error) {
	c := &Conn{unpacker: &unpacker{}}
	in := &inbound{}
	r := collect{&out}
	need := 0
	for len(data) > 0 {
		n := min(size, len(data))
		room := c.unpacker.room(n)
		n = copy(room, data[:n])
		data = data[n:]
		c.unpacker.packed = c.unpacker.packed[:len(c.unpacker.packed)+n]
		if !c.unpack(r, in, &need) {
			return out, in.err
		}
	}
	return out, nil
}

// Pack compresses one chunk and drops the frames.
func Pack(data []byte, level Level) {
	p := &packer{begun: true}
	p.level.Store(uint32(level))
	release(p.pack([][]byte{append(bufpool.Get(len(data)), data...)}))
}

type collect struct{ to *[]byte }

func (k collect) Consume(buf []byte) (n, need int, ok bool) {
	*k.to = append(*k.to, buf...)
	return len(buf), 0, true
}

func (collect) EndBatch() {}

// HoldsChunks counts the chunks that the memory kept for the list of older ones
// refers to.
func (c *Conn) HoldsChunks() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, chunk := range c.older[:cap(c.older)] {
		if chunk != nil {
			n++
		}
	}
	return n
}

// Watch is what the ping timer does.
func (c *Conn) Watch() { c.watch() }

// SetNap has readers do something else than wait while they gather, from a state
// in which no connection is known to have a flow. It returns how to undo that.
func SetNap(f func() time.Duration) (undo func()) {
	old := nap
	nap = f
	lastGather.Store(nil)
	return func() { nap = old }
}

// Gathers reports whether some reader is known to have a flow worth gathering.
func Gathers() bool { return lastGather.Load() != nil }

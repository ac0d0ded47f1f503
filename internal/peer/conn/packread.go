package conn

import (
	"io"

	"dunlin/internal/base/netx"
)

// readPackedRaw is readRaw for a compressed stream.
func (c *Conn) readPackedRaw(r Consumer, in *inbound, need *int) error {
	u := c.unpacker
	step := func(fd uintptr) bool {
		for {
			if c.over() {
				return true
			}
			n, err := netx.Read(fd, u.room(c.readSize()))
			if err != nil {
				if err == netx.ErrWouldBlock {
					in.endBatch(r)
					in.park()
					u.park()
					return false
				}
				in.err = err
				return true
			}
			u.packed = u.packed[:len(u.packed)+n]
			if !c.unpack(r, in, need) {
				return true
			}
			if in.reads >= batchReads {
				in.endBatch(r)
			}
		}
	}
	for {
		err := c.raw.ReadLoop(step)
		if in.err != nil || err == nil {
			return in.err
		}
		// Links do not rest: a read deadline is the end.
		return err
	}
}

// readPackedBlocking is readBlocking for a compressed stream.
func (c *Conn) readPackedBlocking(r Consumer, in *inbound, need *int) error {
	var src io.Reader = c.nc
	if c.sealed != nil {
		src = c.sealed.tls
	}
	u := c.unpacker
	want := readMin
	for {
		free := u.room(want)
		n, err := src.Read(free)
		u.packed = u.packed[:len(u.packed)+n]
		if c.over() {
			return nil // as in readBlocking
		}
		if n > 0 && !c.unpack(r, in, need) {
			return in.err
		}
		if err != nil {
			return err
		}
		if want = readMax; n < len(free) {
			in.endBatch(r)
		} else if in.reads >= batchReads {
			in.endBatch(r)
		}
		if c.sealed != nil && c.sealed.waiting() {
			c.Flush()
		}
	}
}

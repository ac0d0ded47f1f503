package conn

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"dunlin/internal/base/bufpool"
	"dunlin/internal/base/netx"
	"dunlin/internal/proto/sysapi"
)

// Flush writes what waits, as far as the socket takes it, without blocking. If
// somebody is writing already, they will go on with it.
func (c *Conn) Flush() {
	c.mu.Lock()
	c.queued = false
	for round := 0; ; round++ {
		if c.state != idle || c.ended || c.quietLocked() {
			last := c.state == idle && c.closing && !c.ended
			c.mu.Unlock()
			if last { // the last words went out here, and CloseWith has left the end to us
				c.Close(sysapi.ClientClosed)
			}
			return
		}
		if c.raw == nil || round == flushRounds {
			c.state = draining
			c.mu.Unlock()
			c.startWriter(nil)
			return
		}
		c.state = flushing
		cur, older := c.cur, c.older
		c.cur, c.older = nil, nil
		took := c.pending
		c.mu.Unlock()

		left, rest, err := c.writeNow(older, cur)
		c.mu.Lock()
		c.hint = int32(min(took, chunkMax))
		c.pending += rest - took
		c.written += max(took-rest, 0)
		if err == nil {
			if c.older == nil && cap(older) <= olderKept {
				clear(older[:cap(older)]) // what writeNow has appended stands behind its length
				c.older = older[:0]       // its memory, for the next time
			}
			c.state = idle
			if c.ended {
				c.dropLocked()
			}
			c.wakeLocked()
			continue
		}
		if c.ended || err != netx.ErrWouldBlock {
			c.state = idle
			c.dropLocked()
			c.mu.Unlock()
			release(left)
			c.Close(sysapi.WriteError)
			return
		}
		c.state = draining
		c.mu.Unlock()
		c.startWriter(left)
		return
	}
}

// quietLocked reports whether nothing is to be written.
func (c *Conn) quietLocked() bool {
	return c.pending == 0 && (c.sealed == nil || !c.sealed.waiting())
}

// olderKept is the longest list of chunks whose memory a connection keeps.
const olderKept = 4

// writeNow sends older and cur without blocking and releases what is out. left
// is what the socket did not take, rest its size.
func (c *Conn) writeNow(older [][]byte, cur []byte) (left [][]byte, rest int64, err error) {
	if c.wrapped() {
		if cur != nil {
			older = append(older, cur)
		}
		if older, err = c.wrap(older); err != nil {
			return older, 0, err
		}
		cur = nil
		if len(older) == 0 {
			return nil, 0, nil
		}
	}
	if len(older) == 0 {
		n, err := c.raw.TryWriteOne(cur)
		if err == nil {
			bufpool.Put(cur)
			return nil, 0, nil
		}
		return keep(nil, cur, int(n)), int64(len(cur)) - n, err
	}
	if cur != nil {
		older = append(older, cur)
	}
	total := size(older)
	n, err := c.raw.TryWrite(older)
	if err == nil {
		release(older)
		return nil, 0, nil
	}
	at := n
	for i, b := range older {
		if at < int64(len(b)) {
			return append(keep(nil, b, int(at)), older[i+1:]...), total - n, err
		}
		at -= int64(len(b))
		bufpool.Put(b)
	}
	return nil, 0, nil
}

// keep appends what follows the first n bytes of b to list. The bytes move to the
// front, so that the whole buffer can be given back later.
func keep(list [][]byte, b []byte, n int) [][]byte {
	if n > 0 {
		b = b[:copy(b, b[n:])]
	}
	return append(list, b)
}

func release(chunks [][]byte) {
	for _, b := range chunks {
		bufpool.Put(b)
	}
}

// startWriter hands the writing side to a goroutine, with first to go before
// what is in the queue.
func (c *Conn) startWriter(first [][]byte) {
	if !c.group.Go("writer", func(context.Context) { c.drain(first) }) {
		release(first)
		c.mu.Lock()
		c.state = idle
		c.mu.Unlock()
		c.Close(sysapi.ServerShutdown)
	}
}

// drain writes until the queue is empty, parked while the socket is full.
func (c *Conn) drain(batch [][]byte) {
	for {
		fresh := len(batch) == 0
		c.mu.Lock()
		if c.ended || (fresh && c.quietLocked()) {
			c.state = idle
			last := c.closing && !c.ended
			if c.ended {
				c.dropLocked()
			} else if !c.closing {
				// Else the next write without waiting would fail once the deadline has passed.
				_ = c.nc.SetWriteDeadline(time.Time{})
			}
			c.wakeLocked()
			c.mu.Unlock()
			release(batch)
			if last {
				c.Close(sysapi.ClientClosed) // the reason that CloseWith gave stands
			}
			return
		}
		if fresh {
			batch = c.older
			if c.cur != nil {
				batch = append(batch, c.cur)
			}
			c.older, c.cur = nil, nil
		}
		c.mu.Unlock()
		var err error
		if fresh && c.wrapped() {
			batch, err = c.wrapQueued(batch)
		}
		if err != nil || !c.writeAll(batch) {
			c.mu.Lock()
			c.state = idle
			c.dropLocked()
			c.wakeLocked()
			c.mu.Unlock()
			c.Close(sysapi.WriteError)
			return
		}
		batch = nil
	}
}

// wrapQueued compresses and encrypts batch and corrects pending by what that adds.
func (c *Conn) wrapQueued(batch [][]byte) ([][]byte, error) {
	added := -size(batch)
	batch, err := c.wrap(batch)
	added += size(batch)
	c.mu.Lock()
	c.pending += added
	c.mu.Unlock()
	return batch, err
}

func size(chunks [][]byte) (n int64) {
	for _, b := range chunks {
		n += int64(len(b))
	}
	return n
}

// writeAll writes batch, however long it takes as long as the deadline's policy
// allows, and releases it.
func (c *Conn) writeAll(batch [][]byte) bool {
	left := append([][]byte(nil), batch...)
	defer release(batch)
	moved := false
	progress := func(n int64) {
		moved = true
		c.mu.Lock()
		c.pending -= n
		c.written += n
		c.wakeLocked()
		c.mu.Unlock()
		left = netx.Advance(left, n)
	}
	for len(left) > 0 {
		lim := c.limits.Load()
		c.mu.Lock()
		if c.closing && !c.ended {
			_ = c.nc.SetWriteDeadline(time.Now().Add(lingerMax))
		} else if !c.ended && lim.WriteDeadline > 0 {
			_ = c.nc.SetWriteDeadline(time.Now().Add(lim.WriteDeadline))
		}
		pending := c.pending
		c.mu.Unlock()
		moved = false
		err := c.writeBlocking(left, progress)
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && moved && c.lingers():
			// The last of the queue is going out: the reader says when it is enough.
			// CloseWith may have come only while this was being written.
		case errors.Is(err, os.ErrDeadlineExceeded):
			if lim.Policy == PolicyRetry && c.ClosedFor() == sysapi.NotClosed {
				c.owner.SlowConsumer(true, pending)
				continue
			}
			if c.Close(sysapi.SlowConsumerWriteDeadline) {
				c.owner.SlowConsumer(true, pending)
			}
			return false
		default:
			return false
		}
	}
	return true
}

// lingers reports whether CloseWith has left the end to the writer.
func (c *Conn) lingers() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing && !c.ended
}

func (c *Conn) writeBlocking(chunks [][]byte, progress func(int64)) error {
	if c.raw != nil {
		return c.raw.Write(append([][]byte(nil), chunks...), progress)
	}
	for _, b := range append(net.Buffers(nil), chunks...) {
		n, err := c.nc.Write(b)
		if n > 0 {
			progress(int64(n))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

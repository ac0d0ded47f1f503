package conn

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"dunlin/internal/base/bufpool"
	"dunlin/internal/base/netx"
)

const (
	readMax = 64 << 10 // of one read
	// readWide is the size of a read when what came went to few connections: fewer
	// system calls and wake-ups. With many targets the queues of all of them
	// together would fall out of the cache.
	readWide = 128 << 10
	// strangerMax is of one read through TLS before the peer is known: what it has
	// begun and does not end stays in that buffer.
	strangerMax = 4 << 10
	readMin     = 512 // the buffer of an idle connection that has to hold one
)

// Consumer takes what has been read.
type Consumer interface {
	// Consume is given all bytes that were not consumed yet. It returns how many
	// it has, and the length it must be given before it can go on (0: any). With
	// ok false the connection has ended. buf may not be kept.
	Consume(buf []byte) (n, need int, ok bool)
	// EndBatch is called when no more bytes are there for now, or so many have been
	// consumed that those who wait for them should not wait longer: what they have
	// brought about is to be written.
	EndBatch()
}

// batchReads is how many reads a batch has at most. Large messages come one or
// two a read, and each write would carry as little; a peer whose bytes trickle
// in must not keep the first of them back for long.
const batchReads = 8

// inbound is the reading side's buffer.
type inbound struct {
	buf   []byte
	err   error
	reads int // since the last EndBatch
	bytes int // as well
	gather
}

// fit makes room for reading: at least to length need in all.
func (in *inbound) fit(want, need int) {
	size := max(want, need)
	if in.buf == nil {
		in.buf = bufpool.Get(size)
		return
	}
	if cap(in.buf) >= size && len(in.buf) < cap(in.buf) {
		return
	}
	bigger := bufpool.Get(max(size, 2*len(in.buf)))
	bigger = append(bigger, in.buf...)
	bufpool.Put(in.buf)
	in.buf = bigger
}

// park gives back what an idle connection need not hold.
func (in *inbound) park() {
	switch {
	case len(in.buf) == 0:
		bufpool.Put(in.buf)
		in.buf = nil
	case len(in.buf)*4 <= cap(in.buf) && cap(in.buf) > readMin:
		small := append(bufpool.Get(len(in.buf)), in.buf...)
		bufpool.Put(in.buf)
		in.buf = small
	}
}

// feed lets r consume and moves what is left to the front.
func (in *inbound) feed(r Consumer) (need int, ok bool) {
	in.reads++
	n, need, ok := r.Consume(in.buf)
	in.bytes += n
	if n > 0 {
		in.buf = in.buf[:copy(in.buf, in.buf[n:])]
	}
	return need, ok
}

// endBatch has r write what the bytes consumed so far have brought about.
func (in *inbound) endBatch(r Consumer) {
	if in.reads > 0 {
		in.reads, in.bytes = 0, 0
		in.ended()
		r.EndBatch()
	}
}

// ErrResting is returned by ReadLoop after Rest: the connection is idle, and
// reading may go on later with another ReadLoop.
var ErrResting = errors.New("the connection is resting")

// ReadWide tells whether what is read now goes to few connections. Only the
// reader may call it.
func (c *Conn) ReadWide(wide bool) { c.wide = wide }

func (c *Conn) readSize() int {
	if c.wide {
		return readWide
	}
	return readMax
}

// Rest asks the reader to leave, should the connection be idle: no part of an
// operation has been read, nothing is there to read. Any goroutine may ask.
func (c *Conn) Rest() {
	if c.raw == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		// If this fails the socket is gone, which the reader finds out by itself.
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

// Park has p report id when there is something to read again. Only when
// ReadLoop has returned ErrResting.
func (c *Conn) Park(p *netx.Parker, id uint64) error { return p.Park(c.raw, id) }

// rests decides whether a reader that was interrupted may leave. After the
// greeting only Rest and Close set a read deadline, and Close says so first:
// its deadline is never taken back.
func (c *Conn) rests(in *inbound, err error) (leave, goOn bool) {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.nc.SetReadDeadline(time.Time{}) != nil {
		return false, false
	}
	return len(in.buf) == 0, len(in.buf) > 0
}

// ReadLoop reads until the peer or this side ends the connection, and returns
// why reading stopped (nil if r said so). first was read before.
func (c *Conn) ReadLoop(r Consumer, first []byte) error {
	in := &inbound{}
	defer func() {
		in.endBatch(r)
		in.left()
		bufpool.Put(in.buf)
	}()
	err := c.readPlain(r, in, first)
	if c.unpacker != nil && err == nil {
		return c.readPacked(r, in)
	}
	return err
}

func (c *Conn) readPlain(r Consumer, in *inbound, first []byte) error {
	need := 0
	if len(first) > 0 {
		in.fit(len(first), 0)
		in.buf = append(in.buf, first...)
		var ok bool
		if need, ok = in.feed(r); !ok {
			return nil
		}
		in.endBatch(r)
	}
	if c.raw == nil || c.sealed != nil {
		return c.readBlocking(r, in, need)
	}
	in.park()
	return c.readRaw(r, in, need)
}

// readRaw reads from the descriptor itself and parks without a buffer.
func (c *Conn) readRaw(r Consumer, in *inbound, need int) error {
	step := func(fd uintptr) bool {
		for {
			if c.over() {
				return true
			}
			in.fit(c.readSize(), need)
			free := in.buf[len(in.buf):cap(in.buf)]
			n, err := netx.Read(fd, free)
			if err != nil {
				if err == netx.ErrWouldBlock {
					in.brought(0)
					if in.wants(in.bytes+len(in.buf), c.readSize()) {
						in.wait()
						continue
					}
					in.endBatch(r)
					in.park()
					return false
				}
				in.err = err
				return true
			}
			in.brought(n)
			in.buf = in.buf[:len(in.buf)+n]
			if len(in.buf) >= need {
				var ok bool
				if need, ok = in.feed(r); !ok {
					return true
				}
			} else {
				c.filled(in)
			}
			if in.bytes >= c.readSize() || in.reads >= batchReads {
				in.endBatch(r)
			}
			// A read that came back short has emptied the socket, and is still not the
			// last: the peer's end may stand behind the data. The poller tells of both at
			// once and only once, so whoever parks without having been told "nothing there"
			// waits for that end for ever. One system call a wake-up is its price, and what
			// came meanwhile goes out with the same write.
		}
	}
	for {
		err := c.raw.ReadLoop(step)
		if in.err != nil || err == nil {
			return in.err
		}
		leave, goOn := c.rests(in, err)
		if leave {
			return ErrResting
		}
		if !goOn {
			return err
		}
	}
}

// filled notes a read that has only brought more of a large payload: what came before
// that does not wait for all of it, and the other end is alive.
func (c *Conn) filled(in *inbound) {
	in.reads++
	c.Heard(time.Now().UnixNano())
}

// readBlocking is for connections that cannot be asked whether they are
// readable: it waits with a small buffer, and takes a large one as long as the
// small one comes back full.
func (c *Conn) readBlocking(r Consumer, in *inbound, need int) error {
	var src io.Reader = c.nc
	if c.sealed != nil {
		src = c.sealed.tls
	}
	want := readMin
	for {
		if len(in.buf) == 0 && cap(in.buf) != want {
			bufpool.Put(in.buf)
			in.buf = nil
		}
		in.fit(want, need)
		free := in.buf[len(in.buf):cap(in.buf)]
		n, err := src.Read(free)
		in.buf = in.buf[:len(in.buf)+n]
		if c.over() {
			return nil // what comes after the last words is not carried out
		}
		if n > 0 && len(in.buf) >= need {
			var ok bool
			if need, ok = in.feed(r); !ok {
				return nil
			}
			in.endBatch(r)
		} else if n > 0 {
			c.filled(in)
		}
		if err != nil {
			leave, goOn := c.rests(in, err)
			if leave {
				return ErrResting
			}
			if !goOn {
				return err
			}
		}
		want = readMin
		switch {
		case n < len(free):
		case c.stranger():
			want = strangerMax
		default:
			want = readMax
		}
		if c.sealed != nil && c.sealed.waiting() {
			c.Flush()
			if c.sealed.unheard() {
				c.CutOff()
			}
		}
	}
}

// over reports whether nothing that is read can matter any more: the last
// words have been said, even if they still wait to go out.
func (c *Conn) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// Ended reports whether the connection is over for this side.
func (c *Conn) Ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// First reads the very first bytes of a connection into p, before ReadLoop. A zero timeout means no limit.
func (c *Conn) First(p []byte, timeout time.Duration) (int, error) {
	if timeout > 0 {
		if !c.readDeadline(time.Now().Add(timeout)) {
			return 0, net.ErrClosed
		}
		defer c.readDeadline(time.Time{})
	}
	n, err := c.nc.Read(p)
	if c.over() {
		return 0, net.ErrClosed
	}
	if n > 0 {
		err = nil
	}
	return n, err
}

// readDeadline sets one unless the end has begun: that has set its own, which wakes
// the reader and is never taken back.
func (c *Conn) readDeadline(d time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closing && c.nc.SetReadDeadline(d) == nil
}

// Quiet reports whether err only says that the connection is over: the peer
// closed it or this side did.
func Quiet(err error) bool {
	return err == nil || errors.Is(err, io.EOF) || isClosed(err) || errors.Is(err, os.ErrDeadlineExceeded)
}

func isClosed(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, os.ErrClosed)
}

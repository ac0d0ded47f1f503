package conn

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"dunlin/internal/base/bufpool"
	"dunlin/internal/base/netx"
	"dunlin/internal/base/task"
	"dunlin/internal/proto/sysapi"
)

const (
	// chunkMax bounds one chunk of the queue, and what is gathered before it is
	// written in the middle of a batch. It is large enough that what one read
	// brings (readWide) goes out with one write, and small enough to stay in the
	// second-level cache, which halves the cost of a 128-byte message.
	chunkMax = 256 << 10
	chunkMin = 512
	// flushAt leaves room in a chunk for one more small message, so that the
	// usual queue is a single chunk.
	flushAt = chunkMax - 2<<10
	// flushRounds is how often a flusher goes on with what others have appended
	// while it wrote, before it leaves the rest to a writer goroutine.
	flushRounds = 8
)

// state of the socket's writing side.
type state uint8

const (
	idle     state = iota // nobody writes
	flushing              // somebody writes what fits, inline
	draining              // a writer goroutine has taken over until the queue is empty
)

// Policy says what a write deadline does.
type Policy uint8

// The policies of write_timeout.
const (
	PolicyClose Policy = iota
	PolicyRetry
)

// Limits of the queue; immutable, replaced as a whole. NewLimits makes them.
type Limits struct {
	MaxPending    int64 // bytes
	WriteDeadline time.Duration
	Policy        Policy
	// DropSlow: what comes for a queue beyond Stalled is dropped rather than its
	// publisher held back.
	DropSlow bool

	// Watch is the size of the queue from which on an owner should look at Slow
	// and Stalled: publishers are slowed down from Slow on, and more from Stalled on.
	Watch, Slow, Stalled int64
	flushAt              int64
}

// slowAt is where a queue counts as slow if its bound is not smaller still.
const slowAt = 1 << 20

// NewLimits derives the marks of a queue from its bound.
func NewLimits(maxPending int64, writeDeadline time.Duration, policy Policy) *Limits {
	stalled := maxPending / 4 * 3
	return &Limits{
		MaxPending: maxPending, WriteDeadline: writeDeadline, Policy: policy,
		Watch: min(chunkMax, stalled), Slow: min(slowAt, stalled), Stalled: stalled,
		flushAt: min(flushAt, maxPending/2),
	}
}

// Owner is told what becomes of its connection. Its methods are called without
// any lock held.
type Owner interface {
	// SlowConsumer: the queue is over its bound (deadline false) or the write
	// deadline passed with pending bytes waiting. The connection is being closed, unless the policy is to retry.
	SlowConsumer(deadline bool, pending int64)
	// Awake is called when the connection has been closed from this side: if
	// nobody reads, because it is parked, somebody has to finish it.
	Awake()
	// Pings in force.
	Pings() Pings
	// Stale: the other end does not answer; the connection is about to be closed.
	Stale()
}

// Conn is one connection. It is meant to be embedded by value.
type Conn struct {
	nc     net.Conn
	raw    *netx.Raw // nil: only blocking writes, by a writer goroutine
	sealed *seal     // TLS; nil in clear
	packer *packer   // compression of what goes out; nil without
	group  *task.Group
	owner  Owner
	limits *atomic.Pointer[Limits]

	mu      sync.Mutex
	cur     []byte   // being appended to
	older   [][]byte // full ones, in order, before cur
	pending int64
	hint    int32 // capacity of the next first chunk
	state   state
	queued  bool // somebody has promised to flush
	closing bool // nothing is appended any more
	ended   bool // the socket is closed
	reason  sysapi.CloseReason
	drained chan struct{} // closed when the queue has shrunk; nil if nobody waits
	out     Counters      // under mu

	written   int64 // bytes of the queue that are out; under mu
	holdsBack bool  // see HoldsBack

	alive alive

	wide       bool      // the reader's: see ReadWide
	unpacker   *unpacker // the reader's: compression of what comes in; nil without
	lastActive int64     // of the queue, ns since 1970; under mu
}

// Counters of one direction.
type Counters struct{ Msgs, Bytes int64 }

// Init makes c ready. limits may be swapped by its owner at any time.
func (c *Conn) Init(nc net.Conn, group *task.Group, owner Owner, limits *atomic.Pointer[Limits]) {
	c.nc, c.group, c.owner, c.limits = nc, group, owner, limits
	c.raw = netx.NewRaw(nc)
	c.lastActive = time.Now().UnixNano()
	c.Heard(c.lastActive)
}

// NetConn is the connection beneath.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Lock begins appending. Between Lock and Unlock nothing but Reserve, Commit
// and the owner's own fields may be touched.
func (c *Conn) Lock() { c.mu.Lock() }

// Unlock ends appending.
func (c *Conn) Unlock() { c.mu.Unlock() }

// Closing reports whether nothing may be appended any more. Under the lock.
func (c *Conn) Closing() bool { return c.closing }

// Reserve returns a slice to append at most n bytes to; its length is what is
// already there. Under the lock.
func (c *Conn) Reserve(n int) []byte {
	if cap(c.cur)-len(c.cur) >= n {
		return c.cur
	}
	return c.another(n)
}

func (c *Conn) another(n int) []byte {
	want := int(c.hint)
	if c.cur != nil {
		if c.older == nil {
			c.older = make([][]byte, 0, olderKept)
		}
		c.older = append(c.older, c.cur)
		want = min(cap(c.cur)*4, chunkMax)
	}
	c.cur = bufpool.Get(max(n, want, chunkMin))
	return c.cur
}

// Commit takes back the slice that Reserve gave, now with n bytes more. full
// tells that it is time to flush, although the batch may go on; over that the
// queue has outgrown its bound. Under the lock.
func (c *Conn) Commit(p []byte, n int) (full, over bool) {
	c.cur = p
	c.pending += int64(n)
	lim := c.limits.Load()
	if c.pending < lim.flushAt {
		return false, false
	}
	return c.state == idle, c.pending > lim.MaxPending
}

// Promise notes that the caller will flush; false if somebody else has already
// promised. Under the lock.
func (c *Conn) Promise() bool {
	if c.queued {
		return false
	}
	c.queued = true
	return true
}

// CountOut counts messages that went into the queue. Under the lock.
func (c *Conn) CountOut(msgs, bytes int64) {
	c.out.Msgs += msgs
	c.out.Bytes += bytes
}

// Pending is the number of bytes that wait. Under the lock.
func (c *Conn) Pending() int64 { return c.pending }

// Send appends p and flushes it.
func (c *Conn) Send(p []byte) {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return
	}
	_, over := c.Commit(append(c.Reserve(len(p)), p...), len(p))
	c.mu.Unlock()
	if over {
		c.Overflow()
		return
	}
	c.Flush()
}

// HoldsBack says that publishers are held back where the queue is over its bound: then
// it is closed only beyond twice that, or by CutOff. To be called before anything is
// appended.
func (c *Conn) HoldsBack(yes bool) { c.holdsBack = yes }

// Overflow closes the connection because its queue is over the bound.
func (c *Conn) Overflow() {
	most := c.limits.Load().MaxPending
	if c.holdsBack {
		most *= 2
	}
	if _, pending := c.Out(); pending > most { // else a flush has helped meanwhile
		c.CutOff()
	}
}

// CutOff closes the connection because its queue does not get shorter.
func (c *Conn) CutOff() {
	_, pending := c.Out()
	if c.Close(sysapi.SlowConsumerPendingBytes) {
		c.owner.SlowConsumer(false, pending)
	}
}

// Out is what went into the queue so far, and what still waits there.
func (c *Conn) Out() (Counters, int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out, c.pending
}

// Written is how many bytes of the queue the socket has taken.
func (c *Conn) Written() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.written
}

// progress is how much the socket has taken of the queue, and whether more waits.
func (c *Conn) progress() (written int64, waiting bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.written, c.pending > 0
}

// Active notes that something went into the queue at time now, in ns. Under the
// lock.
func (c *Conn) Active(now int64) { c.lastActive = now }

// LastActive is when something last went into the queue.
func (c *Conn) LastActive() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Unix(0, c.lastActive)
}

// ClosedFor is the reason the connection ended for, NotClosed while it has not.
func (c *Conn) ClosedFor() sysapi.CloseReason {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}

// Close ends the connection at once; what waits in the queue is dropped. It
// returns false if it has ended before; the first reason stands.
func (c *Conn) Close(r sysapi.CloseReason) bool {
	c.mu.Lock()
	first := c.reason == sysapi.NotClosed
	if first {
		c.reason = r
	}
	c.closing = true
	if c.ended {
		c.mu.Unlock()
		return first
	}
	c.ended = true
	if c.state == idle {
		c.dropLocked()
	}
	c.wakeLocked()
	c.mu.Unlock()
	// This wakes whoever is parked on the socket. Closing is the reader's
	// (Finish): it would wait for the reader, which may be the caller. A failure means that the socket is gone already.
	_ = c.nc.SetDeadline(time.Unix(1, 0))
	c.owner.Awake()
	return first
}

// Finish closes the socket; only the reader calls it, when it reads no more.
// After CloseWith what waits in the queue still goes out, as long as the peer
// takes some of it every second, within the write deadline.
func (c *Conn) Finish() error {
	c.linger()
	c.Close(sysapi.ClientClosed)
	c.mu.Lock()
	quiet := c.state == idle
	c.mu.Unlock()
	// While a writer is on its way out the socket is full anyway, and waiting for
	// the writer's turn would be waiting for the peer.
	if c.sealed != nil && quiet {
		c.sealed.farewell(c.raw)
	}
	return c.nc.Close()
}

// linger waits while the last of the queue goes out.
func (c *Conn) linger() {
	end := time.Now().Add(max(c.limits.Load().WriteDeadline, lingerMax))
	for time.Now().Before(end) {
		c.mu.Lock()
		pending := c.pending
		waits := c.closing && !c.ended && pending > 0
		c.mu.Unlock()
		if !waits {
			return
		}
		// Not the group's context: at a shutdown it is done, and this is the time
		// that a shutdown gives.
		ctx, cancel := context.WithTimeout(context.Background(), lingerMax)
		c.WaitDrained(ctx, pending-1)
		stuck := ctx.Err() != nil
		cancel()
		if stuck {
			return
		}
	}
}

// lingerMax is how long the peer may take nothing of what still waits after the end.
const lingerMax = time.Second

// CloseWith appends p as the last words, sends what waits as far as that goes
// without delay, and closes; what the socket does not take at once the writer
// goroutine sends, as long as the peer goes on taking it (Finish).
func (c *Conn) CloseWith(r sysapi.CloseReason, p []byte) bool {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return false
	}
	if len(p) > 0 {
		c.Commit(append(c.Reserve(len(p)), p...), len(p))
	}
	c.closing = true
	c.reason = r
	c.mu.Unlock()
	c.Flush()
	c.mu.Lock()
	left := c.state != idle
	c.mu.Unlock()
	if left {
		// The writer closes when it is done; it gets no more time than this. The
		// reader leaves and bounds the whole (Finish), and if nobody reads because the
		// connection is parked, somebody has to.
		_ = c.nc.SetWriteDeadline(time.Now().Add(lingerMax))
		_ = c.nc.SetReadDeadline(time.Unix(1, 0))
		c.owner.Awake()
		return true
	}
	c.Close(r)
	return true
}

func (c *Conn) dropLocked() {
	for _, b := range c.older {
		bufpool.Put(b)
	}
	bufpool.Put(c.cur)
	c.older, c.cur, c.pending = nil, nil, 0
}

// TLSState is the state of the TLS connection, nil in clear.
func (c *Conn) TLSState() *tls.ConnectionState {
	c.mu.Lock()
	sealed := c.sealed
	c.mu.Unlock()
	if sealed == nil {
		return nil
	}
	st := sealed.tls.ConnectionState()
	return &st
}

// WaitDrained parks the caller until no more than want bytes wait in the queue,
// the connection ends, or ctx is done.
func (c *Conn) WaitDrained(ctx context.Context, want int64) {
	for {
		c.mu.Lock()
		if c.pending <= want || c.ended {
			c.mu.Unlock()
			return
		}
		if c.drained == nil {
			c.drained = make(chan struct{})
		}
		ch := c.drained
		c.mu.Unlock()
		select {
		case <-ch:
		case <-ctx.Done():
			return
		}
	}
}

func (c *Conn) wakeLocked() {
	if c.drained != nil {
		close(c.drained)
		c.drained = nil
	}
}

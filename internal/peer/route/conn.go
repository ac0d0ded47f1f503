package route

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"dunlin/internal/base/task"
	"dunlin/internal/core/account"
	"dunlin/internal/core/interest"
	"dunlin/internal/core/mesh"
	"dunlin/internal/peer/conn"
	"dunlin/internal/proto/routewire"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/proto/wire"
)

// Conn is one connection to another server.
type Conn struct {
	conn.Conn
	id    uint64
	host  Host
	start time.Time
	ctx   context.Context
	group *task.Group
	limit *atomic.Pointer[conn.Limits]
	// config is what is in force. It is no call of host because it has to be looked at
	// under tellMu: a reload stores it before it comes to Retell.
	config *atomic.Pointer[Config]
	addr   string     // host:port of the other end
	dial   *mesh.Dial // nil if the other server has dialed
	url    *url.URL   // that was dialed, if it has credentials
	nonce  string

	// The reader's.
	cfg         *Config
	parser      routewire.Parser
	stage       stage
	sawConnect  bool
	confirmed   bool // the other side keeps it
	stopped     bool
	accounts    map[string]*inbound
	last        *inbound // of the account in last.name
	active      []*inbound
	dirty       []*inbound // with interest that is not applied
	unknown     map[string]bool
	peer        *Peer
	peerHeaders bool // set before it is registered
	own         bool // the connection is one account's; set before it is registered
	batch       struct {
		now         int64
		msgs, bytes int64
		self        bool // has bytes of its own to flush
	}

	inMu sync.Mutex // guards the set of accounts and origins, which monitoring reads

	remote    atomic.Pointer[routewire.Info] // what the other server said last of itself
	reg       atomic.Pointer[mesh.Register]
	toldHello atomic.Bool // CONNECT is out
	welcome   atomic.Bool // it has shown its credentials
	revised   atomic.Bool // what it may ask for has changed
	relieved  atomic.Bool // accounts may have connections of their own by now
	mode      atomic.Pointer[string]
	inMsgs    atomic.Int64
	inBytes   atomic.Int64

	tellMu      sync.Mutex
	introducing bool // a goroutine tells everything; others need not
	missed      bool // a reload while introducing: it is to be looked at again
	catching    bool // a goroutine tells what there was no room for
	owesPong    bool // a PING is answered when all has been told
	ended       bool
	watches     map[*account.Account]*watch
	changes     []interest.Change // memory of tellSome
}

// New makes a route of nc. dial is nil for a connection that was accepted; at
// is the URL that was dialed. Run serves it.
func New(nc net.Conn, id uint64, dial *mesh.Dial, at *url.URL, host Host, group *task.Group, limits *atomic.Pointer[conn.Limits], config *atomic.Pointer[Config]) *Conn {
	c := &Conn{
		id: id, host: host, start: time.Now(), ctx: group.Context(), group: group, limit: limits, config: config, dial: dial, url: at,
		accounts: make(map[string]*inbound), watches: make(map[*account.Account]*watch), introducing: true,
	}
	c.addr = "pipe"
	if a := nc.RemoteAddr(); a != nil {
		c.addr = a.String()
	}
	c.Init(nc, group, c, limits)
	c.ReadWide(true)
	c.HoldsBack(true)
	return c
}

// Run serves the route until the connection ends. It is the reader.
func (c *Conn) Run(context.Context) {
	c.cfg = c.config.Load()
	if c.greet() {
		if err := c.ReadLoop(c, nil); !conn.Quiet(err) {
			reason := sysapi.ReadError
			if errors.Is(err, conn.ErrCorrupt) {
				reason = sysapi.ProtocolViolation
				c.log(slog.LevelError, err.Error())
			}
			c.Close(reason)
			c.log(slog.LevelDebug, "Route read failed", "error", err)
		}
	}
	if err := c.Finish(); !conn.Quiet(err) {
		c.log(slog.LevelDebug, "Closing the socket failed", "error", err)
	}
	c.teardown()
}

// teardown takes everything of the route down; nothing reads any more.
func (c *Conn) teardown() {
	c.StopTimer()
	c.forgetInterest()
	if r := c.reg.Load(); r != nil && c.peer != nil {
		c.peer.leave(c, r.Slot)
	}
	for _, in := range c.accounts {
		in.remove()
	}
	for _, in := range c.active {
		in.pub.FlushAll()
	}
	text := "Router connection closed: " + c.ClosedFor().String()
	if info := c.remote.Load(); info != nil && info.ServerName != "" {
		text += " - Remote: " + info.ServerName
	}
	c.log(slog.LevelInfo, text)
	c.host.Ended(c)
	if c.peer != nil {
		c.host.Peers().release(c.peer)
	}
}

// ID is the route's number on this server.
func (c *Conn) ID() uint64 { return c.id }

// Dialed is the effect that has made the connection, nil if it was accepted.
func (c *Conn) Dialed() *mesh.Dial { return c.dial }

// Registration is what the mesh has made of the connection, nil before that.
func (c *Conn) Registration() *mesh.Register { return c.reg.Load() }

// Remote is what the other server has said of itself, nil before that.
func (c *Conn) Remote() *routewire.Info { return c.remote.Load() }

// Label is how the route is named in the log.
func (c *Conn) Label() string { return fmt.Sprintf("%s - rid:%d", c.addr, c.id) }

// Log writes a line about the route.
func (c *Conn) Log(level slog.Level, text string) { c.log(level, text) }

func (c *Conn) log(level slog.Level, msg string, args ...any) {
	log := c.host.Log()
	if log.Enabled(c.ctx, level) {
		log.Log(c.ctx, level, c.Label()+" - "+msg, args...)
	}
}

// fail ends the connection with -ERR text, or without a word if it is "".
func (c *Conn) fail(reason sysapi.CloseReason, text string) {
	c.stopped = true
	c.settle()
	c.End(reason, text)
}

// End closes the connection with -ERR text, or without a word if it is "".
func (c *Conn) End(reason sysapi.CloseReason, text string) {
	if text == "" {
		c.CloseWith(reason, nil)
		return
	}
	c.CloseWith(reason, wire.AppendErr(nil, text))
}

// reply appends p to the queue; it goes out when the batch ends.
func (c *Conn) reply(p []byte) {
	over := false
	c.Lock()
	if !c.Closing() {
		_, over = c.Commit(append(c.Reserve(len(p)), p...), len(p))
	}
	c.Unlock()
	if c.batch.self = true; over {
		c.Overflow() // who makes us answer has to read
	}
}

// Awake implements conn.Owner: a route always has a reader.
func (c *Conn) Awake() {}

// SlowConsumer is told by the queue that the other server does not read fast
// enough.
func (c *Conn) SlowConsumer(deadline bool, pending int64) {
	lim := c.limit.Load()
	if deadline {
		c.log(slog.LevelInfo, fmt.Sprintf("Slow Consumer Detected: WriteDeadline of %v exceeded with %d total bytes pending.", lim.WriteDeadline, pending))
	} else {
		c.log(slog.LevelInfo, fmt.Sprintf("Slow Consumer Detected: MaxPending of %d Exceeded", lim.MaxPending))
	}
	c.host.Slow(c)
}

// overrunStep is how long the other server may take nothing from a queue that
// is beyond its bound.
const overrunStep = 2 * time.Second

// Overrun holds the caller until the queue is within its bound again. It goes
// on as long as the other server takes something, and closes the route when
// it does not: without that a queue would grow without end, or a publisher
// wait for ever.
func (c *Conn) Overrun() {
	most := c.limit.Load().MaxPending
	for {
		if _, pending := c.Out(); pending <= most || c.Ended() {
			return
		}
		before := c.Written()
		c.Flush()
		ctx, cancel := context.WithTimeout(c.ctx, overrunStep)
		c.WaitDrained(ctx, most/4*3)
		cancel()
		if _, pending := c.Out(); pending > most && c.Written() == before {
			c.CutOff()
			return
		}
	}
}

// Address is host:port of the other end.
func (c *Conn) Address() string { return c.addr }

// In is what was received so far.
func (c *Conn) In() (msgs, bytes int64) { return c.inMsgs.Load(), c.inBytes.Load() }

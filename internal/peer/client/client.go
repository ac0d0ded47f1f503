package client

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"dunlin/internal/base/loglevel"
	"dunlin/internal/base/task"
	"dunlin/internal/core/account"
	"dunlin/internal/core/perm"
	"dunlin/internal/core/sublist"
	"dunlin/internal/engine/authn"
	"dunlin/internal/engine/broker"
	"dunlin/internal/peer/conn"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/proto/wire"
)

// Client is one client connection.
type Client struct {
	conn.Conn
	id    uint64
	typ   Type
	host  Host
	start time.Time
	ctx   context.Context
	limit *atomic.Pointer[conn.Limits]
	group *task.Group

	parked    atomic.Bool  // nobody reads; whoever makes it false does
	restAfter atomic.Int64 // ns of quiet before it is parked

	// The reader's.
	cfg        *Config
	parser     *wire.Parser      // nil while the client is parked
	pub        *broker.Publisher // nil until the first message
	seen       *grant            // what pub's notes were made with
	nonce      string
	sawPing    bool
	sawConnect bool
	connected  bool // CONNECT was accepted, or is not needed
	stopped    bool
	batch      struct {
		now         int64
		msgs, bytes int64
		self        bool // has bytes of its own to flush
		untold      bool // other servers do not know yet what it has subscribed to
	}

	grant   atomic.Pointer[grant] // nil until authenticated
	ready   atomic.Bool           // the first PONG is out: INFO may be pushed
	opts    atomic.Pointer[wire.Connect]
	account atomic.Pointer[account.Account]
	addr    atomic.Pointer[string] // host:port of the peer
	inMsgs  atomic.Int64
	inBytes atomic.Int64
	subs    atomic.Int64

	subsMu    sync.Mutex
	own       sublist.Own
	last      []*sublist.Sub // what there was at the end, for monitoring: some of them, and
	lastCount int64          // how many

	// Under the queue's lock.
	foldedIn, foldedOut conn.Counters      // given to accounts already
	replies             *perm.ReplyTracker // allow_responses
	stalls              int64
}

// grant is who the client is and what it may do.
type grant struct {
	*authn.Identity
	noEcho  bool
	headers bool
}

// New makes a client of nc. Run serves it.
func New(nc net.Conn, id uint64, typ Type, host Host, group *task.Group, limits *atomic.Pointer[conn.Limits]) *Client {
	c := &Client{id: id, typ: typ, host: host, start: time.Now(), limit: limits, group: group, ctx: group.Context()}
	c.restAfter.Store(int64(restFirst))
	addr := "pipe"
	if a := nc.RemoteAddr(); a != nil {
		addr = a.String()
	}
	c.addr.Store(&addr)
	c.Init(nc, group, c, limits)
	return c
}

// Run serves the client until the connection ends. It is the reader.
func (c *Client) Run(context.Context) {
	c.cfg = c.host.Config()
	c.debug("Client connection created")
	if first, ok := c.greet(); ok {
		c.read(first)
		return
	}
	c.finish()
}

// read reads until the client is idle or has ended.
func (c *Client) read(first []byte) {
	for {
		err := c.ReadLoop(c, first)
		if err == conn.ErrResting {
			if c.rest() {
				return
			}
			first = nil
			continue
		}
		if !conn.Quiet(err) {
			c.Close(sysapi.ReadError)
			c.debug("Client read failed", "error", err)
		}
		c.finish()
		return
	}
}

// finish is the end of a client; only who reads may call it.
func (c *Client) finish() {
	if err := c.Finish(); !conn.Quiet(err) {
		c.debug("Closing the socket failed", "error", err)
	}
	c.teardown()
}

// teardown takes everything of the client down; nothing reads any more.
func (c *Client) teardown() {
	c.StopTimer()
	c.rememberSubs()
	c.dropSubs()
	c.foldCounts()
	if acc := c.account.Load(); acc != nil {
		acc.Leave()
	}
	if c.pub != nil {
		c.pub.FlushAll()
	}
	c.debug("Client connection closed: " + c.ClosedFor().String())
	c.host.Ended(c)
}

// Refuse greets the client only to tell it that it may not stay.
func (c *Client) Refuse(reason sysapi.CloseReason, text string) {
	c.cfg = c.host.Config()
	line := c.infoLine(false)
	c.CloseWith(reason, wire.AppendErr(line, text))
	if err := c.Finish(); !conn.Quiet(err) {
		c.debug("Closing the socket failed", "error", err)
	}
	c.host.Ended(c)
}

// ID is the client's number on this server.
func (c *Client) ID() uint64 { return c.id }

// Account the client is bound to, nil before that.
func (c *Client) Account() *account.Account { return c.account.Load() }

// Identity the client has shown, nil before that.
func (c *Client) Identity() *authn.Identity {
	if g := c.grant.Load(); g != nil {
		return g.Identity
	}
	return nil
}

// Label is how the client is named in the log: where it is, what it says it is, and
// once it has logged in, who it is.
func (c *Client) Label() string {
	label := fmt.Sprintf("%s - cid:%d", *c.addr.Load(), c.id)
	o := c.opts.Load()
	if o == nil {
		return label
	}
	return label + program(o) + c.who(o)
}

// program is what a client says of itself, for its label.
func program(o *wire.Connect) string {
	var parts []string
	if o.Version != "" {
		parts = append(parts, "v"+o.Version)
	}
	for _, s := range []string{o.Lang, o.Name} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf(" - %q", strings.Join(parts, ":"))
}

// who is the account and the user of a client that has logged in, for its label.
func (c *Client) who(o *wire.Connect) string {
	id, acc := c.Identity(), c.account.Load()
	if id == nil || acc == nil {
		return ""
	}
	kind, name := "user", o.User
	switch {
	case o.Nkey != "":
		kind, name = "nkey", o.Nkey
	case name == "" && o.Token == "":
		name = id.User // of the certificate, or the default
	}
	if name == "" {
		return ""
	}
	return fmt.Sprintf(" - %q", acc.Name+"/"+kind+":"+name)
}

func (c *Client) log(level slog.Level, msg string, args ...any) {
	log := c.host.Log()
	if log.Enabled(c.ctx, level) {
		log.Log(c.ctx, level, c.Label()+" - "+msg, args...)
	}
}

func (c *Client) debug(msg string, args ...any) { c.log(slog.LevelDebug, msg, args...) }

func (c *Client) trace(what string, data []byte) {
	c.log(loglevel.Trace, what+" ["+string(data)+"]")
}

// settle delivers what this client has published so far, before it does
// anything else than publish.
func (c *Client) settle() {
	if c.pub != nil {
		c.pub.Settle()
	}
}

// fail ends the connection with -ERR text, or without a word if it is "".
func (c *Client) fail(reason sysapi.CloseReason, text string) {
	c.stopped = true
	c.settle()
	if text == "" {
		c.CloseWith(reason, nil)
		return
	}
	c.debug("-ERR '" + text + "'")
	c.CloseWith(reason, wire.AppendErr(nil, text))
}

// reply appends p to the client's own queue; it goes out when the batch ends.
func (c *Client) reply(p []byte) {
	c.settle()
	c.Lock()
	if c.Closing() {
		c.Unlock()
		return
	}
	_, over := c.Commit(append(c.Reserve(len(p)), p...), len(p))
	c.Unlock()
	if c.cfg.Trace {
		c.traceOut(p)
	}
	c.batch.self = true
	if over {
		c.Overflow()
	}
}

// complain tells the client of a mistake that does not end the connection.
func (c *Client) complain(text string) { c.reply(wire.AppendErr(nil, text)) }

var (
	okLine   = []byte("+OK\r\n")
	pingLine = []byte("PING\r\n")
	pongLine = []byte("PONG\r\n")
)

func (c *Client) ok() {
	if c.opts.Load().Verbose {
		c.reply(okLine)
	}
}

// SlowConsumer is told by the queue that the client does not read fast enough.
func (c *Client) SlowConsumer(deadline bool, pending int64) {
	lim := c.limit.Load()
	if deadline {
		c.log(slog.LevelInfo, fmt.Sprintf("Slow Consumer Detected: WriteDeadline of %v exceeded with %d total bytes pending.", lim.WriteDeadline, pending))
	} else {
		c.log(slog.LevelInfo, fmt.Sprintf("Slow Consumer Detected: MaxPending of %d Exceeded", lim.MaxPending))
	}
	if acc := c.account.Load(); acc != nil {
		acc.AddSlow()
	}
	c.host.Slow(c)
}

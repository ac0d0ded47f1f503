package client

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"dunlin/internal/core/sublist"
	"dunlin/internal/engine/broker"
	"dunlin/internal/proto/subject"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/proto/wire"
)

// Verdicts on publishing to a subject, kept beside the cached match.
const (
	unknown uint8 = iota
	allowed
	denied   // ask the open replies, then refuse
	reserved // not for clients
)

// parsers of clients that are parked.
var parsers = sync.Pool{New: func() any { return new(wire.Parser) }}

// Consume implements conn.Consumer: it is given what was read.
func (c *Client) Consume(buf []byte) (used, need int, ok bool) {
	c.begin()
	for used < len(buf) && !c.stopped {
		if !c.connected && !c.mayStart(buf[used]) {
			break
		}
		op, n, err := c.parser.Next(buf[used:])
		if err != nil {
			c.broken(err, buf[used:])
			break
		}
		if n == 0 {
			break
		}
		c.do(op, buf[used:used+n])
		used += n
	}
	need = c.parser.Need
	c.settle() // messages that are gathered point into buf
	return used, need, !c.stopped
}

// begin comes before the bytes of each read.
func (c *Client) begin() {
	now := time.Now().UnixNano()
	c.batch.now = now
	c.Heard(now)
	cfg := c.host.Config()
	c.cfg = cfg
	if c.parser == nil {
		c.parser = parsers.Get().(*wire.Parser)
	}
	c.parser.MaxControlLine = cfg.MaxControlLine
	c.parser.MaxPayload = int(cfg.MaxPayload)
	if c.pub != nil {
		c.pub.Now = now
	}
	c.adopt()
}

// EndBatch implements conn.Consumer: counters are published, everything touched
// is flushed.
func (c *Client) EndBatch() {
	if c.batch.msgs > 0 {
		c.inMsgs.Add(c.batch.msgs)
		c.inBytes.Add(c.batch.bytes)
		c.batch.msgs, c.batch.bytes = 0, 0
	}
	if c.batch.untold {
		c.tellBatch()
	}
	if c.pub != nil {
		c.ReadWide(c.pub.FlushAll() <= 2)
	}
	if c.batch.self {
		c.batch.self = false
		c.Flush()
	}
	if c.pub != nil && c.pub.Slow != nil {
		if c.pub.Wait(c.ctx, c.limit.Load().Stalled) {
			c.host.Stalled(c)
		}
	}
}

// mayStart decides on the first byte that comes before CONNECT.
func (c *Client) mayStart(b byte) bool {
	if b|0x20 == 'c' {
		return true
	}
	if c.cfg.Auth.HasDefault() {
		// The default user's login counts as a CONNECT: one that follows is the second.
		c.sawConnect = true
		return c.implicit()
	}
	c.refuseLogin(errors.New("the client did not begin with CONNECT, which this server requires"))
	return false
}

// broken ends the connection for a mistake in the protocol, at the beginning of rest.
func (c *Client) broken(err error, rest []byte) {
	c.settle()
	var we *wire.Error
	if !errors.As(err, &we) {
		c.logError("protocol", err)
		c.fail(sysapi.ParseError, "")
		return
	}
	err = fmt.Errorf("%w%s", err, offending(we, rest))
	if we == wire.ErrPayloadEnd && c.opts.Load().Pedantic {
		c.pedantic(c.parser.Msg.Subject)
	}
	c.logError("protocol", err)
	c.fail(reasonOf(we), we.Text)
}

// offendingMax bounds what an operation that is wrong puts into the log.
const offendingMax = 64

// offending is the wrong operation for the log: its line, where there can be no
// secret in it, and only its verb where it may be a CONNECT that is spelt wrong.
func offending(e *wire.Error, rest []byte) string {
	if i := bytes.IndexByte(rest, '\n'); i >= 0 {
		rest = rest[:i]
	}
	switch e {
	case wire.ErrConnect, wire.ErrInfo:
		return ""
	case wire.ErrUnknownOp, wire.ErrControlLine:
		if i := bytes.IndexAny(rest, " \t{"); i >= 0 {
			rest = rest[:i]
		}
	}
	if len(rest) > offendingMax {
		return fmt.Sprintf(": %q...", rest[:offendingMax])
	}
	return fmt.Sprintf(": %q", bytes.TrimSuffix(rest, []byte("\r")))
}

// do carries out one operation; raw are its bytes, for tracing.
func (c *Client) do(op wire.Op, raw []byte) {
	if op != wire.OpConnect && c.grant.Load() == nil && !c.implicit() {
		return
	}
	if op != wire.OpPub {
		c.settle()
	}
	if c.cfg.Trace {
		c.traceIn(op, raw)
	}
	p := c.parser
	switch op {
	case wire.OpPub:
		c.publish(&p.Msg)
	case wire.OpSub:
		c.subscribe(p.Subject, p.Queue, p.Sid)
	case wire.OpUnsub:
		c.unsubscribe(p.Sid, p.Max)
	case wire.OpPing:
		c.ping()
	case wire.OpPong:
		c.Ponged(c.batch.now)
	case wire.OpConnect:
		if c.pub != nil {
			c.pub.FlushAll() // checking a password may take long, and others rely on the flush
		}
		c.connect(p.Arg)
	case wire.OpNone, wire.OpInfo, wire.OpOK: // nothing to do
	}
}

func (c *Client) ping() {
	c.reply(pongLine)
	if c.sawPing {
		return
	}
	c.sawPing = true
	c.ready.Store(true) // first: whatever changes from now on is pushed
	if c.opts.Load().Protocol >= 1 {
		c.reply(c.infoLine(true))
	}
}

func (c *Client) publisher() *broker.Publisher {
	c.pub = broker.New(c.account.Load(), c.id)
	c.pub.Origin = c
	c.pub.Lane = c.lane()
	c.pub.Now = c.batch.now
	c.seen = c.grant.Load()
	c.pub.NoEcho = c.seen.noEcho
	return c.pub
}

// publish handles PUB and HPUB.
func (c *Client) publish(m *wire.Msg) {
	c.batch.msgs++
	c.batch.bytes += int64(len(m.Body))
	if c.batch.untold {
		c.tellBatch()
	}
	g := c.seen
	p := c.pub
	if p == nil {
		p = c.publisher()
		g = c.seen
	}
	opts := c.opts.Load()
	if opts.Pedantic {
		c.pedantic(m.Subject)
	}
	if !p.Remap(m) {
		return
	}
	hit := p.Lookup(m.Subject)
	if hit.Verdict != allowed {
		if hit.Verdict == unknown {
			hit.Verdict = c.judge(g, m.Subject)
		}
		if hit.Verdict != allowed && (hit.Verdict == reserved || !c.isOpenReply(m.Subject)) {
			c.deniedPub(m.Subject)
			return
		}
	}
	if len(m.Reply) > 0 && isReservedReply(m.Reply) {
		c.complain(fmt.Sprintf("Permissions Violation for Publish with Reply of %q", m.Reply))
		c.log(slog.LevelError, fmt.Sprintf("Publish Violation - Reply %q", m.Reply))
		return
	}
	if opts.Verbose {
		c.reply(okLine)
	}
	// Only with a reply subject does it matter now how many got it.
	asks := opts.NoResponders && len(m.Reply) > 0
	if p.Publish(m, hit, !asks && !c.cfg.Trace) == 0 && asks {
		c.noResponders(m.Reply, m.Subject)
	}
}

// pedantic complains of a subject that nobody should publish to.
func (c *Client) pedantic(subj []byte) {
	if subject.HasEmptyToken(subj) || !subject.IsLiteral(subj) {
		c.complain(wire.TextInvalidPubSubject)
	}
}

func (c *Client) judge(g *grant, subj []byte) uint8 {
	switch {
	case isReserved(subj):
		return reserved
	case !g.Permissions.CanPublish(subj):
		return denied
	}
	return allowed
}

func (c *Client) isOpenReply(subj []byte) bool {
	c.settle()
	c.Lock()
	defer c.Unlock()
	return c.replies != nil && c.replies.Take(subj, c.batch.now)
}

func (c *Client) deniedPub(subj []byte) {
	c.complain(fmt.Sprintf("Permissions Violation for Publish to %q", subj))
	c.log(slog.LevelError, fmt.Sprintf("Publish Violation - Subject %q", subj))
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}

// isReserved: subjects that only servers publish to.
func isReserved(subj []byte) bool {
	return len(subj) > 4 && (subj[0] == '$' || subj[0] == '_') &&
		(hasPrefix(subj, "_GR_.") || hasPrefix(subj, "$GR.") || hasPrefix(subj, "$NRG."))
}

// isReservedReply: reply subjects that only servers make.
func isReservedReply(reply []byte) bool {
	return (reply[0] == '$' || reply[0] == '_') &&
		(hasPrefix(reply, "_R_.") || hasPrefix(reply, "_GR_.") || hasPrefix(reply, "$GR.") || hasPrefix(reply, "$JS.ACK."))
}

// noResponders tells the publisher that nobody listens, on its own plain
// subscription to the reply subject. It does not count as a message there.
func (c *Client) noResponders(reply, subj []byte) {
	c.settle()
	hit := c.pub.Lookup(reply)
	for _, s := range hit.Plain {
		if s.Sink != sublist.Sink(c) {
			continue
		}
		sid := s.Sid()
		c.Lock()
		if c.Closing() || s.Gone {
			c.Unlock()
			continue
		}
		before := c.Reserve(len(reply) + len(sid) + len(subj) + 96)
		after := wire.AppendNoResponders(before, reply, sid, subj)
		_, over := c.Commit(after, len(after)-len(before))
		c.CountOut(1, 0)
		c.Unlock()
		c.batch.self = true
		if over {
			c.Overflow()
		}
		return
	}
}

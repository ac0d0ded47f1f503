package route

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"dunlin/internal/core/account"
	"dunlin/internal/core/forward"
	"dunlin/internal/core/sublist"
	"dunlin/internal/engine/broker"
	"dunlin/internal/proto/routewire"
	"dunlin/internal/proto/subject"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/proto/wire"
)

// inbound is what one account is to a connection: the reader's.
type inbound struct {
	name    string
	account *account.Account
	link    *Link
	pub     *broker.Publisher
	remote  *sublist.Remote
	leaf    map[string]*sublist.Remote // interest of leaf nodes, by their cluster
	active  bool                       // has published since the last flush
	dirty   bool                       // interest that is not applied
	refused bool                       // said that interest was refused
}

// originsMax bounds the clusters of leaf nodes that a server tells of.
const originsMax = 1024

func (in *inbound) remove() {
	in.remote.RemoveAll()
	for _, r := range in.leaf {
		r.RemoveAll()
	}
}

// Consume implements conn.Consumer: it is given what was read.
func (c *Conn) Consume(buf []byte) (used, need int, ok bool) {
	now := time.Now().UnixNano()
	c.batch.now = now
	c.Heard(now)
	c.cfg = c.config.Load()
	if c.revised.Swap(false) {
		c.dropRefused()
	}
	before := c.stage
	for used < len(buf) && !c.stopped {
		op, n, err := c.parser.Next(buf[used:])
		if err != nil {
			c.broken(err, buf[used:])
			break
		}
		if n == 0 {
			break
		}
		used += n
		c.do(op)
		if c.stage == switching && before == begun {
			c.settle()
			return used, 0, false // what follows is compressed
		}
	}
	c.settle() // messages that are gathered point into buf
	return used, c.parser.Need, !c.stopped
}

// EndBatch implements conn.Consumer.
func (c *Conn) EndBatch() {
	if c.batch.msgs > 0 {
		c.inMsgs.Add(c.batch.msgs)
		c.inBytes.Add(c.batch.bytes)
		c.batch.msgs, c.batch.bytes = 0, 0
	}
	for i, in := range c.active {
		in.pub.FlushAll()
		if in.pub.Slow != nil {
			// Briefly only: others' messages wait behind.
			in.pub.Wait(c.ctx, math.MaxInt64)
			c.host.Stalled(c)
		}
		in.active = false
		c.active[i] = nil
	}
	c.active = c.active[:0]
	if c.batch.self {
		c.batch.self = false
		c.Flush()
	}
	if c.relieved.Load() {
		c.relieved.Store(false)
		c.dropMoved()
	}
}

// dropMoved forgets the accounts that have connections of their own: what the
// other server wants of them it has told there. Nothing is gathered.
func (c *Conn) dropMoved() {
	for name, in := range c.accounts {
		if !c.peer.moved(name) {
			continue
		}
		in.remove()
		c.inMu.Lock()
		delete(c.accounts, name)
		c.inMu.Unlock()
		if c.last == in {
			c.last = nil
		}
	}
}

// settle puts into force what was read so far.
func (c *Conn) settle() {
	for _, in := range c.active {
		in.pub.Settle()
	}
	c.applyInterest()
}

func (c *Conn) applyInterest() {
	for i, in := range c.dirty {
		c.apply(in, in.remote)
		for _, r := range in.leaf {
			c.apply(in, r)
		}
		in.dirty = false
		c.dirty[i] = nil
	}
	c.dirty = c.dirty[:0]
}

func (c *Conn) apply(in *inbound, r *sublist.Remote) {
	r.Apply()
	if n := r.Refused(); n > 0 && !in.refused {
		in.refused = true
		c.log(slog.LevelError, fmt.Sprintf("Too many queue groups of one subject in account %q: those beyond get no messages from here", in.name))
	}
}

func (c *Conn) broken(err error, at []byte) {
	c.settle()
	if c.dial == nil && !c.sawConnect && err != error(wire.ErrControlLine) {
		c.intruder()
		return
	}
	c.log(slog.LevelError, fmt.Sprintf("Router parser ERROR: %v, at %.64q", err, at))
	var we *wire.Error
	if !errors.As(err, &we) {
		c.fail(sysapi.ParseError, "")
		return
	}
	reason := sysapi.ProtocolViolation
	switch we {
	case wire.ErrControlLine:
		reason = sysapi.MaxControlLineExceeded
	case wire.ErrMaxPayload:
		reason = sysapi.MaxPayloadExceeded
	}
	c.fail(reason, we.Text)
}

// intruder ends a connection that does not begin as a server's.
func (c *Conn) intruder() {
	c.log(slog.LevelError, "authentication error")
	c.fail(sysapi.AuthenticationViolation, wire.TextAuthViolation)
}

func (c *Conn) do(op routewire.Op) {
	if c.dial == nil && !c.sawConnect && op != routewire.OpConnect && op != routewire.OpNone {
		c.intruder()
		return
	}
	if !c.confirmed && c.stage == known && !c.confirm(op) {
		return
	}
	switch op {
	case routewire.OpMsg:
		c.message()
	case routewire.OpInterest, routewire.OpNoInterest:
		c.interest(op == routewire.OpInterest)
	case routewire.OpPing:
		if c.settle(); !c.putOff() {
			c.reply([]byte("PONG\r\n"))
		}
	case routewire.OpPong:
		c.pong()
	case routewire.OpInfo:
		c.settle()
		c.info(c.parser.Arg)
	case routewire.OpConnect:
		c.connected(c.parser.Arg)
	case routewire.OpErr:
		text := string(c.parser.Arg)
		c.log(slog.LevelError, "Route Error '"+text+"'")
		c.host.Failed(c, text)
		c.fail(sysapi.ParseError, "")
	case routewire.OpNone, routewire.OpOK, routewire.OpClient: // nothing to do
	}
}

// confirm reports whether op may be carried out on a connection of which it was
// not known so far that the other side keeps it.
func (c *Conn) confirm(op routewire.Op) bool {
	switch op {
	case routewire.OpPong, routewire.OpInterest, routewire.OpNoInterest, routewire.OpMsg:
		c.confirmed = true
		if c.dial != nil {
			c.host.Confirmed(c)
			c.introduceNow()
		}
		c.stopped = c.stopped || c.ClosedFor() != sysapi.NotClosed
	}
	return !c.stopped
}

// in finds the account of the operation, nil if there is none.
func (c *Conn) in() *inbound {
	name := c.parser.Account
	if in := c.last; in != nil && (c.own || in.name == string(name)) {
		return in
	}
	if c.stage != known {
		c.log(slog.LevelError, "messages or interest before INFO")
		c.fail(sysapi.ProtocolViolation, "")
		return nil
	}
	in := c.accounts[string(name)]
	if in == nil || in.account.Gone() {
		if in = c.open(string(name)); in == nil {
			return nil
		}
	}
	c.last = in
	return in
}

// open makes what the connection keeps of an account, nil if there is none.
func (c *Conn) open(name string) *inbound {
	acc := c.host.Account(name)
	if acc == nil {
		return nil
	}
	if old := c.accounts[name]; old != nil {
		if old.account == acc {
			return old
		}
		old.remove()
	}
	link := c.peer.link(name)
	in := &inbound{name: name, account: acc, link: link, pub: broker.New(acc, c.id), remote: sublist.NewRemote(&acc.Subs, link, forward.Route)}
	in.pub.Kind, in.pub.Origin = forward.Route, link
	c.inMu.Lock()
	c.accounts[name] = in
	c.inMu.Unlock()
	return in
}

// message delivers one message here.
func (c *Conn) message() {
	m := &c.parser.Msg
	c.batch.msgs++
	c.batch.bytes += int64(len(m.Body))
	in := c.in()
	if in == nil {
		return // of an account that is not known here
	}
	if len(c.dirty) > 0 {
		c.applyInterest() // who answers must find who asked
	}
	p := in.pub
	if !in.active {
		in.active = true
		c.active = append(c.active, in)
		p.Now = c.batch.now
	}
	hit := p.Lookup(m.Subject)
	switch {
	case c.parser.Alone:
		p.PublishGroups(m, hit, c.parser.Queues)
		return
	case len(c.parser.Queues) > 0:
		p.PublishQueues(m, hit, c.parser.Queues)
		return
	}
	p.Publish(m, hit, true)
}

// interest notes what the other server wants.
func (c *Conn) interest(wants bool) {
	p := &c.parser
	in := c.in()
	if in == nil {
		if wants { // what ends may be of an account that a reload has ended before
			c.unknownAccount()
		}
		return
	}
	if !subject.Wellformed(p.Subject) {
		if wants {
			c.reply(wire.AppendErr(nil, "Invalid Subscription"))
		}
		return
	}
	if wants && c.cfg.Export != nil && !c.cfg.Export.CanSubscribe(p.Subject, p.Queue) {
		return
	}
	r := in.remote
	if p.Origin != nil {
		if r = c.leafInterest(in, string(p.Origin)); r == nil {
			return
		}
	}
	if wants {
		r.Add(p.Subject, p.Queue, p.Weight)
	} else {
		r.Remove(p.Subject, p.Queue)
	}
	if !in.dirty {
		in.dirty = true
		c.dirty = append(c.dirty, in)
	}
}

func (c *Conn) leafInterest(in *inbound, origin string) *sublist.Remote {
	r := in.leaf[origin]
	if r == nil && len(in.leaf) < originsMax {
		r = sublist.NewRemote(&in.account.Subs, in.link, forward.Route)
		c.inMu.Lock()
		if in.leaf == nil {
			in.leaf = make(map[string]*sublist.Remote)
		}
		in.leaf[origin] = r
		c.inMu.Unlock()
	}
	return r
}

// unknownMax bounds how many accounts that are not known here are remembered.
const unknownMax = 100

// unknownAccount says once an account that interest in it is of no use.
func (c *Conn) unknownAccount() {
	name := string(c.parser.Account)
	if c.stopped || c.unknown[name] || len(c.unknown) >= unknownMax {
		return
	}
	if c.unknown == nil {
		c.unknown = make(map[string]bool)
	}
	c.unknown[name] = true
	c.log(slog.LevelError, fmt.Sprintf("Unknown account %q for remote subject %q", name, c.parser.Subject))
}

// part is the interest in one account.
type part struct {
	name string
	r    *sublist.Remote
}

func (c *Conn) parts() (list []part) {
	c.inMu.Lock()
	defer c.inMu.Unlock()
	for name, in := range c.accounts {
		list = append(list, part{name, in.remote})
		for _, r := range in.leaf {
			list = append(list, part{name, r})
		}
	}
	return list
}

// numSubs is how many subscriptions the other server has told of.
func (c *Conn) numSubs() (n int) {
	for _, p := range c.parts() {
		n += p.r.Len()
	}
	return n
}

// Subs calls fn for every subscription that the other server has told of, with
// the name of its account, until fn returns false.
func (c *Conn) Subs(fn func(account string, s *sublist.Sub) bool) {
	going := true
	for _, p := range c.parts() {
		p.r.All(func(s *sublist.Sub) bool {
			going = fn(p.name, s)
			return going
		})
		if !going {
			return
		}
	}
}

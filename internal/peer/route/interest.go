package route

import (
	"context"
	"time"

	"dunlin/internal/core/account"
	"dunlin/internal/core/interest"
	"dunlin/internal/core/mesh"
	"dunlin/internal/core/perm"
	"dunlin/internal/core/sublist"
	"dunlin/internal/proto/routewire"
	"dunlin/internal/proto/sysapi"
)

// watch follows the interest of one account for a connection. Under tellMu.
type watch struct {
	cursor *interest.Cursor
	mask   uint16
	// revised: the other server may know of more than may be told now, so whatever
	// goes is taken back.
	revised bool
}

// changesKept is the longest list of changes whose memory a connection keeps.
const changesKept = 1024

// Register takes over what the mesh has made of the connection, and begins to
// tell the other server what is wanted here. Messages go out when it knows.
func (c *Conn) Register(r mesh.Register) {
	c.peer.describe(&r)
	c.reg.Store(&r)
	c.WatchAlive(firstPing)
	if !c.group.Go("interest", func(context.Context) { c.introduce() }) {
		c.Close(sysapi.ServerShutdown)
	}
}

// introduce tells all interest, then lets messages go out.
func (c *Conn) introduce() {
	for !c.introduceSome() {
		// All that waits is ours: one who reads slowly is waited for.
		c.WaitDrained(c.ctx, c.limit.Load().Slow)
	}
}

// introduceNow is introduce as far as that goes at once: a server that asks
// with PING finds all there is before the PONG, unless it is much.
func (c *Conn) introduceNow() {
	for c.reg.Load() != nil && !c.introduceSome() {
		if _, pending := c.Out(); pending > c.limit.Load().Watch {
			return
		}
	}
}

// introduceSome tells some of it, and reports whether that was all.
func (c *Conn) introduceSome() (done bool) {
	accounts := c.host.Accounts()
	var relieved []*Conn
	pong := false
	defer func() {
		if pong {
			c.Send([]byte("PONG\r\n"))
		}
		c.Flush()
		for _, other := range relieved {
			other.Rewatch()
		}
	}()
	c.tellMu.Lock()
	defer c.tellMu.Unlock()
	if c.ended || !c.introducing {
		return true
	}
	c.rewatch(accounts)
	rules, more := c.rules(nil), false
	for acc, w := range c.watches {
		told, full := c.tellSome(acc, w, rules)
		if more = more || told || full; full {
			break
		}
	}
	if more {
		return false
	}
	if c.missed {
		// A reload came in between: what was told before it is told once more, as it is now.
		c.missed = false
		for _, w := range c.watches {
			w.revised = true
			w.cursor.Again()
		}
		return false
	}
	c.introducing = false
	if c.owesPong {
		c.owesPong = false
		pong = true
	}
	relieved = c.peer.join(c, c.reg.Load().Slot)
	return true
}

// putOff reports whether a PING on an account's own connection is answered later, when
// all interest has been told: the other server takes the PONG for the sign of that.
func (c *Conn) putOff() bool {
	if info := c.remote.Load(); !c.own || c.reg.Load() == nil || info == nil || info.Dunlin == "" {
		return false
	}
	c.tellMu.Lock()
	defer c.tellMu.Unlock()
	c.owesPong = c.introducing && !c.ended
	return c.owesPong
}

// Rewatch follows the accounts that the connection carries by now: accounts
// come, and get connections of their own.
func (c *Conn) Rewatch() {
	accounts := c.host.Accounts()
	c.tellMu.Lock()
	defer c.tellMu.Unlock()
	if c.reg.Load() == nil || c.ended || c.introducing {
		c.missed = c.missed || c.reg.Load() != nil // else nothing is told yet
		return
	}
	c.rewatch(accounts)
	c.tellAll(c.rules(nil))
	c.Flush()
}

// tellAll tells what has changed in all accounts. Under tellMu.
func (c *Conn) tellAll(rules rules) {
	if !c.tellRoom(rules) {
		c.tellLater()
	}
}

// tellLater has a goroutine go on when the other server is not so far behind any more:
// who calls may hold up more than a client. Under tellMu.
func (c *Conn) tellLater() {
	if !c.catching {
		c.catching = c.group.Go("interest", func(context.Context) { c.catchUp() })
	}
}

// tellRoom tells what there is room for, and reports whether that was all. Under tellMu.
func (c *Conn) tellRoom(rules rules) (all bool) {
	for acc, w := range c.watches {
		for some, full := true, false; some; {
			if some, full = c.tellSome(acc, w, rules); full {
				return false
			}
		}
	}
	return true
}

// catchUp is the goroutine of tellLater.
func (c *Conn) catchUp() {
	for done := false; !done; {
		c.WaitDrained(c.ctx, c.limit.Load().Slow)
		c.tellMu.Lock()
		done = c.ended || c.Ended() || c.tellRoom(c.rules(nil))
		c.catching = !done
		c.tellMu.Unlock()
		c.Flush()
	}
}

// rewatch follows what the connection carries, and nothing else. Under tellMu.
func (c *Conn) rewatch(accounts []*account.Account) {
	r := c.reg.Load()
	for _, acc := range accounts {
		if acc.Interest == nil {
			continue
		}
		mask := c.peer.laneMask(acc.Name, r.Slot)
		w := c.watches[acc]
		if w != nil && w.mask == mask || w == nil && mask == 0 {
			continue
		}
		if w != nil {
			w.cursor.Close()
			delete(c.watches, acc)
		}
		if mask != 0 {
			c.watches[acc] = &watch{cursor: acc.Interest.Watch(mask), mask: mask}
		}
	}
}

// forgetInterest ends following.
func (c *Conn) forgetInterest() {
	c.tellMu.Lock()
	defer c.tellMu.Unlock()
	c.ended = true
	for acc, w := range c.watches {
		w.cursor.Close()
		delete(c.watches, acc)
	}
}

// Tell tells the other server what has changed in acc. When it returns, that
// is in the queue, before anything that is published from then on; or, if it returns
// false, the queue is beyond its bound and a goroutine tells it later. Tell does not wait
// itself: it may be called by the reader of another route. Who can wait does with Overrun,
// and calls again.
func (c *Conn) Tell(acc *account.Account) (all bool) {
	told, full := false, false
	c.tellMu.Lock()
	if w := c.watches[acc]; w != nil && !c.introducing && !c.ended {
		rules := c.rules(nil)
		for some := true; some && !full; told = told || some {
			some, full = c.tellSome(acc, w, rules)
		}
		if full {
			c.tellLater()
		}
	}
	c.tellMu.Unlock()
	if told {
		c.Flush()
	}
	return !full
}

// Retell tells everything anew. If before is not nil, only what may be told now
// and not by its rules, or the reverse.
func (c *Conn) Retell(before *Config) {
	c.tellMu.Lock()
	defer c.tellMu.Unlock()
	if c.introducing || c.ended {
		c.missed = true
		return
	}
	for _, w := range c.watches {
		w.cursor.Again()
		w.revised = true
	}
	c.tellAll(c.rules(before))
	c.Flush()
}

// Revise puts changed permissions in force: the other server hears of them and
// answers, and what is wanted is told and taken by the new rules. before is what was
// in force.
func (c *Conn) Revise(before *Config) {
	_, own := c.host.Own(c)
	c.revised.Store(true)
	c.Pinged(time.Now())
	line := c.infoLine(&own, "")
	line.Nonce = ""
	c.Send(append(routewire.AppendInfo(nil, line), "PING\r\n"...))
	c.Retell(before)
}

// dropRefused takes out of the tables what the other server may not ask for any more.
// Only the reader calls it.
func (c *Conn) dropRefused() {
	export := c.config.Load().Export
	if export == nil {
		return
	}
	for _, p := range c.parts() {
		var gone []*sublist.Sub
		p.r.All(func(s *sublist.Sub) bool {
			if !export.CanSubscribe([]byte(s.Subject()), []byte(s.Queue())) {
				gone = append(gone, s)
			}
			return true
		})
		for _, s := range gone {
			p.r.Remove([]byte(s.Subject()), []byte(s.Queue()))
		}
		p.r.Apply()
	}
}

// tellSome writes some of what has changed into the queue, and reports whether there
// was anything; or, if the queue is beyond its bound, that it is full: the ledger sums up
// what comes meanwhile. Under tellMu.
func (c *Conn) tellSome(acc *account.Account, w *watch, rules rules) (some, full bool) {
	if !w.cursor.News() {
		return false, false
	}
	if c.full() {
		return false, true
	}
	c.changes = w.cursor.Next(c.changes[:0])
	if len(c.changes) == 0 {
		return false, false
	}
	name := acc.Name
	if c.own {
		name = ""
	}
	c.Lock()
	for i := range c.changes {
		ch := &c.changes[i]
		weight := int(ch.Weight)
		if !rules.none {
			may, tell := rules.judge(ch)
			takenBack := w.revised && (weight == 0 || ch.Again && (c.introducing || c.catching))
			if !tell && !takenBack {
				continue
			}
			if !may {
				weight = 0
			}
		}
		if c.Closing() {
			break
		}
		before := c.Reserve(routewire.InterestSize(name, ch.Subject, ch.Queue))
		after := before
		if weight > 0 {
			after = routewire.AppendInterest(before, name, ch.Subject, ch.Queue, weight)
		} else {
			after = routewire.AppendNoInterest(before, name, ch.Subject, ch.Queue)
		}
		c.Commit(after, len(after)-len(before))
	}
	c.Unlock()
	clear(c.changes)
	if cap(c.changes) > changesKept {
		c.changes = nil
	}
	return true, false
}

// full reports whether the queue is beyond its bound.
func (c *Conn) full() bool {
	c.Lock()
	defer c.Unlock()
	return !c.Closing() && c.Pending() > c.limit.Load().MaxPending
}

// rules are what may be told.
type rules struct {
	now, before *perm.Set // nil = everything
	changed     bool      // of what is told again, only what now and before differ in is to be told
	none        bool      // everything is to be told
}

// rules in force; before is what was, if that is known and matters.
func (c *Conn) rules(before *Config) rules {
	r := rules{now: c.config.Load().Import, changed: before != nil}
	if before != nil {
		r.before = before.Import
	}
	r.none = r.now == nil && !r.changed
	return r
}

// judge reports whether ch may be known to the other server, and whether that
// is to be told.
func (r rules) judge(ch *interest.Change) (may, tell bool) {
	may = mayTell(r.now, ch)
	if r.changed && ch.Again {
		return may, may != mayTell(r.before, ch)
	}
	return may, may
}

func mayTell(imports *perm.Set, ch *interest.Change) bool {
	return imports == nil || imports.CanSubscribe([]byte(ch.Subject), []byte(ch.Queue))
}

// Forward tells the other server of a third one, about which info is what it
// said.
func (c *Conn) Forward(info *routewire.Info, e *mesh.Forward) {
	about := *info
	about.Nonce, about.IP, about.GossipMode = "", e.IP, byte(e.GossipMode)
	about.Cluster, about.Account, about.PoolIdx, about.AccAddReqID = e.Cluster, e.Account, 0, ""
	c.Send(routewire.AppendInfo(nil, &about))
}

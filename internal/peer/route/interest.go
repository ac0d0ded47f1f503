package route

import (
	"context"

	"dunlin/internal/core/account"
	"dunlin/internal/core/interest"
	"dunlin/internal/core/mesh"
	"dunlin/internal/proto/routewire"
	"dunlin/internal/proto/sysapi"
)

// watch follows the interest of one account for a connection. Under tellMu.
type watch struct {
	cursor  *interest.Cursor
	mask    uint16
	changes []interest.Change
}

// changesKept is the longest list of changes whose memory a watch keeps.
const changesKept = 64

// Register takes over what the mesh has made of the connection, and begins to
// tell the other server what is wanted here. Messages go out when it knows.
func (c *Conn) Register(r mesh.Register) {
	c.peer.describe(&r)
	c.reg.Store(&r)
	c.startPingTimer()
	if !c.group.Go("interest", func(context.Context) { c.introduce(&r) }) {
		c.Close(sysapi.ServerShutdown)
	}
}

// introduce tells all interest, then lets messages go out.
func (c *Conn) introduce(r *mesh.Register) {
	c.Rewatch()
	for {
		c.tellMu.Lock()
		some := false
		for acc, w := range c.watches {
			some = c.tellSome(acc, w) || some
		}
		if !some || c.ended {
			c.introducing = false
			if !c.ended {
				c.peer.join(c, r.Slot)
			}
			c.tellMu.Unlock()
			c.Flush()
			return
		}
		c.tellMu.Unlock()
		c.Flush()
		// All that waits is ours: one who reads slowly is waited for.
		c.WaitDrained(c.ctx, c.limit.Load().Slow)
	}
}

// Rewatch follows the accounts that the connection carries by now: accounts
// come, and get connections of their own.
func (c *Conn) Rewatch() {
	r := c.reg.Load()
	if r == nil {
		return
	}
	list := c.host.Accounts()
	c.tellMu.Lock()
	defer c.tellMu.Unlock()
	if c.ended {
		return
	}
	for _, acc := range list {
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
// is in the queue, before anything that is published from then on.
func (c *Conn) Tell(acc *account.Account) {
	c.tellMu.Lock()
	w := c.watches[acc]
	if w == nil || c.introducing || c.ended {
		c.tellMu.Unlock()
		return
	}
	told := false
	for c.tellSome(acc, w) {
		told = true
	}
	c.tellMu.Unlock()
	if told {
		c.Flush()
	}
}

// Retell tells everything anew: what may be told has changed.
func (c *Conn) Retell() {
	c.tellMu.Lock()
	if c.introducing || c.ended {
		c.tellMu.Unlock()
		return
	}
	for acc, w := range c.watches {
		w.cursor.Close()
		w.cursor = acc.Interest.Watch(w.mask)
		for c.tellSome(acc, w) { // until nothing is left
		}
	}
	c.tellMu.Unlock()
	c.Flush()
}

// tellSome writes some of what has changed into the queue, and reports whether
// there was anything. Under tellMu.
func (c *Conn) tellSome(acc *account.Account, w *watch) bool {
	w.changes = w.cursor.Next(w.changes[:0])
	if len(w.changes) == 0 {
		return false
	}
	name := acc.Name
	if c.own {
		name = ""
	}
	imports := c.host.Config().Import
	c.Lock()
	for i := range w.changes {
		ch := &w.changes[i]
		weight := int(ch.Weight)
		if imports != nil && !imports.CanSubscribe([]byte(ch.Subject), []byte(ch.Queue)) {
			weight = 0 // may have been told under other rules
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
	clear(w.changes)
	if cap(w.changes) > changesKept {
		w.changes = nil
	}
	return true
}

// Forward tells the other server of a third one, about which info is what it
// said.
func (c *Conn) Forward(info *routewire.Info, e *mesh.Forward) {
	about := *info
	about.Nonce, about.IP, about.GossipMode = "", e.IP, byte(e.GossipMode)
	about.Cluster, about.Account, about.PoolIdx = e.Cluster, e.Account, 0
	c.Send(routewire.AppendInfo(nil, &about))
}

package client

import (
	"fmt"
	"log/slog"

	"dunlin/internal/core/account"
	"dunlin/internal/core/interest"
	"dunlin/internal/core/perm"
	"dunlin/internal/core/sublist"
	"dunlin/internal/proto/subject"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/proto/wire"
)

// reservedQueue is a queue name that servers use among themselves.
const reservedQueue = "_sys_"

func (c *Client) subscribe(subj, queue, sid []byte) {
	// What is wrong in several ways is refused for the first of them in nats-server's order.
	acc := c.account.Load()
	c.subsMu.Lock()
	perms := c.grant.Load().Permissions
	if string(queue) == reservedQueue || !perms.CanSubscribe(subj, queue) {
		c.subsMu.Unlock()
		c.deniedSub(subj, queue, sid)
		return
	}
	if max := c.cfg.MaxSubTokens; max > 0 && subject.Tokens(subj) > max {
		c.subsMu.Unlock()
		c.complain(fmt.Sprintf("Permissions Violation for Subscription to %q, too many tokens", subj))
		return
	}
	if !subject.Wellformed(subj) {
		c.subsMu.Unlock()
		c.complain(wire.TextInvalidSubject)
		return
	}
	known := c.own.Find(sid) != nil
	max := c.maxSubs(acc)
	full := max > 0 && c.own.Len() >= max
	if !known && !full {
		s := sublist.NewSub(c, subj, queue, sid)
		s.Filtered = perms.FiltersDelivery(subj, queue)
		c.own.Add(s)
		acc.Subs.Insert(s)
		c.count(acc, s, true)
		c.subs.Store(int64(c.own.Len()))
		c.batch.untold = acc.Interest != nil
	}
	c.subsMu.Unlock()
	if full {
		c.complain(wire.TextMaxSubs)
		c.log(slog.LevelError, wire.TextMaxSubs)
		return
	}
	c.ok()
}

// maxSubs is how many subscriptions one connection of acc may have, 0 for any number.
func (c *Client) maxSubs(acc *account.Account) int {
	max, own := c.host.Config().MaxSubs, acc.Limits().MaxSubscriptions
	if own > 0 && (max <= 0 || own < int64(max)) {
		return int(own)
	}
	return max
}

// WithinLimits closes a client that has more subscriptions than a reload has left
// it; false if so. nats-server also closes those that have as many, and at each reload.
func (c *Client) WithinLimits() bool {
	acc := c.account.Load()
	if acc == nil {
		return true // not logged in yet
	}
	if max := c.maxSubs(acc); max <= 0 || c.own.Len() <= max {
		return true
	}
	c.log(slog.LevelError, wire.TextMaxSubs)
	c.CloseWith(sysapi.MaxSubscriptionsExceeded, wire.AppendErr(nil, wire.TextMaxSubs))
	return false
}

func (c *Client) deniedSub(subj, queue, sid []byte) {
	text := fmt.Sprintf("Permissions Violation for Subscription to %q", subj)
	log := fmt.Sprintf("Subscription Violation - Subject %q", subj)
	if len(queue) > 0 {
		text += fmt.Sprintf(" using queue %q", queue)
		log += fmt.Sprintf(", Queue: %q", queue)
	}
	c.complain(text)
	c.log(slog.LevelError, fmt.Sprintf("%s, SID %s", log, sid))
}

func (c *Client) unsubscribe(sid []byte, max int) {
	c.subsMu.Lock()
	if s := c.own.Find(sid); s != nil {
		c.Lock()
		wait := max > 0 && s.Delivered < uint64(max)
		if wait {
			s.Max = uint32(max)
		} else {
			s.Max = 0
		}
		c.Unlock()
		if !wait {
			c.remove(s)
			c.batch.untold = true
		}
	}
	c.subsMu.Unlock()
	c.ok()
}

// remove ends s. Under subsMu.
func (c *Client) remove(s *sublist.Sub) {
	c.Lock()
	s.Gone = true
	c.Unlock()
	c.own.Remove(s)
	if acc := c.account.Load(); acc != nil {
		if acc.Subs.Remove(s) {
			c.count(acc, s, false)
		}
	}
	c.subs.Store(int64(c.own.Len()))
}

// lane of the client: see core/interest.
func (c *Client) lane() uint8 { return uint8(c.id % interest.Lanes) }

// count notes for other servers that s has come (in) or gone. Under subsMu;
// they learn it with tell.
func (c *Client) count(acc *account.Account, s *sublist.Sub, in bool) {
	switch {
	case acc.Interest == nil:
	case in:
		acc.Interest.Add(s.Subject(), s.Queue(), c.lane())
	default:
		acc.Interest.Remove(s.Subject(), s.Queue(), c.lane())
	}
}

// tell has other servers learn what has changed in acc. Without any lock. Only the
// client's own reader may wait for a server that is behind, and only with what has
// come: what goes need not be known before anything else.
func (c *Client) tell(acc *account.Account, wait bool) {
	if acc != nil && acc.Interest != nil {
		c.host.InterestChanged(acc, wait)
	}
}

// tellBatch tells what the subscriptions of this batch have changed: before its
// next message, or who answers that would not know that somebody listens.
func (c *Client) tellBatch() {
	c.batch.untold = false
	c.tell(c.account.Load(), true)
}

// exhausted ends a subscription that has got all it asked for; called by who
// delivered the last message.
func (c *Client) exhausted(s *sublist.Sub) {
	c.subsMu.Lock()
	c.remove(s)
	c.subsMu.Unlock()
	c.tell(c.account.Load(), false)
}

// dropSubs ends all subscriptions.
func (c *Client) dropSubs() {
	acc := c.account.Load()
	if acc == nil {
		return
	}
	c.dropFrom(acc)
}

// dropStep is how many subscriptions end between two looks of the routes:
// changes of interest that nobody has read take memory.
const dropStep = 1024

func (c *Client) dropFrom(acc *account.Account) {
	c.subsMu.Lock()
	all := make([]*sublist.Sub, 0, c.own.Len())
	c.Lock()
	c.own.All(func(s *sublist.Sub) bool {
		s.Gone = true
		all = append(all, s)
		return true
	})
	c.Unlock()
	c.subsMu.Unlock()
	if len(all) == 0 {
		c.tell(acc, false) // of what has ended before, perhaps
		return
	}
	for len(all) > 0 {
		some := all[:min(len(all), dropStep)]
		all = all[len(some):]
		c.subsMu.Lock()
		for _, s := range some {
			if acc.Subs.Remove(s) {
				c.count(acc, s, false)
			}
		}
		c.subsMu.Unlock()
		c.tell(acc, false)
	}
	c.subsMu.Lock()
	c.own.Reset()
	c.subs.Store(0)
	c.subsMu.Unlock()
}

// revoke ends the subscriptions that perms do not allow and returns them. Under
// subsMu.
func (c *Client) revoke(perms *perm.Set) (denied []*sublist.Sub) {
	c.own.All(func(s *sublist.Sub) bool {
		subj, queue := []byte(s.Subject()), []byte(s.Queue())
		if !perms.CanSubscribe(subj, queue) {
			denied = append(denied, s)
			return true
		}
		filtered := perms.FiltersDelivery(subj, queue)
		c.Lock()
		s.Filtered = filtered
		c.Unlock()
		return true
	})
	for _, s := range denied {
		c.remove(s)
	}
	return denied
}

// tellRevoked tells the client which subscriptions it has lost.
func (c *Client) tellRevoked(denied []*sublist.Sub) {
	for _, s := range denied {
		text := fmt.Sprintf("Permissions Violation for Subscription to %q (sid %q)", s.Subject(), s.Sid())
		c.Send(wire.AppendErr(nil, text))
		c.log(slog.LevelInfo, text)
	}
}

// Subs calls fn for every subscription until it returns false; for monitoring,
// without holding anything up.
func (c *Client) Subs(fn func(*sublist.Sub) bool) { c.own.All(fn) }

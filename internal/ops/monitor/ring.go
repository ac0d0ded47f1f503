package monitor

import (
	"sync"

	"dunlin/internal/proto/sysapi"
)

// subsOfClosedMax is how many subscriptions are remembered of a connection
// that has closed, and ringSubsMax of all of them together. nats-server keeps
// each list whole; a few clients with 100,000 subscriptions that come and go
// would then hold more memory than all that are connected.
const (
	subsOfClosedMax = 256
	ringSubsMax     = 65536
)

// textMax bounds each text a closed client chose itself.
const textMax = 256

// Closed is a connection that has ended and the subscriptions it had then. It
// is never written to once it is in a Ring.
type Closed struct {
	Conn
	Subs []Sub
}

// Ring remembers the connections that closed last. It is owned by whoever
// made it; the oldest is dropped when it is full. A nil Ring is always empty.
type Ring struct {
	mu    sync.Mutex
	all   []*Closed // fills up to max, then next is the oldest
	next  int
	max   int
	total uint64
	by    [256]uint64 // total by reason
	subs  int         // of all entries
	bare  int         // so many of the oldest have no subscriptions to drop
}

// NewRing remembers up to max connections; with 0 or less, none.
func NewRing(max int) *Ring { return &Ring{max: max} }

// SubsKept is how many subscriptions Add will keep of a connection with n.
func SubsKept(n int) int { return min(n, subsOfClosedMax) }

// Add remembers c. Subscriptions beyond SubsKept are dropped, and so are those
// of the oldest connections when the ring holds too many in all. The caller
// gives subs away.
func (r *Ring) Add(c Conn, subs []Sub) {
	if r == nil {
		return
	}
	c.Name, c.Lang, c.Version = cut(c.Name), cut(c.Lang), cut(c.Version)
	c.User, c.MQTTClient = cut(c.User), cut(c.MQTTClient)
	subs = subs[:SubsKept(len(subs))]
	closed := &Closed{Conn: c, Subs: subs}

	r.mu.Lock()
	defer r.mu.Unlock()
	r.total++
	r.by[c.Reason]++
	if r.max <= 0 {
		return
	}
	if len(r.all) < r.max {
		r.all = append(r.all, closed)
	} else {
		r.subs -= len(r.all[r.next].Subs)
		r.all[r.next] = closed
		r.next = (r.next + 1) % r.max
		r.bare = max(r.bare-1, 0)
	}
	r.subs += len(subs)
	for ; r.subs > ringSubsMax && r.bare < len(r.all); r.bare++ {
		old := &r.all[(r.next+r.bare)%len(r.all)]
		r.subs -= len((*old).Subs)
		// A reader may hold the old one: it is replaced, not changed.
		*old = &Closed{Conn: (*old).Conn}
	}
}

// cut copies the head of a text, so that a short one does not keep alive the
// whole CONNECT it was read from.
func cut(s string) string {
	if len(s) > textMax {
		s = s[:textMax]
	}
	return string([]byte(s))
}

// Snapshot lists what is remembered, oldest first.
func (r *Ring) Snapshot() []*Closed {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*Closed, 0, len(r.all))
	list = append(list, r.all[r.next:]...)
	return append(list, r.all[:r.next]...)
}

// Total is how many connections were ever added.
func (r *Ring) Total() uint64 {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

// ByReason is how many connections were ever added, by the text of the reason;
// reasons that never happened are left out.
func (r *Ring) ByReason() map[string]uint64 {
	by := map[string]uint64{}
	if r == nil {
		return by
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, n := range r.by {
		if n > 0 {
			by[sysapi.CloseReason(i).String()] += n
		}
	}
	return by
}

package server

import (
	"sync"
	"sync/atomic"

	"dunlin/internal/peer/client"
	"dunlin/internal/proto/sysapi"
)

// clientTable holds the connected clients. Its lock is taken when a client
// comes or goes, never for a message.
type clientTable struct {
	mu     sync.RWMutex
	byID   map[uint64]*client.Client
	closed bool
	lastID atomic.Uint64
}

// firstID leaves room below for the server's own clients, as nats-server does.
const firstID = 4

func (t *clientTable) init() {
	t.byID = make(map[uint64]*client.Client)
	t.lastID.Store(firstID)
}

func (t *clientTable) nextID() uint64 { return t.lastID.Add(1) }

func (t *clientTable) count() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.byID)
}

// admit puts c in unless max clients are there; max <= 0 is no limit.
func (t *clientTable) admit(c *client.Client, max int) (ok, closed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false, true
	}
	if max > 0 && len(t.byID) >= max {
		return false, false
	}
	t.byID[c.ID()] = c
	return true, false
}

func (t *clientTable) remove(id uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.byID[id]
	delete(t.byID, id)
	return ok
}

func (t *clientTable) get(id uint64) *client.Client {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byID[id]
}

// all copies the table, so that nothing is called under its lock.
func (t *clientTable) all() []*client.Client {
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make([]*client.Client, 0, len(t.byID))
	for _, c := range t.byID {
		list = append(list, c)
	}
	return list
}

// each calls fn for every client under the table's lock; fn must be quick and
// must not come back to the table.
func (t *clientTable) each(fn func(*client.Client)) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, c := range t.byID {
		fn(c)
	}
}

func (t *clientTable) closeAll() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	for _, c := range t.all() {
		c.CloseWith(sysapi.ServerShutdown, nil)
	}
}

// totals counts what the clients that have gone did, and events.
type totals struct {
	inMsgs, inBytes   atomic.Int64
	outMsgs, outBytes atomic.Int64
	connections       atomic.Uint64
	slow, stale       atomic.Int64
	stalled           atomic.Int64
	authFailures      atomic.Int64
}

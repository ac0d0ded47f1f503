package client

import (
	"context"
	"time"
)

// A client that has been quiet for a while is parked: its reader goroutine
// ends, which gives back its stack, and the server watches the socket. Who
// comes back soon is left alone for longer the next time, so that a client
// which says something every few seconds keeps its goroutine.
const (
	restFirst = 300 * time.Millisecond
	restMax   = 16 * time.Second
)

// Idle asks the reader to leave if the client has been quiet at time now for long
// enough; for the server's sweep. It tells whether the client is parked.
func (c *Client) Idle(now time.Time) bool {
	if c.parked.Load() {
		return true
	}
	if c.grant.Load() != nil && now.UnixNano()-c.LastHeard() >= c.restAfter.Load() {
		c.restAfter.Store(min(2*c.restAfter.Load(), int64(restMax))) // also if it cannot: who is in the middle of an operation
		c.Rest()
	}
	return false
}

// rest parks the client; false if it cannot be. After true the caller is no
// longer the reader and must not touch the client.
func (c *Client) rest() bool {
	if c.parser != nil && c.parser.Between() {
		parsers.Put(c.parser)
		c.parser = nil
	}
	c.pub = nil // with all that it remembers of subjects
	c.parked.Store(true)
	err := c.host.Park(c)
	if err == nil {
		if !c.Ended() || !c.parked.CompareAndSwap(true, false) {
			return true
		}
		return false // closed meanwhile, and nobody else has noticed
	}
	// Whoever has taken the client up meanwhile (Awake) is the reader now.
	return !c.parked.CompareAndSwap(true, false)
}

// Resume takes a parked client up again, in a goroutine of its own; it does
// nothing if somebody else has. A server that is closing starts no goroutine
// any more: then the client is finished here.
func (c *Client) Resume() {
	if !c.parked.CompareAndSwap(true, false) {
		return
	}
	if !c.group.Go("client", func(context.Context) { c.read(nil) }) {
		c.finish() // the server is closing
	}
}

// Awake implements conn.Owner: a parked client that is closed needs a reader to
// end it.
func (c *Client) Awake() { c.Resume() }

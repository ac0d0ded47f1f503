package load

import (
	"crypto/tls"
	"time"
)

// Spec is one load, as data.
type Spec struct {
	Kind Kind

	// Flow, Churn, Stall, Mixed: independent groups of Pubs publishing and Subs
	// subscribed connections, each group on a subject of its own.
	Flows, Pubs, Subs int
	Queue             bool // the subscribers of a flow share a queue group
	Payload           int  // bytes, at least 8
	Header            int  // bytes of the header block; 0 = PUB, not HPUB
	Window            int  // bytes outstanding towards one subscriber

	// Text: payloads are lines of JSON, each different, so that compression has
	// something to do and cannot do it by remembering one message.
	Text bool

	// Request: Pubs requesters, each with one request at a time, one responder.

	// Idle, Subscriptions, Mixed, Interest, Restart: how many connections or
	// subscriptions.
	Count int

	// ChurnPerSecond: another connection subscribes and unsubscribes so often.
	ChurnPerSecond int
	// ChurnLater: a first stretch is measured before the churn begins, a second
	// with it.
	ChurnLater bool
	// Stall: after a first measured stretch the first flow's subscriber stops
	// reading while its publisher goes on, and a second stretch is measured.
	Stall bool

	Warmup, Duration time.Duration
}

// Kind is the shape of a load.
type Kind string

const (
	Flow          Kind = "flow"          // publishers to subscribers (none: publish only)
	Mixed         Kind = "mixed"         // random subjects against Count literal and wildcard subscriptions
	Request       Kind = "request"       // request and reply
	Idle          Kind = "idle"          // Count connections with one subscription each
	Subscriptions Kind = "subscriptions" // Count subscriptions on one connection
	Interest      Kind = "interest"      // the same, until every other node delivers on the last of them
	Restart       Kind = "restart"       // a node with Count subscriptions is killed and comes back
)

// Access is how to reach the server, or the nodes of a cluster.
type Access struct {
	Addrs          []string // host:port of each node
	User, Password string
	TLS            *tls.Config // for Idle only: the event loop speaks plain TCP
	// Kill ends a node as a crash would; Revive starts it again at the same
	// address. For Restart only.
	Kill, Revive func(node int) error
}

// Snapshot is called at the borders of what is measured.
type Snapshot func() (Usage, error)

// Usage is what the server has used up to now, and holds now.
type Usage struct {
	CPU time.Duration
	RSS int64 // bytes
	// Anon is the part of RSS the server wrote itself, bytes.
	Anon int64
}

// Result of one run.
type Result struct {
	// Units measured: deliveries, published messages (no subscriber), round
	// trips, connections or subscriptions.
	Units   int64
	Elapsed time.Duration
	CPU     time.Duration // of the server, in that time
	Latency []int64       // ns a round trip, ascending; Request only

	MemoryBefore, MemoryAfter Usage // not of Flow, Mixed and Request

	// Stall and ChurnLater: the second stretch, and the deliveries before and
	// during it. With Stall those of the flows that do not stall.
	LaterElapsed             time.Duration
	OthersBefore, OthersWith int64

	// Churned subscriptions a second, as reached.
	ChurnPerSecond float64
	// Verified is the number of messages accounted for over the whole run.
	Verified int64
}

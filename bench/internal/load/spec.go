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

	// Request: Pubs requesters, each with one request at a time, one responder.

	// Idle, Subscriptions, Mixed: how many connections or subscriptions.
	Count int

	// ChurnPerSecond: another connection subscribes and unsubscribes so often.
	ChurnPerSecond int
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
)

// Access is how to reach the server.
type Access struct {
	Addr           string // host:port
	User, Password string
	TLS            *tls.Config // for Idle only: the event loop speaks plain TCP
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

	MemoryBefore, MemoryAfter Usage // Idle and Subscriptions only

	// Stall only: the stretch with a stalled subscriber, and the others'
	// deliveries before and during.
	StallElapsed             time.Duration
	OthersBefore, OthersWith int64

	// Churned subscriptions a second, as reached.
	ChurnPerSecond float64
	// Verified is the number of messages accounted for over the whole run.
	Verified int64
}

package monitor

import (
	"iter"
	"time"

	"dunlin/internal/proto/sysapi"
)

// Source is what the monitoring endpoints read. Each method must be safe for
// any goroutine and must return soon: it may hold a lock to copy, never to
// compute, and never while it yields.
type Source interface {
	// ID is the server's public nkey.
	ID() string
	// Varz fills in all of v but now, uptime, the process figures (go, mem,
	// cpu, cores, gomaxprocs, gomemlimit) and http_req_stats.
	Varz(v *sysapi.Varz)
	// Health is nil when the server takes connections; otherwise the error
	// says why it does not, in a sentence an operator can use.
	Health() error

	// ConnIDs appends the ids of the open connections to dst, in any order.
	// Only those that /connz shows: clients, and leaf nodes.
	ConnIDs(dst []uint64) []uint64
	// Conn fills in the connection with this id, every field, and reports
	// false if it is not open any more. c is used again for the next one, so
	// the texts must stay valid, and slices must not be written to later.
	Conn(id uint64, c *Conn) bool
	// ConnSubs yields the subscriptions of an open connection in batches of at
	// most BatchMax. A batch is only valid until the next. Account is not used.
	ConnSubs(id uint64) iter.Seq[[]Sub]
	// Closed is the ring of connections that have closed.
	Closed() *Ring

	// Subscriptions yields every subscription of this server's clients in an
	// account, or in all with "", in batches as ConnSubs does; RouteSubs has
	// those of other servers. The order is the same from one call to the next
	// as far as nothing changed, since paging relies on it.
	Subscriptions(account string) iter.Seq[[]Sub]
	// Sublist describes the interest table of an account, or of all together
	// with ""; zero if there is no such account. Unlike the list above it
	// counts what other servers asked for, too.
	Sublist(account string) sysapi.SublistStats

	// Routes takes a snapshot of the connections to other servers of the
	// cluster, in any order: every field but Uptime and Idle. Texts and
	// permissions must not be written to later.
	Routes() []sysapi.RouteInfo
	// RouteSubs yields the interest that a route has told, as ConnSubs does;
	// none if it is not open any more. Sid is "R <account> <subject>", with
	// " <queue>" behind it for a queue group, and without the account on a
	// route that carries a single one.
	RouteSubs(id uint64) iter.Seq[[]Sub]
	// RoutePermissions are those of the cluster's configuration, nil for none.
	RoutePermissions() (imports, exports *sysapi.SubjectPermission)

	// SystemAccount is the name of the system account, "" for none.
	SystemAccount() string
	// Accounts lists the names of all accounts, in any order.
	Accounts() []string
	// Account tells of one account; false if there is none of that name.
	Account(name string) (sysapi.AccountInfo, bool)
	// AccountStat fills in the counts of one account; false if there is none.
	AccountStat(name string, s *sysapi.AccountStat) bool
}

// BatchMax is how many subscriptions a Source yields at once. It bounds the
// work between two looks at the clock.
const BatchMax = 64

// Conn is a snapshot of one connection, without its subscriptions. The zero
// value of a field means that it does not apply.
type Conn struct {
	ID           uint64
	Kind         string // sysapi.KindClient, ...
	Type         string // sysapi.TypeNATS, ...; "" for what is not a client
	IP           string
	Port         int
	Start        time.Time
	LastActivity time.Time
	RTT          time.Duration

	PendingBytes      int64
	InMsgs, OutMsgs   int64
	InBytes, OutBytes int64
	Stalls            int64 // times this connection was held back for a slow one
	NumSubs           uint32

	// As the client told in CONNECT.
	Name, Lang, Version string

	TLSVersion   uint16 // tls.VersionTLS13, ...; 0 without TLS
	TLSCipher    uint16
	TLSPeerCerts []sysapi.TLSPeerCert
	TLSFirst     bool

	// User is the user name or public nkey, sysapi.Redacted for a token. It is
	// what the client named even if it was refused.
	User      string
	Account   string // "" before authentication
	NameTag   string // the account's display name; "" means Account
	JWT       string
	IssuerKey string
	Tags      []string

	MQTTClient string

	// Only of closed connections.
	Stop   time.Time
	Reason sysapi.CloseReason
}

// Sub is one subscription.
type Sub struct {
	Account string
	Subject string
	Queue   string
	Sid     string
	Msgs    int64
	Max     int64 // ends by itself after so many; 0 for never
	ConnID  uint64
}

package route

import (
	"crypto/tls"
	"log/slog"
	"time"

	"dunlin/internal/base/tlsconf"
	"dunlin/internal/core/account"
	"dunlin/internal/core/mesh"
	"dunlin/internal/core/perm"
	"dunlin/internal/proto/routewire"
)

// Config is what holds for all routes. It is immutable; a reload replaces it
// as a whole.
type Config struct {
	// Info is what does not depend on the connection or the cluster's state.
	Info routewire.Info

	// User and Password are asked of servers that connect, and given to those
	// that are dialed by a URL without credentials; "" = none.
	User, Password string
	AuthTimeout    time.Duration // until CONNECT

	TLS         *tls.Config // of the accepting side; nil = no TLS
	ClientTLS   *tls.Config // of the dialing side
	TLSTimeout  time.Duration
	PinnedCerts tlsconf.Pins

	// Compression is the mode, as INFO names it. Thresholds are those of s2_auto.
	Compression string
	Thresholds  []time.Duration

	PingInterval time.Duration
	MaxPingsOut  int
	MaxPayload   int

	// Import: what this server asks others for, and takes. Export: what others
	// may ask this one for. Both as subscriptions; nil = all.
	Import, Export *perm.Set
}

// Host is what a route needs of its server. Opened to Failed, and Ended, are events for the mesh: they return when what follows from them has been done.
type Host interface {
	// Account by name, nil if there is none.
	Account(name string) *account.Account
	// Accounts are all there are.
	Accounts() []*account.Account
	// Peers are the servers at the other ends.
	Peers() *Peers
	// Log is where the route writes.
	Log() *slog.Logger

	// Opened: TLS is up, or err says why not.
	Opened(c *Conn, err error)
	// Connect is a CONNECT with good credentials.
	Connect(c *Conn, m *routewire.Connect)
	// Info is an INFO after the negotiation of compression.
	Info(c *Conn, info *routewire.Info)
	// Check is the first INFO of two, before compression. It may close c.
	Check(c *Conn, info *routewire.Info)
	// Own is what the mesh has to say in CONNECT and INFO on c.
	Own(c *Conn) (mesh.Connect, mesh.Info)
	// Confirmed: the other side shows that it keeps c, which this side has dialed.
	Confirmed(c *Conn)
	// Failed is a -ERR of the other side.
	Failed(c *Conn, text string)
	// Ended is called once, from the reader, after everything of the route has
	// been taken down.
	Ended(c *Conn)

	// Slow, Stale and Stalled count events.
	Slow(c *Conn)
	Stale(c *Conn)
	Stalled(c *Conn)
}

// Modes of compression.
const (
	modeNotSupported = "not supported"
	modeOff          = "off"
	modeAccept       = "accept"
	modeUncompressed = "s2_uncompressed"
	modeFast         = "s2_fast"
	modeBetter       = "s2_better"
	modeBest         = "s2_best"
	modeAuto         = "s2_auto"
)

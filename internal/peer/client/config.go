package client

import (
	"crypto/tls"
	"log/slog"
	"time"

	"dunlin/internal/base/tlsconf"
	"dunlin/internal/core/account"
	"dunlin/internal/engine/authn"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/proto/wire"
)

// Config is what holds for all clients of a listener. It is immutable; a
// reload replaces it as a whole.
type Config struct {
	Info wire.Info // what does not depend on the client

	MaxControlLine int
	MaxPayload     int32
	MaxSubs        int // a connection; 0 = no limit
	MaxSubTokens   int // 0 = no limit
	Headers        bool
	ProxyProtocol  bool

	PingInterval time.Duration
	MaxPingsOut  int
	AuthTimeout  time.Duration

	Auth *authn.Authenticator

	TLS           *tls.Config // nil: no TLS
	TLSTimeout    time.Duration
	AllowNonTLS   bool
	TLSFirst      bool
	TLSFallback   time.Duration // with TLSFirst: silent so long means INFO in clear; 0 = never
	PinnedCerts   tlsconf.Pins
	TLSRate       *tlsconf.RateLimiter
	Trace         bool
	TraceSystem   bool // the system account, too
	TraceHeaders  bool // only the header of a message
	MaxTracedSize int  // bytes of a payload; 0 = all
}

// Host is what a client needs of its server.
type Host interface {
	// Config in force.
	Config() *Config
	// Account by name, nil if there is none.
	Account(name string) *account.Account
	// InterestChanged has other servers told of what acc's Interest now says. It is
	// not called with any lock held, and before later messages of the same client. With
	// wait it may return only when a server that is behind has caught up.
	InterestChanged(acc *account.Account, wait bool)
	// Park has the client watched without a goroutine: Resume will be called when
	// there is something to read. An error means that it is not.
	Park(c *Client) error
	// Ended is called once, from the reader, after everything of the client has
	// been taken down.
	Ended(c *Client)
	// Slow, Stale and Stalled count events.
	Slow(c *Client)
	Stale(c *Client)
	Stalled(c *Client)
	// AuthFailed is told of a refused login.
	AuthFailed(c *Client, err error)
	// Log is where the client writes.
	Log() *slog.Logger
}

// Type tells how a client came in.
type Type string

// The types of connection, as allowed_connection_types names them.
const (
	Standard  Type = "STANDARD"
	InProcess Type = "IN_PROCESS"
)

// reasons maps the parser's complaints to what monitoring shows.
func reasonOf(err *wire.Error) sysapi.CloseReason {
	switch err {
	case wire.ErrControlLine:
		return sysapi.MaxControlLineExceeded
	case wire.ErrMaxPayload:
		return sysapi.MaxPayloadExceeded
	case wire.ErrPeer:
		return sysapi.ParseError
	}
	return sysapi.ProtocolViolation
}

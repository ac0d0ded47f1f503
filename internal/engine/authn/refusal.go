package authn

import (
	"errors"
	"fmt"
)

// What a Refusal wraps. On the wire all but ErrTimeout are an
// 'Authorization Violation'; the reason a connection is closed for differs.
var (
	ErrAuthorization   = errors.New("authentication error")
	ErrProxyNotTrusted = errors.New("proxy is not trusted")
	ErrProxyRequired   = errors.New("proxy connection required")
	ErrTimeout         = errors.New("authentication timeout")
)

// Refusal says why a connection was not let in, for the log. It names the user
// or public key that was claimed, and never a secret.
type Refusal struct {
	Kind   error  // one of the errors above
	Who    string // `User "joe"`, `Nkey "U..."`, `Token "[REDACTED]"`, or ""
	Reason string
}

func (r *Refusal) Error() string {
	s := r.Kind.Error()
	if r.Who != "" {
		s += " - " + r.Who
	}
	if r.Reason != "" {
		s += ": " + r.Reason
	}
	return s
}

func (r *Refusal) Unwrap() error { return r.Kind }

func refuse(kind error, who, reason string) error {
	return &Refusal{Kind: kind, Who: who, Reason: reason}
}

// redacted stands where nats-server shows that there was a token.
const redacted = "[REDACTED]"

// nameMax bounds what an unknown client can put into one log line.
const nameMax = 128

func quoted(kind, name string) string {
	if len(name) > nameMax {
		name = name[:nameMax] + "..."
	}
	return fmt.Sprintf("%s %q", kind, name)
}

// claimed names whom a request claims to be, as nats-server's log does.
func claimed(req *Request) string {
	switch {
	case req.Nkey != "":
		return quoted("Nkey", req.Nkey)
	case req.User != "":
		return quoted("User", req.User)
	case req.Token != "":
		return quoted("Token", redacted)
	}
	return ""
}

package authn

import (
	"time"

	"dunlin/internal/core/perm"
)

// User is one entry of a users list. Exactly one of Name and Nkey is set.
type User struct {
	Name     string // user name, or the certificate name with verify_and_map
	Password string // clear text or bcrypt ($2a$, $2b$, $2x$, $2y$)
	Nkey     string // public user nkey, "U..."
	Account  string // name of the account; "" means $G
	// Permissions of this user; nil means those of the account's or the
	// authorization block's default, which the configuration reader has
	// already filled in.
	Permissions *perm.Permissions
	// ConnectionTypes in upper case (STANDARD, WEBSOCKET, IN_PROCESS, ...);
	// empty means any.
	ConnectionTypes []string
	ProxyRequired   bool
}

// Config is the whole front door of one server: it is immutable, and a reload
// makes a new one.
type Config struct {
	Username, Password string // single user, when Users is empty
	Token              string // single token
	Users              []*User
	NoAuthUser         string
	// SingleUserPermissions apply to the single user, the token, and nobody
	// else (authorization.default_permissions next to user/token).
	SingleUserPermissions *perm.Permissions
	Timeout               time.Duration // authentication timeout
	VerifyAndMap          bool          // tls.verify_and_map: the certificate names the user
	TrustedProxies        []string      // public nkeys
	ProxyRequired         bool          // authorization.proxy_required
	SystemAccount         string        // "" means $SYS
}

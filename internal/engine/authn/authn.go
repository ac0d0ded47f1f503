package authn

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"

	"github.com/nats-io/nkeys"

	"dunlin/internal/core/perm"
)

// Request is what a connection shows of itself: the fields of CONNECT, and
// what the server knows of the connection.
type Request struct {
	User, Password, Token string
	Nkey, Sig             string
	JWT                   string // ignored: there is no operator mode yet, as nats-server ignores it without one
	ProxySig              string
	// NamesAccount: CONNECT holds "account" or "new_account". A client may not
	// choose; only its user's configuration does.
	NamesAccount bool
	Nonce        []byte               // as it stood in INFO; nil if there was none
	TLS          *tls.ConnectionState // nil without TLS
	ConnType     string               // STANDARD, IN_PROCESS, ... as in allowed_connection_types
}

// Identity is who a connection turned out to be. It is immutable and shared by
// the connections of one user.
type Identity struct {
	// User as monitoring shows it (authorized_user): a user name, a public
	// nkey, the name a certificate was mapped to, "[REDACTED]" for a token, or
	// "" for a client that gave no name where none was needed.
	User        string
	Account     string // never "": the default account is "$G"
	Permissions *perm.Set
	// RawPermissions is what Permissions was compiled from; not to be changed.
	RawPermissions *perm.Permissions
	Nkey           string // the proven key, or ""
	ProxyKey       string // the trusted proxy the connection came through, or ""

	by    method
	proof proof
}

// DefaultAccount is where users without an account live.
const DefaultAccount = "$G"

// method is how a connection proved who it is.
type method uint8

const (
	byNothing method = iota // no authentication is configured
	byPassword
	byToken
	byNkey
	byCertificate
	byDefault // no_auth_user
)

// proof identifies the configured secret that the connection knew.
type proof [32]byte

// user is one configured identity with what it takes to become it.
type user struct {
	id            *Identity
	secret        *secret
	key           nkeys.KeyPair // of an nkey user
	types         []string
	proxyRequired bool
}

type trustedProxy struct {
	public string
	key    nkeys.KeyPair
}

// Authenticator decides about connections by one configuration.
type Authenticator struct {
	users   map[string]*user // by name
	keys    map[string]*user // by public nkey
	certs   *certIndex       // nil unless verify_and_map
	single  *user            // user and password of the authorization block
	token   *user
	noAuth  *user // no_auth_user, or the implicit one
	proxies []trustedProxy

	noAuthName    string
	proxyRequired bool
	plaintext     bool
}

// Required reports whether anything is configured that decides who may
// connect.
func (a *Authenticator) Required() bool {
	return len(a.users) > 0 || len(a.keys) > 0 || a.single != nil || a.token != nil
}

// NeedsNonce reports whether INFO must carry a nonce.
func (a *Authenticator) NeedsNonce() bool { return len(a.keys) > 0 || len(a.proxies) > 0 }

// NoAuthUser is the configured no_auth_user, or "". If there is one, the first
// INFO does not say auth_required.
func (a *Authenticator) NoAuthUser() string { return a.noAuthName }

// HasDefault reports whether a client without credentials is let in as some
// user: the configured no_auth_user, or the implicit one.
func (a *Authenticator) HasDefault() bool { return a.noAuth != nil }

// PlaintextPasswords reports whether the configuration holds a password or
// token in clear text, which is worth a warning at start.
func (a *Authenticator) PlaintextPasswords() bool { return a.plaintext }

// Authenticate decides who req is. The error is a *Refusal. It may wait for a bcrypt check and gives
// up with ErrTimeout when ctx ends: ctx should end with the authentication
// time-out and with the connection.
func (a *Authenticator) Authenticate(ctx context.Context, req *Request) (*Identity, error) {
	if req.NamesAccount {
		return nil, refuse(ErrAuthorization, claimed(req), "a client may not name its account in CONNECT")
	}
	proxy, err := a.proxyOf(req)
	if err != nil {
		return nil, err
	}
	id, err := a.identify(ctx, req, proxy)
	if err != nil {
		return nil, err
	}
	return id.through(proxy), nil
}

// through gives the identity of a connection that came by the proxy.
func (id *Identity) through(proxy string) *Identity {
	if proxy == id.ProxyKey {
		return id
	}
	c := *id
	c.ProxyKey = proxy
	return &c
}

// proxyOf finds the trusted proxy that signed for the connection. Without
// trusted proxies a signature means nothing and is ignored.
func (a *Authenticator) proxyOf(req *Request) (string, error) {
	if len(a.proxies) == 0 || req.ProxySig == "" {
		return "", nil
	}
	for _, p := range a.proxies {
		if signed(p.key, req.Nonce, req.ProxySig) {
			return p.public, nil
		}
	}
	return "", refuse(ErrProxyNotTrusted, claimed(req), "")
}

func (a *Authenticator) identify(ctx context.Context, req *Request, proxy string) (*Identity, error) {
	switch {
	case !a.Required():
		return a.open(req, proxy)
	case len(a.keys) > 0 && req.Nkey != "":
		return a.byNkey(req, proxy)
	case a.certs != nil && len(a.users) > 0:
		u, subject := a.certs.find(req.TLS)
		if u == nil {
			reason := "no client certificate, which verify_and_map needs"
			if subject != "" {
				reason = quoted("no user for the certificate of", subject)
			}
			return nil, a.unknown(req, proxy, reason)
		}
		return a.admit(ctx, req, u, proxy, byCertificate)
	case len(a.users) > 0 || len(a.keys) > 0:
		if u := a.users[req.User]; u != nil && req.User != "" {
			return a.admit(ctx, req, u, proxy, byPassword)
		}
		if a.noAuth != nil && req.User == "" && req.Password == "" && req.Token == "" {
			return a.admit(ctx, req, a.noAuth, proxy, byDefault)
		}
		return nil, a.unknown(req, proxy, "no such user")
	case a.token != nil:
		return a.admit(ctx, req, a.token, proxy, byToken)
	default:
		return a.admit(ctx, req, a.single, proxy, byPassword)
	}
}

// unknown refuses a client that is no configured user's.
func (a *Authenticator) unknown(req *Request, proxy, reason string) error {
	if a.proxyRequired && proxy == "" {
		return refuse(ErrProxyRequired, claimed(req), "")
	}
	return refuse(ErrAuthorization, claimed(req), reason)
}

// open lets anyone in, under the name it gives.
func (a *Authenticator) open(req *Request, proxy string) (*Identity, error) {
	if a.proxyRequired && proxy == "" {
		return nil, refuse(ErrProxyRequired, claimed(req), "")
	}
	name := req.Nkey
	if name == "" {
		name = req.User
	}
	if name == "" && req.Token != "" {
		name = redacted
	}
	if name == "" {
		return anyone, nil
	}
	return &Identity{User: name, Account: DefaultAccount, by: byNothing}, nil
}

var anyone = &Identity{Account: DefaultAccount, by: byNothing}

func (a *Authenticator) byNkey(req *Request, proxy string) (*Identity, error) {
	u := a.keys[req.Nkey]
	if u == nil {
		return nil, a.unknown(req, proxy, "no such nkey")
	}
	if err := u.mayConnect(req, proxy); err != nil {
		return nil, err
	}
	if !signed(u.key, req.Nonce, req.Sig) {
		return nil, refuse(ErrAuthorization, claimed(req), "the signature is not that of the nonce by this key")
	}
	return u.as(byNkey, proof{}), nil
}

// mayConnect checks what does not depend on a secret. nats-server, too, asks
// for the proxy before the password.
func (u *user) mayConnect(req *Request, proxy string) error {
	if len(u.types) > 0 && !slices.Contains(u.types, req.ConnType) {
		return refuse(ErrAuthorization, u.who(), quoted("the user may not connect as", req.ConnType))
	}
	if u.proxyRequired && proxy == "" {
		return refuse(ErrProxyRequired, u.who(), "")
	}
	return nil
}

func (u *user) who() string {
	switch {
	case u.id.Nkey != "":
		return quoted("Nkey", u.id.Nkey)
	case u.id.by == byToken:
		return quoted("Token", redacted)
	}
	return quoted("User", u.id.User)
}

// admit lets req in as u if it knows u's secret.
func (a *Authenticator) admit(ctx context.Context, req *Request, u *user, proxy string, by method) (*Identity, error) {
	if err := u.mayConnect(req, proxy); err != nil {
		return nil, err
	}
	text, known := req.Password, true
	switch by {
	case byDefault:
		return u.as(by, proof{}), nil
	case byToken:
		text = req.Token
	case byPassword:
		known = req.User == u.id.User
	}
	ok, err := u.secret.check(ctx, text)
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return nil, refuse(ErrTimeout, u.who(), "too many passwords to check at once; clients that come back later are let in")
	case err != nil:
		return nil, refuse(ErrAuthorization, u.who(), err.Error())
	case !ok || !known:
		return nil, refuse(ErrAuthorization, claimed(req), "wrong user, password or token")
	}
	return u.as(by, u.secret.print), nil
}

// as gives the user's identity, proven by p. It is one value for all
// connections of a user: the builder gave it the method that leads to it.
func (u *user) as(by method, p proof) *Identity {
	if u.id.by == by && u.id.proof == p {
		return u.id
	}
	c := *u.id
	c.by, c.proof = by, p
	return &c
}

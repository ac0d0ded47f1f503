package authn

import "context"

// Renew decides about a connection that is already in, after a reload: a is
// the new configuration and old what the connection was so far. As long as its
// user and the secret it proved are unchanged it stays, with the user's new
// account and permissions, and no password is checked again (10,000
// connections would cost ten minutes of bcrypt).
//
// Otherwise the connection's CONNECT is judged afresh, if it was kept: then req
// is the Request of old and kept is true. A server that does not keep passwords says
// kept = false and fills in TLS and ConnType only; such a connection is
// refused, and its client comes back with what it knows.
func (a *Authenticator) Renew(ctx context.Context, old *Identity, req *Request, kept bool) (*Identity, error) {
	if old.ProxyKey != "" && !a.trusts(old.ProxyKey) {
		return nil, refuse(ErrProxyNotTrusted, quoted("User", old.User), "the proxy was removed from the trusted ones")
	}
	if u := a.same(old, req); u != nil {
		if err := u.mayConnect(req, old.ProxyKey); err != nil {
			return nil, err
		}
		by, p := old.by, old.proof
		if by == byNothing {
			by = byDefault
		}
		return u.as(by, p).through(old.ProxyKey), nil
	}
	if old.by == byNothing && !a.Required() {
		if a.proxyRequired && old.ProxyKey == "" {
			return nil, refuse(ErrProxyRequired, quoted("User", old.User), "")
		}
		return old, nil
	}
	if kept {
		return a.Authenticate(ctx, req)
	}
	return nil, refuse(ErrAuthorization, quoted("User", old.User), "the configuration of this user changed")
}

func (a *Authenticator) trusts(key string) bool {
	for _, p := range a.proxies {
		if p.public == key {
			return true
		}
	}
	return false
}

// same finds the user that old would still be without showing a secret again.
func (a *Authenticator) same(old *Identity, req *Request) *user {
	var u *user
	switch old.by {
	case byNothing:
		if old.User == "" && a.Required() {
			return a.sameDefault()
		}
		return nil
	case byNkey:
		return a.keys[old.Nkey]
	case byDefault:
		return a.sameDefault()
	case byCertificate:
		if a.certs == nil || len(a.users) == 0 {
			return nil
		}
		u, _ = a.certs.find(req.TLS)
	case byToken:
		u = a.token
	case byPassword:
		switch {
		case a.certs != nil && len(a.users) > 0:
			return nil
		case a.single != nil && a.single.id.User == old.User:
			u = a.single
		default:
			u = a.users[old.User]
		}
	}
	if u == nil || u.secret.print != old.proof {
		return nil
	}
	return u
}

// sameDefault keeps a client that showed nothing on no_auth_user, whoever that
// is now. A made-up user has a new name after each reload.
func (a *Authenticator) sameDefault() *user {
	if a.certs != nil && len(a.users) > 0 {
		return nil
	}
	return a.noAuth
}

// Knows reports whether the user that id stands for still exists, whatever its
// secret is now. A client whose user is gone is closed without a word, one
// whose secret has changed is told, as nats-server does.
func (a *Authenticator) Knows(id *Identity) bool {
	switch id.by {
	case byNkey:
		_, ok := a.keys[id.Nkey]
		return ok
	case byPassword, byCertificate, byDefault:
		if a.single != nil && a.single.id.User == id.User {
			return true
		}
		_, ok := a.users[id.User]
		return ok
	}
	return true
}

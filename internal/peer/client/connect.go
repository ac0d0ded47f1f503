package client

import (
	"context"
	"errors"
	"log/slog"

	"dunlin/internal/base/tlsconf"
	"dunlin/internal/core/account"
	"dunlin/internal/core/perm"
	"dunlin/internal/engine/authn"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/proto/wire"
)

func (c *Client) logError(msg string, err error) {
	c.log(slog.LevelError, msg+": "+err.Error())
}

// connect handles CONNECT, the first one or a later one.
func (c *Client) connect(arg []byte) {
	before := wire.DefaultConnect()
	if c.sawConnect {
		before = *c.opts.Load()
		c.dropSubs()
	} else {
		c.sawPing = false
	}
	opts, err := wire.ParseConnect(arg, before)
	if err != nil {
		c.logError("CONNECT refused", err)
		c.fail(sysapi.ProtocolViolation, "")
		return
	}
	c.sawConnect = true
	c.opts.Store(&opts)
	switch {
	case !c.login(&opts, false):
	case opts.Protocol < 0 || opts.Protocol > 1:
		c.fail(sysapi.BadClientProtocolVersion, wire.TextClientProtocol)
	case opts.NoResponders && !c.grant.Load().headers:
		c.fail(sysapi.NoRespondersRequiresHeaders, wire.TextNoRespHeaders)
	default:
		c.ok()
	}
}

// implicit binds a client that says something else before CONNECT; false if it
// may not.
func (c *Client) implicit() bool {
	opts := wire.DefaultConnect()
	c.opts.Store(&opts)
	return c.login(&opts, true)
}

// login authenticates and binds to the account.
func (c *Client) login(opts *wire.Connect, implicit bool) bool {
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.AuthTimeout)
	ident, err := c.cfg.Auth.Authenticate(ctx, c.request(opts))
	cancel()
	if err != nil {
		c.refuseLogin(err)
		return false
	}
	acc := c.host.Account(ident.Account)
	if acc == nil {
		c.log(slog.LevelError, "account of the user does not exist", "account", ident.Account)
		c.fail(sysapi.MissingAccount, wire.TextAccountFailed)
		return false
	}
	if old := c.account.Load(); old != acc && !c.bind(old, acc) {
		c.fail(sysapi.MaxAccountConnectionsExceeded, wire.TextMaxAccConnections)
		return false
	}
	c.subsMu.Lock()
	c.setGrant(ident, opts)
	c.subsMu.Unlock()
	// A reload may have passed this client over because it had no grant yet.
	if now := c.host.Config(); now.Auth != c.cfg.Auth && !c.Reauthorize(now) {
		c.stopped = true
		return false
	}
	c.connected = true
	c.Known()
	c.adopt()
	first := firstPing
	if implicit {
		first = c.cfg.PingInterval
	}
	c.WatchAlive(first)
	return true
}

// bind moves the client from one account to another, with nothing of the old
// one left: subscriptions, counts, what the publisher remembers.
func (c *Client) bind(old, acc *account.Account) bool {
	if !acc.Join() {
		return false
	}
	c.dropSubs()
	c.foldCounts()
	if old != nil {
		old.Leave()
	}
	c.account.Store(acc)
	if c.pub != nil {
		c.pub.Bind(acc)
	}
	return true
}

// adopt takes the grant in force into use for what is read from here on.
func (c *Client) adopt() {
	g := c.grant.Load()
	c.parser.NoHeaders = g == nil || !g.headers
	if acc := c.account.Load(); acc != nil {
		c.parser.MaxPayload = int(c.maxPayload(c.cfg, acc))
	}
	if c.pub != nil && g != c.seen {
		c.pub.Settle()
		c.seen = g
		c.pub.Forget()
		c.pub.NoEcho = g.noEcho
	}
}

func (c *Client) request(opts *wire.Connect) *authn.Request {
	return &authn.Request{
		User: opts.User, Password: opts.Pass, Token: opts.Token, Nkey: opts.Nkey, Sig: opts.Sig, JWT: opts.JWT,
		ProxySig: opts.ProxySig, NamesAccount: opts.Account != "" || opts.NewAccount, Nonce: []byte(c.nonce), TLS: c.TLSState(), ConnType: string(c.typ),
	}
}

func (c *Client) refuseLogin(err error) {
	c.host.AuthFailed(c, err)
	reason, text := sysapi.AuthenticationViolation, wire.TextAuthViolation
	switch {
	case errors.Is(err, authn.ErrTimeout):
		reason, text = sysapi.AuthenticationTimeout, wire.TextAuthTimeout
	case errors.Is(err, authn.ErrProxyNotTrusted):
		reason = sysapi.ProxyNotTrusted
	case errors.Is(err, authn.ErrProxyRequired):
		reason = sysapi.ProxyRequired
	}
	c.log(slog.LevelError, err.Error())
	c.fail(reason, text)
}

// setGrant puts identity and permissions in force. Under subsMu: a subscription
// is judged and entered by one grant.
func (c *Client) setGrant(ident *authn.Identity, opts *wire.Connect) {
	g := &grant{Identity: ident, noEcho: !opts.Echo, headers: opts.Headers && c.host.Config().Headers}
	var replies *perm.ReplyTracker
	if r := ident.Permissions.Responses(); r != nil {
		replies = perm.NewReplyTracker(r)
	}
	c.Lock()
	c.replies = replies
	c.Unlock()
	c.grant.Store(g)
}

func (c *Client) maxPayload(cfg *Config, acc *account.Account) int32 {
	if m := acc.Limits().MaxPayload; m > 0 && m < int64(cfg.MaxPayload) {
		return int32(m)
	}
	return cfg.MaxPayload
}

// Reauthorize applies new rules to a connected client after a reload: it may
// lose its place, or some of its subscriptions. It returns false if the client has been closed.
func (c *Client) Reauthorize(cfg *Config) bool {
	opts := c.opts.Load()
	g := c.grant.Load()
	if opts == nil || g == nil {
		return true // not logged in yet: it will meet the new rules
	}
	if !cfg.Auth.Knows(g.Identity) {
		c.CloseWith(sysapi.ClientClosed, nil)
		return false
	}
	if len(cfg.PinnedCerts) > 0 {
		if st := c.TLSState(); st != nil && tlsconf.CheckPinned(st, cfg.PinnedCerts) != nil {
			c.CloseWith(sysapi.TLSHandshakeError, nil)
			return false
		}
	}
	ident, err := cfg.Auth.Renew(c.ctx, g.Identity, c.request(opts), true)
	if err != nil {
		c.CloseWith(sysapi.AuthenticationViolation, wire.AppendErr(nil, wire.TextAuthViolation))
		return false
	}
	acc := c.host.Account(ident.Account)
	if acc == nil || acc != c.account.Load() {
		c.CloseWith(sysapi.ClientClosed, nil)
		return false
	}
	if ident == g.Identity {
		return true
	}
	c.subsMu.Lock()
	if c.grant.Load() != g { // a new CONNECT has come between, by the new rules or judged again after
		c.subsMu.Unlock()
		return true
	}
	c.setGrant(ident, opts)
	denied := c.revoke(ident.Permissions)
	c.subsMu.Unlock()
	c.tell(c.account.Load(), false)
	c.tellRevoked(denied)
	return true
}

package config

import (
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"dunlin/internal/core/perm"
	"dunlin/internal/engine/authn"
	"dunlin/internal/proto/conflang"
)

// authBlock is one authorization block. The one of the top level becomes
// authn.Config; those of other listeners are only checked for now.
type authBlock struct {
	at                         conflang.Pos
	user, pass, token          string
	hasUser, hasPass, hasToken bool
	timeout                    time.Duration
	users                      []*userEntry
	permissions                *perm.Permissions
	proxyRequired              bool
	callout                    *calloutBlock
}

type userEntry struct {
	authn.User
	at      conflang.Pos
	hasPass bool
}

type calloutBlock struct {
	at     conflang.Pos
	issuer string
	users  []string
	// allowed are the entries of allowed_accounts.
	allowed []*conflang.Value
}

func in[T any](f func(b *T) any) func(any) any {
	return func(ctx any) any { return f(ctx.(*T)) }
}

func setIn[T any](f func(r *reader, b *T, v *conflang.Value)) func(*reader, any, *conflang.Entry) {
	return func(r *reader, ctx any, e *conflang.Entry) { f(r, ctx.(*T), e.Value) }
}

var frontDoorKeys = []*key{
	{name: "authorization", takes: tMap, reload: true, doc: "Who may connect, and what they may do.", inner: &authorizationKeys,
		open: func(_ *reader, _ any, at conflang.Pos, _ string) any { return &authBlock{at: at} },
		close: func(r *reader, _, child any, _ conflang.Pos) {
			r.auth = child.(*authBlock)
			r.checkAuthBlock(r.auth)
		}},
	{name: "no_auth_user", takes: tStr, doc: "User of connections that give no credentials.", bind: opt(func(o *Options) any { return &o.Auth.NoAuthUser })},
	{name: "tls", takes: tMap, reload: true, doc: "TLS for clients and for the monitoring pages over HTTPS.", inner: &tlsKeys, open: openTLS,
		close: func(r *reader, ctx, child any, _ conflang.Pos) {
			r.tls = child.(*tlsBlock)
			r.checkTLS(r.tls)
			ctx.(*Options).TLS = &r.tls.Options
		}},
	{name: "allow_non_tls", takes: tBool, def: "false", doc: "Clients may connect without TLS, too.", bind: opt(func(o *Options) any { return &o.AllowNonTLS })},
	{name: "proxies", takes: tMap, reload: true, doc: "Proxies that may connect clients which sign with them.", inner: &schema{title: "proxies", keys: []*key{
		{name: "trusted", takes: tArray, doc: "The proxies that are trusted.",
			set: setIn(func(r *reader, o *Options, v *conflang.Value) { o.Auth.TrustedProxies = []string{} }),
			// An entry without a key stays empty, which Validate refuses.
			open: func(_ *reader, ctx any, _ conflang.Pos, _ string) any {
				o := ctx.(*Options)
				o.Auth.TrustedProxies = append(o.Auth.TrustedProxies, "")
				return &o.Auth.TrustedProxies[len(o.Auth.TrustedProxies)-1]
			},
			inner: &schema{title: "proxies.trusted", keys: []*key{
				{name: "key", takes: tStr, doc: "Public nkey of a proxy.", check: validKey("a public nkey", nkeys.IsValidPublicKey),
					bind: in(func(key *string) any { return key })},
			}}},
	}}, open: func(_ *reader, ctx any, _ conflang.Pos, _ string) any { return ctx }},
}

var authorizationKeys = schema{title: "authorization", keys: []*key{
	{name: "user", alias: []string{"username"}, takes: tStr, doc: "Name of the single user.", set: setIn(func(_ *reader, b *authBlock, v *conflang.Value) { b.user, b.hasUser = v.Str, true })},
	{name: "password", alias: []string{"pass"}, takes: tStr, secret: true, doc: "Password of the single user, clear or as bcrypt hash.", set: setIn(func(_ *reader, b *authBlock, v *conflang.Value) { b.pass, b.hasPass = v.Str, true })},
	{name: "token", takes: tStr, secret: true, doc: "Token that clients must give, clear or as bcrypt hash.", set: setIn(func(_ *reader, b *authBlock, v *conflang.Value) { b.token, b.hasToken = v.Str, v.Str != "" })},
	{name: "timeout", takes: tInt | tFloat | tDur, def: "2s (with TLS: its timeout + 1s)", doc: "Time in which a client must authenticate; numbers are seconds.", set: setIn(func(r *reader, b *authBlock, v *conflang.Value) { b.timeout = r.seconds(v, "authorization.timeout") })},
	{name: "users", takes: tArray, doc: "The users.", inner: &userKeys, open: func(_ *reader, ctx any, at conflang.Pos, _ string) any { return &userEntry{at: at} },
		close: func(r *reader, ctx, child any, _ conflang.Pos) {
			if u := child.(*userEntry); r.checkUser(u) && ctx != nil {
				b := ctx.(*authBlock)
				b.users = append(b.users, u)
			}
		}},
	{name: "default_permissions", alias: []string{"permissions"}, takes: tMap, doc: "Permissions of users that have none of their own. A single user or a token is not restricted by them.", inner: &permissionKeys,
		open: openPermissions, close: func(_ *reader, ctx, child any, _ conflang.Pos) {
			if b, ok := ctx.(*authBlock); ok {
				b.permissions = child.(*perm.Permissions)
			}
		}},
	{name: "proxy_required", takes: tBool, def: "false", doc: "The single user or token must come through a trusted proxy.", bind: in(func(b *authBlock) any { return &b.proxyRequired })},
	{name: "auth_callout", takes: tMap, restart: true, later: laterCallout, doc: "A service decides about users.", inner: &calloutKeys,
		open: func(_ *reader, _ any, at conflang.Pos, _ string) any { return &calloutBlock{at: at} },
		close: func(r *reader, ctx, child any, at conflang.Pos) {
			c := child.(*calloutBlock)
			switch {
			case c.issuer == "":
				r.fail(at, "authorization.auth_callout has no issuer; expected the public account nkey that signs its answers")
			case len(c.users) == 0:
				r.fail(at, "authorization.auth_callout has no auth_users; expected the users of the service itself")
			}
			if b, ok := ctx.(*authBlock); ok {
				b.callout = c
			}
		}},
}}

var connectionTypes = []string{"STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "MQTT", "MQTT_WS", "IN_PROCESS"}

var userKeys = schema{title: "a user", keys: []*key{
	{name: "user", alias: []string{"username"}, takes: tStr, doc: "Name; with tls.verify_and_map the name in the certificate.", bind: in(func(u *userEntry) any { return &u.Name })},
	{name: "password", alias: []string{"pass"}, takes: tStr, secret: true, doc: "Password, clear or as bcrypt hash.", set: setIn(func(_ *reader, u *userEntry, v *conflang.Value) { u.Password, u.hasPass = v.Str, true })},
	{name: "nkey", takes: tStr, doc: "Public nkey, instead of name and password.", set: setIn(func(r *reader, u *userEntry, v *conflang.Value) {
		// Not a check: the user has an nkey, only a wrong one, and must not
		// be reported as having no name as well.
		if u.Nkey = v.Str; !nkeys.IsValidPublicUserKey(v.Str) {
			r.fail(v.Pos, "the nkey of a user is not valid; expected a public user nkey (U...)")
			u.Nkey = "?"
		}
	})},
	{name: "permissions", alias: []string{"permission", "authorization"}, takes: tMap, doc: "What the user may publish and subscribe to.", inner: &permissionKeys,
		open: openPermissions, close: func(_ *reader, ctx, child any, _ conflang.Pos) {
			if u, ok := ctx.(*userEntry); ok {
				u.Permissions = child.(*perm.Permissions)
			}
		}},
	{name: "allowed_connection_types", alias: []string{"connection_types"}, takes: tStrOrs, doc: "Kinds of connections that may use this user: " + strings.Join(connectionTypes, ", ") + ".", check: checkConnectionTypes,
		set: setIn(func(_ *reader, u *userEntry, v *conflang.Value) {
			u.ConnectionTypes = nil
			for _, s := range strs(v) {
				u.ConnectionTypes = append(u.ConnectionTypes, strings.ToUpper(s))
			}
		})},
	{name: "proxy_required", takes: tBool, def: "false", doc: "The user must come through a trusted proxy.", bind: in(func(u *userEntry) any { return &u.ProxyRequired })},
}}

func openPermissions(_ *reader, _ any, _ conflang.Pos, _ string) any { return new(perm.Permissions) }

var permissionKeys = schema{title: "permissions", keys: []*key{
	{name: "publish", alias: []string{"pub", "import"}, takes: tStr | tStrs | tMap, doc: "Subjects that may be published to, or a map with allow and deny.",
		set: setIn(func(r *reader, p *perm.Permissions, v *conflang.Value) {
			p.Publish = r.subjects(v, "publish", false)
		}), inner: nil},
	{name: "subscribe", alias: []string{"sub", "export"}, takes: tStr | tStrs | tMap, doc: "Subjects that may be subscribed to, \"subject queue\" for queue subscriptions, or a map with allow and deny.",
		set: setIn(func(r *reader, p *perm.Permissions, v *conflang.Value) {
			p.Subscribe = r.subjects(v, "subscribe", true)
		})},
	{name: "allow_responses", takes: tBool | tMap, def: "false", doc: "May answer requests; true is one answer within two minutes.",
		set: setIn(func(_ *reader, p *perm.Permissions, v *conflang.Value) {
			p.Responses = nil
			if v.Kind == conflang.Object || v.Bool {
				p.Responses = &perm.Responses{MaxMsgs: 1, Expires: 2 * time.Minute}
			}
		}),
		open: func(_ *reader, ctx any, _ conflang.Pos, _ string) any {
			if p, ok := ctx.(*perm.Permissions); ok {
				return p.Responses
			}
			return nil
		},
		inner: &schema{title: "allow_responses", keys: []*key{
			{name: "max", alias: []string{"max_msgs"}, takes: tInt, def: "1", doc: "Answers to one request; -1 is no limit.", set: setIn(func(r *reader, p *perm.Responses, v *conflang.Value) {
				if r.store(&p.MaxMsgs, v, "allow_responses.max"); p.MaxMsgs == 0 {
					p.MaxMsgs = 1
				}
			})},
			{name: "expires", alias: []string{"expiration", "ttl"}, takes: tDur, def: "2m", doc: "Time in which the answers must come; -1s is no limit.", set: setIn(func(r *reader, p *perm.Responses, v *conflang.Value) {
				if p.Expires = duration(v); p.Expires == 0 {
					p.Expires = 2 * time.Minute
				}
			})},
		}}},
}}

var calloutKeys = schema{title: "auth_callout", keys: []*key{
	{name: "issuer", takes: tStr, doc: "Public account nkey that signs the answers.", check: validKey("a public account nkey (A...)", nkeys.IsValidPublicAccountKey), bind: in(func(c *calloutBlock) any { return &c.issuer })},
	{name: "account", takes: tStr, doc: "Account of the service."},
	{name: "auth_users", alias: []string{"users"}, takes: tStrs, doc: "Users that are not asked about: those of the service itself.", bind: in(func(c *calloutBlock) any { return &c.users })},
	{name: "xkey", alias: []string{"key"}, takes: tStr, doc: "Public curve nkey that requests are encrypted for.", check: validKey("a public curve nkey (X...)", nkeys.IsValidPublicCurveKey)},
	{name: "allowed_accounts", takes: tStrs, doc: "Accounts that the service may put users into.", set: setIn(func(_ *reader, c *calloutBlock, v *conflang.Value) { c.allowed = v.Items })},
}}

// accountEntry is one account while the file is read.
type accountEntry struct {
	*Account
	at                 conflang.Pos
	users              []*userEntry
	defaultPermissions *perm.Permissions
	exports            []*exportEntry
	imports            []*importEntry
}

var tenantKeys = []*key{
	{name: "accounts", takes: tMap | tStrs, reload: true, doc: "Tenants: each has its own subjects and users. An array declares names only.", inner: &schema{title: "accounts", free: accountKey},
		open: func(_ *reader, ctx any, _ conflang.Pos, _ string) any { return ctx },
		set:  setOpt(setAccountNames)},
	{name: "system_account", alias: []string{"system"}, takes: tStr, def: "$SYS", doc: "Account whose users see and manage the server.", bind: opt(func(o *Options) any { return &o.SystemAccount })},
	{name: "no_system_account", alias: []string{"no_system", "no_sys_acc"}, takes: tBool, def: "false", doc: "Have no system account.", bind: opt(func(o *Options) any { return &o.NoSystemAccount })},
	{name: "mappings", alias: []string{"maps"}, takes: tMap, reload: true, doc: "Subject mappings of the default account: from subject to subject, or to a list with weights.",
		set: setOpt(func(r *reader, o *Options, v *conflang.Value) { o.Mappings = r.mappings(v, "mappings") })},
}

// accountKey describes one account, whatever its name.
var accountKey = &key{name: "<name>", takes: tMap, doc: "One account.", inner: &accountKeys,
	open: func(r *reader, _ any, at conflang.Pos, name string) any {
		r.checkAccountName(at, name)
		return &accountEntry{Account: &Account{Name: name}, at: at}
	},
	close: func(r *reader, _, child any, _ conflang.Pos) {
		r.accounts = append(r.accounts, child.(*accountEntry))
	}}

var accountKeys = schema{title: "an account", keys: []*key{
	{name: "users", takes: tArray, doc: "The users of the account.", inner: &userKeys, open: func(_ *reader, _ any, at conflang.Pos, _ string) any { return &userEntry{at: at} },
		close: func(r *reader, ctx, child any, _ conflang.Pos) {
			if u := child.(*userEntry); r.checkUser(u) {
				a := ctx.(*accountEntry)
				a.users = append(a.users, u)
			}
		}},
	{name: "nkey", takes: tStr, doc: "Public nkey of the account.", check: validKey("a public account nkey (A...)", nkeys.IsValidPublicAccountKey), bind: in(func(a *accountEntry) any { return &a.Nkey })},
	{name: "mappings", alias: []string{"maps"}, takes: tMap, doc: "Subject mappings of the account.",
		set: setIn(func(r *reader, a *accountEntry, v *conflang.Value) {
			a.Mappings = append(a.Mappings, r.mappings(v, "mappings")...)
		})},
	{name: "default_permissions", takes: tMap, doc: "Permissions of users that have none of their own.", inner: &permissionKeys,
		open: openPermissions, close: func(_ *reader, ctx, child any, _ conflang.Pos) {
			ctx.(*accountEntry).defaultPermissions = child.(*perm.Permissions)
		}},
	{name: "limits", takes: tMap, doc: "Limits of the account.", open: func(_ *reader, ctx any, _ conflang.Pos, _ string) any { return ctx }, inner: &schema{title: "limits", keys: []*key{
		{name: "max_connections", alias: []string{"max_conn"}, takes: tInt, def: "no limit", doc: "Most connections at a time.", bind: in(func(a *accountEntry) any { return &a.MaxConnections })},
		{name: "max_subscriptions", alias: []string{"max_subs"}, takes: tInt, def: "no limit", doc: "Most subscriptions of one connection.", bind: in(func(a *accountEntry) any { return &a.MaxSubscriptions })},
		{name: "max_payload", alias: []string{"max_pay"}, takes: tInt, def: "max_payload of the server", doc: "Largest message.", bind: in(func(a *accountEntry) any { return &a.MaxPayload })},
		{name: "max_leafnodes", alias: []string{"max_leafs"}, takes: tInt, def: "no limit", later: laterLeaf, doc: "Most leaf node connections."},
	}}},
	{name: "exports", takes: tArray, later: laterSharing, doc: "Streams and services that other accounts may import.", inner: &exportKeys, open: openExport, close: closeExport},
	{name: "imports", takes: tArray, later: laterSharing, doc: "Streams and services of other accounts.", inner: &importKeys, open: openImport, close: closeImport},
	{name: "jetstream", takes: tBool | tStr | tMap, words: onOffWords, later: laterJetStream, doc: "JetStream for the account, with limits.", inner: &accountJetStreamKeys},
	{name: "trace_dest", alias: []string{"msg_trace"}, takes: tStr | tMap, later: laterTracing, doc: "Subject for traces of messages with a traceparent header.", check: checkTraceDest, inner: &schema{title: "trace_dest", keys: []*key{
		{name: "dest", takes: tStr, doc: "Subject of the traces."},
		{name: "sampling", takes: tInt | tStr, def: "100%", doc: "Percentage of messages that are traced.", check: percentage(1)},
	}}},
}}

func validKey(what string, valid func(string) bool) func(*conflang.Value) string {
	return func(v *conflang.Value) string {
		if !valid(v.Str) {
			return "not a valid nkey; expected " + what
		}
		return ""
	}
}

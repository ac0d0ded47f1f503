package authn

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"

	"dunlin/internal/core/perm"
)

// connectionTypes are what allowed_connection_types may name.
var connectionTypes = []string{"STANDARD", "WEBSOCKET", "LEAFNODE", "LEAFNODE_WS", "MQTT", "MQTT_WS", "IN_PROCESS"}

// builder gathers the faults of a configuration, so that all are reported at
// once.
type builder struct {
	a      *Authenticator
	faults []error
	sets   map[*perm.Permissions]*perm.Set // users often share one default
}

func (b *builder) fault(format string, args ...any) {
	b.faults = append(b.faults, fmt.Errorf(format, args...))
}

// New checks cfg and makes an Authenticator of it. cfg is not kept and must
// not change meanwhile. The error lists every mistake, a line each, without
// secrets.
func New(cfg *Config) (*Authenticator, error) {
	if cfg == nil {
		return nil, errors.New("authorization: no configuration given")
	}
	b := &builder{
		a: &Authenticator{
			users: map[string]*user{}, keys: map[string]*user{},
			noAuthName: cfg.NoAuthUser, proxyRequired: cfg.ProxyRequired,
		},
		sets: map[*perm.Permissions]*perm.Set{},
	}
	switch {
	case cfg.Token != "" && cfg.Username != "":
		b.fault("authorization: both user and token are given; use one of them")
	case cfg.Token != "" && len(cfg.Users) > 0:
		b.fault("authorization: both token and users are given; use one of them")
	case cfg.Username != "" && len(cfg.Users) > 0:
		b.fault("authorization: both user and users are given; add the single user to the list")
	}
	b.single(cfg)
	for _, u := range cfg.Users {
		b.user(u)
	}
	b.proxies(cfg.TrustedProxies)
	b.noAuth(cfg)
	if cfg.VerifyAndMap {
		var err error
		if b.a.certs, err = newCertIndex(b.a.users); err != nil {
			b.fault("authorization: %w", err)
		}
		for _, u := range b.a.users {
			u.id.by = byCertificate
		}
	}
	if err := errors.Join(b.faults...); err != nil {
		return nil, err
	}
	return b.a, nil
}

func (b *builder) single(cfg *Config) {
	entry := &User{Permissions: cfg.SingleUserPermissions, ProxyRequired: cfg.ProxyRequired}
	switch {
	case cfg.Username != "":
		entry.Name, entry.Password = cfg.Username, cfg.Password
		b.a.single = b.build(entry, fmt.Sprintf("user %q", cfg.Username))
		b.a.single.id.by = byPassword
	case cfg.Token != "":
		entry.Password = cfg.Token
		b.a.token = b.build(entry, "token")
		b.a.token.id.User, b.a.token.id.by = redacted, byToken
	}
}

func (b *builder) user(u *User) {
	switch {
	case u == nil || (u.Name == "" && u.Nkey == ""):
		b.fault("authorization: a user has neither a name nor an nkey; give one")
	case u.Name != "" && u.Nkey != "":
		b.fault("authorization: user %q has an nkey too; make them two users", u.Name)
	case u.Nkey != "":
		b.nkeyUser(u)
	case b.a.users[u.Name] != nil:
		b.fault("authorization: user %q is defined twice; names are unique over all accounts", u.Name)
	default:
		e := b.build(u, fmt.Sprintf("user %q", u.Name))
		e.id.by = byPassword
		b.a.users[u.Name] = e
	}
}

func (b *builder) nkeyUser(u *User) {
	if b.a.keys[u.Nkey] != nil {
		b.fault("authorization: nkey %q is defined twice; a key belongs to one user", u.Nkey)
		return
	}
	if !nkeys.IsValidPublicUserKey(u.Nkey) {
		b.fault("authorization: nkey %q is not a public user key; it starts with U and has %d characters", u.Nkey, 56)
		return
	}
	key, err := nkeys.FromPublicKey(u.Nkey)
	if err != nil {
		b.fault("authorization: nkey %q: %w", u.Nkey, err)
		return
	}
	e := b.build(u, fmt.Sprintf("nkey %q", u.Nkey))
	e.key, e.id.Nkey, e.id.User, e.id.by = key, u.Nkey, u.Nkey, byNkey
	b.a.keys[u.Nkey] = e
}

// build compiles what is common to all kinds of users. It always gives one, so
// that New finds the faults of the others too.
func (b *builder) build(u *User, what string) *user {
	e := &user{id: &Identity{User: u.Name, Account: u.Account, RawPermissions: u.Permissions}, proxyRequired: u.ProxyRequired}
	if e.id.Account == "" {
		e.id.Account = DefaultAccount
	}
	set, ok := b.sets[u.Permissions]
	if !ok {
		var err error
		if set, err = perm.Compile(u.Permissions); err != nil {
			b.fault("authorization: permissions of %s: %w", what, err)
		}
		b.sets[u.Permissions] = set
	}
	e.id.Permissions = set
	s, err := newSecret(u.Password)
	if err != nil {
		b.fault("authorization: the secret of %s %w", what, err)
		s = &secret{}
	}
	e.secret = s
	if u.Nkey == "" {
		e.id.proof = s.print
		b.a.plaintext = b.a.plaintext || s.plain()
	}
	for _, t := range u.ConnectionTypes {
		t = strings.ToUpper(t)
		if !slices.Contains(connectionTypes, t) {
			b.fault("authorization: %s: connection type %q is unknown; the types are %s", what, t, strings.Join(connectionTypes, ", "))
		}
		e.types = append(e.types, t)
	}
	return e
}

func (b *builder) proxies(keys []string) {
	for _, k := range keys {
		key, err := nkeys.FromPublicKey(k)
		if err != nil || !nkeys.IsValidPublicKey(k) {
			b.fault("proxies: %q is not a public nkey; give the public key of a trusted proxy", k)
			continue
		}
		b.a.proxies = append(b.a.proxies, trustedProxy{public: k, key: key})
	}
}

// noAuth finds the user of clients that show nothing. Where only the system
// account has users, nats-server lets everyone else into the default account;
// it makes up a user for them.
func (b *builder) noAuth(cfg *Config) {
	if n := cfg.NoAuthUser; n != "" {
		switch {
		case len(cfg.Users) == 0:
			b.fault("no_auth_user: %q is given, but no users are; define it under users or an account", n)
		case b.a.users[n] != nil:
			b.a.noAuth = b.a.users[n].asDefault()
		case b.a.keys[n] != nil:
			b.a.noAuth = b.a.keys[n].asDefault()
		default:
			b.fault("no_auth_user: %q is not a user; define it under users or an account", n)
		}
		return
	}
	system := cfg.SystemAccount
	if system == "" {
		system = "$SYS"
	}
	if len(cfg.Users) == 0 || slices.ContainsFunc(cfg.Users, func(u *User) bool { return u == nil || u.Account != system }) {
		return
	}
	b.a.noAuth = &user{
		id:     &Identity{User: "nats-" + rand.Text()[:8], Account: DefaultAccount, by: byDefault},
		secret: &secret{},
	}
}

// asDefault is u as clients become it that prove nothing.
func (u *user) asDefault() *user {
	c, id := *u, *u.id
	id.by, id.proof, id.Nkey = byDefault, proof{}, ""
	c.id = &id
	return &c
}

package config

import (
	"maps"
	"slices"
	"time"

	"dunlin/internal/base/tlsconf"
	"dunlin/internal/core/mapping"
	"dunlin/internal/core/perm"
	"dunlin/internal/engine/authn"
)

// Defaults of options that say nothing.
const (
	DefaultHost                  = "0.0.0.0"
	DefaultPort                  = 4222
	DefaultHTTPPort              = 8222
	DefaultMaxConnections        = 64 * 1024
	DefaultMaxControlLine        = 4096
	DefaultMaxPayload            = 1 << 20
	DefaultMaxPending            = 64 << 20
	DefaultMaxClosedClients      = 10_000
	DefaultPingInterval          = 2 * time.Minute
	DefaultMaxPingsOut           = 2
	DefaultWriteDeadline         = 10 * time.Second
	DefaultLameDuckDuration      = 2 * time.Minute
	DefaultLameDuckGracePeriod   = 10 * time.Second
	DefaultTLSTimeout            = 2 * time.Second
	DefaultAuthTimeout           = 2 * time.Second
	DefaultConnectErrorReports   = 3600
	DefaultReconnectErrorReports = 1

	// MaxPayloadAdvised is the size above which a server warns.
	MaxPayloadAdvised = 8 << 20
)

// SetDefaults fills in what nobody said. It changes nothing that is set, so
// that calling it twice is the same as once.
func (o *Options) SetDefaults() {
	fill(&o.Host, DefaultHost)
	fill(&o.HTTPHost, o.Host)
	fill(&o.Port, DefaultPort)
	fill(&o.MaxConn, DefaultMaxConnections)
	fill(&o.MaxControlLine, DefaultMaxControlLine)
	fill(&o.MaxPayload, DefaultMaxPayload)
	fill(&o.MaxPending, DefaultMaxPending)
	fill(&o.MaxClosedClients, DefaultMaxClosedClients)
	fill(&o.PingInterval, DefaultPingInterval)
	fill(&o.MaxPingsOut, DefaultMaxPingsOut)
	fill(&o.WriteDeadline, DefaultWriteDeadline)
	fill(&o.WriteTimeout, "default")
	fill(&o.LameDuckDuration, DefaultLameDuckDuration)
	fill(&o.LameDuckGracePeriod, DefaultLameDuckGracePeriod)
	fill(&o.ConnectErrorReports, DefaultConnectErrorReports)
	fill(&o.ReconnectErrorReports, DefaultReconnectErrorReports)
	fill(&o.LogFormat, "text")
	auth := DefaultAuthTimeout
	if o.TLS != nil {
		fill(&o.TLS.Timeout, DefaultTLSTimeout)
		// A client may spend the whole time of the handshake first.
		auth = o.TLS.Timeout + time.Second
	}
	fill(&o.Auth.Timeout, auth)
	o.Cluster.setDefaults(o)
	if !o.NoSystemAccount {
		fill(&o.SystemAccount, DefaultSystemAccount)
	}
	o.Auth.SystemAccount = o.SystemAccount
}

func fill[T comparable](dst *T, value T) {
	var zero T
	if *dst == zero {
		*dst = value
	}
}

// Clone copies options so that nothing is shared.
func (o *Options) Clone() *Options {
	c := *o
	c.Auth = cloneAuth(o.Auth)
	if o.TLS != nil {
		t := cloneTLS(*o.TLS)
		c.TLS = &t
	}
	c.Cluster = o.Cluster.clone()
	c.Accounts = nil
	for _, a := range o.Accounts {
		one := *a
		one.Mappings = cloneMappings(a.Mappings)
		c.Accounts = append(c.Accounts, &one)
	}
	c.Mappings = cloneMappings(o.Mappings)
	c.Tags = slices.Clone(o.Tags)
	c.Metadata = maps.Clone(o.Metadata)
	c.FeatureFlags = maps.Clone(o.FeatureFlags)
	c.Later = slices.Clone(o.Later)
	c.LaterKeys = slices.Clone(o.LaterKeys)
	c.Warnings = slices.Clone(o.Warnings)
	c.Notes = slices.Clone(o.Notes)
	c.places = maps.Clone(o.places)
	c.settled = maps.Clone(o.settled)
	return &c
}

func cloneAuth(a authn.Config) authn.Config {
	users := a.Users
	a.Users = nil
	for _, u := range users {
		one := *u
		one.Permissions = clonePermissions(u.Permissions)
		one.ConnectionTypes = slices.Clone(u.ConnectionTypes)
		a.Users = append(a.Users, &one)
	}
	a.SingleUserPermissions = clonePermissions(a.SingleUserPermissions)
	a.TrustedProxies = slices.Clone(a.TrustedProxies)
	return a
}

func clonePermissions(p *perm.Permissions) *perm.Permissions {
	if p == nil {
		return nil
	}
	c := new(perm.Permissions)
	c.Publish, c.Subscribe = cloneSubjects(p.Publish), cloneSubjects(p.Subscribe)
	if p.Responses != nil {
		one := *p.Responses
		c.Responses = &one
	}
	return c
}

func cloneSubjects(s *perm.Subjects) *perm.Subjects {
	if s == nil {
		return nil
	}
	return &perm.Subjects{Allow: slices.Clone(s.Allow), Deny: slices.Clone(s.Deny)}
}

func cloneTLS(t tlsconf.Options) tlsconf.Options {
	t.Certs = slices.Clone(t.Certs)
	t.Ciphers = slices.Clone(t.Ciphers)
	t.CurvePreferences = slices.Clone(t.CurvePreferences)
	t.PinnedCerts = slices.Clone(t.PinnedCerts)
	return t
}

func cloneMappings(rules []mapping.Rule) []mapping.Rule {
	rules = slices.Clone(rules)
	for i := range rules {
		rules[i].Destinations = slices.Clone(rules[i].Destinations)
	}
	return rules
}

package server

import (
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"time"

	"dunlin/internal/base/tlsconf"
	"dunlin/internal/base/version"
	"dunlin/internal/core/account"
	"dunlin/internal/core/mapping"
	"dunlin/internal/engine/authn"
	"dunlin/internal/peer/client"
	"dunlin/internal/peer/conn"
	"dunlin/internal/peer/route"
	"dunlin/internal/proto/wire"
)

// rules is everything that options turn into, made completely before anything
// of it is put in force. So a bad option changes nothing.
type rules struct {
	opts     *Options
	auth     *authn.Authenticator
	tls      *tls.Config
	pins     tlsconf.Pins
	accounts []accountRules
	routes   *route.Config // nil without a cluster
}

type accountRules struct {
	name     string
	system   bool
	mappings *mapping.Table
	limits   account.Limits
}

// apiLevel is the JetStream API level of the nats-server version that is offered.
const apiLevel = 5

// compile checks and prepares opts.
func (s *Server) compile(opts *Options) (*rules, error) {
	r := &rules{opts: opts}
	var err error
	if opts.TLS != nil {
		if r.tls, err = tlsconf.Build(opts.TLS); err != nil {
			return nil, err
		}
		if r.pins, err = tlsconf.ParsePins(opts.TLS.PinnedCerts); err != nil {
			return nil, err
		}
	}
	if r.auth, err = authn.New(&opts.Auth); err != nil {
		return nil, err
	}
	if r.routes, err = s.compileCluster(opts); err != nil {
		return nil, err
	}
	global := accountRules{name: account.Global}
	if global.mappings, err = compileMappings(account.Global, opts.Mappings); err != nil {
		return nil, err
	}
	system := opts.SystemAccount
	if system == "" && !opts.NoSystemAccount {
		system = account.System
	}
	seen := map[string]bool{account.Global: true}
	for _, a := range opts.Accounts {
		ar := accountRules{name: a.Name, system: a.Name == system, limits: account.Limits{
			MaxConnections: a.MaxConnections, MaxSubscriptions: a.MaxSubscriptions, MaxPayload: a.MaxPayload,
		}}
		if ar.mappings, err = compileMappings(a.Name, a.Mappings); err != nil {
			return nil, err
		}
		if a.Name == account.Global {
			global = ar
			continue
		}
		seen[a.Name] = true
		r.accounts = append(r.accounts, ar)
	}
	r.accounts = append(r.accounts, global)
	if system != "" && !seen[system] {
		r.accounts = append(r.accounts, accountRules{name: system, system: true})
	}
	return r, nil
}

func compileMappings(name string, list []mapping.Rule) (*mapping.Table, error) {
	if len(list) == 0 {
		return nil, nil
	}
	t, err := mapping.Compile(list)
	if err != nil {
		return nil, fmt.Errorf("mappings of account %q: %w", name, err)
	}
	return t, nil
}

// commit puts r in force. It cannot fail.
func (s *Server) commit(r *rules) {
	names := make(map[string]bool, len(r.accounts))
	for _, ar := range r.accounts {
		a := s.tenants.ensure(ar.name, ar.system)
		a.SetMappings(ar.mappings)
		a.SetLimits(ar.limits)
		names[ar.name] = true
	}
	s.tenants.keep(names)
	o := r.opts
	policy := conn.PolicyClose
	if o.WriteTimeout == "retry" {
		policy = conn.PolicyRetry
	}
	limits := conn.NewLimits(o.MaxPending, o.WriteDeadline, policy)
	limits.DropSlow = o.NoFastProducerStall
	s.limits.Store(limits)
	s.life.Lock()
	s.loaded = time.Now()
	s.life.Unlock()
	s.commitCluster(o, r.routes)
	s.opts.Store(o)
	s.cfg.Store(s.clientConfig(r))
}

func (s *Server) clientConfig(r *rules) *client.Config {
	o := r.opts
	cfg := &client.Config{
		Info:           s.info(o, r.auth),
		MaxControlLine: int(o.MaxControlLine), MaxPayload: o.MaxPayload,
		MaxSubs: max(o.MaxSubs, 0), MaxSubTokens: o.MaxSubTokens,
		Headers: !o.NoHeaderSupport, ProxyProtocol: o.ProxyProtocol,
		PingInterval: o.PingInterval, MaxPingsOut: o.MaxPingsOut, AuthTimeout: o.Auth.Timeout,
		Auth: r.auth, TLS: r.tls, AllowNonTLS: o.AllowNonTLS,
		Trace: o.Trace, TraceSystem: o.TraceVerbose, TraceHeaders: o.TraceHeaders, MaxTracedSize: o.MaxTracedMsgLen,
	}
	if t := o.TLS; t != nil {
		cfg.TLSTimeout = t.Timeout
		cfg.TLSFirst, cfg.TLSFallback = t.HandshakeFirst, t.HandshakeFirstFallback
		cfg.PinnedCerts = r.pins
		if t.RateLimit > 0 {
			cfg.TLSRate = tlsconf.NewRateLimiter(t.RateLimit)
		}
	}
	return cfg
}

// info is what every client is told alike.
func (s *Server) info(o *Options, auth *authn.Authenticator) wire.Info {
	info := wire.Info{
		ServerID: s.id, ServerName: o.ServerName, Version: version.NATS, Proto: 1, GitCommit: version.Commit(),
		Go: runtime.Version(), Host: o.Host, Port: o.Port, Headers: !o.NoHeaderSupport,
		AuthRequired: auth.Required(), MaxPayload: o.MaxPayload, APILevel: apiLevel, XKey: s.xkey, Dunlin: version.Dunlin,
	}
	if o.TLS != nil {
		info.TLSRequired, info.TLSAvailable = !o.AllowNonTLS, o.AllowNonTLS
		info.TLSVerify = o.TLS.Verify || o.TLS.VerifyAndMap
	}
	s.life.Lock()
	if s.listener != nil {
		if a, ok := s.listener.Addr().(*net.TCPAddr); ok {
			info.Port = a.Port
		}
	}
	info.LameDuckMode = s.phase == lame
	s.life.Unlock()
	s.clusterInfo(o, &info)
	if o.ClientAdvertise != "" {
		info.Host, info.Port = advertised(o.ClientAdvertise, info.Port)
	}
	return info
}

// refreshInfo makes INFO anew after the server's circumstances have changed.
func (s *Server) refreshInfo() {
	s.reloads.Lock() // a reload replaces the same value
	defer s.reloads.Unlock()
	old := s.cfg.Load()
	next := *old
	next.Info = s.info(s.opts.Load(), old.Auth)
	s.cfg.Store(&next)
}

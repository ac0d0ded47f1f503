package server

import (
	"fmt"
	"net"
	"reflect"
	"runtime"
	"strconv"

	"dunlin/internal/base/tlsconf"
	"dunlin/internal/base/version"
	"dunlin/internal/core/mesh"
	"dunlin/internal/core/perm"
	"dunlin/internal/ops/config"
	"dunlin/internal/peer/conn"
	"dunlin/internal/peer/route"
	"dunlin/internal/proto/routewire"
	"dunlin/internal/proto/sysapi"
)

const closeShutdown = sysapi.ServerShutdown

// routeProto is the level of the server protocol: message tracing.
const routeProto = 3

// routePayload is the largest message that another server may send: what max_payload
// can be at most, and room for headers.
const routePayload = 65 << 20

// routePending is how much more than a client's queue a route's may hold.
const routePending = 4

// compileCluster checks and prepares the cluster block; nil if there is none.
func (s *Server) compileCluster(opts *Options) (*route.Config, error) {
	o := &opts.Cluster
	if !o.Enabled() {
		return nil, nil
	}
	cfg := &route.Config{
		Info: routewire.Info{
			Version: version.NATS, Proto: routeProto, GitCommit: version.Commit(), Go: runtime.Version(),
			Host: o.Host, Port: o.Port, Headers: !opts.NoHeaderSupport, MaxPayload: opts.MaxPayload,
			AuthRequired: o.Username != "", LNOC: true, LNOCU: true, LN: true, Dunlin: version.Dunlin,
		},
		User: o.Username, Password: o.Password, AuthTimeout: o.AuthTimeout,
		Compression: o.Compression.Mode, Thresholds: o.Compression.RTTThresholds,
		PingInterval: o.PingInterval, MaxPingsOut: o.MaxPingsOut, MaxPayload: routePayload,
	}
	if t := o.TLS; t != nil {
		var err error
		if cfg.TLS, err = tlsconf.Build(t); err != nil {
			return nil, fmt.Errorf("cluster: %w", err)
		}
		if cfg.PinnedCerts, err = tlsconf.ParsePins(t.PinnedCerts); err != nil {
			return nil, fmt.Errorf("cluster: %w", err)
		}
		cfg.ClientTLS, cfg.TLSTimeout = route.ClientTLS(cfg.TLS, t.Insecure), t.Timeout
		cfg.Info.TLSRequired, cfg.Info.TLSVerify = true, true
	}
	if p := o.Permissions; p != nil {
		var err error
		if cfg.Import, cfg.Info.Import, err = oneWay(p.Import); err != nil {
			return nil, fmt.Errorf("cluster.permissions.import: %w", err)
		}
		if cfg.Export, cfg.Info.Export, err = oneWay(p.Export); err != nil {
			return nil, fmt.Errorf("cluster.permissions.export: %w", err)
		}
	}
	return cfg, nil
}

// oneWay compiles one side of the permissions.
func oneWay(p *perm.Subjects) (*perm.Set, *routewire.Subjects, error) {
	if p == nil {
		return nil, nil, nil
	}
	set, err := perm.Compile(&perm.Permissions{Subscribe: p})
	return set, &routewire.Subjects{Allow: p.Allow, Deny: p.Deny}, err
}

// commitCluster puts in force what needs no other server.
func (s *Server) commitCluster(opts *Options, cfg *route.Config) {
	if cfg == nil {
		return
	}
	o := &opts.Cluster
	policy := conn.PolicyRetry
	if o.WriteTimeout == "close" {
		policy = conn.PolicyClose
	}
	s.cluster.limits.Store(conn.NewLimits(opts.MaxPending*routePending, o.WriteDeadline, policy))
	s.cluster.before.Store(s.cluster.cfg.Swap(cfg))
}

// routeConfig is cfg with the port that is really listened on.
func (s *Server) routeConfig(opts *Options, cfg *route.Config) *route.Config {
	next := *cfg
	if a, ok := s.ClusterAddr().(*net.TCPAddr); ok {
		next.Info.Port = a.Port
	}
	if host, port, err := config.AdvertiseAddress(opts.Cluster.Advertise, next.Info.Port); err == nil && host != "" {
		next.Info.Host, next.Info.Port = host, port
	}
	return &next
}

// meshOptions is what the mesh has to know of the configuration.
func (s *Server) meshOptions(opts *Options) mesh.Options {
	o := &opts.Cluster
	out := mesh.Options{
		PoolSize: max(o.PoolSize, 0), Accounts: append([]string(nil), o.Accounts...),
		ConnectRetries: o.ConnectRetries, ConnectBackoff: o.ConnectBackoff, NoAdvertise: o.NoAdvertise,
	}
	if sys := (*source)(s).SystemAccount(); sys != "" && out.PoolSize > 0 {
		out.Accounts = append(out.Accounts, sys)
	}
	for _, u := range o.Routes {
		out.Routes = append(out.Routes, u.Host)
	}
	port := s.cluster.cfg.Load().Info.Port
	if a, ok := s.ClusterAddr().(*net.TCPAddr); ok {
		for _, host := range reachable(o.Host) {
			out.Addresses = append(out.Addresses, net.JoinHostPort(host, strconv.Itoa(a.Port)))
		}
	}
	if host, port, err := config.AdvertiseAddress(o.Advertise, port); err == nil && host != "" {
		addr := net.JoinHostPort(host, strconv.Itoa(port))
		out.Addresses = append(out.Addresses, addr)
		out.AdvertisedURL = "nats-route://" + addr + "/"
	}
	out.ClientURLs = s.clientAddresses(opts)
	return out
}

// clientAddresses are where clients reach this server.
func (s *Server) clientAddresses(opts *Options) []string {
	a, ok := s.Addr().(*net.TCPAddr)
	if !ok {
		return nil
	}
	if opts.ClientAdvertise != "" {
		host, port := advertised(opts.ClientAdvertise, a.Port)
		return []string{net.JoinHostPort(host, strconv.Itoa(port))}
	}
	var list []string
	for _, host := range reachable(opts.Host) {
		if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() && host != opts.Host {
			continue // of use on this machine only
		}
		list = append(list, net.JoinHostPort(host, strconv.Itoa(a.Port)))
	}
	return list
}

// reachable are the addresses that listening on host means.
func reachable(host string) []string {
	ip := net.ParseIP(host)
	if host != "" && (ip == nil || !ip.IsUnspecified()) {
		return []string{host}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return []string{host}
	}
	var list []string
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.IsLinkLocalUnicast() || ip != nil && ip.To4() != nil && n.IP.To4() == nil && host != "0.0.0.0" {
			continue
		}
		list = append(list, n.IP.String())
	}
	return list
}

func samePermissions(a, b *config.Cluster) bool {
	return reflect.DeepEqual(a.Permissions, b.Permissions)
}

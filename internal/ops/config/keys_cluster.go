package config

import (
	"net/url"
	"strings"
	"time"

	"dunlin/internal/proto/conflang"
)

// clusterKey is the cluster block. What it says a server takes over while it
// runs, but for the rows that say restart.
var clusterKey = &key{name: "cluster", takes: tMap, reload: true, doc: "Servers that act as one: a message reaches its subscribers on all of them. Without a port the block has no effect.", inner: &clusterKeys,
	open: func(_ *reader, ctx any, _ conflang.Pos, _ string) any { return &ctx.(*Options).Cluster },
	close: func(r *reader, _, child any, at conflang.Pos) {
		if c := child.(*Cluster); c.Port == 0 && len(c.Routes) > 0 {
			r.note(at, "cluster has routes, but no listen or port, so that this server joins no cluster; expected one of them")
		}
	}}

var clusterKeys = schema{title: "cluster", keys: []*key{
	{name: "name", takes: tStr, restart: true, def: "generated", check: clusterName, doc: "Name of the cluster, the same on all its servers.", bind: in(func(c *Cluster) any { return &c.Name })},
	{name: "listen", takes: tHostPort | tInt, restart: true, doc: "Address and port for other servers; a port alone listens on every address.", set: setIn(func(_ *reader, c *Cluster, v *conflang.Value) { setHostPort(v, &c.Host, &c.Port) })},
	{name: "host", alias: []string{"net"}, takes: tStr, restart: true, def: "0.0.0.0", doc: "Address to listen on for other servers.", bind: in(func(c *Cluster) any { return &c.Host })},
	{name: "port", takes: tInt, restart: true, def: "none", doc: "Port for other servers; -1 takes any free port.", bind: in(func(c *Cluster) any { return &c.Port })},
	{name: "routes", takes: tStrs, check: checkURLs, doc: "URLs of other servers of the cluster; one that can be reached is enough to learn of all. A URL without a port means 6222.", set: setIn(setRoutes)},
	clusterAuthorization,
	{name: "tls", takes: tMap, doc: "TLS between the servers of the cluster; each shows the others its certificate.", inner: &linkTLSKeys, open: openTLS,
		close: func(r *reader, ctx, child any, _ conflang.Pos) {
			t := child.(*tlsBlock)
			r.checkTLS(t)
			t.Verify = true // in both directions, whatever the file says
			ctx.(*Cluster).TLS = &t.Options
		}},
	{name: "cluster_advertise", alias: []string{"advertise"}, takes: tStr, doc: "Address that other servers are told instead of the one listened on.", bind: in(func(c *Cluster) any { return &c.Advertise })},
	{name: "no_advertise", takes: tBool, def: "false", doc: "Do not tell clients the addresses of other servers.", bind: in(func(c *Cluster) any { return &c.NoAdvertise })},
	{name: "connect_retries", takes: tInt, def: "0", doc: "How often a server that was learnt from another one is tried again; those in routes are tried for ever.", bind: in(func(c *Cluster) any { return &c.ConnectRetries })},
	{name: "connect_backoff", takes: tBool, def: "false", doc: "Wait longer after each failed attempt, up to 30 seconds.", bind: in(func(c *Cluster) any { return &c.ConnectBackoff })},
	{name: "permissions", takes: tMap, inner: &routePermissionKeys, doc: "Which subjects go over routes.",
		open: func(_ *reader, ctx any, _ conflang.Pos, _ string) any { return new(RoutePermissions) },
		close: func(_ *reader, ctx, child any, _ conflang.Pos) {
			ctx.(*Cluster).Permissions = child.(*RoutePermissions)
		}},
	{name: "pool_size", takes: tInt, def: "3", doc: "Connections to each other server; a negative number is a single one that all accounts share.", bind: in(func(c *Cluster) any { return &c.PoolSize })},
	{name: "accounts", takes: tStrOrs, doc: "Accounts with a connection of their own to each other server.", bind: in(func(c *Cluster) any { return &c.Accounts })},
	{name: "compression", takes: tBool | tStr | tMap, def: "accept", doc: "Compression: off, accept, s2_fast (on), s2_better, s2_best, s2_uncompressed or s2_auto; or a map.",
		set:   setIn(func(_ *reader, c *Cluster, v *conflang.Value) { setCompression(&c.Compression, v, CompressionFast) }),
		inner: compressionKey.inner},
	{name: "ping_interval", takes: tDuration, def: "ping_interval of the server, at most 30s", doc: "Time between two PINGs to another server, at most 30 seconds.", advise: func(v *conflang.Value) string {
		if duration(v) > RoutePingIntervalMax {
			return "longer than 30s, which is the most for routes; 30s is used"
		}
		return ""
	}, bind: in(func(c *Cluster) any { return &c.PingInterval })},
	{name: "ping_max", takes: tInt, def: "ping_max of the server", doc: "PINGs without an answer after which a route is closed as stale.", bind: in(func(c *Cluster) any { return &c.MaxPingsOut })},
	{name: "write_deadline", takes: tDuration, def: "write_deadline of the server", doc: "Longest time that a write to another server may take.", bind: in(func(c *Cluster) any { return &c.WriteDeadline })},
	{name: "write_timeout", takes: tStr, words: writeTimeouts, def: "default", check: exactWord(writeTimeouts), doc: "What happens at the write deadline; the default retries.", bind: in(func(c *Cluster) any { return &c.WriteTimeout })},
}}

var clusterAuthorization = func() *key {
	k := *linkAuthorization("routes")
	checked := k.close
	k.close = func(r *reader, ctx, child any, at conflang.Pos) {
		checked(r, ctx, child, at)
		b, c := child.(*authBlock), ctx.(*Cluster)
		c.Username, c.Password, c.AuthTimeout = b.user, b.pass, b.timeout
	}
	return &k
}()

var routePermissionKeys = schema{title: "cluster.permissions", keys: []*key{
	{name: "import", alias: []string{"publish", "pub"}, takes: tStr | tStrs | tMap, doc: "Subjects that this server asks other servers for, or a map with allow and deny.",
		set: setIn(func(r *reader, p *RoutePermissions, v *conflang.Value) { p.Import = r.subjects(v, "import", false) })},
	{name: "export", alias: []string{"subscribe", "sub"}, takes: tStr | tStrs | tMap, doc: "Subjects that other servers may ask this one for, or a map with allow and deny.",
		set: setIn(func(r *reader, p *RoutePermissions, v *conflang.Value) { p.Export = r.subjects(v, "export", false) })},
	{name: "allow_responses", takes: tBool | tMap, doc: "Not for routes.", check: func(v *conflang.Value) string {
		if switchedOff(v) {
			return ""
		}
		return "is for users, not for routes; expected import and export only"
	}, set: func(*reader, any, *conflang.Entry) {}},
}}

// setRoutes reads URLs. checkURLs has refused what is no URL; what is one, but
// names no host, nats-server takes and tries for ever.
func setRoutes(r *reader, c *Cluster, v *conflang.Value) {
	c.Routes = nil
	for _, item := range v.Items {
		u, err := url.Parse(strings.TrimSpace(item.Str))
		if err != nil {
			continue // checkURLs has said so
		}
		if u.Hostname() == "" {
			r.warn(item.Pos, "an entry of cluster.routes has no host and is left out; expected the form nats://host:port")
			continue
		}
		c.Routes = append(c.Routes, u)
	}
}

// setCompression reads a mode, or a map with mode and rtt_thresholds. on is
// the mode that "on" means.
func setCompression(c *Compression, v *conflang.Value, on string) {
	*c = Compression{}
	switch v.Kind {
	case conflang.Bool:
		c.Mode = CompressionOff
		if v.Bool {
			c.Mode = on
		}
	case conflang.String:
		c.Mode = compressionMode(v.Str, on)
	case conflang.Object:
		if e := v.Map.GetFold("mode"); e != nil && e.Value.Kind == conflang.String {
			c.Mode = compressionMode(e.Value.Str, on)
		}
		if e := v.Map.GetFold("rtt_thresholds", "thresholds", "rtts"); e != nil && checkDurations(e.Value) == "" {
			for _, item := range e.Value.Items {
				d, err := time.ParseDuration(item.Str)
				if err != nil {
					return // checkDurations has said so
				}
				c.RTTThresholds = append(c.RTTThresholds, d)
			}
		}
	}
}

func clusterName(v *conflang.Value) string { return wrongClusterName(v.Str) }

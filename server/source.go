package server

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"iter"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"dunlin/internal/base/version"
	"dunlin/internal/core/account"
	"dunlin/internal/core/mapping"
	"dunlin/internal/core/perm"
	"dunlin/internal/core/sublist"
	"dunlin/internal/ops/config"
	"dunlin/internal/ops/monitor"
	"dunlin/internal/peer/client"
	"dunlin/internal/proto/sysapi"
)

// source is what monitoring sees of the server: snapshots, never a lock that a
// message needs for longer than a copy.
type source Server

func (s *source) ID() string { return s.id }

func (s *source) Health() error {
	s.life.Lock()
	defer s.life.Unlock()
	switch {
	case s.phase == lame:
		return errors.New("the server is in lame duck mode")
	case s.phase != running:
		return errors.New("the server is not running")
	case s.listener == nil && !s.opts.Load().DontListen:
		return errors.New("the server does not accept clients yet")
	}
	return nil
}

func (s *source) Varz(v *sysapi.Varz) {
	o := s.opts.Load()
	info := s.cfg.Load().Info
	v.ID, v.Name, v.Version, v.Dunlin, v.Proto = s.id, o.ServerName, version.NATS, version.Dunlin, 1
	v.GitCommit = version.Commit()
	v.Host, v.Port = o.Host, info.Port
	v.AuthRequired, v.TLSRequired, v.TLSVerify = info.AuthRequired, info.TLSRequired, info.TLSVerify
	v.MaxConnections, v.MaxSubs = o.MaxConn, max(o.MaxSubs, 0)
	v.PingIntervalNanos, v.MaxPingsOut = int64(o.PingInterval), o.MaxPingsOut
	v.HTTPHost, v.HTTPPort, v.HTTPSPort, v.HTTPBasePath = o.HTTPHost, o.HTTPPort, o.HTTPSPort, o.HTTPBasePath
	v.AuthTimeoutSeconds = o.Auth.Timeout.Seconds()
	v.MaxControlLine, v.MaxPayload, v.MaxPending = o.MaxControlLine, int(o.MaxPayload), o.MaxPending
	v.TLSTimeoutSeconds = 2
	if o.TLS != nil {
		v.TLSTimeoutSeconds = o.TLS.Timeout.Seconds()
		v.TLSCertNotAfter = earliestExpiry(s.cfg.Load().TLS)
	}
	v.WriteDeadlineNanos = int64(o.WriteDeadline)
	if o.WriteTimeout != "default" {
		v.WriteTimeout = o.WriteTimeout
	}
	v.ClientConnectURLs, v.WSConnectURLs = info.ConnectURLs, info.WSConnectURLs
	v.Cluster = s.clusterVarz(o)
	v.Start = s.start
	v.ConfigDigest = o.ConfigDigest
	v.Tags, v.Metadata, v.FeatureFlags = o.Tags, o.Metadata, featureFlags(o.FeatureFlags)
	v.SystemAccount = s.SystemAccount()
	s.life.Lock()
	v.ConfigLoadTime = s.loaded
	s.life.Unlock()
	s.count(v)
}

// earliestExpiry is when the first of the server's certificates ends.
func earliestExpiry(cfg *tls.Config) (end time.Time) {
	if cfg == nil {
		return end
	}
	for _, c := range cfg.Certificates {
		if c.Leaf != nil && (end.IsZero() || c.Leaf.NotAfter.Before(end)) {
			end = c.Leaf.NotAfter
		}
	}
	return end
}

// featureFlags are nats-server's flags with their defaults, as overridden.
func featureFlags(set map[string]bool) sysapi.Flags {
	f := sysapi.Flags{
		"js_ack_fc_v2": false, "js_api_reply_v2": false, "js_raft_delete_range": true, "js_snapshot_sources": false,
	}
	for name, on := range set {
		f[name] = on
	}
	return f
}

// count fills in what is summed over the clients.
func (s *source) count(v *sysapi.Varz) {
	t := &s.totals
	in := sysapi.MsgBytes{Msgs: t.inMsgs.Load(), Bytes: t.inBytes.Load()}
	out := sysapi.MsgBytes{Msgs: t.outMsgs.Load(), Bytes: t.outBytes.Load()}
	list := s.clients.all()
	for _, c := range list {
		msgs, bytes := c.In()
		in.Msgs += msgs
		in.Bytes += bytes
		o, _ := c.Out()
		out.Msgs += o.Msgs
		out.Bytes += o.Bytes
	}
	for _, a := range s.tenants.all() {
		v.Subscriptions += uint32(a.Subs.Count())
	}
	v.Connections, v.TotalConnections = len(list), t.connections.Load()
	v.InMsgs, v.InBytes, v.OutMsgs, v.OutBytes = in.Msgs, in.Bytes, out.Msgs, out.Bytes
	v.InClientMsgs, v.InClientBytes, v.OutClientMsgs, v.OutClientBytes = in.Msgs, in.Bytes, out.Msgs, out.Bytes
	v.SlowConsumers, v.StaleConnections, v.StalledClients = t.slow.Load(), t.stale.Load(), t.stalled.Load()
	v.SlowConsumerStats.Clients = uint64(t.slow.Load())
	v.StaleStats.Clients = uint64(t.stale.Load())
	s.countRoutes(v)
}

// countRoutes adds what is summed over the routes. The totals without "client"
// in their names are of all connections.
func (s *source) countRoutes(v *sysapi.Varz) {
	t := &s.cluster.totals
	in := sysapi.MsgBytes{Msgs: t.inMsgs.Load(), Bytes: t.inBytes.Load()}
	out := sysapi.MsgBytes{Msgs: t.outMsgs.Load(), Bytes: t.outBytes.Load()}
	peers := make(map[string]struct{})
	list := s.cluster.routes()
	for _, r := range list {
		d := r.Describe()
		in.Msgs += d.In.Msgs
		in.Bytes += d.In.Bytes
		out.Msgs += d.Out.Msgs
		out.Bytes += d.Out.Bytes
		if reg := r.Registration(); reg != nil {
			peers[reg.Peer.ID] = struct{}{}
		}
	}
	v.Routes, v.Remotes = len(list), len(peers)
	v.InMsgs, v.InBytes = v.InMsgs+in.Msgs, v.InBytes+in.Bytes
	v.OutMsgs, v.OutBytes = v.OutMsgs+out.Msgs, v.OutBytes+out.Bytes
	slow, stale := t.slow.Load(), t.stale.Load()
	v.SlowConsumerStats.Routes, v.StaleStats.Routes = uint64(slow), uint64(stale)
	v.SlowConsumers += slow
	v.StaleConnections += stale
}

func (s *source) ConnIDs(dst []uint64) []uint64 {
	s.clients.mu.RLock()
	defer s.clients.mu.RUnlock()
	for id := range s.clients.byID {
		dst = append(dst, id)
	}
	return dst
}

func (s *source) Conn(id uint64, into *monitor.Conn) bool {
	c := s.clients.get(id)
	if c == nil {
		return false
	}
	fillConn(c, into)
	return true
}

// fillConn takes a snapshot of c.
func fillConn(c *client.Client, into *monitor.Conn) {
	*into = monitor.Conn{ID: c.ID(), Kind: sysapi.KindClient, Type: sysapi.TypeNATS}
	d := c.Describe()
	into.IP, into.Port, into.Start, into.LastActivity, into.RTT = d.IP, d.Port, d.Start, d.LastActivity, d.RTT
	into.InMsgs, into.InBytes = c.In()
	out, pending := c.Out()
	into.OutMsgs, into.OutBytes, into.PendingBytes = out.Msgs, out.Bytes, pending
	into.NumSubs, into.Stalls = uint32(d.Subs), d.Stalls
	into.Name, into.Lang, into.Version = d.Name, d.Lang, d.Version
	into.User, into.Account = d.User, d.Account
	if d.TLS != nil {
		into.TLSVersion, into.TLSCipher = d.TLS.Version, d.TLS.CipherSuite
		into.TLSPeerCerts = peerCerts(d.TLS.PeerCertificates)
		into.TLSFirst = d.TLSFirst
	}
}

func peerCerts(certs []*x509.Certificate) []sysapi.TLSPeerCert {
	var out []sysapi.TLSPeerCert
	for _, c := range certs {
		spki, whole := sha256.Sum256(c.RawSubjectPublicKeyInfo), sha256.Sum256(c.Raw)
		out = append(out, sysapi.TLSPeerCert{
			Subject: c.Subject.String(), SubjectPKISha256: hex.EncodeToString(spki[:]), CertSha256: hex.EncodeToString(whole[:]),
		})
	}
	return out
}

func (s *source) ConnSubs(id uint64) iter.Seq[[]monitor.Sub] {
	return func(yield func([]monitor.Sub) bool) {
		if c := s.clients.get(id); c != nil {
			batches("", c.Subs, yield)
		}
	}
}

// subBatches are buffers for batches: one that is made anew for each of 10,000
// connections is 70 MB of garbage an answer, and the collector's turns are what
// messages wait for.
var subBatches = sync.Pool{New: func() any { return new([monitor.BatchMax]monitor.Sub) }}

// batches collects what walk goes through into batches for yield.
func batches(acc string, walk func(func(*sublist.Sub) bool), yield func([]monitor.Sub) bool) bool {
	all := subBatches.Get().(*[monitor.BatchMax]monitor.Sub)
	defer func() {
		clear(all[:]) // of the texts it refers to
		subBatches.Put(all)
	}()
	n, going := 0, true
	walk(func(sub *sublist.Sub) bool {
		all[n] = snapshotSub(acc, sub)
		if n++; n == len(all) {
			going = yield(all[:n])
			n = 0
		}
		return going
	})
	if going && n > 0 {
		going = yield(all[:n])
	}
	return going
}

func snapshotSub(acc string, sub *sublist.Sub) monitor.Sub {
	out := monitor.Sub{Account: acc, Subject: sub.Subject(), Queue: sub.Queue(), Sid: sub.Sid()}
	if c, ok := sub.Sink.(*client.Client); ok {
		out.ConnID = c.ID()
		out.Msgs, out.Max = c.SubCounts(sub)
	}
	return out
}

func (s *source) Closed() *monitor.Ring { return s.closed }

func (s *source) ClosedByReason() map[string]uint64 { return s.closed.ByReason() }

func (s *source) Subscriptions(name string) iter.Seq[[]monitor.Sub] {
	return func(yield func([]monitor.Sub) bool) {
		for _, a := range s.pickAccounts(name) {
			ofClients := func(each func(*sublist.Sub) bool) {
				a.Subs.All(func(sub *sublist.Sub) bool {
					if _, ok := sub.Sink.(*client.Client); !ok {
						return true // another server's: /routez lists it
					}
					return each(sub)
				})
			}
			if !batches(a.Name, ofClients, yield) {
				return
			}
		}
	}
}

// pickAccounts is one account, or with "" all, in the order of their names.
func (s *source) pickAccounts(name string) []*account.Account {
	var list []*account.Account
	for _, a := range s.tenants.all() {
		if name == "" || a.Name == name {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b *account.Account) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (s *source) Sublist(name string) (st sysapi.SublistStats) {
	for _, a := range s.pickAccounts(name) {
		inserts, removes := a.Subs.Changes()
		st.NumSubs += uint32(a.Subs.Count())
		st.NumInserts += inserts
		st.NumRemoves += removes
	}
	return st
}

func (s *source) RoutePermissions() (imports, exports *sysapi.SubjectPermission) {
	shown := func(p *perm.Subjects) *sysapi.SubjectPermission {
		if p == nil {
			return nil
		}
		return &sysapi.SubjectPermission{Allow: p.Allow, Deny: p.Deny}
	}
	c := &s.opts.Load().Cluster
	if !c.Enabled() || c.Permissions == nil {
		return nil, nil
	}
	return shown(c.Permissions.Import), shown(c.Permissions.Export)
}

// clusterVarz is what the configuration says of the cluster, with the name and
// the port that came of it.
func (s *source) clusterVarz(o *Options) (v sysapi.ClusterVarz) {
	c := &o.Cluster
	if !c.Enabled() {
		return v
	}
	v = sysapi.ClusterVarz{
		Name: (*Server)(s).ClusterName(), Host: c.Host, Port: c.Port, PoolSize: c.PoolSize,
		AuthTimeoutSeconds: c.AuthTimeout.Seconds(), TLSTimeoutSeconds: config.DefaultTLSTimeout.Seconds(),
	}
	if a, ok := (*Server)(s).ClusterAddr().(*net.TCPAddr); ok {
		v.Port = a.Port
	}
	for _, u := range c.Routes {
		v.URLs = append(v.URLs, u.Host)
	}
	if c.TLS != nil {
		v.TLSTimeoutSeconds, v.TLSRequired, v.TLSVerify = c.TLS.Timeout.Seconds(), true, true
		if cfg := s.cluster.cfg.Load(); cfg != nil {
			v.TLSCertNotAfter = earliestExpiry(cfg.TLS)
		}
	}
	if c.WriteDeadline != o.WriteDeadline {
		v.WriteDeadlineNanos = int64(c.WriteDeadline)
	}
	if c.WriteTimeout != "default" {
		v.WriteTimeout = c.WriteTimeout
	}
	return v
}

func (s *source) SystemAccount() string {
	for _, a := range s.tenants.all() {
		if a.IsSystem {
			return a.Name
		}
	}
	return ""
}

func (s *source) Accounts() (names []string) {
	for _, a := range s.tenants.all() {
		names = append(names, a.Name)
	}
	return names
}

func (s *source) Account(name string) (info sysapi.AccountInfo, ok bool) {
	a := s.tenants.get(name)
	if a == nil || name == "" {
		return info, false
	}
	info = sysapi.AccountInfo{
		Name: a.Name, IsSystem: a.IsSystem, Complete: true, UpdateTime: s.start, NameTag: a.Name,
		ClientCount: int(a.Connections()), SubCount: uint32(a.Subs.Count()),
	}
	st := s.Sublist(name)
	info.Sublist = &st
	info.Mappings = s.mappingsOf(name)
	return info, true
}

func (s *source) mappingsOf(name string) map[string][]sysapi.MapTo {
	o := s.opts.Load()
	var list []mapping.Rule
	if name == account.Global {
		list = o.Mappings
	}
	for _, a := range o.Accounts {
		if a.Name == name {
			list = a.Mappings
		}
	}
	if len(list) == 0 {
		return nil
	}
	out := make(map[string][]sysapi.MapTo, len(list))
	for _, r := range list {
		for _, d := range r.Destinations {
			out[r.Source] = append(out[r.Source], sysapi.MapTo{Subject: d.Subject, Weight: d.Weight, Cluster: d.Cluster})
		}
	}
	return out
}

func (s *source) AccountStat(name string, st *sysapi.AccountStat) bool {
	a := s.tenants.get(name)
	if a == nil || name == "" {
		return false
	}
	*st = sysapi.AccountStat{
		Account: a.Name, Name: a.Name, Conns: int(a.Connections()), TotalConns: int(a.Connections()),
		NumSubs: uint32(a.Subs.Count()),
	}
	st.SlowConsumers = a.Slow()
	st.Received.Msgs, st.Received.Bytes, st.Sent.Msgs, st.Sent.Bytes = a.Folded()
	for _, c := range s.clients.all() {
		if c.Account() != a {
			continue
		}
		in, out := c.InAccount()
		st.Received.Msgs += in.Msgs
		st.Received.Bytes += in.Bytes
		st.Sent.Msgs += out.Msgs
		st.Sent.Bytes += out.Bytes
	}
	return true
}

var _ monitor.Source = (*source)(nil)
var _ client.Host = (*host)(nil)

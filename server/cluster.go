package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"dunlin/internal/base/task"
	"dunlin/internal/core/account"
	"dunlin/internal/core/mesh"
	"dunlin/internal/engine/topology"
	"dunlin/internal/ops/config"
	"dunlin/internal/peer/conn"
	"dunlin/internal/peer/route"
	"dunlin/internal/proto/wire"
)

// cluster is this server's part in a cluster: it joins the mesh, its shell and
// the routes. The zero value takes no part in any.
type cluster struct {
	server *Server
	group  *task.Group
	shell  *topology.Shell
	peers  route.Peers
	cfg    atomic.Pointer[route.Config]
	before atomic.Pointer[route.Config] // the last reload
	limits atomic.Pointer[conn.Limits]
	name   atomic.Pointer[string]
	urls   atomic.Pointer[mesh.ClientURLs]
	moved  chan struct{} // clients are to be told; holds one

	// registered are the routes that carry interest; immutable.
	registered atomic.Pointer[[]*route.Conn]

	mu     sync.Mutex
	conns  map[*route.Conn]mesh.ConnID // 0: the mesh does not know of it yet
	byMesh map[mesh.ConnID]*route.Conn
	closed bool

	totals struct {
		inMsgs, inBytes, outMsgs, outBytes atomic.Int64
		slow, stale, stalled               atomic.Int64
	}
}

// enabled reports whether the server is in a cluster at all.
func (c *cluster) enabled() bool { return c.server != nil }

// initCluster prepares what the options ask for; nothing listens or dials yet.
func (s *Server) initCluster(opts *Options) {
	if !opts.Cluster.Enabled() {
		return
	}
	c := &s.cluster
	c.server = s
	s.tenants.clustered = true
	c.group = s.group.Child("cluster")
	c.moved = make(chan struct{}, 1)
	c.conns = make(map[*route.Conn]mesh.ConnID)
	c.byMesh = make(map[mesh.ConnID]*route.Conn)
	name := opts.Cluster.Name
	if name == "" {
		name = s.id // gives way to any other
	}
	c.name.Store(&name)
}

// startCluster listens for other servers and dials them.
func (s *Server) startCluster(opts *Options) error {
	c := &s.cluster
	if !c.enabled() {
		return nil
	}
	o := &opts.Cluster
	m := mesh.New(mesh.Self{
		ID: s.id, Name: opts.ServerName, Cluster: *c.name.Load(), Dynamic: o.Name == "",
		Version: c.cfg.Load().Info.Dunlin, Lanes: true, Seed: uint64(s.start.UnixNano()),
	}, mesh.Options{})
	c.shell = topology.New(m, c, c.group, s.log)
	addr := net.JoinHostPort(o.Host, strconv.Itoa(max(o.Port, 0)))
	at, err := c.shell.Listen(addr)
	if err != nil {
		return fmt.Errorf("listen for routes on %s: %w", addr, err)
	}
	s.log.Info("Cluster name is " + *c.name.Load())
	s.log.Info("Listening for route connections on " + at.String())
	c.cfg.Store(s.routeConfig(opts, c.cfg.Load()))
	c.group.Go("advertise", c.advertise)
	if _, err := m.Reload(time.Now(), s.meshOptions(opts)); err != nil {
		return errors.Join(err, c.shell.StopListening())
	}
	if !c.shell.Run() {
		return errShutDown
	}
	return nil
}

// stopCluster ends all routes.
func (s *Server) stopCluster() {
	c := &s.cluster
	if !c.enabled() {
		return
	}
	if c.shell != nil {
		s.logClose("route listener", c.shell.StopListening())
	}
	c.mu.Lock()
	c.closed = true
	list := make([]*route.Conn, 0, len(c.conns))
	for r := range c.conns {
		list = append(list, r)
	}
	c.mu.Unlock()
	for _, r := range list {
		r.End(closeShutdown, "")
	}
}

// ClusterAddr is where other servers are accepted, nil if nowhere.
func (s *Server) ClusterAddr() net.Addr {
	if s.cluster.shell == nil {
		return nil
	}
	return s.cluster.shell.Addr()
}

// ClusterName is the cluster's name, "" if the server is in none.
func (s *Server) ClusterName() string {
	if !s.cluster.enabled() {
		return ""
	}
	return *s.cluster.name.Load()
}

// NumRoutes is how many connections to other servers are up.
func (s *Server) NumRoutes() int { return len(s.cluster.routes()) }

// routes are those that are registered.
func (c *cluster) routes() []*route.Conn {
	if list := c.registered.Load(); list != nil {
		return *list
	}
	return nil
}

// advertise tells clients of other servers as they come and go. It has a
// goroutine of its own: a reload may hold what it needs while it waits for the
// mesh.
func (c *cluster) advertise(ctx context.Context) {
	for {
		select {
		case <-c.moved:
		case <-ctx.Done():
			return
		}
		c.server.refreshInfo()
		if c.server.LameDuck() {
			continue // clients are told once, by whoever began it
		}
		for _, cl := range c.server.clients.all() {
			cl.PushInfo()
		}
	}
}

// changed has clients told.
func (c *cluster) changed() {
	select {
	case c.moved <- struct{}{}:
	default: // will be told anyway
	}
}

// interestChanged has other servers told of acc's interest: all that can be at once, and
// then, if wait says so, it waits for those that are behind.
func (c *cluster) interestChanged(acc *account.Account, wait bool) {
	var behind []*route.Conn
	for _, r := range c.routes() {
		if !r.Tell(acc) && wait {
			behind = append(behind, r)
		}
	}
	for _, r := range behind {
		for r.Overrun(); !r.Tell(acc); r.Overrun() {
		}
	}
}

// rewatch has all routes look for the accounts that they carry.
func (c *cluster) rewatch() {
	for _, r := range c.routes() {
		r.Rewatch()
	}
}

// lameDuck says goodbye to the other servers.
func (c *cluster) lameDuck() {
	if c.shell == nil {
		return
	}
	c.server.logClose("route listener", c.shell.StopListening())
	c.shell.Call(func(m *mesh.Mesh, now time.Time) []mesh.Effect { return m.LameDuck(now) })
}

// reloadCluster puts changed options in force; what can be refused has been
// before.
func (s *Server) reloadCluster(old, opts *Options) {
	c := &s.cluster
	if c.shell == nil {
		return
	}
	before := c.before.Load()
	c.cfg.Store(s.routeConfig(opts, c.cfg.Load()))
	c.rewatch()
	c.shell.Call(func(m *mesh.Mesh, now time.Time) []mesh.Effect {
		effects, err := m.Reload(now, s.meshOptions(opts))
		if err != nil {
			s.log.Error("The cluster keeps its settings", "error", err)
		}
		return effects
	})
	if !samePermissions(&old.Cluster, &opts.Cluster) {
		for _, r := range c.routes() {
			r.Revise(before)
		}
	}
}

// routeURL is the configured URL of addr, nil if there is none.
func routeURL(o *config.Cluster, addr string) *url.URL {
	for _, u := range o.Routes {
		if u.Host == addr {
			return u
		}
	}
	return nil
}

// clusterInfo fills in what clients are told of the cluster.
func (s *Server) clusterInfo(o *Options, info *wire.Info) {
	c := &s.cluster
	if !c.enabled() {
		return
	}
	info.Cluster, info.ClusterDynamic = *c.name.Load(), false
	if urls := c.urls.Load(); urls != nil && !o.Cluster.NoAdvertise {
		info.ConnectURLs, info.WSConnectURLs = urls.URLs, urls.WS
	}
}

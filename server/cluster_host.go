package server

import (
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"time"

	"dunlin/internal/core/account"
	"dunlin/internal/core/mesh"
	"dunlin/internal/engine/topology"
	"dunlin/internal/peer/route"
	"dunlin/internal/proto/routewire"
	"dunlin/internal/proto/sysapi"
)

var (
	_ topology.Host = (*cluster)(nil)
	_ route.Host    = (*cluster)(nil)
)

// Serve takes over a connection that was dialed.
func (c *cluster) Serve(nc net.Conn, d *mesh.Dial) {
	c.run(nc, d, routeURL(&c.server.opts.Load().Cluster, d.Addr))
}

// Admit takes over a connection that was accepted.
func (c *cluster) Admit(nc net.Conn) { c.run(nc, nil, nil) }

func (c *cluster) run(nc net.Conn, d *mesh.Dial, at *url.URL) {
	r := route.New(nc, c.server.clients.nextID(), d, at, c, c.group, &c.limits, &c.cfg)
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.conns[r] = 0
		if d != nil {
			c.conns[r] = d.Conn
			c.byMesh[d.Conn] = r
		}
	}
	c.mu.Unlock()
	if closed || !c.group.Go("route", r.Run) {
		r.Close(closeShutdown)
		c.server.logClose("refused route", r.Finish())
	}
}

// Account implements route.Host.
func (c *cluster) Account(name string) *account.Account {
	if name == "" {
		return nil
	}
	return c.server.tenants.get(name)
}

// Accounts implements route.Host.
func (c *cluster) Accounts() []*account.Account { return c.server.tenants.all() }

// Peers implements route.Host.
func (c *cluster) Peers() *route.Peers { return &c.peers }

// Log implements route.Host.
func (c *cluster) Log() *slog.Logger { return c.server.log }

// Opened implements route.Host.
func (c *cluster) Opened(r *route.Conn, err error) {
	d := r.Dialed()
	switch {
	case d != nil:
		c.shell.Call(func(m *mesh.Mesh, now time.Time) []mesh.Effect { return m.Dialed(now, d.Conn, err) })
	case err == nil:
		c.shell.Call(func(m *mesh.Mesh, now time.Time) []mesh.Effect {
			id, effects := m.Accepted(now)
			c.mu.Lock()
			c.conns[r] = id
			c.byMesh[id] = r
			c.mu.Unlock()
			return effects
		})
	}
}

// meshID is what the mesh knows r by; 0 if it does not.
func (c *cluster) meshID(r *route.Conn) mesh.ConnID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conns[r]
}

func (c *cluster) conn(id mesh.ConnID) *route.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byMesh[id]
}

// event tells the mesh of something that happened on r.
func (c *cluster) event(r *route.Conn, fn func(m *mesh.Mesh, now time.Time, id mesh.ConnID) []mesh.Effect) {
	if id := c.meshID(r); id != 0 {
		c.shell.Call(func(m *mesh.Mesh, now time.Time) []mesh.Effect { return fn(m, now, id) })
	}
}

// Connect implements route.Host.
func (c *cluster) Connect(r *route.Conn, m *routewire.Connect) {
	c.event(r, func(ms *mesh.Mesh, now time.Time, id mesh.ConnID) []mesh.Effect {
		return ms.Connect(now, id, mesh.Connect{ID: m.Name, Cluster: m.Cluster, Dynamic: m.ClusterDynamic, Lang: m.Lang, Gateway: m.Gateway})
	})
}

// Info implements route.Host.
func (c *cluster) Info(r *route.Conn, info *routewire.Info) {
	told := meshInfo(info)
	if own := r.Remote(); info.IP == "" && own != nil && own.ServerID == info.ServerID && info.Port > 0 {
		// It does not say where it is reached: where it speaks from, then.
		if host, _, err := net.SplitHostPort(r.Address()); err == nil {
			told.IP = "nats-route://" + net.JoinHostPort(host, strconv.Itoa(info.Port)) + "/"
		}
	}
	c.event(r, func(ms *mesh.Mesh, now time.Time, id mesh.ConnID) []mesh.Effect { return ms.Info(now, id, told) })
}

// Check implements route.Host.
func (c *cluster) Check(r *route.Conn, info *routewire.Info) {
	told := meshInfo(info)
	c.event(r, func(ms *mesh.Mesh, now time.Time, id mesh.ConnID) []mesh.Effect { return ms.Check(now, id, told) })
}

func meshInfo(info *routewire.Info) mesh.Info {
	return mesh.Info{
		ID: info.ServerID, Name: info.ServerName, Version: info.Version, Dunlin: info.Dunlin, Lanes: info.DunlinLanes,
		Cluster: info.Cluster, Dynamic: info.ClusterDynamic, IP: info.IP, ConnectURLs: info.ConnectURLs, WSConnectURLs: info.WSConnectURLs,
		PoolSize: info.PoolSize, PoolIdx: info.PoolIdx, Account: info.Account, AccAddReqID: info.AccAddReqID,
		GossipMode: int(info.GossipMode), LameDuck: info.LameDuckMode, Gateway: info.Gateway,
	}
}

// Own implements route.Host.
func (c *cluster) Own(r *route.Conn) (hello mesh.Connect, info mesh.Info) {
	c.event(r, func(ms *mesh.Mesh, _ time.Time, id mesh.ConnID) []mesh.Effect {
		hello, info = ms.OwnConnect(id), ms.OwnInfo(id)
		return nil
	})
	return hello, info
}

// Confirmed implements route.Host.
func (c *cluster) Confirmed(r *route.Conn) {
	c.event(r, func(ms *mesh.Mesh, now time.Time, id mesh.ConnID) []mesh.Effect { return ms.Confirmed(now, id) })
}

// Failed implements route.Host.
func (c *cluster) Failed(r *route.Conn, text string) {
	c.event(r, func(ms *mesh.Mesh, now time.Time, id mesh.ConnID) []mesh.Effect { return ms.RemoteError(now, id, text) })
}

// Ended implements route.Host.
func (c *cluster) Ended(r *route.Conn) {
	id := c.meshID(r)
	c.mu.Lock()
	delete(c.conns, r)
	delete(c.byMesh, id)
	if r.Registration() != nil {
		list := slices.DeleteFunc(slices.Clone(c.routes()), func(other *route.Conn) bool { return other == r })
		c.registered.Store(&list)
	}
	c.mu.Unlock()
	msgs, bytes := r.In()
	out, _ := r.Out()
	c.totals.inMsgs.Add(msgs)
	c.totals.inBytes.Add(bytes)
	c.totals.outMsgs.Add(out.Msgs)
	c.totals.outBytes.Add(out.Bytes)
	if id != 0 {
		c.shell.Call(func(m *mesh.Mesh, now time.Time) []mesh.Effect { return m.Closed(now, id) })
	}
}

// Slow implements route.Host.
func (c *cluster) Slow(*route.Conn) { c.totals.slow.Add(1) }

// Stale implements route.Host.
func (c *cluster) Stale(*route.Conn) { c.totals.stale.Add(1) }

// Stalled implements route.Host.
func (c *cluster) Stalled(*route.Conn) { c.totals.stalled.Add(1) }

// Do carries out an effect of the mesh, on the goroutine of its loop.
func (c *cluster) Do(e mesh.Effect) {
	switch e := e.(type) {
	case mesh.Send:
		if r := c.conn(e.Conn); r != nil {
			r.Hello(&e)
		}
	case mesh.Register:
		c.register(&e)
	case mesh.Close:
		c.close(&e)
	case mesh.Forward:
		c.forward(&e)
	case mesh.ClientURLs:
		c.urls.Store(&e)
		c.changed()
	case mesh.ClusterName:
		c.name.Store(&e.Name)
		c.server.log.Info("Cluster name is now " + e.Name)
		c.changed()
	case mesh.PinnedRefused:
		c.peers.Pin(e.Peer, e.Account, false)
		c.rewatch()
	case mesh.ServerGone:
		c.server.log.Info("The last route to the server is gone", "server", e.Peer.Name)
	case mesh.Log:
		if r := c.conn(e.Conn); r != nil {
			r.Log(e.Level, e.Text)
		} else {
			c.server.log.Log(c.group.Context(), e.Level, e.Text)
		}
	}
}

func (c *cluster) register(e *mesh.Register) {
	r := c.conn(e.Conn)
	if r == nil {
		return
	}
	if e.First {
		var pinned []string
		if e.Peer.Pool > 0 {
			pinned = c.server.meshOptions(c.server.opts.Load()).Accounts
		}
		c.peers.PinOnly(e.Peer.ID, pinned)
	}
	c.mu.Lock()
	if _, ok := c.conns[r]; !ok {
		c.mu.Unlock()
		return // has ended meanwhile
	}
	list := append(slices.Clone(c.routes()), r)
	c.registered.Store(&list)
	c.mu.Unlock()
	r.Register(*e)
}

func (c *cluster) close(e *mesh.Close) {
	r := c.conn(e.Conn)
	if r == nil {
		return
	}
	if e.Log != "" {
		r.Log(e.Level, e.Log)
	}
	reason := e.Reason
	if reason == sysapi.NotClosed {
		reason = sysapi.ClientClosed
	}
	r.End(reason, e.Err)
}

func (c *cluster) forward(e *mesh.Forward) {
	about := c.conn(e.About)
	if about == nil || about.Remote() == nil {
		return
	}
	for _, id := range e.To {
		if r := c.conn(id); r != nil {
			r.Forward(about.Remote(), e)
		}
	}
}

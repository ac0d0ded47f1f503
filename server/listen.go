package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"dunlin/internal/base/netx"
	"dunlin/internal/core/account"
	"dunlin/internal/ops/monitor"
	"dunlin/internal/peer/client"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/proto/wire"
)

var errShutDown = errors.New("the server was shut down while it started")

func (s *Server) listen(opts *Options) error {
	port := max(opts.Port, 0)
	addr := net.JoinHostPort(opts.Host, strconv.Itoa(port))
	l, err := netx.Listen(addr)
	if err != nil {
		return fmt.Errorf("listen for clients on %s: %w", addr, err)
	}
	s.life.Lock()
	if s.phase != running {
		s.life.Unlock()
		s.logClose("client listener", l.Close())
		return errShutDown
	}
	s.listener = l
	s.accepts = make(chan struct{})
	done := s.accepts
	s.life.Unlock()
	s.refreshInfo()
	s.log.Info("Listening for client connections on " + l.Addr().String())
	s.group.Go("accept", func(ctx context.Context) {
		defer close(done)
		netx.AcceptAll(ctx, l, func(nc net.Conn) { s.admit(nc, client.Standard) }, func(err error, pause time.Duration) {
			s.log.Error("Cannot accept a client; trying again", "error", err, "after", pause)
		})
	})
	return nil
}

// admit serves nc as a client if there is room.
func (s *Server) admit(nc net.Conn, typ client.Type) bool {
	c := client.New(nc, s.clients.nextID(), typ, (*host)(s), s.group, &s.limits)
	s.totals.connections.Add(1)
	ok, closed := s.clients.admit(c, s.opts.Load().MaxConn)
	switch {
	case closed:
		c.Close(sysapi.ServerShutdown)
		s.logClose("refused client", c.Finish())
		return false
	case !ok:
		s.log.Error("Maximum connections exceeded: refused " + nc.RemoteAddr().String())
		return s.group.Go("refuse", func(context.Context) {
			c.Refuse(sysapi.MaxConnectionsExceeded, wire.TextMaxConnections)
		})
	}
	if !s.group.Go("client", c.Run) {
		c.Close(sysapi.ServerShutdown)
		s.logClose("refused client", c.Finish())
		s.clients.remove(c.ID())
		return false
	}
	return true
}

// InProcessConn connects a client within this process, without a socket.
func (s *Server) InProcessConn() (net.Conn, error) {
	if !s.serving() {
		return nil, ErrNotRunning
	}
	ours, theirs := net.Pipe()
	if !s.admit(ours, client.InProcess) {
		return nil, errors.Join(ErrNotRunning, theirs.Close())
	}
	return theirs, nil
}

// host is what a client sees of the server.
type host Server

func (h *host) Config() *client.Config { return h.cfg.Load() }

func (h *host) Account(name string) *account.Account { return h.tenants.get(name) }

func (h *host) Log() *slog.Logger { return h.log }

func (h *host) Slow(*client.Client)    { h.totals.slow.Add(1) }
func (h *host) Stale(*client.Client)   { h.totals.stale.Add(1) }
func (h *host) Stalled(*client.Client) { h.totals.stalled.Add(1) }

// InterestChanged implements client.Host.
func (h *host) InterestChanged(acc *account.Account, wait bool) {
	h.cluster.interestChanged(acc, wait)
}

func (h *host) AuthFailed(*client.Client, error) { h.totals.authFailures.Add(1) }

// Ended folds what the client counted into the totals and remembers it among
// the closed.
func (h *host) Ended(c *client.Client) {
	h.clients.remove(c.ID())
	var snap monitor.Conn
	fillConn(c, &snap)
	h.totals.inMsgs.Add(snap.InMsgs)
	h.totals.inBytes.Add(snap.InBytes)
	h.totals.outMsgs.Add(snap.OutMsgs)
	h.totals.outBytes.Add(snap.OutBytes)
	snap.Stop = time.Now()
	snap.Reason = c.ClosedFor()
	last, count := c.LastSubs()
	snap.NumSubs = uint32(count)
	subs := make([]monitor.Sub, 0, len(last))
	for _, sub := range last[:monitor.SubsKept(len(last))] {
		subs = append(subs, snapshotSub(snap.Account, sub))
	}
	h.closed.Add(snap, subs)
}

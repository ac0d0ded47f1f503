package topology

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"dunlin/internal/base/netx"
	"dunlin/internal/base/task"
	"dunlin/internal/core/mesh"
)

// Host carries effects out. Its methods are called by the loop's goroutine.
type Host interface {
	// Do carries out one effect; Dial is the shell's own.
	Do(e mesh.Effect)
	// Serve takes over a connection that was dialed. It has to report Dialed to
	// the mesh. It is called from a goroutine of its own.
	Serve(nc net.Conn, d *mesh.Dial)
	// Admit takes over a connection that was accepted; the same holds.
	Admit(nc net.Conn)
}

// dialTimeout bounds one attempt, as in nats-server.
const dialTimeout = time.Second

// Shell runs a mesh.
type Shell struct {
	mesh  *mesh.Mesh
	host  Host
	group *task.Group
	log   *slog.Logger
	calls chan call

	mu       sync.Mutex
	listener net.Listener
	accepts  chan struct{} // closed when accepting has ended
}

// call is one event for the mesh.
type call struct {
	fn   func(m *mesh.Mesh, now time.Time) []mesh.Effect
	done chan struct{}
}

// New makes a shell; Run starts it.
func New(m *mesh.Mesh, host Host, group *task.Group, log *slog.Logger) *Shell {
	return &Shell{mesh: m, host: host, group: group, log: log, calls: make(chan call)}
}

// Call has fn tell the mesh what happened, and returns when what follows has
// been done; at once and without it when the server is being shut down.
func (s *Shell) Call(fn func(m *mesh.Mesh, now time.Time) []mesh.Effect) {
	c := call{fn, make(chan struct{})}
	select {
	case s.calls <- c:
		<-c.done
	case <-s.group.Context().Done():
	}
}

// Run starts the loop.
func (s *Shell) Run() bool { return s.group.Go("mesh", s.loop) }

func (s *Shell) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case c := <-s.calls:
			s.do(c.fn(s.mesh, time.Now()))
			close(c.done)
		case <-timer.C:
			s.do(s.mesh.Tick(time.Now()))
		case <-ctx.Done():
			return
		}
		wait := time.Hour
		if at, ok := s.mesh.Next(); ok {
			wait = max(time.Until(at), 0)
		}
		timer.Reset(wait)
	}
}

func (s *Shell) do(effects []mesh.Effect) {
	for _, e := range effects {
		if d, ok := e.(mesh.Dial); ok {
			s.group.Go("dial", func(ctx context.Context) { s.dial(ctx, &d) })
			continue
		}
		s.host.Do(e)
	}
}

// dial makes one attempt at d.
func (s *Shell) dial(ctx context.Context, d *mesh.Dial) {
	nc, err := s.connect(ctx, d.Addr)
	if err == nil {
		s.host.Serve(nc, d)
		return
	}
	s.Call(func(m *mesh.Mesh, now time.Time) []mesh.Effect { return m.Dialed(now, d.Conn, err) })
}

var errNoAddress = errors.New("the name has no address")

// connect resolves the name and takes one of its addresses by chance.
func (s *Shell) connect(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if net.ParseIP(host) == nil {
		ips, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil {
			return nil, err
		}
		if len(ips) == 0 {
			return nil, errNoAddress
		}
		host = ips[rand.IntN(len(ips))]
	}
	return netx.Dial(ctx, net.JoinHostPort(host, port))
}

// Listen takes connections of other servers at addr.
func (s *Shell) Listen(addr string) (net.Addr, error) {
	l, err := netx.Listen(addr)
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	s.mu.Lock()
	s.listener, s.accepts = l, done
	s.mu.Unlock()
	if !s.group.Go("accept", func(ctx context.Context) {
		defer close(done)
		netx.AcceptAll(ctx, l, s.host.Admit, func(err error, pause time.Duration) {
			s.log.Error("Cannot accept a route; trying again", "error", err, "after", pause)
		})
	}) {
		close(done)
		return nil, errors.Join(net.ErrClosed, l.Close())
	}
	return l.Addr(), nil
}

// Addr is where other servers are accepted, nil if nowhere.
func (s *Shell) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// StopListening accepts nobody any more.
func (s *Shell) StopListening() error {
	s.mu.Lock()
	l, done := s.listener, s.accepts
	s.listener = nil
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	err := l.Close()
	<-done
	return err
}

package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nkeys"

	"dunlin/internal/base/netx"
	"dunlin/internal/base/task"
	"dunlin/internal/ops/config"
	"dunlin/internal/ops/monitor"
	"dunlin/internal/peer/client"
	"dunlin/internal/peer/conn"
)

// Options configures a server. The zero value of a field means the default;
// Port -1 means any free port.
type Options = config.Options

// ErrNotRunning is returned by what needs a started server.
var ErrNotRunning = errors.New("the server is not running: call Start first")

// Server is one server.
type Server struct {
	id    string // public nkey
	xkey  string // public curve key
	start time.Time
	log   *slog.Logger
	group *task.Group

	opts    atomic.Pointer[Options]
	cfg     atomic.Pointer[client.Config]
	limits  atomic.Pointer[conn.Limits]
	tenants tenants
	clients clientTable
	totals  totals
	closed  *monitor.Ring
	web     web
	cluster cluster
	parker  atomic.Pointer[netx.Parker]

	life     sync.Mutex // guards what follows
	phase    phase
	listener net.Listener
	loaded   time.Time // of the configuration
	done     chan struct{}
	opened   chan struct{} // closed when Start has opened all, or failed to
	accepts  chan struct{} // closed when the accept loop has ended; nil before Start
	reloads  sync.Mutex    // one at a time
}

type phase uint8

const (
	fresh phase = iota
	running
	lame
	stopped
)

// Option changes how New makes a server.
type Option func(*Server)

// WithLogger sets where the server writes its log; by default nowhere.
func WithLogger(log *slog.Logger) Option { return func(s *Server) { s.log = log } }

// New makes a server. It checks the options and takes a copy; nothing listens
// yet. The error says which option is wrong.
func New(opts *Options, more ...Option) (*Server, error) {
	if opts == nil {
		opts = &Options{}
	}
	opts = opts.Clone()
	opts.SetDefaults()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	s := &Server{
		log: slog.New(slog.DiscardHandler), group: task.NewGroup("server"), done: make(chan struct{}), opened: make(chan struct{}),
		start: time.Now(),
	}
	for _, o := range more {
		o(s)
	}
	if err := s.identify(opts); err != nil {
		return nil, err
	}
	s.clients.init()
	s.initCluster(opts)
	s.closed = monitor.NewRing(opts.MaxClosedClients)
	rules, err := s.compile(opts)
	if err != nil {
		return nil, err
	}
	s.commit(rules)
	return s, nil
}

// identify gives the server its keys, and its name if it has none.
func (s *Server) identify(opts *Options) error {
	kp, err := nkeys.CreateServer()
	if err != nil {
		return fmt.Errorf("make the server's identity: %w", err)
	}
	if s.id, err = kp.PublicKey(); err != nil {
		return fmt.Errorf("make the server's identity: %w", err)
	}
	curve, err := nkeys.CreateCurveKeys()
	if err != nil {
		return fmt.Errorf("make the server's curve key: %w", err)
	}
	if s.xkey, err = curve.PublicKey(); err != nil {
		return fmt.Errorf("make the server's curve key: %w", err)
	}
	if opts.ServerName == "" {
		opts.ServerName = s.id
	}
	return nil
}

// ID is the server's public nkey.
func (s *Server) ID() string { return s.id }

// Name is the server's name.
func (s *Server) Name() string { return s.opts.Load().ServerName }

// Start opens the listeners and serves. It returns when clients can connect, or
// with an error and nothing left open.
func (s *Server) Start() error {
	s.life.Lock()
	if s.phase != fresh {
		s.life.Unlock()
		return errors.New("the server has been started before; make a new one")
	}
	s.phase = running
	s.life.Unlock()
	err := s.open(s.opts.Load())
	close(s.opened)
	if err != nil {
		s.Shutdown()
	}
	return err
}

// open is Start without the clearing up. Shutdown waits for it, so that nothing
// is opened behind what it has closed already; what open waits for is bounded.
func (s *Server) open(opts *Options) error {
	s.startParker()
	if err := s.web.start(s, opts); err != nil {
		return err
	}
	if !opts.DontListen {
		if err := s.listen(opts); err != nil {
			return err
		}
	}
	if err := s.startCluster(opts); err != nil {
		return err
	}
	if opts.DontListen {
		s.log.Info("Server is ready", "listening", false)
		return nil
	}
	s.log.Info("Server is ready")
	return nil
}

// ReadyForConnections waits up to d for the server to accept clients.
func (s *Server) ReadyForConnections(d time.Duration) bool {
	deadline := time.Now().Add(d)
	for {
		s.life.Lock()
		ready := s.phase == running && (s.listener != nil || s.opts.Load().DontListen)
		over := s.phase == stopped
		s.life.Unlock()
		if ready || over || time.Now().After(deadline) {
			return ready
		}
		time.Sleep(time.Millisecond)
	}
}

// Addr is where clients are accepted, nil if nowhere.
func (s *Server) Addr() net.Addr {
	s.life.Lock()
	defer s.life.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// ClientURL is a URL for clients on this machine.
func (s *Server) ClientURL() string {
	opts := s.opts.Load()
	scheme := "nats://"
	if opts.TLS != nil {
		scheme = "tls://"
	}
	host, port := opts.Host, opts.Port
	if a, ok := s.Addr().(*net.TCPAddr); ok {
		port = a.Port
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + net.JoinHostPort(host, strconv.Itoa(port))
}

// MonitorAddr is where monitoring answers, nil if nowhere.
func (s *Server) MonitorAddr() net.Addr { return s.web.monitorAddr() }

// ProfileAddr is where profiles are served, nil if nowhere.
func (s *Server) ProfileAddr() net.Addr { return s.web.profileAddr() }

// NumClients is how many clients are connected.
func (s *Server) NumClients() int { return s.clients.count() }

// Shutdown ends everything and returns when nothing of the server is left. It
// may be called more than once.
func (s *Server) Shutdown() {
	s.life.Lock()
	if s.phase == stopped {
		s.life.Unlock()
		<-s.done
		return
	}
	started := s.phase != fresh
	s.phase = stopped
	s.life.Unlock()
	if started {
		s.log.Info("Initiating Shutdown...")
		<-s.opened
	}
	s.life.Lock()
	l := s.listener
	s.listener = nil
	s.life.Unlock()
	if l != nil {
		s.logClose("client listener", l.Close())
	}
	s.clients.closeAll()
	s.stopCluster()
	s.stopParker()
	s.web.stop()
	s.group.Close()
	if started {
		s.log.Info("Server Exiting..")
	}
	close(s.done)
}

// WaitForShutdown returns when Shutdown is complete, whoever asked for it.
func (s *Server) WaitForShutdown() { <-s.done }

// serving is from Start until the end, or lame duck mode, has begun.
func (s *Server) serving() bool {
	s.life.Lock()
	defer s.life.Unlock()
	return s.phase == running
}

func (s *Server) logClose(what string, err error) {
	if err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Warn("closing failed", "what", what, "error", err)
	}
}

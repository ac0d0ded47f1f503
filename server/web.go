package server

import (
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"strconv"
	"sync"

	"dunlin/internal/base/task"
	"dunlin/internal/base/tlsconf"
	"dunlin/internal/ops/metrics"
	"dunlin/internal/ops/monitor"
)

// web holds the listeners for people and their tools.
type web struct {
	mu      sync.Mutex
	group   *task.Group
	monitor net.Listener
	profile net.Listener
	stopped bool // for good
}

func (w *web) start(s *Server, opts *Options) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return errShutDown
	}
	w.group = s.group.Child("web")
	if opts.ProfBlockRate != 0 {
		runtime.SetBlockProfileRate(opts.ProfBlockRate)
	}
	if opts.HTTPPort != 0 || opts.HTTPSPort != 0 {
		if err := w.startMonitor(s, opts); err != nil {
			return err
		}
	}
	if opts.ProfPort != 0 {
		addr := net.JoinHostPort(opts.Host, strconv.Itoa(max(opts.ProfPort, 0)))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return fmt.Errorf("listen for profiling on %s: %w", addr, err)
		}
		w.profile = l
		s.log.Info("profiling port: " + l.Addr().String())
		monitor.ServeProfile(w.group, l, s.log)
	}
	return nil
}

func (w *web) startMonitor(s *Server, opts *Options) error {
	var tlsCfg *tls.Config
	port, scheme := opts.HTTPPort, "http"
	if opts.HTTPSPort != 0 {
		port, scheme = opts.HTTPSPort, "https"
		var err error
		if tlsCfg, err = tlsconf.Build(opts.TLS); err != nil {
			return fmt.Errorf("https monitoring: %w", err)
		}
		// The certificate is the one of the last reload.
		tlsCfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.cfg.Load().TLS, nil }
	}
	host := opts.HTTPHost
	if host == "" {
		host = opts.Host
	}
	addr := net.JoinHostPort(host, strconv.Itoa(max(port, 0)))
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen for monitoring on %s: %w", addr, err)
	}
	w.monitor = l
	src := (*source)(s)
	h := monitor.New(monitor.Config{
		Source: src, BasePath: opts.HTTPBasePath, Logger: s.log,
		Metrics: metrics.Handler(metrics.Config{Source: src, Logger: s.log}),
	})
	s.log.Info("Starting " + scheme + " monitor on " + l.Addr().String())
	monitor.Serve(w.group, l, h, tlsCfg, s.log)
	return nil
}

func (w *web) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.group != nil {
		w.group.Close()
	}
	w.monitor, w.profile, w.stopped = nil, nil, true
}

func (w *web) monitorAddr() net.Addr { return w.addr(&w.monitor) }
func (w *web) profileAddr() net.Addr { return w.addr(&w.profile) }

func (w *web) addr(l *net.Listener) net.Addr {
	w.mu.Lock()
	defer w.mu.Unlock()
	if *l == nil {
		return nil
	}
	return (*l).Addr()
}

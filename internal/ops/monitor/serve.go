package monitor

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"dunlin/internal/base/task"
)

const (
	// connsMax is how many connections a monitoring port has at once; further
	// ones wait in the system's queue.
	connsMax = 256
	// headerMax is how long the head of a request may be, in bytes.
	headerMax = 16 << 10

	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	idleTimeout   = 30 * time.Second
	// profileTimeout is how long a profile may be taken and read.
	profileTimeout = 10 * time.Minute
	// closeGrace is how long an answer that is being made may go on after the
	// group was cancelled.
	closeGrace = 500 * time.Millisecond
)

// Serve answers on ln with h until group is cancelled or closed; it returns at
// once and closes ln itself. With tlsConf it speaks HTTPS: a certificate that
// the settings ask of clients is not asked for here, as nats-server's https
// port does not either.
func Serve(group *task.Group, ln net.Listener, h http.Handler, tlsConf *tls.Config, log *slog.Logger) {
	serve(group, ln, h, tlsConf, log, writeTimeout)
}

// ServeProfile answers on ln with the handlers of net/http/pprof.
func ServeProfile(group *task.Group, ln net.Listener, log *slog.Logger) {
	serve(group, ln, ProfileHandler(), nil, log, profileTimeout)
}

// ProfileHandler is net/http/pprof on a mux of its own: a program that embeds
// the server keeps its default mux clean.
func ProfileHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

func serve(group *task.Group, ln net.Listener, h http.Handler, tlsConf *tls.Config, log *slog.Logger, write time.Duration) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	// Answers see the end of the group in their context and stop at their next
	// step. net/http does not say when its last handler has returned after
	// Close, so they are counted.
	var answering sync.WaitGroup
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answering.Add(1)
		defer answering.Done()
		h.ServeHTTP(w, r)
	})
	var http1 http.Protocols
	http1.SetHTTP1(true) // nats-server speaks no other, and one is enough to guard
	srv := &http.Server{
		Handler: counted, Protocols: &http1, MaxHeaderBytes: headerMax,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: write, IdleTimeout: idleTimeout,
		BaseContext: func(net.Listener) context.Context { return group.Context() },
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	bounded := newBoundedListener(ln, connsMax)
	address := ln.Addr().String()
	serving := group.Go("monitor accept", func(context.Context) {
		err := serveOn(srv, bounded, tlsConf)
		if !errors.Is(err, http.ErrServerClosed) {
			log.Error("monitoring port stopped answering; restart the server to have it again",
				"address", address, "error", err)
		}
	})
	watching := serving && group.Go("monitor close", func(ctx context.Context) {
		<-ctx.Done()
		shut(srv, log, address)
		answering.Wait()
	})
	if !watching { // the group is closed already
		shut(srv, log, address)
		_ = ln.Close() // it may never have been given to srv
	}
}

func serveOn(srv *http.Server, ln net.Listener, tlsConf *tls.Config) error {
	if tlsConf == nil {
		return srv.Serve(ln)
	}
	return srv.Serve(tls.NewListener(ln, withoutClientCerts(tlsConf)))
}

// withoutClientCerts copies settings and asks clients for no certificate,
// also in what the settings make for one client.
func withoutClientCerts(conf *tls.Config) *tls.Config {
	conf = conf.Clone()
	conf.ClientAuth = tls.NoClientCert
	conf.VerifyConnection, conf.VerifyPeerCertificate = nil, nil
	conf.NextProtos = []string{"http/1.1"}
	if each := conf.GetConfigForClient; each != nil {
		conf.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			c, err := each(hello)
			if c == nil || err != nil {
				return c, err
			}
			return withoutClientCerts(c), nil
		}
	}
	return conf
}

// shut ends the server: listeners and idle connections at once, answers that
// are being made after closeGrace.
func shut(srv *http.Server, log *slog.Logger, address string) {
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		log.Debug("monitoring answers cut off at shutdown", "address", address, "error", err)
		if err := srv.Close(); err != nil {
			log.Debug("monitoring connections not closed in order", "address", address, "error", err)
		}
	}
}

// boundedListener accepts only while fewer than so many of its connections
// are open.
type boundedListener struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newBoundedListener(ln net.Listener, n int) *boundedListener {
	return &boundedListener{Listener: ln, places: make(chan struct{}, n), closed: make(chan struct{})}
}

func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &boundedConn{Conn: conn, places: l.places}, nil
}

func (l *boundedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type boundedConn struct {
	net.Conn
	places chan struct{}
	once   sync.Once
}

func (c *boundedConn) Close() error {
	c.once.Do(func() { <-c.places })
	return c.Conn.Close()
}

package testkit

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"dunlin/internal/base/loglevel"
	"dunlin/server"
)

// Server is a running server and its log.
type Server struct {
	*server.Server
	Log *Log
}

// Start starts a server with opts on a free port of the loopback interface,
// unless opts say otherwise, and shuts it down when the test ends. Its log holds
// every level, traces included.
func Start(t testing.TB, opts *server.Options) *Server {
	t.Helper()
	return StartLogging(t, opts, loglevel.Trace)
}

// StartLogging is Start with a log that begins at level: for tests that
// measure, in which a line a message would count.
func StartLogging(t testing.TB, opts *server.Options, level slog.Level) *Server {
	t.Helper()
	s, log := New(t, opts, level)
	if err := s.Start(); err != nil {
		t.Fatalf("starting a server: %v", err)
	}
	t.Cleanup(s.Shutdown)
	return &Server{s, log}
}

// New makes what Start starts.
func New(t testing.TB, opts *server.Options, level slog.Level) (*server.Server, *Log) {
	t.Helper()
	log := &Log{Level: level}
	s, err := server.New(Local(opts), server.WithLogger(slog.New(log)))
	if err != nil {
		t.Fatalf("making a server: %v", err)
	}
	return s, log
}

// Local is a copy of opts on a free port of the loopback interface, unless
// they say otherwise. Pass the same opts to ReloadOptions through it.
func Local(opts *server.Options) *server.Options {
	if opts == nil {
		opts = &server.Options{}
	}
	opts = opts.Clone()
	if opts.Host == "" {
		opts.Host = "127.0.0.1"
	}
	if opts.Port == 0 {
		opts.Port = -1
	}
	return opts
}

// Address is host:port for clients.
func (s *Server) Address() string { return s.Addr().String() }

// Page fetches a page of monitoring, such as "/connz?subs=1", into v.
func (s *Server) Page(t testing.TB, path string, v any) {
	t.Helper()
	body := s.Text(t, path)
	if err := json.Unmarshal([]byte(body), v); err != nil {
		t.Fatalf("%s: %v in\n%s", path, err, body)
	}
}

// Text fetches a page of monitoring as it is.
func (s *Server) Text(t testing.TB, path string) string {
	t.Helper()
	return s.fetch(t, path, http.StatusOK)
}

// Fault fetches a page whose answer must be status 500.
func (s *Server) Fault(t testing.TB, path string) string {
	t.Helper()
	return s.fetch(t, path, http.StatusInternalServerError)
}

func (s *Server) fetch(t testing.TB, path string, status int) string {
	t.Helper()
	hc := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: Patience}
	res, err := hc.Get("http://" + s.MonitorAddr().String() + path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		t.Fatalf("%s: %s, %v: %s", path, res.Status, err, body)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(body)
}

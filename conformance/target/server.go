package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// readyWithin is how long a server may take to listen.
const readyWithin = 30 * time.Second

// Config is how a server is started.
type Config struct {
	Dir    string // for its configuration and data; must exist
	Text   string // of the configuration file
	Port   int    // where clients connect, as Text says
	HTTP   int    // monitoring port as Text says, 0 if there is none
	Args   []string
	Silent bool // do not wait until it is ready
}

// Server is a running process.
type Server struct {
	Port, HTTP int
	file       string
	cmd        *exec.Cmd
	log        *logBuffer
	ended      chan struct{} // closed after the process was waited for
	waitErr    error         // valid after ended
}

// ErrEnded says that the process ended before it was ready.
var ErrEnded = errors.New("the server ended before it was ready")

// Start runs the server and waits until it accepts clients.
func (b Binary) Start(ctx context.Context, c Config) (*Server, error) {
	s := &Server{Port: c.Port, HTTP: c.HTTP, file: filepath.Join(c.Dir, "server.conf"), log: &logBuffer{}, ended: make(chan struct{})}
	if err := s.WriteConfig(c.Text); err != nil {
		return nil, err
	}
	s.cmd = exec.Command(b.Path, append([]string{"-c", s.file}, c.Args...)...)
	s.cmd.Dir = c.Dir
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", b.Path, err)
	}
	go func() {
		s.waitErr = s.cmd.Wait()
		close(s.ended)
	}()
	if c.Silent {
		return s, nil
	}
	if err := s.ready(ctx); err != nil {
		s.Stop()
		return nil, fmt.Errorf("%s: %w; its log:\n%s", b.Name, err, s.Log())
	}
	return s, nil
}

// WriteConfig replaces the configuration file.
func (s *Server) WriteConfig(text string) error {
	if err := os.WriteFile(s.file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// ready asks the monitoring port for health where there is one: a connection
// to the client port would count as a client.
func (s *Server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("not ready after %s", readyWithin)
		case <-s.ended:
			return ErrEnded
		case <-tick.C:
		}
		if s.answers() {
			return nil
		}
	}
}

var health = &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func (s *Server) answers() bool {
	if s.HTTP == 0 {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.Port))
		if err != nil {
			return false
		}
		return c.Close() == nil
	}
	resp, err := health.Get(fmt.Sprintf("http://127.0.0.1:%d/healthz", s.HTTP))
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	// With a base path the page is elsewhere; then the answer itself must do.
	return err == nil && (resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNotFound)
}

// Signal sends a signal to the process.
func (s *Server) Signal(sig syscall.Signal) error {
	if err := s.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal %s: %w", sig, err)
	}
	return nil
}

// Ended is closed when the process has ended.
func (s *Server) Ended() <-chan struct{} { return s.ended }

// Status says how an ended process ended: "exit 0", "killed".
func (s *Server) Status() string {
	var exit *exec.ExitError
	if s.waitErr == nil {
		return "exit 0"
	}
	if errors.As(s.waitErr, &exit) && exit.Exited() {
		return fmt.Sprintf("exit %d", exit.ExitCode())
	}
	return strings.TrimPrefix(s.waitErr.Error(), "signal: ")
}

// Stop ends the process: asks first, then kills.
func (s *Server) Stop() {
	select {
	case <-s.ended:
		return
	default:
	}
	// An error means that it has just ended by itself.
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	patience := time.NewTimer(3 * time.Second)
	defer patience.Stop()
	select {
	case <-s.ended:
	case <-patience.C:
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

// Kill ends the process at once, as a crash would.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// Log is everything the process wrote so far.
func (s *Server) Log() string { return s.log.String() }

// Crashed returns the line of a log that says the process panicked or raced;
// "" if none.
func Crashed(log string) string {
	for line := range strings.Lines(log) {
		for _, sign := range []string{"panic: ", "fatal error: ", "WARNING: DATA RACE", "goroutine 1 ["} {
			if strings.HasPrefix(strings.TrimSpace(line), sign) {
				return strings.TrimSpace(line)
			}
		}
	}
	return ""
}

// logBuffer keeps what a process writes; the process and readers share it.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

package logging

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"dunlin/internal/base/loglevel"
)

// A syslog that hangs must not hang the server: log/syslog dials and writes
// without a limit, under a lock that every line takes. So the few lines that
// speak the protocol are here, and these bound what a line can cost.
const (
	syslogTimeout = 2 * time.Second // of a dial and of a write
	syslogRetry   = 5 * time.Second // after a failure lines go to the fallback
	// datagramMax is about what fits a UDP datagram; a longer line is cut.
	datagramMax = 60_000
)

// Severities of RFC 5424 as nats-server uses them, so that filters keep
// working: Info is "notice", and the facility is 0.
func severity(level slog.Level) int {
	switch loglevel.Abbreviation(level) {
	case "FTL":
		return 2
	case "ERR":
		return 3
	case "WRN":
		return 4
	case "INF":
		return 5
	}
	return 7
}

// syslogConn is a connection to a syslog daemon.
type syslogConn struct {
	dial     func() (net.Conn, error)
	header   func(severity int, now time.Time) []byte
	fallback io.Writer
	now      func() time.Time

	mu      sync.Mutex // guards everything below
	conn    net.Conn   // nil while failing
	closed  bool
	failing bool
	retryAt time.Time
}

// dialRemoteSyslog connects to a URL: udp://host:port, tcp://host:port,
// unix:///path or unixgram:///path.
func dialRemoteSyslog(address string, fallback io.Writer) (*syslogConn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("remote syslog %q: %w", address, err)
	}
	var dial func() (net.Conn, error)
	switch {
	case (u.Scheme == "udp" || u.Scheme == "tcp") && u.Host != "":
		dial = func() (net.Conn, error) { return net.DialTimeout(u.Scheme, u.Host, syslogTimeout) }
	case (u.Scheme == "unix" || u.Scheme == "unixgram") && u.Path != "":
		dial = func() (net.Conn, error) { return dialUnix(u.Path) }
	default:
		return nil, fmt.Errorf("remote syslog %q: expected udp://host:port, tcp://host:port or unix:///path", address)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	tag := processTag()
	return newSyslog(dial, fallback, func(severity int, now time.Time) []byte {
		return fmt.Appendf(nil, "<%d>%s %s %s: ", severity, now.Format(time.RFC3339), host, tag)
	})
}

// localSyslogs are the sockets of the systems' daemons.
var localSyslogs = []string{"/dev/log", "/var/run/syslog", "/var/run/log"}

func dialLocalSyslog(fallback io.Writer) (*syslogConn, error) {
	tag := processTag()
	return newSyslog(dialFirst(localSyslogs), fallback, func(severity int, now time.Time) []byte {
		return fmt.Appendf(nil, "<%d>%s %s: ", severity, now.Format(time.Stamp), tag)
	})
}

func dialFirst(paths []string) func() (net.Conn, error) {
	return func() (net.Conn, error) {
		var errs []error
		for _, path := range paths {
			conn, err := dialUnix(path)
			if err == nil {
				return conn, nil
			}
			errs = append(errs, err)
		}
		return nil, errors.Join(errs...)
	}
}

// dialUnix connects to a datagram socket, which is the usual kind, or a stream.
func dialUnix(path string) (net.Conn, error) {
	conn, err := net.DialTimeout("unixgram", path, syslogTimeout)
	if err == nil {
		return conn, nil
	}
	if conn, streamErr := net.DialTimeout("unix", path, syslogTimeout); streamErr == nil {
		return conn, nil
	}
	return nil, err
}

func processTag() string {
	return fmt.Sprintf("%s[%d]", filepath.Base(os.Args[0]), os.Getpid())
}

func newSyslog(dial func() (net.Conn, error), fallback io.Writer, header func(int, time.Time) []byte) (*syslogConn, error) {
	conn, err := dial()
	if err != nil {
		return nil, fmt.Errorf("cannot connect to syslog: %w", err)
	}
	return &syslogConn{dial: dial, header: header, fallback: fallback, now: time.Now, conn: conn}, nil
}

// send passes one line, its line end included, on. Where the daemon does not
// take it, the line goes to the fallback, and the first such line is preceded
// by the reason.
func (s *syslogConn) send(level slog.Level, line []byte) error {
	now := s.now()
	packet := append(s.header(severity(level), now), line...)

	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errClosed
	}
	if s.failing && now.Before(s.retryAt) {
		s.mu.Unlock()
		return s.fallBack(packet)
	}
	err := s.deliver(packet)
	turned := s.failing != (err != nil)
	if s.failing = err != nil; s.failing {
		s.retryAt = s.now().Add(syslogRetry)
	}
	s.mu.Unlock()

	if err == nil {
		return nil
	}
	if turned {
		reason := fmt.Sprintf("Syslog cannot be reached (%v); lines go to standard error until it can\n", err)
		packet = append(append(s.header(severity(slog.LevelError), now), reason...), packet...)
	}
	return s.fallBack(packet)
}

func (s *syslogConn) fallBack(packet []byte) error {
	_, err := s.fallback.Write(packet)
	return err
}

// deliver writes the packet, over a new connection if the one there is has
// gone: daemons are restarted. Callers hold the lock.
func (s *syslogConn) deliver(packet []byte) error {
	if s.conn != nil {
		err := writePacket(s.conn, packet)
		if err == nil {
			return nil
		}
		s.drop()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return err // it is there and does not read: dialling cures nothing
		}
	}
	conn, err := s.dial()
	if err != nil {
		return err
	}
	s.conn = conn
	if err := writePacket(conn, packet); err != nil {
		s.drop()
		return err
	}
	return nil
}

// drop lets a connection go that has failed; what closing it says adds nothing.
func (s *syslogConn) drop() {
	_ = s.conn.Close()
	s.conn = nil
}

func writePacket(conn net.Conn, packet []byte) error {
	network := conn.RemoteAddr().Network()
	if (network == "udp" || network == "unixgram") && len(packet) > datagramMax {
		const mark = " ... (cut)\n"
		packet = append(packet[:datagramMax-len(mark):datagramMax-len(mark)], mark...)
	}
	if err := conn.SetWriteDeadline(time.Now().Add(syslogTimeout)); err != nil {
		return err
	}
	_, err := conn.Write(packet)
	return err
}

// Close ends the connection; lines that come after are refused.
func (s *syslogConn) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.closed = true
	if s.conn == nil {
		return nil
	}
	conn := s.conn
	s.conn = nil
	return conn.Close()
}

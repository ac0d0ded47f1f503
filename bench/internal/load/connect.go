package load

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// connectTimeout bounds each answer waited for before the load starts, on a busy
// machine too.
const connectTimeout = 30 * time.Second

// client is a connection that greeted the server, still in blocking form.
type client struct {
	conn net.Conn
	tcp  *net.TCPConn
	r    *bufio.Reader
	cut  string // the beginning of a line that a deadline cut
}

// connect dials a node, greets and waits for the PONG. The source address counts
// up with n, so that ports do not run out with many connections.
func connect(a Access, node, n int) (*client, error) {
	const perAddress = 10_000
	d := net.Dialer{Timeout: connectTimeout}
	if n >= perAddress {
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+n/perAddress))}
	}
	conn, err := d.Dial("tcp", a.Addrs[node])
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, tcp: conn.(*net.TCPConn)}
	if err := c.greet(a); err != nil {
		conn.Close()
		return nil, fmt.Errorf("connection %d: %w", n, err)
	}
	return c, nil
}

func (c *client) greet(a Access) error {
	c.conn.SetDeadline(time.Now().Add(connectTimeout))
	// Small: thousands of idle connections keep theirs.
	c.r = bufio.NewReaderSize(c.conn, 2048)
	line, err := c.r.ReadString('\n')
	if err != nil {
		return fmt.Errorf("waiting for INFO: %w", err)
	}
	if !strings.HasPrefix(line, "INFO ") {
		return fmt.Errorf("expected INFO, got %q", line)
	}
	if a.TLS != nil {
		t := tls.Client(c.conn, a.TLS)
		if err := t.Handshake(); err != nil {
			return fmt.Errorf("TLS: %w", err)
		}
		c.conn = t
		c.r.Reset(t)
	}
	hello, err := json.Marshal(map[string]any{
		"verbose": false, "pedantic": false, "headers": true, "no_responders": true, "echo": true, "protocol": 1,
		"lang": "bench", "version": "1", "user": a.User, "pass": a.Password,
	})
	if err != nil {
		return err
	}
	return c.ask("CONNECT " + string(hello) + "\r\n")
}

// ask sends protocol lines and waits until the server has handled them all.
func (c *client) ask(lines string) error {
	c.conn.SetDeadline(time.Now().Add(connectTimeout))
	if _, err := c.conn.Write([]byte(lines + "PING\r\n")); err != nil {
		return err
	}
	for {
		line, err := c.r.ReadString('\n')
		line, c.cut = c.cut+line, ""
		switch {
		case err != nil:
			return fmt.Errorf("waiting for PONG: %w", err)
		case strings.HasPrefix(line, "PONG"):
			c.conn.SetDeadline(time.Time{})
			return nil
		case strings.HasPrefix(line, "-ERR"):
			return fmt.Errorf("the server said %q", strings.TrimSpace(line))
		}
	}
}

// detach hands the descriptor over for the event loop, with what arrived after
// the last PONG (nats-server sends a second INFO to a client it has accepted).
func (c *client) detach() (fd int, early []byte, err error) {
	defer c.conn.Close()
	early = make([]byte, c.r.Buffered())
	if _, err := io.ReadFull(c.r, early); err != nil {
		return 0, nil, err
	}
	f, err := c.tcp.File()
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	fd, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	return fd, early, err
}

// join connects to a node, sends lines (subscriptions), waits until every other
// node knows of them, and adds the socket to the loop.
func (l *loop) join(a Access, node int, name, lines string, onData func([]byte) error) (*sock, error) {
	c, err := connect(a, node, len(l.socks))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if lines != "" {
		err := c.ask(lines)
		if err == nil {
			err = l.scouts.await(c, node)
		}
		if err != nil {
			c.conn.Close()
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	fd, early, err := c.detach()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s, err := l.add(fd, name, onData)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(early) > 0 {
		if err := onData(early); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return s, nil
}

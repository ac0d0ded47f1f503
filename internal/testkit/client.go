package testkit

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// Plain is a CONNECT of a client that wants no +OK, without credentials.
const Plain = `"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1`

// Client is a client that speaks raw protocol. What it cannot do fails the test.
type Client struct {
	net.Conn
	t  testing.TB
	in *bufio.Reader
	// Info is the last INFO that was read, without the verb.
	Info string
	// SeePings makes PING a line like others; else it is answered and passed over.
	SeePings bool
}

// Dial connects to addr and reads INFO. The connection is closed when the
// test ends.
func Dial(t testing.TB, addr string) *Client {
	t.Helper()
	c := Open(t, addr)
	c.ReadInfo()
	return c
}

// Open connects to addr and reads nothing.
func Open(t testing.TB, addr string) *Client {
	t.Helper()
	nc, err := net.DialTimeout("tcp", addr, Patience)
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	return On(t, nc)
}

// On makes a client of a connection that is there already.
func On(t testing.TB, nc net.Conn) *Client {
	t.Cleanup(func() { _ = nc.Close() })
	return &Client{Conn: nc, t: t, in: bufio.NewReaderSize(nc, 4096)}
}

// Join dials, logs in with Plain and fields, and waits until the server has
// answered.
func Join(t testing.TB, addr, fields string) *Client {
	t.Helper()
	c := Dial(t, addr)
	c.Login(fields)
	return c
}

// Login sends CONNECT with Plain and fields (members of a JSON object, which
// win over Plain), and waits until the server has answered.
func (c *Client) Login(fields string) {
	c.t.Helper()
	if fields != "" {
		fields = "," + fields
	}
	c.Send("CONNECT {%s%s}\r\n", Plain, fields)
	if before := c.Sync(); len(before) > 0 {
		c.t.Fatalf("the answer to CONNECT was %q", before)
	}
	if strings.Contains(fields, `"protocol":0`) {
		return
	}
	c.ReadInfo()
}

// Secure turns the connection into a TLS client's.
func (c *Client) Secure(cfg *tls.Config) {
	c.t.Helper()
	tc := tls.Client(c.Conn, cfg)
	if err := tc.Handshake(); err != nil {
		c.t.Fatalf("TLS handshake: %v", err)
	}
	c.Conn = tc
	c.in = bufio.NewReaderSize(tc, 4096)
}

// ReadInfo reads a line that must be INFO.
func (c *Client) ReadInfo() {
	c.t.Helper()
	line := c.Line()
	info, ok := strings.CutPrefix(line, "INFO ")
	if !ok {
		c.t.Fatalf("read %q, want INFO", line)
	}
	c.Info = info
}

// Field is a member of Info, nil if it is not there.
func (c *Client) Field(name string) any {
	c.t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(c.Info), &all); err != nil {
		c.t.Fatalf("INFO %s: %v", c.Info, err)
	}
	return all[name]
}

// Send writes.
func (c *Client) Send(format string, args ...any) {
	c.t.Helper()
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	if err := c.TrySend([]byte(format)); err != nil {
		c.t.Fatalf("sending %.60q: %v", format, err)
	}
}

// TrySend writes p, which the server may refuse to read.
func (c *Client) TrySend(p []byte) error {
	if err := c.SetWriteDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	_, err := c.Write(p)
	return err
}

// Line reads a line and returns it without its end.
func (c *Client) Line() string {
	c.t.Helper()
	line, err := c.next()
	if err != nil {
		c.t.Fatalf("reading a line: %v (after %q)", err, line)
	}
	return line
}

func (c *Client) next() (string, error) {
	if err := c.SetReadDeadline(time.Now().Add(Patience)); err != nil {
		return "", err
	}
	for {
		line, err := c.in.ReadString('\n')
		if line != "PING\r\n" || c.SeePings {
			return strings.TrimRight(line, "\r\n"), err
		}
		// If this fails the next read says so.
		_ = c.TrySend([]byte("PONG\r\n"))
	}
}

// Want reads as many lines as are given and compares them.
func (c *Client) Want(lines ...string) {
	c.t.Helper()
	for _, want := range lines {
		if got := c.Line(); got != want {
			c.t.Fatalf("read %q, want %q", got, want)
		}
	}
}

// Sync waits until the server has carried out what was sent before, and
// returns the lines that came meanwhile.
func (c *Client) Sync() (before []string) {
	c.t.Helper()
	c.Send("PING\r\n")
	for {
		switch line := c.Line(); line {
		case "PONG":
			return before
		default:
			before = append(before, line)
		}
	}
}

// Rest reads until the server closes the connection, and returns the lines
// that came before. It fails if the server does not close it.
func (c *Client) Rest() (lines []string) {
	c.t.Helper()
	for {
		line, err := c.next()
		if err == nil {
			lines = append(lines, line)
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.t.Fatalf("the server does not close the connection; it sent %q", lines)
		}
		if line != "" {
			lines = append(lines, line)
		}
		return lines
	}
}

// Discard reads and drops everything until the connection ends; it may run in
// a goroutine of its own.
func (c *Client) Discard() {
	if c.SetReadDeadline(time.Time{}) == nil {
		_, _ = io.Copy(io.Discard, c.in)
	}
}

// Local is the address of this end, as the server's log names it.
func (c *Client) Local() string { return c.LocalAddr().String() }

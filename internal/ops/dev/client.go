package dev

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lineMax bounds a control line of the server's; INFO is the longest.
	lineMax = 64 << 10
	// payloadMax bounds a message: the demo's are small.
	payloadMax = 1 << 20
	// dialTimeout is for connecting, the greeting included.
	dialTimeout = 5 * time.Second
	writeMax    = 10 * time.Second
)

// client is a NATS client that can publish and count what it receives.
type client struct {
	conn     net.Conn
	read     *bufio.Reader
	received atomic.Uint64

	mu sync.Mutex // a write at a time
}

// dial connects to address and returns once the server has answered.
func dial(address, name string) (*client, error) {
	conn, err := net.DialTimeout("tcp", address, dialTimeout)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, read: bufio.NewReaderSize(conn, lineMax)}
	if err := c.greet(name); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to %s: %w", address, err), conn.Close())
	}
	return c, nil
}

func (c *client) greet(name string) error {
	if err := c.conn.SetReadDeadline(time.Now().Add(dialTimeout)); err != nil {
		return err
	}
	if op, err := readOp(c.read); err != nil {
		return err
	} else if op != opOther { // INFO
		return errors.New("the other side is no NATS server")
	}
	connect := fmt.Sprintf(`CONNECT {"verbose":false,"pedantic":false,"name":%q,"lang":"dunlin-dev","version":"1","protocol":1}`, name)
	if err := c.send([]byte(connect + "\r\nPING\r\n")); err != nil {
		return err
	}
	for {
		switch op, err := readOp(c.read); {
		case err != nil:
			return err
		case op == opPong:
			return c.conn.SetReadDeadline(time.Time{})
		}
	}
}

func (c *client) send(b []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.conn.SetWriteDeadline(time.Now().Add(writeMax)); err != nil {
		return err
	}
	_, err := c.conn.Write(b)
	return err
}

// receive counts messages until the connection ends.
func (c *client) receive() error {
	for {
		switch op, err := readOp(c.read); {
		case err != nil:
			return err
		case op == opMsg:
			c.received.Add(1)
		case op == opPing:
			if err := c.send([]byte("PONG\r\n")); err != nil {
				return err
			}
		}
	}
}

type op uint8

const (
	opOther op = iota // INFO, +OK
	opMsg
	opPing
	opPong
)

// readOp reads one operation of a server's and passes over a message's
// payload. An -ERR is an error.
func readOp(r *bufio.Reader) (op, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		if errors.Is(err, bufio.ErrBufferFull) {
			return 0, fmt.Errorf("the server sends a line of more than %d bytes", r.Size())
		}
		return 0, err
	}
	line = bytes.TrimRight(line, "\r\n")
	verb, rest, _ := bytes.Cut(line, []byte(" "))
	switch string(bytes.ToUpper(verb)) {
	case "MSG", "HMSG":
		size, err := payloadSize(rest)
		if err != nil {
			return 0, err
		}
		if _, err := r.Discard(size); err != nil {
			return 0, err
		}
		var end [2]byte
		if _, err := io.ReadFull(r, end[:]); err != nil {
			return 0, err
		}
		if end != [2]byte{'\r', '\n'} {
			return 0, errors.New("the server sends a message that is longer than it says")
		}
		return opMsg, nil
	case "PING":
		return opPing, nil
	case "PONG":
		return opPong, nil
	case "-ERR":
		return 0, fmt.Errorf("the server says %s", bytes.TrimSpace(rest))
	case "INFO", "+OK":
		return opOther, nil
	}
	return 0, fmt.Errorf("the server sends %.20q, which a client does not know", line)
}

// payloadSize is the last word of a MSG or HMSG: the size with its headers.
func payloadSize(args []byte) (int, error) {
	last := args[bytes.LastIndexByte(args, ' ')+1:]
	n, err := strconv.Atoi(string(last))
	if err != nil || n < 0 || n > payloadMax {
		return 0, fmt.Errorf("the server sends a message of %.20q bytes; expected 0 to %d", last, payloadMax)
	}
	return n, nil
}

// message is one PUB of the demo.
func message(subject string, size int) []byte {
	b := fmt.Appendf(nil, "PUB %s %d\r\n", subject, size)
	for i := range size {
		b = append(b, byte('a'+i%26))
	}
	return append(b, "\r\n"...)
}

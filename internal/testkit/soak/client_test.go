package soak

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// patience is how long a client waits for the server before it complains. A long
// soak shares its machine with others, who may take it for a while.
func patience() time.Duration {
	if *length >= time.Minute {
		return 5 * time.Minute
	}
	return 30 * time.Second
}

// client is a connection that speaks just enough of the protocol.
type client struct {
	net.Conn
	in *bufio.Reader
}

func dial(addr string) (*client, error) {
	nc, err := net.DialTimeout("tcp", addr, patience())
	if err != nil {
		return nil, err
	}
	c := &client{nc, bufio.NewReaderSize(nc, 4096)}
	err = c.SetDeadline(time.Now().Add(patience()))
	if err == nil {
		err = c.send("CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true,\"protocol\":1}\r\n")
	}
	if err != nil {
		return nil, errors.Join(err, nc.Close()) // else the server would wait for it to go
	}
	return c, nil
}

func (c *client) send(format string, args ...any) error {
	_, err := fmt.Fprintf(c.Conn, format, args...)
	return err
}

// message is what next found: a MSG or HMSG, or if subject is empty a PONG.
type message struct {
	subject, reply string
	payload        []byte
}

// next reads on to a message or a PONG and answers the server's PINGs.
func (c *client) next() (message, error) {
	for {
		if err := c.SetDeadline(time.Now().Add(patience())); err != nil {
			return message{}, err
		}
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return message{}, err
		}
		fields := bytes.Fields(line)
		if len(fields) == 0 {
			return message{}, fmt.Errorf("an empty line from the server")
		}
		switch string(fields[0]) {
		case "PONG":
			return message{}, nil
		case "PING":
			if err := c.send("PONG\r\n"); err != nil {
				return message{}, err
			}
		case "MSG", "HMSG":
			return c.body(fields)
		case "-ERR":
			return message{}, fmt.Errorf("the server says %s", bytes.TrimSpace(line))
		}
	}
}

// body reads the payload of "MSG subject sid [reply] size"; an HMSG has one
// number more, and its headers count as payload here.
func (c *client) body(fields [][]byte) (message, error) {
	numbers := 1
	if string(fields[0]) == "HMSG" {
		numbers = 2
	}
	m := message{subject: string(fields[1])}
	if len(fields) == 4+numbers {
		m.reply = string(fields[3])
	}
	size, err := strconv.Atoi(string(fields[len(fields)-1]))
	if err != nil {
		return message{}, fmt.Errorf("size of a message: %w", err)
	}
	m.payload = make([]byte, size+2)
	for n := 0; n < len(m.payload); {
		more, err := c.in.Read(m.payload[n:])
		if err != nil {
			return message{}, err
		}
		n += more
	}
	m.payload = m.payload[:size]
	return m, nil
}

// sync returns when the server has done all that was sent before.
func (c *client) sync() error {
	if err := c.send("PING\r\n"); err != nil {
		return err
	}
	for {
		m, err := c.next()
		if err != nil || m.subject == "" {
			return err
		}
	}
}

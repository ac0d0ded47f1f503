package soak

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"time"
)

// deaths are the ways in which a member of the crowd ends.
var deaths = []struct {
	name string
	die  func(c *client, rnd *rand.Rand) error
}{
	{"close", func(c *client, _ *rand.Rand) error { return nil }},
	{"reset", func(c *client, _ *rand.Rand) error { return c.Conn.(*net.TCPConn).SetLinger(0) }},
	{"half a message", func(c *client, _ *rand.Rand) error { return c.send("PUB noise.x 100\r\nonly so much") }},
	{"half a line", func(c *client, _ *rand.Rand) error { return c.send("SUB noise.") }},
	{"unknown verb", func(c *client, _ *rand.Rand) error { return c.untilClosed("HELLO\r\n") }},
	{"too large", func(c *client, _ *rand.Rand) error { return c.untilClosed("PUB noise.x 2000000000\r\n") }},
	{"second connect", func(c *client, _ *rand.Rand) error { return c.send("CONNECT {}\r\nSUB noise.> 77\r\n") }},
	{"unsubscribe", func(c *client, _ *rand.Rand) error { return c.send("UNSUB 1\r\nUNSUB 2 5\r\nUNSUB 99\r\n") }},
	{"deaf", func(c *client, rnd *rand.Rand) error {
		// Wants everything and reads none of it; the server may cut it off.
		if err := c.send("SUB > 50\r\n"); err != nil {
			return err
		}
		<-time.After(time.Duration(rnd.IntN(1500)) * time.Millisecond)
		return nil
	}},
	{"listening", func(c *client, rnd *rand.Rand) error {
		if err := c.SetReadDeadline(time.Now().Add(time.Duration(rnd.IntN(1000)) * time.Millisecond)); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, c)
		return err
	}},
}

// untilClosed sends what no server can accept and waits for it to hang up.
func (c *client) untilClosed(bad string) error {
	if err := c.send("%s", bad); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, c)
	return err
}

// member lives one short life after the other.
func (r *run) member(rnd *rand.Rand) {
	for r.publishing() {
		death := deaths[rnd.IntN(len(deaths))]
		err := r.life(rnd, death.die)
		r.ended.Add(1)
		if !anyEnd(err) {
			r.complain(fmt.Errorf("a client of the crowd (%s): %w", death.name, err))
			return
		}
	}
}

// anyEnd reports whether err is nil or one of the ways in which a connection
// ends under a client that gives cause for it.
func anyEnd(err error) bool {
	var broken *net.OpError
	return err == nil || errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &broken) ||
		strings.Contains(err.Error(), "Slow Consumer")
}

func (r *run) life(rnd *rand.Rand, die func(*client, *rand.Rand) error) error {
	c, err := dial(r.addr)
	if err != nil {
		return fmt.Errorf("connecting: %v", err) // never right, whatever its kind
	}
	defer c.Close()
	for sid := range 1 + rnd.IntN(5) {
		if err := c.send("SUB %s %d\r\n", subjects[rnd.IntN(len(subjects))], sid+1); err != nil {
			return err
		}
	}
	for range rnd.IntN(30) {
		size := rnd.IntN(600)
		if err := c.send("PUB noise.%d.%d %d\r\n%s\r\n", rnd.IntN(20), rnd.IntN(20), size, strings.Repeat("x", size)); err != nil {
			return err
		}
	}
	if rnd.IntN(2) == 0 {
		if err := c.sync(); err != nil {
			return err
		}
	}
	return die(c, rnd)
}

// subjects are what the crowd subscribes to. It listens in on those who stay,
// and has queue groups of its own beside theirs; it must not join theirs, for a
// message that a dying member was given is lost by right.
var subjects = []string{
	"noise.1.*", "noise.*.2", "noise.3.>", "noise.4.4", "noise.4.4 crowd", "noise.> crowd",
	"stay.0", "stay.*", "queue.0 crowd", "queue.> crowd", "serve.*", "nothing.at.all",
}

package load

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

// scouts are one blocking connection to each node of a cluster. They find out
// by publishing whether a node knows of a subscription elsewhere: no view of a
// server's own is believed. nil: a single server.
type scouts struct {
	a       Access
	clients []*client // by node; nil where lost
	marks   int
}

// knownTimeout is how long interest may take to get around.
const knownTimeout = 5 * time.Minute

// hearFor is how long a published probe is waited for before the next one.
const hearFor = 5 * time.Millisecond

// newScouts connects, and waits until every node reaches every other.
func newScouts(a Access) (*scouts, error) {
	if len(a.Addrs) < 2 {
		return nil, nil
	}
	s := &scouts{a: a}
	for node := range a.Addrs {
		c, err := connect(a, node, 0)
		if err != nil {
			s.close()
			return nil, fmt.Errorf("node %d: %w", node, err)
		}
		s.clients = append(s.clients, c)
	}
	for node, c := range s.clients {
		if err := s.await(c, node); err != nil {
			s.close()
			return nil, fmt.Errorf("waiting for the cluster to form: %w", err)
		}
	}
	return s, nil
}

func (s *scouts) close() {
	if s == nil {
		return
	}
	for _, c := range s.clients {
		if c != nil {
			c.conn.Close()
		}
	}
}

// await returns once every other node knows of what c, a client of the node
// home, has subscribed to up to now. Interest of one client goes its way in
// order, so one more subscription stands for all before it.
func (s *scouts) await(c *client, home int) error {
	if s == nil {
		return nil
	}
	s.marks++
	mark := fmt.Sprintf("bench.mark.%06d", s.marks)
	const sid = "mark"
	if err := c.ask("SUB " + mark + " " + sid + "\r\n"); err != nil {
		return err
	}
	if err := s.awaitSubject(c, home, mark); err != nil {
		return err
	}
	// After the PONG nothing comes from it, whatever is still on its way.
	return c.ask("UNSUB " + sid + "\r\n")
}

// awaitSubject publishes from every other node until c, which is subscribed to
// subject and gets nothing else, has heard from each.
func (s *scouts) awaitSubject(c *client, home int, subject string) error {
	if s == nil {
		return nil
	}
	for node, scout := range s.clients {
		if node == home {
			continue
		}
		word := fmt.Sprintf("from-%d", node)
		probe := fmt.Sprintf("PUB %s %d\r\n%s\r\n", subject, len(word), word)
		for deadline := time.Now().Add(knownTimeout); ; {
			if err := scout.ask(probe); err != nil {
				return fmt.Errorf("publishing on node %d: %w", node, err)
			}
			heard, err := c.hear(word, hearFor)
			if err != nil {
				return err
			}
			if heard {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("%w: what is published on node %d does not reach node %d", errTimeout, node, home)
			}
		}
	}
	return nil
}

// hear reads until a line that is word, at most so long.
func (c *client) hear(word string, most time.Duration) (bool, error) {
	c.conn.SetDeadline(time.Now().Add(most))
	defer c.conn.SetDeadline(time.Time{})
	for {
		line, err := c.r.ReadString('\n')
		// A line that the deadline cut is put together again by the next call.
		line, c.cut = c.cut+line, ""
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			c.cut = line
			return false, nil
		case err != nil:
			return false, err
		case strings.HasPrefix(line, "-ERR"):
			return false, fmt.Errorf("the server said %q", strings.TrimSpace(line))
		case strings.TrimSpace(line) == word:
			return true, nil
		}
	}
}

// reconnect gives a node that came back its scout again.
func (s *scouts) reconnect(node int) error {
	s.clients[node].conn.Close()
	s.clients[node] = nil
	c, err := connectAgain(s.a, node)
	s.clients[node] = c
	return err
}

// connectAgain dials until the node takes connections.
func connectAgain(a Access, node int) (*client, error) {
	for deadline := time.Now().Add(connectTimeout); ; {
		c, err := connect(a, node, 0)
		var refused *net.OpError
		if err == nil || !errors.As(err, &refused) || time.Now().After(deadline) {
			return c, err
		}
		time.Sleep(2 * time.Millisecond)
	}
}

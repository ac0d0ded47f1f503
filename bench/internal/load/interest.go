package load

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// subscribe sends the subscriptions from to up to to-1, ten thousand at a time.
func (c *client) subscribe(from, to int) error {
	const atOnce = 10_000
	var b []byte
	for n := from; n < to; n += atOnce {
		b = b[:0]
		for i := n; i < min(n+atOnce, to); i++ {
			// An id between two words, as applications name things.
			b = fmt.Appendf(b, "SUB %s %d\r\n", interestSubject(i), i+2)
		}
		if err := c.ask(string(b)); err != nil {
			return err
		}
	}
	return nil
}

func interestSubject(i int) string { return fmt.Sprintf("bench.%07d.events", i) }

// interest makes one connection subscribe to many subjects on node 0, and waits
// until every other node delivers on the last one.
func interest(spec Spec, a Access, snap Snapshot) (Result, error) {
	s, err := newScouts(a)
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	c, err := connect(a, 0, 0)
	if err != nil {
		return Result{}, err
	}
	defer c.conn.Close()
	if err := c.ask("SUB bench.first 1\r\n"); err != nil {
		return Result{}, err
	}
	res, err := grow(spec.Count, snap, func() error {
		if err := c.subscribe(0, spec.Count); err != nil {
			return err
		}
		return s.awaitSubject(c, 0, interestSubject(spec.Count-1))
	})
	if err == nil {
		err = s.sample(c, 0, 0, spec.Count)
	}
	return res, err
}

// sampled is how many subscriptions are tried out, from each node.
const sampled = 500

// sample publishes on random subjects of a client's subscriptions from every
// other node, each once, and wants each delivered.
func (s *scouts) sample(c *client, home, from, to int) error {
	if s == nil {
		return nil
	}
	rnd := rand.New(rand.NewPCG(mixedSeed, 3))
	for node, scout := range s.clients {
		if node == home {
			continue
		}
		var b []byte
		want := map[string]int{}
		for range sampled {
			i := from + rnd.IntN(to-from)
			want[interestSubject(i)]++
			b = fmt.Appendf(b, "PUB %s 1\r\nx\r\n", interestSubject(i))
		}
		if err := scout.ask(string(b)); err != nil {
			return err
		}
		if err := c.gets(want); err != nil {
			return fmt.Errorf("published on node %d, subscribed on node %d: %w", node, home, err)
		}
	}
	return nil
}

// gets reads until every subject came as often as it should.
func (c *client) gets(want map[string]int) error {
	c.conn.SetDeadline(time.Now().Add(connectTimeout))
	defer c.conn.SetDeadline(time.Time{})
	for len(want) > 0 {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("%d of %d sampled subscriptions got nothing: %w", len(want), sampled, err)
		}
		f := strings.Fields(line)
		// What is longer than one byte is a probe that comes late.
		if len(f) != 4 || f[0] != "MSG" || f[3] != "1" {
			continue
		}
		if want[f[1]] == 0 {
			return fmt.Errorf("%s came once too often", f[1])
		}
		if want[f[1]]--; want[f[1]] == 0 {
			delete(want, f[1])
		}
	}
	return nil
}

// restartClients is over how many connections the subscriptions of a node that
// restarts are spread.
const restartClients = 10

// restart kills node 0, on which all subscriptions are, starts it again, and
// measures from the kill until every other node delivers on the last
// subscription of each client, which all come back and subscribe again.
func restart(spec Spec, a Access, snap Snapshot) (Result, error) {
	s, err := newScouts(a)
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	clients := make([]*client, restartClients)
	defer func() {
		for _, c := range clients {
			if c != nil {
				c.conn.Close()
			}
		}
	}()
	share := spec.Count / restartClients
	all := func() error {
		for i := range clients {
			if clients[i], err = connectAgain(a, 0); err != nil {
				return err
			}
			if err := clients[i].subscribe(i*share, (i+1)*share); err != nil {
				return fmt.Errorf("client %d: %w", i, err)
			}
		}
		for i, c := range clients {
			if err := s.awaitSubject(c, 0, interestSubject((i+1)*share-1)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := all(); err != nil {
		return Result{}, err
	}
	res := Result{Units: int64(share * restartClients)}
	time.Sleep(settle)
	start := time.Now()
	if err := a.Kill(0); err != nil {
		return res, err
	}
	before, err := snap() // of the nodes that stay; the new one begins at nothing
	if err != nil {
		return res, err
	}
	for _, c := range clients {
		c.conn.Close()
	}
	if err := a.Revive(0); err != nil {
		return res, err
	}
	if err := all(); err != nil {
		return res, err
	}
	res.Elapsed = time.Since(start)
	after, err := snap()
	if err != nil {
		return res, err
	}
	res.CPU = after.CPU - before.CPU
	time.Sleep(settle)
	if res.MemoryAfter, err = snap(); err != nil {
		return res, err
	}
	for i, c := range clients {
		if err := s.sample(c, 0, i*share, (i+1)*share); err != nil {
			return res, err
		}
	}
	res.Verified = res.Units
	return res, s.reconnect(0)
}

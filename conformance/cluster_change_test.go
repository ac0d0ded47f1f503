package conformance

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// failover is how fast a client has to be back after its server died.
const failover = 2 * time.Second

// Clients learn all nodes, of one that joins, and that one left.
func TestClusterDiscovery(t *testing.T) {
	over(t, compositions(), func(t *testing.T, kinds composition) {
		c := serveCluster(t, kinds, setup{})
		told := make(chan struct{}, 10)
		nc := dial(t, c.nodes[0], nats.DiscoveredServersHandler(func(*nats.Conn) { told <- struct{}{} }))
		eventually(t, "the client knows all nodes", func() bool { return len(nc.Servers()) == len(kinds) })
		for len(told) > 0 {
			<-told
		}
		joined := c.add(kinds[0])
		receive(t, told, "word of the new node")
		eventually(t, "the client knows the new node", func() bool { return slices.Contains(nc.Servers(), joined.url()) })
		c.await(c.nodes...)
		joined.Kill()
		for i := range c.nodes[:len(kinds)] {
			eventually(t, fmt.Sprintf("node %d forgets the one that left", i), func() bool { return len(urls(c.nodes[i])) == len(kinds) })
		}
	})
}

// A client whose server is killed is back on another within two seconds, with
// its subscriptions.
func TestClusterFailover(t *testing.T) {
	over(t, compositions(), func(t *testing.T, kinds composition) {
		c := serveCluster(t, kinds, setup{})
		back := make(chan struct{}, 1)
		nc := dial(t, c.nodes[0], nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }), nats.MaxReconnects(-1))
		sub, err := nc.SubscribeSync("mine")
		must(t, err)
		_, err = nc.Subscribe("svc", func(m *nats.Msg) { _ = m.Respond([]byte("here")) })
		must(t, err)
		other := c.dial(1)
		known(t, nc, other)
		eventually(t, "the client knows all nodes", func() bool { return len(nc.Servers()) == len(kinds) })
		began := time.Now()
		c.nodes[0].Kill()
		receive(t, back, "the reconnect")
		if took := time.Since(began); took > failover {
			t.Errorf("the client was back after %s", took)
		}
		must(t, nc.Flush())
		within(t, failover, "a message arrives again", func() bool {
			must(t, other.Publish("mine", nil))
			_, err := sub.NextMsg(20 * time.Millisecond)
			return err == nil
		})
		m, err := other.Request("svc", nil, soon)
		must(t, err)
		got(t, "reply", string(m.Data), "here")

		// The dead one comes back, and belongs to the cluster again.
		c.nodes[0].start()
		c.await(c.nodes...)
	})
}

// The node all others know comes back with nothing but its own configuration.
func TestClusterSeedRestarts(t *testing.T) {
	over(t, threes(), func(t *testing.T, kinds composition) {
		c := serveCluster(t, kinds, setup{})
		rest := []*nats.Conn{c.dial(1), c.dial(2)}
		l := newLedger()
		for i, nc := range rest {
			_, err := nc.Subscribe("settled", func(m *nats.Msg) { l.take(fmt.Sprint(i), m) })
			must(t, err)
		}
		known(t, rest...)
		for round := range 2 {
			c.nodes[0].Kill()
			publish(t, rest[0], "settled", fmt.Sprintf("down%d", round), 200)
			c.nodes[0].start()
			c.await(c.nodes...)
			publish(t, rest[1], "settled", fmt.Sprintf("up%d", round), 200)
		}
		l.all(t, 1600)
		l.exactly(t, []string{"down0", "down1", "up0", "up1"}, 200, 2)
		nc := c.dial(0)
		known(t, nc, rest[0], rest[1])
	})
}

// A node in lame duck mode hands its clients over: one that opens its
// subscription elsewhere and drains the old one loses nothing.
func TestClusterLameDuck(t *testing.T) {
	over(t, compositions(), func(t *testing.T, kinds composition) {
		c := serveCluster(t, kinds, setup{node: "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"1s\""})
		l := newLedger()
		l.anyOrder = true
		take := func(who string) nats.MsgHandler { return func(m *nats.Msg) { l.take(who, m) } }
		notice, drained := make(chan *nats.Conn, 1), make(chan struct{}, 1)
		// A client of the duck that knows what to do.
		_ = dial(t, c.nodes[0], nats.LameDuckModeHandler(func(old *nats.Conn) { notice <- old }), nats.ClosedHandler(func(*nats.Conn) { drained <- struct{}{} }), func(o *nats.Options) error {
			o.Name = "moves"
			return nil
		}, subscribes(t, "work", "g", take("old")))
		publisher := c.dial(len(kinds) - 1)
		atDuck := c.dial(0)
		known(t, atDuck, publisher)
		var stop atomic.Bool
		var sent int
		var running sync.WaitGroup
		running.Go(func() {
			for ; !stop.Load(); sent++ {
				if err := publisher.Publish("work", fmt.Appendf(nil, "p %d", sent)); err != nil {
					t.Error(err)
				}
				if sent%20 == 0 {
					if err := publisher.Flush(); err != nil {
						t.Error(err)
					}
				}
			}
		})
		eventually(t, "messages run", func() bool { return l.count() > 500 })
		must(t, c.nodes[0].Signal(syscall.SIGUSR2))
		old := receive(t, notice, "the notice")
		next := c.dial(1)
		_, err := next.QueueSubscribe("work", "g", take("new"))
		must(t, err)
		// Only when the others know of the new member may the old one go: with
		// either server what is on its way in between finds nobody.
		known(t, next, atDuck, publisher)
		must(t, old.Drain())
		receive(t, drained, "the end of the drain")
		before := l.count()
		eventually(t, "messages go on", func() bool { return l.count() > before+500 })
		stop.Store(true)
		running.Wait()
		must(t, publisher.Flush())
		l.all(t, sent)
		l.exactly(t, []string{"p"}, sent, 1)
		for i := range c.nodes[1:] {
			if slices.Contains(urls(c.nodes[i+1]), fmt.Sprintf("127.0.0.1:%d", c.nodes[0].Port)) {
				t.Errorf("node %d still sends clients to the lame duck", i+1)
			}
		}
	})
}

// subscribes makes a connection subscribe once it is up.
func subscribes(t *testing.T, subject, queue string, take nats.MsgHandler) nats.Option {
	return nats.ConnectHandler(func(nc *nats.Conn) {
		if _, err := nc.QueueSubscribe(subject, queue, take); err != nil {
			t.Error(err)
		}
	})
}

// Every node in turn is replaced, from nats-server to Dunlin and back, while
// clients of the others go on: they lose nothing and get nothing twice.
func TestClusterRollingReplacement(t *testing.T) {
	rolls := [][2]composition{{"nnn", "ddd"}, {"ddd", "nnn"}, {"nnd", "dnn"}}
	if *real || *update {
		rolls = [][2]composition{{"nnn", "nnn"}}
	}
	t.Parallel()
	for _, roll := range rolls {
		t.Run(string(roll[0]+"-"+roll[1]), func(t *testing.T) {
			t.Parallel()
			c := serveCluster(t, roll[0], setup{seedAll: true})
			for i := range c.nodes {
				settledWhile(t, c, i, func() {
					c.nodes[i].Stop()
					c.replace(i, roll[1][i])
					c.await(c.nodes...)
				})
			}
		})
	}
}

// settledWhile runs messages between all nodes but one while that one changes.
func settledWhile(t *testing.T, c *cluster, out int, change func()) {
	t.Helper()
	var conns []*nats.Conn
	for i := range c.nodes {
		if i != out {
			conns = append(conns, c.dial(i, nats.NoReconnect()))
		}
	}
	defer func() {
		for _, nc := range conns {
			nc.Close()
		}
	}()
	// Subjects of its own: what clients of the time before wanted may still be on its way to
	// being forgotten, and a queue member that is gone is none of those that are settled.
	roll := fmt.Sprintf("roll.%d", rolls.Add(1))
	all, group := newLedger(), newLedger()
	for i, nc := range conns {
		reader := fmt.Sprint(i)
		_, err := nc.Subscribe(roll+".all", func(m *nats.Msg) { all.take(reader, m) })
		must(t, err)
		_, err = nc.QueueSubscribe(roll+".group", "g", func(m *nats.Msg) { group.take(reader, m) })
		must(t, err)
		_, err = nc.Subscribe(fmt.Sprintf("%s.svc.%d", roll, i), func(m *nats.Msg) { _ = m.Respond(nil) })
		must(t, err)
	}
	known(t, conns...)
	var stop atomic.Bool
	sent := make([]int, len(conns))
	var running sync.WaitGroup
	for i, nc := range conns {
		running.Go(func() {
			for ; !stop.Load(); sent[i]++ {
				body := fmt.Appendf(nil, "p%d %d", i, sent[i])
				if err := nc.Publish(roll+".all", body); err != nil {
					t.Errorf("publishing on a node that stays: %v", err)
					return
				}
				if err := nc.Publish(roll+".group", body); err != nil {
					t.Error(err)
					return
				}
				if sent[i]%10 == 0 {
					if _, err := nc.Request(fmt.Sprintf("%s.svc.%d", roll, (i+1)%len(conns)), nil, soon); err != nil {
						t.Errorf("request %d: %v", sent[i], err)
						return
					}
				}
			}
		})
	}
	change()
	before := all.count()
	eventually(t, "messages go on", func() bool { return all.count() > before+200 })
	stop.Store(true)
	running.Wait()
	want, wantGroup := 0, 0
	for _, n := range sent {
		want, wantGroup = want+n*len(conns), wantGroup+n
	}
	all.all(t, want)
	group.all(t, wantGroup)
	for i := range conns {
		all.exactly(t, []string{fmt.Sprintf("p%d", i)}, sent[i], len(conns))
		group.exactly(t, []string{fmt.Sprintf("p%d", i)}, sent[i], 1)
	}
}

// rolls counts the calls of settledWhile.
var rolls atomic.Int64

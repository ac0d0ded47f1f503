package conformance

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// names of the publishers, one a node.
func publishers(c *cluster) []string {
	var out []string
	for i := range c.nodes {
		out = append(out, fmt.Sprintf("p%d", i))
	}
	return out
}

// publish sends numbered messages from a connection.
func publish(t *testing.T, nc *nats.Conn, subject, publisher string, count int) {
	t.Helper()
	for n := range count {
		must(t, nc.Publish(subject, fmt.Appendf(nil, "%s %d", publisher, n)))
	}
	must(t, nc.Flush())
}

// Every node publishes, every node subscribes: each message once on each, in
// the publisher's order; over plain, wildcard and with every kind of route.
func TestClusterMessages(t *testing.T) {
	ways := map[string]setup{
		"default":  {},
		"seeds":    {seedAll: true},
		"no-pool":  {cluster: "pool_size: -1"},
		"pool-1":   {cluster: "pool_size: 1"},
		"pool-5":   {cluster: "pool_size: 5"},
		"s2":       {cluster: "compression: s2_fast"},
		"s2-auto":  {cluster: "compression: { mode: s2_auto }"},
		"off":      {cluster: "compression: off"},
		"password": {cluster: "authorization { user: r, password: s }", route: "r:s@"},
		"pinned":   {cluster: "accounts: [A]", node: accountsAB, user: "a:a"},
	}
	certs := mustCertificates(t).Dir
	ways["tls"] = setup{cluster: fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, timeout: 5 }", certs+"/both.pem", certs+"/both.key", certs+"/ca.pem")}
	t.Parallel()
	for name, s := range ways {
		t.Run(name, func(t *testing.T) {
			kinds := threes()
			if name == "default" {
				kinds = compositions()
			}
			over(t, kinds, func(t *testing.T, kinds composition) { messages(t, serveCluster(t, kinds, s)) })
		})
	}
}

func messages(t *testing.T, c *cluster) {
	const each = 400
	conns := c.dialAll()
	plain, wild := newLedger(), newLedger()
	for i, nc := range conns {
		reader := fmt.Sprint("node ", i)
		_, err := nc.Subscribe("all.readers", func(m *nats.Msg) { plain.take(reader, m) })
		must(t, err)
		_, err = nc.Subscribe("all.*", func(m *nats.Msg) { wild.take(reader, m) })
		must(t, err)
	}
	known(t, conns...)
	for i, nc := range conns {
		publish(t, nc, "all.readers", fmt.Sprintf("p%d", i), each)
	}
	want := each * len(conns) * len(conns)
	plain.all(t, want)
	wild.all(t, want)
	plain.exactly(t, publishers(c), each, len(conns))
	wild.exactly(t, publishers(c), each, len(conns))
}

func TestClusterQueueGroups(t *testing.T) {
	over(t, compositions(), func(t *testing.T, kinds composition) {
		c := serveCluster(t, kinds, setup{})
		conns := c.dialAll()
		const each = 600
		group, other := newLedger(), newLedger()
		took := make([]int, len(conns))
		var mu sync.Mutex
		for i, nc := range conns {
			for member := range 2 {
				reader := fmt.Sprintf("member %d on node %d", member, i)
				_, err := nc.QueueSubscribe("work", "group", func(m *nats.Msg) {
					group.take(reader, m)
					mu.Lock()
					took[i]++
					mu.Unlock()
				})
				must(t, err)
			}
		}
		// A second group, on one node only.
		_, err := conns[len(conns)-1].QueueSubscribe("work", "other", func(m *nats.Msg) { other.take("other", m) })
		must(t, err)
		known(t, conns...)
		for i, nc := range conns {
			publish(t, nc, "work", fmt.Sprintf("p%d", i), each)
		}
		want := each * len(conns)
		group.all(t, want)
		other.all(t, want)
		for _, nc := range conns {
			must(t, nc.Flush())
		}
		group.exactly(t, publishers(c), each, 1)
		other.exactly(t, publishers(c), each, 1)
		mu.Lock()
		defer mu.Unlock()
		for i, n := range took {
			if n == 0 {
				t.Errorf("the members on node %d got none of %d messages", i, want)
			}
		}
	})
}

// The first request of a connection, whose inbox no other node has heard of.
func TestClusterRequests(t *testing.T) {
	over(t, compositions(), func(t *testing.T, kinds composition) {
		c := serveCluster(t, kinds, setup{})
		conns := c.dialAll()
		for i, nc := range conns {
			_, err := nc.QueueSubscribe(fmt.Sprintf("svc.%d", i), "q", func(m *nats.Msg) {
				reply := nats.NewMsg(m.Reply)
				reply.Header.Set("Echo", m.Header.Get("Ask"))
				reply.Header.Set("Node", fmt.Sprint(i))
				reply.Data = append([]byte("re: "), m.Data...)
				_ = m.RespondMsg(reply)
			})
			must(t, err)
		}
		known(t, conns...)
		for i := range c.nodes {
			for to := range c.nodes {
				nc := c.dial(i, nats.CustomInboxPrefix("_INBOX"))
				for n := range 5 {
					msg := nats.NewMsg(fmt.Sprintf("svc.%d", to))
					msg.Header.Set("Ask", fmt.Sprint(n))
					msg.Data = []byte("x")
					m, err := nc.RequestMsg(msg, soon)
					if err != nil {
						t.Fatalf("request %d of a connection to node %d, answered on node %d: %v", n, i, to, err)
					}
					got(t, "data", string(m.Data), "re: x")
					got(t, "echo", m.Header.Get("Echo"), fmt.Sprint(n))
					got(t, "node", m.Header.Get("Node"), fmt.Sprint(to))
				}
				nc.Close()
			}
		}
		old := c.dial(0, nats.UseOldRequestStyle())
		for n := range 20 {
			if _, err := old.Request(fmt.Sprintf("svc.%d", len(conns)-1), []byte("x"), soon); err != nil {
				t.Fatalf("request %d in the old style, with an inbox of its own: %v", n, err)
			}
		}
	})
}

func TestClusterNoResponders(t *testing.T) {
	over(t, compositions(), func(t *testing.T, kinds composition) {
		c := serveCluster(t, kinds, setup{})
		conns := c.dialAll()
		for i, nc := range conns {
			if _, err := nc.Request("nobody", nil, soon); !errors.Is(err, nats.ErrNoResponders) {
				t.Errorf("node %d: a request that nobody answers: %v", i, err)
			}
		}
		sub, err := conns[0].Subscribe("somebody", func(m *nats.Msg) { _ = m.Respond(nil) })
		must(t, err)
		known(t, conns...)
		for i, nc := range conns {
			if _, err := nc.Request("somebody", nil, soon); err != nil {
				t.Errorf("node %d: %v", i, err)
			}
		}
		must(t, sub.Unsubscribe())
		must(t, conns[0].Flush())
		for i, nc := range conns {
			within(t, soon, fmt.Sprintf("node %d forgets who is gone", i), func() bool {
				// One that was on its way when the last left gets no answer at all.
				_, err := nc.Request("somebody", nil, 100*time.Millisecond)
				return errors.Is(err, nats.ErrNoResponders)
			})
		}
	})
}

func TestClusterHeadersAndSizes(t *testing.T) {
	over(t, threes(), func(t *testing.T, kinds composition) {
		c := serveCluster(t, kinds, setup{})
		conns := c.dialAll()
		var subs []*nats.Subscription
		for _, nc := range conns {
			sub, err := nc.SubscribeSync("big.>")
			must(t, err)
			subs = append(subs, sub)
		}
		known(t, conns...)
		for i, nc := range conns {
			for _, size := range []int{0, 1, 1000, 64 << 10, 900 << 10} {
				msg := nats.NewMsg(fmt.Sprintf("big.%d.%d", i, size))
				msg.Reply = "some.reply"
				msg.Header.Add("Many", "one")
				msg.Header.Add("Many", "two")
				msg.Header.Set("Size", fmt.Sprint(size))
				msg.Data = []byte(strings.Repeat("z", size))
				must(t, nc.PublishMsg(msg))
				for j, sub := range subs {
					m, err := sub.NextMsg(soon)
					if err != nil {
						t.Fatalf("%d bytes from node %d to node %d: %v", size, i, j, err)
					}
					got(t, "subject", m.Subject, msg.Subject)
					got(t, "reply", m.Reply, "some.reply")
					got(t, "size", len(m.Data), size)
					got(t, "header", fmt.Sprint(m.Header), fmt.Sprint(msg.Header))
				}
			}
		}
	})
}

func TestClusterAutoUnsubscribe(t *testing.T) {
	over(t, threes(), func(t *testing.T, kinds composition) {
		c := serveCluster(t, kinds, setup{})
		conns := c.dialAll()
		sub, err := conns[0].SubscribeSync("few")
		must(t, err)
		must(t, sub.AutoUnsubscribe(5))
		known(t, conns...)
		last := conns[len(conns)-1]
		for range 20 {
			must(t, last.Publish("few", nil))
		}
		must(t, last.Flush())
		for n := range 5 {
			if _, err := sub.NextMsg(soon); err != nil {
				t.Fatalf("message %d: %v", n, err)
			}
		}
		if _, err := sub.NextMsg(soon); !errors.Is(err, nats.ErrMaxMessages) {
			t.Errorf("sixth message: %v", err)
		}
	})
}

const accountsAB = `accounts {
  A: { users: [ {user: a, password: a} ] }
  B: { users: [ {user: b, password: b} ] }
}`

func TestClusterAccounts(t *testing.T) {
	for name, s := range map[string]setup{
		"shared": {node: accountsAB, user: "a:a"},
		"pinned": {node: accountsAB, user: "a:a", cluster: "accounts: [B]"},
	} {
		t.Run(name, func(t *testing.T) {
			over(t, threes(), func(t *testing.T, kinds composition) {
				c := serveCluster(t, kinds, s)
				as, bs := c.dialAll(), c.dialAll(nats.UserInfo("b", "b"))
				a, b := newLedger(), newLedger()
				for i := range c.nodes {
					_, err := as[i].Subscribe("same", func(m *nats.Msg) { a.take(fmt.Sprint(i), m) })
					must(t, err)
					_, err = bs[i].Subscribe("same", func(m *nats.Msg) { b.take(fmt.Sprint(i), m) })
					must(t, err)
				}
				known(t, as...)
				known(t, bs...)
				publish(t, as[0], "same", "a", 100)
				publish(t, bs[1], "same", "b", 100)
				a.all(t, 300)
				b.all(t, 300)
				a.exactly(t, []string{"a"}, 100, 3)
				b.exactly(t, []string{"b"}, 100, 3)
				got(t, "messages of the other account", a.count()+b.count(), 600)
			})
		})
	}
}

// Many subscriptions that come and go on every node while messages run, and at
// the end no node wants anything.
func TestClusterInterestComesAndGoes(t *testing.T) {
	over(t, threes(), func(t *testing.T, kinds composition) {
		c := serveCluster(t, kinds, setup{})
		conns := c.dialAll()
		settled := newLedger()
		_, err := conns[0].Subscribe("settled", func(m *nats.Msg) { settled.take("settled", m) })
		must(t, err)
		known(t, conns...)
		var all sync.WaitGroup
		for i, nc := range conns {
			all.Go(func() {
				for round := range 20 {
					var subs []*nats.Subscription
					for n := range 50 {
						sub, err := nc.SubscribeSync(fmt.Sprintf("come.%d.%d", i, n))
						if err != nil {
							t.Error(err)
							return
						}
						subs = append(subs, sub)
					}
					for _, sub := range subs {
						if err := sub.Unsubscribe(); err != nil {
							t.Error(err)
						}
					}
					for n := range 20 {
						if err := nc.Publish("settled", fmt.Appendf(nil, "p%d %d", i, round*20+n)); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		all.Wait()
		settled.all(t, 400*len(conns))
		settled.exactly(t, publishers(c), 400, 1)
		known(t, conns...)
		for i, nc := range conns {
			for n := range 50 {
				subject := fmt.Sprintf("come.%d.%d", (i+1)%len(conns), n)
				if _, err := nc.Request(subject, nil, soon); !errors.Is(err, nats.ErrNoResponders) {
					t.Fatalf("node %d still believes that somebody wants %s: %v", i, subject, err)
				}
			}
		}
	})
}

// A member of a group drains while messages run: every message is handled once.
func TestClusterDrain(t *testing.T) {
	over(t, compositions(), func(t *testing.T, kinds composition) {
		c := serveCluster(t, kinds, setup{})
		conns := c.dialAll()
		l := newLedger()
		l.anyOrder = true
		closed := make(chan struct{}, 1)
		leaving := c.dial(0, nats.ClosedHandler(func(*nats.Conn) { closed <- struct{}{} }))
		_, err := leaving.QueueSubscribe("work", "g", func(m *nats.Msg) {
			l.take("leaving", m)
		})
		must(t, err)
		_, err = conns[1].QueueSubscribe("work", "g", func(m *nats.Msg) { l.take("staying", m) })
		must(t, err)
		known(t, append([]*nats.Conn{leaving}, conns[1:]...)...)
		const count = 4000
		last := conns[len(conns)-1]
		for n := range count {
			if n == count/2 {
				must(t, leaving.Drain())
			}
			must(t, last.Publish("work", fmt.Appendf(nil, "p %d", n)))
			if n%50 == 0 {
				must(t, last.Flush())
			}
		}
		must(t, last.Flush())
		receive(t, closed, "the end of the drain")
		l.all(t, count)
		l.exactly(t, []string{"p"}, count, 1)
	})
}

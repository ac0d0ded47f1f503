package sim

import (
	"fmt"
	"strconv"
	"strings"

	"dunlin/internal/core/interest"
	"dunlin/internal/core/sublist"
	"dunlin/internal/engine/broker"
	"dunlin/internal/proto/subject"
	"dunlin/internal/proto/wire"
)

// client is one connection of a user, and its sink.
type client struct {
	world  *World
	node   *node
	id     int
	lane   uint8
	noEcho bool
	stays  bool // it and its subscriptions stay to the end
	pub    *broker.Publisher
	subs   map[string]*sub
	sids   int
	order  int
	untold bool // others are to learn of subscriptions
	gone   bool
	asked  []request
	last   map[*sub]map[*client]int // order of the last message by publisher
}

// sub is a subscription.
type sub struct {
	client         *client
	real           *sublist.Sub
	subject, queue string
	// known: it has been told to everybody, and nothing was lost since.
	known bool
}

// request waits for an answer.
type request struct {
	reply string
	id    int
}

func newClient(w *World, n *node, id int) *client {
	c := &client{
		world: w, node: n, id: id, lane: uint8(id % interest.Lanes), noEcho: w.rnd.IntN(4) == 0, subs: make(map[string]*sub),
		pub: broker.New(n.account, w.rnd.Uint64()), last: make(map[*sub]map[*client]int),
	}
	c.pub.Origin, c.pub.NoEcho, c.pub.Lane = c, c.noEcho, c.lane
	return c
}

// act does one of the things that clients do.
func (c *client) act() {
	switch n := c.world.rnd.IntN(10); {
	case c.world.Quiet && n >= 5:
		c.told()
	case n < 3:
		c.subscribe(c.world.pattern(), c.world.queue())
	case n < 5 && !c.stays:
		c.unsubscribe()
	case n < 6:
		c.ask()
	case n < 7:
		c.finish()
	default:
		c.publish(c.world.literal(), "")
	}
}

// The subjects are few, so that they meet.
func (w *World) literal() string { return fmt.Sprint("s.", w.rnd.IntN(6)) }

func (w *World) pattern() string {
	switch w.rnd.IntN(6) {
	case 0:
		return "s.*"
	case 1:
		return ">"
	}
	return w.literal()
}

func (w *World) queue() string { return []string{"", "", "g", "h"}[w.rnd.IntN(4)] }

func (c *client) subscribe(subj, queue string) *sub {
	c.world.Subs++
	c.sids++
	sid := strconv.Itoa(c.sids)
	s := &sub{client: c, subject: subj, queue: queue, real: sublist.NewSub(c, []byte(subj), []byte(queue), []byte(sid))}
	c.subs[sid] = s
	c.last[s] = make(map[*client]int)
	c.node.account.Subs.Insert(s.real)
	c.node.account.Interest.Add(s.real.Subject(), s.real.Queue(), c.lane)
	c.untold = true
	return s
}

func (c *client) unsubscribe() {
	if len(c.subs) == 0 {
		return
	}
	at := c.world.rnd.IntN(c.sids) + 1
	for range c.sids { // in an order that the seed decides
		if s := c.subs[strconv.Itoa(at)]; s != nil {
			c.remove(strconv.Itoa(at), s)
			return
		}
		if at++; at > c.sids {
			at = 1
		}
	}
}

func (c *client) remove(sid string, s *sub) {
	c.pub.Settle() // what came before it is in order
	c.world.Unsubs++
	s.real.Gone = true
	delete(c.subs, sid)
	c.node.account.Subs.Remove(s.real)
	c.node.account.Interest.Remove(s.real.Subject(), s.real.Queue(), c.lane)
	c.untold = true
}

// leave closes the connection.
func (c *client) leave() {
	if c.stays {
		return
	}
	c.finish()
	c.gone = true
	for sid := 1; sid <= c.sids; sid++ {
		if s := c.subs[strconv.Itoa(sid)]; s != nil {
			c.remove(strconv.Itoa(sid), s)
		}
	}
	c.node.tell()
	for i, other := range c.world.clients {
		if other == c {
			c.world.clients = append(c.world.clients[:i], c.world.clients[i+1:]...)
			break
		}
	}
}

// told has others learn of subscriptions before the next message.
func (c *client) told() {
	if c.untold {
		c.untold = false
		c.node.tell()
	}
}

// finish ends a batch: all it has begun is done. It reports whether there was
// anything.
func (c *client) finish() (some bool) {
	some = c.untold || len(c.asked) > 0
	for _, r := range c.asked {
		c.world.Answers++
		c.answer(r)
	}
	c.asked = nil
	c.told()
	c.pub.FlushAll()
	return some
}

// answer sends the answer to r. Where the question was passed on from server
// to server, it may have come faster than the interest in the answer, over
// another connection: then the answer may be lost, as the question would have
// been.
func (c *client) answer(r request) {
	m := c.publish(r.reply, "")
	if c.world.sent[r.id].passed {
		m.must = nil
	}
}

func (c *client) publish(subj, reply string) *sent {
	c.told()
	w := c.world
	w.Published++
	w.seq++
	c.order++
	m := &sent{seq: w.seq, publisher: c, order: c.order, subject: subj, plain: make(map[*sub]int), queues: make(map[string]int)}
	w.sent[m.seq] = m
	w.expect(m)
	var msg wire.Msg
	var header []byte
	if w.rnd.IntN(4) == 0 {
		header = []byte("NATS/1.0\r\nA: b\r\n\r\n")
	}
	body := strconv.Itoa(m.seq) + strings.Repeat(" ", w.rnd.IntN(64))
	msg.Compose(nil, []byte(subj), []byte(reply), header, []byte(body))
	c.pub.Publish(&msg, c.pub.Lookup(msg.Subject), true)
	if w.rnd.IntN(3) == 0 {
		c.pub.FlushAll()
	}
	return m
}

// ask sends a request whose answer has to come.
func (c *client) ask() {
	inbox := fmt.Sprintf("_INBOX.%d.%d", c.id, c.order)
	s := c.subscribe(inbox, "")
	c.publish("ask", inbox)
	// Whoever gets the question has been told before whom to answer.
	s.known = c.stays && !c.world.Breaks
}

// expect notes who has to get m.
func (w *World) expect(m *sent) {
	m.groups = make(map[string]bool)
	for _, c := range w.clients {
		for _, s := range c.subs {
			if !s.known && !w.settled || !subject.Matches(m.subject, s.subject) {
				continue
			}
			if c == m.publisher && c.noEcho {
				continue
			}
			if s.queue == "" {
				m.must = append(m.must, s)
			} else {
				m.groups[s.queue] = true
			}
		}
	}
}

// arrives notes that a message has come to n from another node.
func (w *World) arrives(n *node, body []byte) {
	m := w.sent[number(body)]
	if m == nil {
		w.complain("node %d gets a message that nobody has sent: %q", n.id, body)
		return
	}
	if len(m.arrived) > 4*len(w.nodes) {
		w.complain("message %d goes round: it was at nodes %v", m.seq, m.arrived)
	}
	m.arrived = append(m.arrived, n.id)
}

// number reads the digits at the end of a header or at the beginning of a body.
func number(body []byte) int {
	if i := strings.Index(string(body), "\r\n\r\n"); i >= 0 {
		body = body[i+4:]
	}
	n, err := strconv.Atoi(strings.TrimRight(string(body), " "))
	if err != nil {
		return -1
	}
	return n
}

// Deliver implements sublist.Sink.
func (c *client) Deliver(run []wire.Msg, real *sublist.Sub, b *sublist.Batch) (taken int) {
	if b.NoEcho && b.Origin == sublist.Sink(c) || real.Gone || c.gone {
		return 0
	}
	s := c.subs[real.Sid()]
	for i := range run {
		c.take(&run[i], s)
	}
	return len(run)
}

func (c *client) take(msg *wire.Msg, s *sub) {
	w := c.world
	m := w.sent[number(msg.Body)]
	switch {
	case m == nil:
		w.complain("client %d gets a message that nobody has sent: %q", c.id, msg.Body)
		return
	case m.subject != string(msg.Subject) || !subject.Matches(m.subject, s.subject):
		w.complain("client %d gets message %d on %q for %q", c.id, m.seq, msg.Subject, s.subject)
	}
	w.Delivered++
	if s.queue == "" {
		if m.plain[s]++; m.plain[s] > 1 {
			w.complain("client %d (node %d) gets message %d of node %d twice; it was at nodes %v", c.id, c.node.id, m.seq, m.publisher.node.id, m.arrived)
		}
		if last := c.last[s][m.publisher]; last >= m.order {
			w.complain("client %d gets number %d of client %d after %d", c.id, m.order, m.publisher.id, last)
		}
		c.last[s][m.publisher] = m.order
	} else if m.queues[s.queue]++; m.queues[s.queue] > 1 {
		w.complain("group %q gets message %d twice; it was at nodes %v", s.queue, m.seq, m.arrived)
	}
	if len(msg.Reply) > 0 && c.stays {
		c.asked = append(c.asked, request{string(msg.Reply), m.seq})
	}
}

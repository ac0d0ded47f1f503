// Package fakebroker is a tiny NATS broker for tests of this module: enough of the
// protocol for every load, and it lies when told to.
//
// Owns: subjects, queue groups, replies of one process. Does not own: speed,
// limits, errors, headers beyond their lengths. Concurrency: a reader and a
// writer goroutine a connection, one lock for all subscriptions. Invariant:
// Close returns after every goroutine has ended.
package fakebroker

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
)

// Broker is one running broker.
type Broker struct {
	// Copies is called for every delivery, counted from 1, and returns how often
	// the message is really sent; nil = once. Set before clients connect.
	Copies func(n int64) int
	// HoldBack is the number of the delivery that is sent after the one that
	// follows it; 0 = none. Set before clients connect.
	HoldBack int64

	// Deaf names subscriptions that are taken and forgotten. Set before clients
	// connect.
	Deaf func(subject string) bool

	listeners []net.Listener
	all       sync.WaitGroup

	mu     sync.Mutex
	subs   []*sub
	sent   int64
	turn   int // of queue groups
	unsubs int
	held   [][]byte
}

// Listen starts a broker at an address (127.0.0.1:0 = any free port).
func Listen(addr string) (*Broker, error) {
	f := &Broker{}
	if err := f.AlsoAt(addr); err != nil {
		return nil, err
	}
	return f, nil
}

// AlsoAt serves the same subjects at one more address: to those who connect
// there it looks like another node of a cluster that loses and delays nothing.
func (f *Broker) AlsoAt(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	f.listeners = append(f.listeners, l)
	f.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			f.all.Go(func() { f.serve(c) })
		}
	})
	return nil
}

// Addrs are the addresses it listens at.
func (f *Broker) Addrs() []string {
	var out []string
	for _, l := range f.listeners {
		out = append(out, l.Addr().String())
	}
	return out
}

// Close stops listening and waits until every client has left.
func (f *Broker) Close() {
	for _, l := range f.listeners {
		l.Close()
	}
	f.all.Wait()
}

// Interest returns how many subscriptions stand and how many were taken back.
// Those of a client that left still stand.
func (f *Broker) Interest() (subs, unsubs int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.subs), f.unsubs
}

// Forget drops all subscriptions, as a restart would.
func (f *Broker) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subs = nil
}

type sub struct {
	c                   *conn
	subject, queue, sid string
}

// conn has an output queue without bound: a client that does not read holds
// nobody up.
type conn struct {
	f    *Broker
	mu   sync.Mutex
	more *sync.Cond
	out  []byte
	end  bool
}

// writer sends what was queued until the connection ends.
func (c *conn) writer(nc net.Conn) {
	for {
		c.mu.Lock()
		for len(c.out) == 0 && !c.end {
			c.more.Wait()
		}
		b := c.out
		c.out = nil
		ended := c.end
		c.mu.Unlock()
		if ended {
			return
		}
		nc.Write(b) // an ended client is found by its reader
	}
}

func (c *conn) write(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end {
		return
	}
	c.out = append(c.out, b...)
	c.more.Signal()
}

func (f *Broker) serve(nc net.Conn) {
	c := &conn{f: f}
	c.more = sync.NewCond(&c.mu)
	var w sync.WaitGroup
	w.Go(func() { c.writer(nc) })
	defer w.Wait()
	defer func() {
		nc.Close()
		c.mu.Lock()
		c.end = true
		c.more.Signal()
		c.mu.Unlock()
	}()
	r := bufio.NewReaderSize(nc, 64<<10)
	c.write([]byte("INFO {}\r\n"))
	for {
		line, err := r.ReadString('\n')
		words := strings.Fields(line)
		if err != nil || len(words) == 0 || !c.handle(r, words) {
			return
		}
	}
}

func (c *conn) handle(r *bufio.Reader, w []string) bool {
	switch w[0] {
	case "PING":
		c.write([]byte("PONG\r\n"))
	case "SUB":
		s := &sub{c: c, subject: w[1], sid: w[len(w)-1]}
		if len(w) == 4 {
			s.queue = w[2]
		}
		if c.f.Deaf != nil && c.f.Deaf(s.subject) {
			return true
		}
		c.f.mu.Lock()
		c.f.subs = append(c.f.subs, s)
		c.f.mu.Unlock()
	case "UNSUB":
		c.f.mu.Lock()
		c.f.unsubs++
		for i, s := range c.f.subs {
			if s.c == c && s.sid == w[1] {
				c.f.subs = append(c.f.subs[:i], c.f.subs[i+1:]...)
				break
			}
		}
		c.f.mu.Unlock()
	case "PUB", "HPUB":
		size, err := strconv.Atoi(w[len(w)-1])
		if err != nil {
			return false
		}
		body := make([]byte, size+2)
		if _, err := io.ReadFull(r, body); err != nil {
			return false
		}
		c.f.publish(w, body)
	}
	return true
}

func (f *Broker) publish(w []string, body []byte) {
	verb, sizes, reply := "MSG", w[len(w)-1], ""
	rest := w[2 : len(w)-1]
	if w[0] == "HPUB" {
		verb, sizes, rest = "HMSG", w[len(w)-2]+" "+sizes, w[2:len(w)-2]
	}
	if len(rest) == 1 {
		reply = rest[0] + " "
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var group []*sub
	for _, s := range f.subs {
		switch {
		case !Match(s.subject, w[1]):
		case s.queue != "":
			group = append(group, s)
		default:
			f.deliver(s, fmt.Appendf(nil, "%s %s %s %s%s\r\n%s", verb, w[1], s.sid, reply, sizes, body))
		}
	}
	if len(group) > 0 {
		f.turn++
		s := group[f.turn%len(group)]
		f.deliver(s, fmt.Appendf(nil, "%s %s %s %s%s\r\n%s", verb, w[1], s.sid, reply, sizes, body))
	}
}

func (f *Broker) deliver(s *sub, msg []byte) {
	f.sent++
	if f.sent == f.HoldBack {
		f.held = append(f.held, msg)
		return
	}
	copies := 1
	if f.Copies != nil {
		copies = f.Copies(f.sent)
	}
	s.c.write(bytes.Repeat(msg, copies))
	for _, m := range f.held {
		s.c.write(m)
	}
	f.held = nil
}

// Match tells whether a subject meets a filter with wildcards.
func Match(filter, subject string) bool {
	ft, st := strings.Split(filter, "."), strings.Split(subject, ".")
	for i, t := range ft {
		if t == ">" {
			return i < len(st)
		}
		if i >= len(st) || t != "*" && t != st[i] {
			return false
		}
	}
	return len(ft) == len(st)
}

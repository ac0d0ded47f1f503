package load

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// fake is a tiny broker that can be told to lie. lie is called for every
// delivery, counted from 1, and returns how often the message is really sent.
type fake struct {
	addr string
	lie  func(n int64) int

	mu     sync.Mutex
	subs   []*fakeSub
	sent   int64
	turn   int      // of queue groups
	unsubs int64    // UNSUB seen
	swap   [][]byte // a delivery held back, to be sent after the next one
	// reorderAt: the delivery that is held back; 0 = none.
	reorderAt int64
}

type fakeSub struct {
	c                   *fakeConn
	subject, queue, sid string
}

// fakeConn has an output queue without bound: a client that does not read holds
// nobody up.
type fakeConn struct {
	f    *fake
	mu   sync.Mutex
	more *sync.Cond
	out  []byte
	end  bool
}

// writer sends what was queued until the connection ends.
func (c *fakeConn) writer(conn net.Conn) {
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
		conn.Write(b) // an ended client is found by its reader
	}
}

func (c *fakeConn) write(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(c.out, b...)
	c.more.Signal()
}

func newFake(t *testing.T) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{addr: l.Addr().String(), lie: func(int64) int { return 1 }}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { f.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return f
}

func (f *fake) serve(conn net.Conn) {
	c := &fakeConn{f: f}
	c.more = sync.NewCond(&c.mu)
	var w sync.WaitGroup
	w.Go(func() { c.writer(conn) })
	defer w.Wait()
	defer func() {
		conn.Close()
		c.mu.Lock()
		c.end = true
		c.more.Signal()
		c.mu.Unlock()
	}()
	r := bufio.NewReaderSize(conn, 64<<10)
	c.write([]byte("INFO {}\r\n"))
	for {
		line, err := r.ReadString('\n')
		if err != nil || !c.handle(r, strings.Fields(line)) {
			return
		}
	}
}

func (c *fakeConn) handle(r *bufio.Reader, w []string) bool {
	switch w[0] {
	case "PING":
		c.write([]byte("PONG\r\n"))
	case "SUB":
		s := &fakeSub{c: c, subject: w[1], sid: w[len(w)-1]}
		if len(w) == 4 {
			s.queue = w[2]
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

func (f *fake) publish(w []string, body []byte) {
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
	var group []*fakeSub
	for _, s := range f.subs {
		switch {
		case !fakeMatch(s.subject, w[1]):
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

func (f *fake) deliver(s *fakeSub, msg []byte) {
	f.sent++
	if f.sent == f.reorderAt {
		f.swap = append(f.swap, msg)
		return
	}
	s.c.write(bytes.Repeat(msg, f.lie(f.sent)))
	for _, m := range f.swap {
		s.c.write(m)
	}
	f.swap = nil
}

func fakeMatch(filter, subject string) bool {
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

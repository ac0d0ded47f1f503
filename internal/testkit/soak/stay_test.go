package soak

import (
	"bytes"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
)

// ledger is what publishers have sent to one subject, numbered from 0, and
// how often each arrived.
type ledger struct {
	subject string
	ordered bool // one subscriber, so that messages must arrive in order

	sent atomic.Int64

	mu      sync.Mutex
	arrived []uint8
	total   int64
}

// enter notes an arrival and says what is wrong with it.
func (l *ledger) enter(m message) error {
	n, err := strconv.Atoi(string(m.payload))
	if err != nil || m.subject != l.subject {
		return fmt.Errorf("%s got %q on %s", l.subject, m.payload, m.subject)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ordered && n != len(l.arrived) {
		return fmt.Errorf("%s: number %d arrived when %d was next", l.subject, n, len(l.arrived))
	}
	for n >= len(l.arrived) {
		l.arrived = append(l.arrived, 0)
	}
	l.arrived[n]++
	l.total++
	if l.arrived[n] > 1 {
		return fmt.Errorf("%s: number %d arrived %d times", l.subject, n, l.arrived[n])
	}
	return nil
}

// complete reports whether everything that was sent has arrived.
func (l *ledger) complete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total >= l.sent.Load()
}

func (l *ledger) missing() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent.Load() - l.total
}

// batch is how many messages a publisher sends before it waits for a PONG,
// which is all the pacing there is.
const batch = 20

// publish sends numbered messages until stop, a batch at least.
func (r *run) publish(l *ledger) error {
	c, err := dial(r.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	var out bytes.Buffer
	for more := true; more; more = r.publishing() {
		out.Reset()
		first := l.sent.Load()
		for n := first; n < first+batch; n++ {
			number := strconv.FormatInt(n, 10)
			fmt.Fprintf(&out, "PUB %s %d\r\n%s\r\n", l.subject, len(number), number)
		}
		// Counted before they go out: a subscriber may be faster than this line's successor.
		l.sent.Add(batch)
		if _, err := c.Write(out.Bytes()); err != nil {
			return err
		}
		if err := c.sync(); err != nil {
			return err
		}
	}
	return nil
}

// subscribe enters what arrives until the connection is closed. It calls ready
// when the server has the subscription.
func (r *run) subscribe(l *ledger, queue string, ready func()) error {
	c, err := dial(r.addr)
	if err != nil {
		return err
	}
	r.owned(c)
	if err := c.send("SUB %s %s 1\r\n", l.subject, queue); err != nil {
		return err
	}
	if err := c.sync(); err != nil {
		return err
	}
	ready()
	for {
		m, err := c.next()
		if err != nil {
			return err
		}
		if err := l.enter(m); err != nil {
			return err
		}
	}
}

// serve answers requests with their own payload until the connection is closed.
func (r *run) serve(subject string, ready func()) error {
	c, err := dial(r.addr)
	if err != nil {
		return err
	}
	r.owned(c)
	if err := c.send("SUB %s 1\r\n", subject); err != nil {
		return err
	}
	if err := c.sync(); err != nil {
		return err
	}
	ready()
	for {
		m, err := c.next()
		if err != nil {
			return err
		}
		if err := c.send("PUB %s %d\r\n%s\r\n", m.reply, len(m.payload), m.payload); err != nil {
			return err
		}
	}
}

// request asks one question after the other until stop; each must get its own
// answer, once.
func (r *run) request(subject, inbox string) error {
	c, err := dial(r.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.send("SUB %s.* 1\r\n", inbox); err != nil {
		return err
	}
	for n := 0; n == 0 || r.publishing(); n++ {
		question := strconv.Itoa(n)
		if err := c.send("PUB %s %s.%d %d\r\n%s\r\n", subject, inbox, n, len(question), question); err != nil {
			return err
		}
		m, err := c.next()
		if err != nil {
			return err
		}
		if want := inbox + "." + question; m.subject != want || string(m.payload) != question {
			return fmt.Errorf("asked %q with reply to %s, got %q on %s", question, want, m.payload, m.subject)
		}
		r.answers.Add(1)
	}
	return nil
}

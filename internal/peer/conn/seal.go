package conn

import (
	"crypto/tls"
	"net"
	"sync"
	"time"

	"dunlin/internal/base/bufpool"
	"dunlin/internal/base/netx"
)

// seal is the TLS layer of a connection. Writing through crypto/tls blocks
// when the socket is full, so it is given a connection that only collects the
// records; these are then written like anything else.
type seal struct {
	tls   *tls.Conn
	under *collector
}

// collector stands between tls.Conn and the socket.
type collector struct {
	net.Conn
	records *records // nil once the peer is known; the reader's

	mu         sync.Mutex
	collect    bool // after the handshake
	encrypting bool // what comes is of the queue
	ready      [][]byte
	answers    int // bytes in ready that TLS wrote by itself
}

// answersMax bounds what TLS has to say of its own accord (27 bytes for each key
// update that the peer asks for) and the peer does not take. It is no part of the
// queue, which may be as long as max_pending even for a stranger.
const answersMax = 4 << 10

func (u *collector) Read(p []byte) (int, error) {
	if u.records != nil {
		return u.records.Read(p)
	}
	return u.Conn.Read(p)
}

func (u *collector) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.collect {
		return u.Conn.Write(p)
	}
	n := len(p)
	if !u.encrypting {
		u.answers += n
	}
	if last := len(u.ready) - 1; last >= 0 {
		if b := u.ready[last]; cap(b)-len(b) >= n {
			u.ready[last] = append(b, p...)
			return n, nil
		}
	}
	u.ready = append(u.ready, append(bufpool.Get(max(n, 2048)), p...))
	return n, nil
}

// begin says that what is written from now on is of the queue.
func (u *collector) begin() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.encrypting = true
}

func (u *collector) take() [][]byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := u.ready
	u.ready, u.answers, u.encrypting = nil, 0, false
	return r
}

// waiting reports whether TLS wrote something of its own (an answer to a key
// update) that nobody has sent yet.
func (s *seal) waiting() bool {
	s.under.mu.Lock()
	defer s.under.mu.Unlock()
	return len(s.under.ready) > 0
}

// unheard reports whether the peer makes TLS answer and does not take the answers.
func (s *seal) unheard() bool {
	s.under.mu.Lock()
	defer s.under.mu.Unlock()
	return s.under.answers > answersMax
}

// encrypt turns chunks into records and releases chunks. Only who holds the
// writing side may call it.
func (s *seal) encrypt(chunks [][]byte) ([][]byte, error) {
	var err error
	s.under.begin()
	for _, b := range chunks {
		if err == nil {
			_, err = s.tls.Write(b)
		}
		bufpool.Put(b)
	}
	return s.under.take(), err
}

// farewell tells the peer that the end is meant. Best effort: it may be gone.
func (s *seal) farewell(raw *netx.Raw) {
	// CloseWrite leaves a deadline behind that has passed, so the order matters.
	if raw == nil || s.tls.CloseWrite() != nil || s.under.SetDeadline(time.Time{}) != nil {
		return
	}
	records := s.under.take()
	if _, err := raw.TryWrite(records); err == nil {
		release(records)
	}
}

// StartTLS makes the connection a TLS server's. prefix was read before. It
// blocks until the handshake is done, timeout has passed or the connection is
// closed; nothing may be sent meanwhile.
func (c *Conn) StartTLS(cfg *tls.Config, timeout time.Duration, prefix []byte) error {
	most := shakeMax
	if cfg.ClientAuth != tls.NoClientCert {
		most = shakeCertsMax
	}
	under := &collector{Conn: c.nc, records: newRecords(c.nc, prefix, most)}
	if err := c.deadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	// crypto/tls begins when there is something for it to do: until then there is
	// neither its state nor its stack.
	if err := under.records.wait(); err != nil {
		return err
	}
	t := tls.Server(under, cfg)
	// Close ends the handshake by a deadline. A context would do it, too, with
	// a goroutine for every handshake.
	if err := t.Handshake(); err != nil {
		return err
	}
	if err := c.deadline(time.Time{}); err != nil {
		return err
	}
	under.records.shaken()
	under.mu.Lock()
	under.collect = true
	under.mu.Unlock()
	c.mu.Lock()
	c.sealed = &seal{tls: t, under: under}
	c.mu.Unlock()
	return nil
}

// Known says that the peer is no stranger any more: room for what its records
// claim to be long may be made at once. Only the reader may call it.
func (c *Conn) Known() {
	if c.stranger() && c.sealed.under.records.between() {
		c.sealed.under.records = nil
	}
}

// stranger reports whether the peer speaks TLS and is not known yet.
func (c *Conn) stranger() bool { return c.sealed != nil && c.sealed.under.records != nil }

// deadline sets one without undoing the one that Close has set.
func (c *Conn) deadline(d time.Time) error {
	if err := c.nc.SetDeadline(d); err != nil {
		return err
	}
	if c.Ended() {
		return net.ErrClosed
	}
	return nil
}

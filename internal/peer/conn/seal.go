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
	prefix []byte // was read before TLS began

	mu      sync.Mutex
	collect bool // after the handshake
	records [][]byte
}

func (u *collector) Read(p []byte) (int, error) {
	if len(u.prefix) > 0 {
		n := copy(p, u.prefix)
		u.prefix = u.prefix[n:]
		if len(u.prefix) == 0 {
			u.prefix = nil
		}
		return n, nil
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
	if last := len(u.records) - 1; last >= 0 {
		if b := u.records[last]; cap(b)-len(b) >= n {
			u.records[last] = append(b, p...)
			return n, nil
		}
	}
	u.records = append(u.records, append(bufpool.Get(max(n, 2048)), p...))
	return n, nil
}

func (u *collector) take() [][]byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := u.records
	u.records = nil
	return r
}

// waiting reports whether TLS wrote something of its own (an answer to a key
// update) that nobody has sent yet.
func (s *seal) waiting() bool {
	s.under.mu.Lock()
	defer s.under.mu.Unlock()
	return len(s.under.records) > 0
}

// encrypt turns chunks into records and releases chunks. Only who holds the
// writing side may call it.
func (s *seal) encrypt(chunks [][]byte) ([][]byte, error) {
	var err error
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
	under := &collector{Conn: c.nc, prefix: prefix}
	t := tls.Server(under, cfg)
	if err := c.deadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	// Close ends the handshake by a deadline. A context would do it, too, with
	// a goroutine for every handshake.
	if err := t.Handshake(); err != nil {
		return err
	}
	if err := c.deadline(time.Time{}); err != nil {
		return err
	}
	under.mu.Lock()
	under.collect = true
	under.mu.Unlock()
	c.mu.Lock()
	c.sealed = &seal{tls: t, under: under}
	c.mu.Unlock()
	return nil
}

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

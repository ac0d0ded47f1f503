package conn

import (
	"crypto/tls"
	"time"
)

// StartTLSClient makes the connection a TLS client's, for a server that this
// one has dialed; nothing may have been read. The rules of StartTLS hold.
func (c *Conn) StartTLSClient(cfg *tls.Config, timeout time.Duration) error {
	under := &collector{Conn: c.nc}
	t := tls.Client(under, cfg)
	if err := c.deadline(time.Now().Add(timeout)); err != nil {
		return err
	}
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

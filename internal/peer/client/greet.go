package client

import (
	"errors"
	"fmt"
	"net"
	"time"

	"dunlin/internal/base/proxyproto"
	"dunlin/internal/base/tlsconf"
	"dunlin/internal/engine/authn"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/proto/wire"
)

// recordHandshake is the first byte of a TLS connection.
const recordHandshake = 0x16

// proxyWait bounds how long a client may take until its PROXY header is complete.
const proxyWait = 5 * time.Second

// greet does what comes before the protocol: INFO, the PROXY header, TLS. It
// returns bytes that were read on the way.
func (c *Client) greet() (first []byte, ok bool) {
	cfg := c.cfg
	if cfg.Auth.NeedsNonce() {
		c.nonce = authn.NewNonce()
	}
	c.connected = !cfg.Auth.Required()
	if cfg.TLS == nil || c.typ == InProcess {
		c.sendInfo(false)
		if cfg.ProxyProtocol {
			if first, ok = c.proxyHeader(nil); !ok {
				return nil, false
			}
		}
		c.startAuthTimer()
		return first, true
	}
	return c.greetTLS(cfg)
}

func (c *Client) greetTLS(cfg *Config) (first []byte, ok bool) {
	told := false // INFO is out
	if cfg.TLSFirst {
		if cfg.ProxyProtocol {
			if first, ok = c.proxyHeader(nil); !ok {
				return nil, false
			}
		}
		if first, ok = c.tlsFirst(cfg, first); !ok {
			return nil, false
		}
		if c.TLSState() != nil {
			c.sendInfo(false)
			c.startAuthTimer()
			return nil, true
		}
	}
	if !c.allowedByRate(cfg) {
		return nil, false
	}
	if len(first) == 0 {
		c.sendInfo(false)
		told = true
	}
	if cfg.ProxyProtocol && !cfg.TLSFirst {
		if first, ok = c.proxyHeader(first); !ok {
			return nil, false
		}
	}
	if cfg.AllowNonTLS {
		c.startAuthTimer()
		if len(first) == 0 {
			if first, ok = c.firstBytes(0); !ok {
				return nil, false
			}
		}
		if first[0] != recordHandshake {
			if !told {
				c.sendInfo(false)
			}
			return first, true
		}
	}
	if !c.upgrade(cfg, first) {
		return nil, false
	}
	c.startAuthTimer()
	return nil, true
}

// tlsFirst waits for the client's handshake before anything is said; first has
// been read already. Without TLS state afterwards the client has waited for
// INFO too long: it gets it in clear.
func (c *Client) tlsFirst(cfg *Config, first []byte) ([]byte, bool) {
	wait := cfg.TLSFallback
	if wait == 0 {
		wait = cfg.TLSTimeout
	}
	var err error
	if len(first) == 0 {
		var b [1]byte
		var n int
		n, err = c.First(b[:], wait)
		first = b[:n]
	}
	switch {
	case len(first) > 0 && (first[0] == recordHandshake || cfg.TLSFallback == 0):
		return nil, c.allowedByRate(cfg) && c.upgrade(cfg, first)
	case len(first) > 0:
		return first, true
	case cfg.TLSFallback > 0 && isTimeout(err):
		return nil, true
	}
	c.tlsFailed(fmt.Errorf("no handshake within %v: %w", wait, err))
	return nil, false
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func (c *Client) allowedByRate(cfg *Config) bool {
	if cfg.TLSRate == nil || cfg.TLSRate.Allow(time.Now()) {
		return true
	}
	c.CloseWith(sysapi.MaxConnectionsExceeded, wire.AppendErr(c.infoLine(false), wire.TextThrottled))
	return false
}

func (c *Client) upgrade(cfg *Config, prefix []byte) bool {
	c.StopTimer() // nothing may be sent in clear meanwhile; the handshake has its own limit
	if err := c.StartTLS(cfg.TLS, cfg.TLSTimeout, append([]byte(nil), prefix...)); err != nil {
		c.tlsFailed(err)
		return false
	}
	if len(cfg.PinnedCerts) > 0 {
		if err := tlsconf.CheckPinned(c.TLSState(), cfg.PinnedCerts); err != nil {
			c.tlsFailed(err)
			return false
		}
	}
	return true
}

func (c *Client) tlsFailed(err error) {
	c.logError("TLS handshake error", err)
	c.Close(sysapi.TLSHandshakeError)
}

// firstBytes reads the first bytes there are.
func (c *Client) firstBytes(timeout time.Duration) ([]byte, bool) {
	buf := make([]byte, 512)
	n, err := c.First(buf, timeout)
	if err != nil {
		c.Close(sysapi.ClientClosed)
		return nil, false
	}
	return buf[:n], true
}

// proxyHeader takes the header of a load balancer off the front of what comes
// first; a client without one is served all the same.
func (c *Client) proxyHeader(buf []byte) ([]byte, bool) {
	end := time.Now().Add(proxyWait) // for the whole header: who sends it byte by byte holds no connection
	for {
		if len(buf) > 0 && proxyproto.Sniff(buf) == proxyproto.NotHeader {
			if buf[0] == '\r' { // no client begins so: a broken header of version 2
				c.Close(sysapi.ProtocolViolation)
				return nil, false
			}
			return buf, true
		}
		if len(buf) > 0 {
			hdr, n, err := proxyproto.Parse(buf)
			if err == nil {
				if hdr.Source.IsValid() {
					addr := hdr.Source.String()
					c.addr.Store(&addr)
				}
				return buf[n:], true
			}
			if !errors.Is(err, proxyproto.ErrNeedMore) {
				c.logError("PROXY header", err)
				c.Close(sysapi.ProtocolViolation)
				return nil, false
			}
		}
		more, ok := c.firstBytes(max(time.Until(end), 1))
		if !ok {
			return nil, false
		}
		buf = append(buf, more...)
	}
}

// infoLine renders INFO for this client. bound tells that it is the one after
// CONNECT.
func (c *Client) infoLine(bound bool) []byte {
	cfg := c.host.Config()
	info := cfg.Info
	info.ClientID = c.id
	info.Nonce = c.nonce
	if !cfg.ProxyProtocol || bound {
		info.ClientIP = c.IP()
	}
	if !bound && cfg.Auth.NoAuthUser() != "" {
		info.AuthRequired = false
	}
	if !bound && cfg.TLSFirst && c.TLSState() != nil {
		info.TLSRequired = true // what the client has done already is what it must do
	}
	if c.typ == InProcess {
		info.TLSRequired, info.TLSVerify, info.TLSAvailable = false, false, false
	}
	if acc := c.account.Load(); acc != nil {
		info.MaxPayload = c.maxPayload(cfg, acc)
		info.Nonce = ""
		if bound {
			info.ConnectInfo = true
			info.RemoteAccount = acc.Name
			info.IsSystem = acc.IsSystem
		}
	}
	line, err := wire.AppendInfo(nil, &info)
	if err != nil {
		c.logError("INFO", err)
		return nil
	}
	return line
}

// IP is the peer's address without the port.
func (c *Client) IP() string {
	host, _, err := net.SplitHostPort(*c.addr.Load())
	if err != nil {
		return ""
	}
	return host
}

func (c *Client) sendInfo(bound bool) { c.Send(c.infoLine(bound)) }

// PushInfo sends INFO to a client that is ready for it: the server's
// circumstances have changed.
func (c *Client) PushInfo() {
	if o := c.opts.Load(); c.ready.Load() && o != nil && o.Protocol >= 1 {
		c.sendInfo(false)
	}
}

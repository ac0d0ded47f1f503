package client_test

import (
	"crypto/tls"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"dunlin/internal/base/tlsconf"
	"dunlin/internal/peer/client"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/testkit"
)

const connectLine = "CONNECT {\"verbose\":false}\r\n"

func TestAuthTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := serve(t, []string{"a"}, nil)
		p.ReadInfo()
		p.Want("-ERR 'Authentication Timeout'")
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("after %v", d)
		}
		p.Rest()
		p.host.end(t, sysapi.AuthenticationTimeout)
	})
}

// TestAuthInTime: at the last moment is early enough, and the time-out is
// forgotten then.
func TestAuthInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, []string{"a"}, nil)
		p.ReadInfo()
		time.Sleep(1999 * time.Millisecond)
		p.Send("CONNECT {\"verbose\":false,\"user\":\"a\",\"pass\":\"a\"}\r\nPING\r\n")
		p.Want("PONG")
		time.Sleep(time.Second)
		p.Send("PING\r\n")
		p.Want("PONG")
		if p.host.failed.Load() != 0 {
			t.Error("a failed login was counted")
		}
	})
}

func TestWrongPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := serve(t, []string{"a"}, nil)
		p.ReadInfo()
		p.Send("CONNECT {\"user\":\"a\",\"pass\":\"b\"}\r\n")
		p.Want("-ERR 'Authorization Violation'")
		p.Rest()
		p.host.end(t, sysapi.AuthenticationViolation)
		if p.host.failed.Load() != 1 || time.Since(start) > time.Second {
			t.Errorf("%d failed logins in %v", p.host.failed.Load(), time.Since(start))
		}
	})
}

// TestFirstPing comes two seconds after CONNECT, or up to a fifth later, and
// measures the round trip.
func TestFirstPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, nil, nil)
		p.ReadInfo()
		time.Sleep(time.Second)
		p.Send(connectLine)
		start := time.Now()
		p.Want("PING")
		if d := time.Since(start); d < 2*time.Second || d > 2400*time.Millisecond {
			t.Errorf("the first PING came after %v", d)
		}
		if rtt := p.served.Describe().RTT; rtt != 0 {
			t.Errorf("a round trip of %v before the first is over", rtt)
		}
		time.Sleep(30 * time.Millisecond)
		p.Send("PONG\r\n")
		synctest.Wait()
		if rtt := p.served.Describe().RTT; rtt != 30*time.Millisecond {
			t.Errorf("round trip %v", rtt)
		}
		// A PONG that nobody asked for changes nothing.
		time.Sleep(time.Second)
		p.Send("PONG\r\n")
		synctest.Wait()
		if rtt := p.served.Describe().RTT; rtt != 30*time.Millisecond {
			t.Errorf("round trip %v after a stray PONG", rtt)
		}
	})
}

func TestShortPingInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, nil, func(c *client.Config) { c.PingInterval = time.Second })
		p.ReadInfo()
		p.Send(connectLine)
		start := time.Now()
		p.Want("PING")
		if d := time.Since(start); d < time.Second || d > 1200*time.Millisecond {
			t.Errorf("the first PING came after %v", d)
		}
	})
}

// TestStale: after so many PINGs without an answer the next one is not sent.
func TestStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, nil, func(c *client.Config) { c.PingInterval, c.MaxPingsOut = 10*time.Second, 3 })
		p.ReadInfo()
		p.Send(connectLine)
		p.Want("PING")
		start := time.Now()
		p.Want("PING", "PING", "-ERR 'Stale Connection'")
		if d := time.Since(start); d != 30*time.Second {
			t.Errorf("stale %v after the first PING", d)
		}
		p.Rest()
		p.host.end(t, sysapi.StaleConnection)
		if n := p.host.stale.Load(); n != 1 {
			t.Errorf("%d stale connections counted", n)
		}
	})
}

// TestAnswersKeepAlive: a client that answers is pinged for ever.
func TestAnswersKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, nil, func(c *client.Config) { c.PingInterval, c.MaxPingsOut = 10*time.Second, 1 })
		p.ReadInfo()
		p.Send(connectLine)
		for range 20 {
			p.Want("PING")
			p.Send("PONG\r\n")
		}
	})
}

// TestTrafficSparesPings: who talks is not asked whether it is alive, except
// for its round trip once an hour.
func TestTrafficSparesPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := serve(t, nil, func(c *client.Config) { c.PingInterval, c.MaxPingsOut = 10*time.Second, 2 })
		p.ReadInfo()
		p.Send(connectLine)
		p.Want("PING")
		p.Send("PONG\r\n")
		start := time.Now()
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					if p.TrySend([]byte("PUB nobody 0\r\n\r\n")) != nil {
						return
					}
				case <-stop:
					return
				}
			}
		}()
		// Patience is far below an hour, so the deadline is set here.
		pinged := make(chan string)
		go func() {
			b := make([]byte, 6)
			_ = p.SetReadDeadline(time.Time{})
			_, _ = p.Read(b)
			pinged <- string(b)
		}()
		if got := <-pinged; got != "PING\r\n" {
			t.Errorf("read %q", got)
		}
		if d := time.Since(start); d < time.Hour-20*time.Second || d > time.Hour+20*time.Second {
			t.Errorf("the next PING came after %v", d)
		}
	})
}

// TestPeerGone: the timers end with the connection; synctest fails the test
// if anything goes on.
func TestPeerGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, users := range [][]string{nil, {"a"}} {
			p := serve(t, users, nil)
			p.ReadInfo()
			_ = p.Close()
			p.host.end(t, sysapi.ClientClosed)
		}
	})
}

// lateClose closes the client just before a deadline is taken back.
type lateClose struct {
	net.Conn
	hook func()
}

func (l *lateClose) SetDeadline(d time.Time) error {
	if d.IsZero() && l.hook != nil {
		hook := l.hook
		l.hook = nil
		hook()
	}
	return l.Conn.SetDeadline(d)
}

// TestClosedAsHandshakeEnds: the close is not undone by the end of the
// handshake, which takes its deadline back.
func TestClosedAsHandshakeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := testkit.NewAuthority(t)
		pair := ca.Issue("server")
		cfg, err := tlsconf.Build(&tlsconf.Options{CertFile: pair.CertFile, KeyFile: pair.KeyFile})
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := net.Pipe()
		late := &lateClose{Conn: ours}
		p := serveOn(t, late, theirs, nil, func(c *client.Config) { c.TLS, c.TLSTimeout = cfg, 2*time.Second })
		late.hook = func() { p.served.Close(sysapi.ServerShutdown) }
		p.ReadInfo()
		far := tls.Client(theirs, ca.Client())
		_ = far.Handshake()
		go func() { _, _ = far.Read(make([]byte, 100)) }()
		select {
		case got := <-p.host.ended:
			if got != sysapi.ServerShutdown {
				t.Errorf("ended for %q", got)
			}
		case <-time.After(time.Minute):
			t.Error("the client goes on after it was closed")
			_ = theirs.Close()
			<-p.host.ended
		}
	})
}

package conformance

import (
	"crypto/tls"
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dunlin/conformance/pki"

	"github.com/nats-io/nats.go"
)

// refused connects and wants an authorization error.
func refused(t *testing.T, s *served, options ...nats.Option) {
	t.Helper()
	nc, err := nats.Connect(s.url(), options...)
	if err == nil {
		nc.Close()
	}
	if !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("connect: got %v, want an authorization violation", err)
	}
}

// works publishes to itself.
func works(t *testing.T, nc *nats.Conn) {
	t.Helper()
	sub, err := nc.SubscribeSync(nats.NewInbox())
	must(t, err)
	must(t, nc.Publish(sub.Subject, []byte("x")))
	_, err = sub.NextMsg(soon)
	must(t, err)
}

func TestGoClientUserAndPassword(t *testing.T) {
	t.Parallel()
	hash, err := pki.Bcrypt("hashed")
	must(t, err)
	s := serve(t, `authorization { users: [ {user: a, password: a}, {user: b, password: "`+hash+`"} ] }`)
	works(t, dial(t, s, nats.UserInfo("a", "a")))
	works(t, dial(t, s, nats.UserInfo("b", "hashed")))
	refused(t, s)
	refused(t, s, nats.UserInfo("a", "b"))
	refused(t, s, nats.Token("a"))
}

func TestGoClientToken(t *testing.T) {
	t.Parallel()
	s := serve(t, `authorization { token: "s3cret" }`)
	works(t, dial(t, s, nats.Token("s3cret")))
	refused(t, s, nats.Token("other"))
}

func TestGoClientNkey(t *testing.T) {
	t.Parallel()
	public, err := pki.PublicUser("go")
	must(t, err)
	s := serve(t, `authorization { users: [ {nkey: `+public+`} ] }`)
	kp, err := pki.User("go")
	must(t, err)
	works(t, dial(t, s, nats.Nkey(public, kp.Sign)))
	stranger, err := pki.User("stranger")
	must(t, err)
	refused(t, s, nats.Nkey(public, stranger.Sign))
}

func TestGoClientTLS(t *testing.T) {
	t.Parallel()
	certs := mustCertificates(t)
	file := func(name string) string { return filepath.Join(certs.Dir, name) }
	pair := `cert_file: "` + file("server.pem") + `", key_file: "` + file("server.key") + `"`
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		s := serve(t, "tls { "+pair+" }")
		works(t, dial(t, s, nats.RootCAs(file("ca.pem"))))
		if nc, err := nats.Connect(s.url(), nats.RootCAs(file("otherca.pem"))); err == nil {
			nc.Close()
			t.Error("a server certificate of another authority was taken")
		}
	})
	t.Run("mutual", func(t *testing.T) {
		t.Parallel()
		s := serve(t, `tls { `+pair+`, ca_file: "`+file("ca.pem")+`", verify_and_map: true }
authorization { users: [ {user: "ann@example.com"} ] }`)
		works(t, dial(t, s, nats.RootCAs(file("ca.pem")), nats.ClientCert(file("email.pem"), file("email.key"))))
		refused(t, s, nats.RootCAs(file("ca.pem")), nats.ClientCert(file("dns.pem"), file("dns.key")))
		if nc, err := nats.Connect(s.url(), nats.RootCAs(file("ca.pem"))); err == nil {
			nc.Close()
			t.Error("a client without certificate was taken")
		}
	})
	t.Run("first", func(t *testing.T) {
		t.Parallel()
		s := serve(t, "tls { "+pair+", handshake_first: true }")
		works(t, dial(t, s, nats.RootCAs(file("ca.pem")), nats.TLSHandshakeFirst()))
	})
	t.Run("state", func(t *testing.T) {
		t.Parallel()
		s := serve(t, "tls { "+pair+" }")
		nc := dial(t, s, nats.Secure(&tls.Config{RootCAs: certs.Pool}))
		state, err := nc.TLSConnectionState()
		must(t, err)
		got(t, "version", state.Version, uint16(tls.VersionTLS13))
	})
}

func TestGoClientLameDuck(t *testing.T) {
	t.Parallel()
	s := serve(t, "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"500ms\"")
	duck, closed := make(chan struct{}, 1), make(chan struct{}, 1)
	nc := dial(t, s, nats.NoReconnect(),
		nats.LameDuckModeHandler(func(*nats.Conn) { duck <- struct{}{} }),
		nats.ClosedHandler(func(*nats.Conn) { closed <- struct{}{} }))
	must(t, nc.Flush())
	must(t, s.Signal(syscall.SIGUSR2))
	receive(t, duck, "the lame duck notice")
	works(t, nc)
	receive(t, closed, "the close")
	receive(t, s.Ended(), "the end of the server")
	got(t, "status", s.Status(), "exit 0")
}

func TestGoClientAuthorizationLostOnReload(t *testing.T) {
	t.Parallel()
	s := serve(t, `authorization { users: [ {user: a, password: a} ] }`)
	closed := make(chan error, 1)
	nc := dial(t, s, nats.UserInfo("a", "a"), nats.ReconnectWait(10*time.Millisecond), nats.ReconnectJitter(0, 0), nats.MaxReconnects(20),
		nats.ClosedHandler(func(c *nats.Conn) { closed <- c.LastError() }))
	must(t, nc.Flush())
	must(t, s.WriteConfig(strings.Replace(s.config.Text, "password: a", "password: b", 1)))
	must(t, s.Signal(syscall.SIGHUP))
	// nats.go gives up when the same server refuses it twice.
	if err := receive(t, closed, "the close"); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("closed for %v", err)
	}
	works(t, dial(t, s, nats.UserInfo("a", "b")))
}

func TestGoClientStaleServer(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	lost, back := make(chan error, 1), make(chan struct{}, 1)
	nc := dial(t, s, nats.PingInterval(100*time.Millisecond), nats.MaxPingsOutstanding(2), nats.MaxReconnects(-1),
		nats.ReconnectWait(50*time.Millisecond), nats.Timeout(300*time.Millisecond),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			select {
			case lost <- err:
			default:
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }))
	must(t, s.Signal(syscall.SIGSTOP))
	if err := receive(t, lost, "the disconnect"); !errors.Is(err, nats.ErrStaleConnection) {
		t.Errorf("disconnected for %v", err)
	}
	must(t, s.Signal(syscall.SIGCONT))
	receive(t, back, "the reconnect")
	works(t, nc)
}

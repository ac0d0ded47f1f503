package netx

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// elsewhere is a connection whose other end looks like another machine's.
type elsewhere struct{ *net.TCPConn }

func (elsewhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4222} }

// TestPacing: with a congestion control that paces, connections within the machine
// begin without it and others get it back; any other is left as it is.
func TestPacing(t *testing.T) {
	for _, c := range []struct{ system, local, remote string }{{"bbr", "reno", "bbr"}, {"cubic", "cubic", "cubic"}, {"reno", "reno", "reno"}} {
		t.Run(c.system, func(t *testing.T) {
			usual.Store(nil)
			t.Cleanup(func() { usual.Store(nil) })
			begin := func(network, address string, rc syscall.RawConn) error {
				var err error
				if control := rc.Control(func(fd uintptr) {
					err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, c.system)
				}); control != nil {
					return control
				}
				if err != nil {
					t.Skipf("this system has no %s, or not for everybody: %v", c.system, err)
				}
				return beginUnpaced(network, address, rc)
			}
			lc := net.ListenConfig{Control: begin}
			l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			d := net.Dialer{Control: begin}
			dialed, err := d.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			accepted := make(chan net.Conn, 1)
			go AcceptAll(context.Background(), l, func(nc net.Conn) { accepted <- nc }, func(err error, _ time.Duration) { t.Error(err) })
			for side, nc := range map[string]net.Conn{"dialed": dialed, "accepted": <-accepted} {
				paceRemote(nc)
				if got := control(t, nc); got != c.local {
					t.Errorf("%s: a local connection has %q, want %q", side, got, c.local)
				}
				paceRemote(elsewhere{nc.(*net.TCPConn)})
				if got := control(t, nc); got != c.remote {
					t.Errorf("%s: a connection with another machine has %q, want %q", side, got, c.remote)
				}
				if err := nc.Close(); err != nil {
					t.Error(err)
				}
				paceRemote(elsewhere{nc.(*net.TCPConn)}) // it is gone
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLocalIsUnpaced: what Listen and Dial give does not pace, whatever the system's
// choice is.
func TestLocalIsUnpaced(t *testing.T) {
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dialed, err := Dial(context.Background(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for side, nc := range map[string]net.Conn{"dialed": dialed, "accepted": accepted} {
		if got := control(t, nc); got != "reno" && got != "cubic" {
			t.Errorf("%s: the connection has %q", side, got)
		}
		if err := nc.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func control(t *testing.T, nc net.Conn) (name string) {
	t.Helper()
	rc, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if failed := rc.Control(func(fd uintptr) { name, err = congestion(int(fd)) }); failed != nil || err != nil {
		t.Fatal(failed, err)
	}
	return name
}

func TestLocal(t *testing.T) {
	at := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 4222} }
	for _, c := range []struct {
		here, there net.Addr
		want        bool
	}{
		{at("127.0.0.1"), at("127.0.0.1"), true},
		{at("127.0.0.1"), at("127.0.0.2"), true},
		{at("::1"), at("::1"), true},
		{at("192.0.2.1"), at("192.0.2.1"), true},
		{at("192.0.2.1"), at("192.0.2.2"), false},
		{at("2001:db8::1"), at("2001:db8::2"), false},
		{&net.UnixAddr{Name: "s"}, &net.UnixAddr{Name: "s"}, false},
	} {
		if got := local(addressed{here: c.here, there: c.there}); got != c.want {
			t.Errorf("local from %v to %v: %v", c.here, c.there, got)
		}
	}
}

type addressed struct {
	net.Conn
	here, there net.Addr
}

func (a addressed) LocalAddr() net.Addr  { return a.here }
func (a addressed) RemoteAddr() net.Addr { return a.there }

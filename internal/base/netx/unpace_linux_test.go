package netx

import (
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// control is the congestion control of a TCP connection; set changes it first.
func control(t *testing.T, nc net.Conn, set string) (name string) {
	t.Helper()
	rc, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = rc.Control(func(fd uintptr) {
		if set != "" {
			if err := unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, set); err != nil {
				t.Skipf("this system has no %s, or not for everybody: %v", set, err)
			}
		}
		if name, err = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Error(err)
	}
	return strings.TrimRight(name, "\x00")
}

// elsewhere is a connection whose other end looks like another machine's.
type elsewhere struct{ *net.TCPConn }

func (elsewhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4222} }

func TestUnpace(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, c := range []struct{ before, after string }{{"bbr", "reno"}, {"cubic", "cubic"}, {"reno", "reno"}} {
		t.Run(c.before, func(t *testing.T) {
			nc, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			control(t, nc, c.before)
			Unpace(elsewhere{nc.(*net.TCPConn)})
			if got := control(t, nc, ""); got != c.before {
				t.Errorf("a connection with another machine has %q, want %q", got, c.before)
			}
			Unpace(nc)
			if got := control(t, nc, ""); got != c.after {
				t.Errorf("a local one has %q, want %q", got, c.after)
			}
		})
	}
}

// A connection that has no congestion control, or is gone, stays as it is.
func TestUnpaceLeavesAlone(t *testing.T) {
	a, b := net.Pipe()
	Unpace(a)
	_, _ = a.Close(), b.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Close(); err != nil {
		t.Fatal(err)
	}
	Unpace(nc)
}

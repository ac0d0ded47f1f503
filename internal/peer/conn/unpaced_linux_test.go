package conn_test

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLocalIsUnpaced: a connection within the machine does not keep a congestion
// control that paces.
func TestLocalIsUnpaced(t *testing.T) {
	a, _ := dial(t, "tcp", "127.0.0.1:0")
	control := func(use func(fd int) error) {
		t.Helper()
		rc, err := a.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := rc.Control(func(fd uintptr) { err = use(int(fd)) }); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Skipf("this system has no BBR, or not for everybody: %v", err)
		}
	}
	control(func(fd int) error { return unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, "bbr") })
	wrap(t, a, roomy)
	var got string
	control(func(fd int) (err error) {
		got, err = unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
		return err
	})
	if got != "reno" {
		t.Errorf("the connection has %q, want reno", got)
	}
}

package netx

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Unpace has a TCP connection whose two ends are on this machine send as fast as
// its other end takes, if the system's congestion control would pace it (BBR does:
// by a timer, at the speed it believes a path to have). Other connections stay as
// the system has them.
func Unpace(nc net.Conn) {
	if !local(nc) {
		return
	}
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return // closed: whoever uses it next finds out
	}
	// Whatever fails here leaves the system's choice, which is slower and not wrong.
	_ = rc.Control(func(fd uintptr) {
		switch now, err := unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION); {
		case err != nil || now == "cubic" || now == "reno":
		default:
			// reno is in every kernel and every program may choose it.
			_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno")
		}
	})
}

// local reports whether both ends of a TCP connection are on this machine.
func local(nc net.Conn) bool {
	here, ok := nc.LocalAddr().(*net.TCPAddr)
	if !ok {
		return false
	}
	there, ok := nc.RemoteAddr().(*net.TCPAddr)
	return ok && (there.IP.IsLoopback() || there.IP.Equal(here.IP))
}

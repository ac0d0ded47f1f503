package netx

import (
	"net"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// usual is the congestion control that the system gives connections, if it is one
// that may pace; nil otherwise.
var usual atomic.Pointer[string]

// unpaced is in every kernel, and every program may choose it.
const unpaced = "reno"

// beginUnpaced has a socket, and what is accepted from it, begin without pacing.
// It has to be so from the beginning: a connection that was paced once stays so,
// whatever congestion control it is given later. If it fails everything stays as the
// system has it, which is not wrong, only slower.
func beginUnpaced(_, _ string, rc syscall.RawConn) error {
	return rc.Control(func(fd uintptr) {
		now, err := congestion(int(fd))
		if err != nil || now == unpaced || now == "cubic" {
			return
		}
		if unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, unpaced) == nil {
			usual.Store(&now)
		}
	})
}

// paceRemote gives a connection with another machine what the system would have.
func paceRemote(nc net.Conn) {
	name := usual.Load()
	if name == nil || local(nc) {
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
	// The system's own choice may be taken by every program; if the connection is
	// gone whoever uses it next finds out.
	_ = rc.Control(func(fd uintptr) {
		_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, *name)
	})
}

func congestion(fd int) (string, error) {
	name, err := unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	return unix.ByteSliceToString([]byte(name)), err
}

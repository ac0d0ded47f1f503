package netx

import (
	"context"
	"net"
)

// Listen listens for TCP connections on an address host:port. What AcceptAll takes
// from the listener has the congestion control described at Dial.
func Listen(address string) (net.Listener, error) {
	lc := net.ListenConfig{Control: beginUnpaced}
	return lc.Listen(context.Background(), "tcp", address)
}

// Dial opens a TCP connection. If both ends are on this machine and the system's
// congestion control would pace what is sent (BBR does: by a timer, at the speed it
// believes the path to have), it gets one that does not. Connections with other
// machines have the system's.
func Dial(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{Control: beginUnpaced}
	nc, err := d.DialContext(ctx, "tcp", address)
	if err == nil {
		paceRemote(nc)
	}
	return nc, err
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

package server

import (
	"net"
	"strconv"
)

// advertised splits host[:port] that Validate has accepted.
func advertised(addr string, port int) (string, int) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return addr, port
	}
	n, err := strconv.Atoi(p)
	if err != nil || n <= 0 {
		return host, port
	}
	return host, n
}

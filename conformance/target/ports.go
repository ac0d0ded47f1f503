package target

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Below the ephemeral ranges of Linux (32768) and others (49152).
const portMin, portMax = 12000, 32000

var handed struct {
	sync.Mutex
	ports map[int]bool
}

// FreePort finds a TCP port on the loopback address that nobody listens on, and
// that this process has not handed out before.
func FreePort() (int, error) {
	handed.Lock()
	defer handed.Unlock()
	if handed.ports == nil {
		handed.ports = map[int]bool{}
	}
	for range 1000 {
		port := portMin + rand.IntN(portMax-portMin)
		if handed.ports[port] {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return 0, fmt.Errorf("free port: %w", err)
		}
		handed.ports[port] = true
		return port, nil
	}
	return 0, fmt.Errorf("no free port between %d and %d", portMin, portMax)
}

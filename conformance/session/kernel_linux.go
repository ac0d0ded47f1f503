package session

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

// receiveBuffer sets the size of a socket's receive buffer before it connects,
// so that the window it announces is small from the start.
func receiveBuffer(raw syscall.RawConn, size int) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, size)
	})
	if err != nil {
		return err
	}
	return failed
}

// untilRead waits until the peer's process has taken everything from its
// socket: then what is sent next comes with another read. The kernel's table
// of connections tells.
func untilRead(c net.Conn, within time.Duration) {
	local, remote := tableForm(c.LocalAddr()), tableForm(c.RemoteAddr())
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if taken(local, remote) {
			return
		}
		select {
		case <-deadline.C:
			return
		case <-tick.C:
		}
	}
}

func tableForm(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if !ok || t.IP.To4() == nil {
		return ""
	}
	ip := t.IP.To4()
	return fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], t.Port)
}

// taken reports whether our send queue and the peer's receive queue are empty.
func taken(local, remote string) bool {
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return true
	}
	defer f.Close()
	sent, read := true, true
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// sl local_address rem_address st tx_queue:rx_queue ...
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		tx, rx, _ := strings.Cut(fields[4], ":")
		switch {
		case fields[1] == local && fields[2] == remote:
			sent = strings.Trim(tx, "0") == ""
		case fields[1] == remote && fields[2] == local:
			read = strings.Trim(rx, "0") == ""
		}
	}
	return sent && read
}

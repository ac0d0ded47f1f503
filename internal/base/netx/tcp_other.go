//go:build !linux

package netx

import (
	"net"
	"syscall"
)

func beginUnpaced(string, string, syscall.RawConn) error { return nil }

func paceRemote(net.Conn) {}

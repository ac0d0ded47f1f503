//go:build !linux

package netx

import "net"

// Unpace does nothing: it is about Linux's congestion controls.
func Unpace(net.Conn) {}

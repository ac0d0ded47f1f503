//go:build !linux

package netx

import "syscall"

// Elsewhere every connection takes the way through net.Conn.
const rawSupported = false

func read(uintptr, []byte) (int, syscall.Errno)        { return 0, syscall.EINVAL }
func writeSome(uintptr, [][]byte) (int, syscall.Errno) { return 0, syscall.EINVAL }

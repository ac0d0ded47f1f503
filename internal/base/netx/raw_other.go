//go:build !linux

package netx

import (
	"syscall"
	"time"
)

// Elsewhere every connection takes the way through net.Conn.
const rawSupported = false

func read(uintptr, []byte) (int, syscall.Errno) { return 0, syscall.EINVAL }

func writeSome(uintptr, [][]byte) (int, syscall.Errno) { return 0, syscall.EINVAL }

// Nap does nothing: it is for readers of raw descriptors.
func Nap() time.Duration { return 0 }

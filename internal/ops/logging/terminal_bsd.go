//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package logging

import "golang.org/x/sys/unix"

const getTermios = unix.TIOCGETA

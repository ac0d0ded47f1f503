package logging

import (
	"os"

	"golang.org/x/sys/unix"
)

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool {
	conn, err := f.SyscallConn() // Fd would make the file blocking
	if err != nil {
		return false
	}
	answer := false
	err = conn.Control(func(fd uintptr) {
		_, err := unix.IoctlGetTermios(int(fd), getTermios)
		answer = err == nil
	})
	return err == nil && answer
}

// WantsColour reports whether what is printed to f should be coloured: f is a
// terminal, not a dumb one, and NO_COLOR is not set.
func WantsColour(f *os.File) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && IsTerminal(f)
}

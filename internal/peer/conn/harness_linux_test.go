package conn_test

import "golang.org/x/sys/unix"

// polled reports whether one of events holds for fd now.
func polled(fd uintptr, events int16) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n == 1 && fds[0].Revents&events != 0
}

package netx

import (
	"syscall"
	"time"
	"unsafe"
)

const rawSupported = true

// Reading and writing never block here, since the descriptor is non-blocking. So
// they do without the scheduler's bookkeeping for calls that might (RawSyscall),
// which would cost as much as a small message.

func read(fd uintptr, p []byte) (int, syscall.Errno) {
	if len(p) == 0 {
		return 0, 0
	}
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		if errno == syscall.EINTR {
			continue
		}
		return int(n), errno
	}
}

// iovecs is how many chunks go into one call.
const iovecs = 16

func writeSome(fd uintptr, chunks [][]byte) (int, syscall.Errno) {
	if len(chunks) == 1 {
		p := chunks[0]
		if len(p) == 0 {
			return 0, 0
		}
		n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		return int(n), errno
	}
	var iov [iovecs]syscall.Iovec
	n := 0
	for _, c := range chunks[:min(len(chunks), iovecs)] {
		if len(c) > 0 {
			iov[n].Base = unsafe.SliceData(c)
			iov[n].SetLen(len(c))
			n++
		}
	}
	if n == 0 {
		return 0, 0
	}
	wrote, _, errno := syscall.RawSyscall(syscall.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&iov[0])), uintptr(n))
	return int(wrote), errno
}

// Nap waits for the shortest time that the kernel offers and returns how long that
// was: 60 to 130 µs with the usual slack of its timers, milliseconds where these are
// coarse or the processor is somebody else's. It keeps a processor from other
// goroutines meanwhile. time.Sleep would not, but rounds what is shorter up to a
// millisecond while nobody else runs.
func Nap() time.Duration {
	began := time.Now()
	ts := syscall.Timespec{Nsec: 1000}
	// Ended early by a signal, it was a shorter one.
	_, _, _ = syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
	return time.Since(began)
}

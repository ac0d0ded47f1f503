package netx

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
)

// Parker watches connections that have been quiet for so long that a
// goroutine's stack is too much to wait with. It is an epoll instance of its
// own, which the runtime's poller watches in turn: no thread waits in it.
type Parker struct {
	file   *os.File
	rc     syscall.RawConn
	fd     int
	closed atomic.Bool
}

// NewParker opens one. Close it when nothing is parked any more.
func NewParker() (*Parker, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll for idle connections: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(fmt.Errorf("epoll for idle connections: %w", err), syscall.Close(fd))
	}
	p := &Parker{file: os.NewFile(uintptr(fd), "idle connections"), fd: fd}
	if p.rc, err = p.file.SyscallConn(); err != nil {
		return nil, errors.Join(fmt.Errorf("epoll for idle connections: %w", err), p.file.Close())
	}
	return p, nil
}

// Park has r watched: Run reports id once as soon as there is something to
// read or the connection has ended, now or later. Nobody may be reading from r.
func (p *Parker) Park(r *Raw, id uint64) error {
	const events = syscall.EPOLLIN | syscall.EPOLLRDHUP | 1<<30 // EPOLLONESHOT
	var err error
	cerr := r.rc.Control(func(fd uintptr) {
		ev := syscall.EpollEvent{Events: events, Fd: int32(uint32(id)), Pad: int32(uint32(id >> 32))}
		err = syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_MOD, int(fd), &ev)
		if errors.Is(err, syscall.ENOENT) { // the first time
			err = syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_ADD, int(fd), &ev)
		}
	})
	return errors.Join(cerr, err)
}

// Run calls wake for what Park was told, until Close.
func (p *Parker) Run(wake func(id uint64)) error {
	events := make([]syscall.EpollEvent, 128)
	var failed error
	err := p.rc.Read(func(fd uintptr) bool {
		for {
			n, err := syscall.EpollWait(int(fd), events, 0)
			switch {
			case errors.Is(err, syscall.EINTR):
				continue
			case err != nil:
				failed = err
				return true
			case n == 0:
				return false
			}
			for _, ev := range events[:n] {
				wake(uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32)
			}
		}
	})
	if failed != nil {
		return failed
	}
	if p.closed.Load() {
		return nil
	}
	return err
}

// Close ends Run.
func (p *Parker) Close() error {
	p.closed.Store(true)
	return p.file.Close()
}

package load

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// readBufferSize is large, so that what piled up is taken with one call, and
// small enough to stay in the core's cache while it is counted.
const readBufferSize = 256 << 10

// sock is one non-blocking connection of the loop.
type sock struct {
	fd       int
	name     string
	onData   func([]byte) error // gets each read's bytes, valid during the call only
	out      []byte             // accepted for sending, not yet taken by the kernel
	full     bool               // the kernel took less than offered: wait for the edge
	deaf     bool               // stopped reading (Stall)
	readable bool               // an edge came while deaf
}

// loop is the event loop. One owner.
type loop struct {
	ep     int
	scouts *scouts
	socks  []*sock
	byFD   map[int32]*sock
	buf    []byte
	events []unix.EpollEvent
}

func newLoop() (*loop, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return &loop{
		ep: ep, byFD: make(map[int32]*sock),
		buf: make([]byte, readBufferSize), events: make([]unix.EpollEvent, 256),
	}, nil
}

func (l *loop) close() {
	for _, s := range l.socks {
		unix.Close(s.fd)
	}
	unix.Close(l.ep)
	l.scouts.close()
}

// add takes a connected descriptor over.
func (l *loop) add(fd int, name string, onData func([]byte) error) (*sock, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, os.NewSyscallError("setting O_NONBLOCK", err)
	}
	s := &sock{fd: fd, name: name, onData: onData}
	// Edge-triggered, both directions, registered once: the running loop never
	// calls epoll_ctl.
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff, Fd: int32(fd)}
	if err := unix.EpollCtl(l.ep, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	l.socks = append(l.socks, s)
	l.byFD[int32(fd)] = s
	return s, nil
}

// poll waits for events, at most so long (0 = only look), and handles them.
func (l *loop) poll(wait time.Duration) error {
	ms := int(wait / time.Millisecond)
	if wait > 0 && ms == 0 {
		ms = 1
	}
	n, err := epollWait(l.ep, l.events, ms)
	if err != nil {
		return err
	}
	for _, ev := range l.events[:n] {
		s := l.byFD[ev.Fd]
		if ev.Events&unix.EPOLLOUT != 0 && s.full {
			s.full = false
			if err := s.flush(); err != nil {
				return err
			}
		}
		if ev.Events&^uint32(unix.EPOLLOUT) != 0 {
			if s.deaf {
				s.readable = true
				continue
			}
			if err := l.read(s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *loop) read(s *sock) error {
	for {
		n, err := rawRead(s.fd, l.buf)
		switch {
		case err == unix.EAGAIN:
			return nil
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("%s: reading: %w", s.name, err)
		case n == 0:
			return fmt.Errorf("%s: the server closed the connection: %w", s.name, io.ErrUnexpectedEOF)
		}
		if err := s.onData(l.buf[:n]); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if n < len(l.buf) {
			return nil // empty now; what comes later raises a new edge
		}
	}
}

// write offers b to the kernel and returns how much it took.
func (s *sock) write(b []byte) (int, error) {
	for {
		n, err := rawWrite(s.fd, b)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			s.full = true
			return 0, nil
		case err != nil:
			return 0, fmt.Errorf("%s: writing: %w", s.name, err)
		}
		s.full = n < len(b)
		return n, nil
	}
}

// send queues b and writes what the kernel takes.
func (s *sock) send(b []byte) error {
	s.out = append(s.out, b...)
	return s.flush()
}

func (s *sock) flush() error {
	for len(s.out) > 0 && !s.full {
		n, err := s.write(s.out)
		if err != nil {
			return err
		}
		s.out = s.out[:copy(s.out, s.out[n:])]
	}
	return nil
}

var errTimeout = errors.New("timed out")

// drainTimeout is how long a server may take to deliver what is outstanding
// when a run ends.
const drainTimeout = 20 * time.Second

// until polls until the condition holds; what says what is waited for.
func (l *loop) until(what func() string, done func() bool) error {
	for deadline := time.Now().Add(drainTimeout); !done(); {
		if time.Now().After(deadline) {
			return fmt.Errorf("%w after %v waiting for %s", errTimeout, drainTimeout, what())
		}
		if err := l.poll(10 * time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

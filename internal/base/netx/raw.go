package netx

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// ErrWouldBlock: the socket's buffer is full.
var ErrWouldBlock = errors.New("socket is full")

// Raw is the file descriptor beneath a TCP or Unix connection.
type Raw struct {
	rc syscall.RawConn

	// What TryWrite hands to its callback, which is made once: a closure a call
	// would be an allocation a flush.
	try    func(fd uintptr) bool
	chunks [][]byte
	one    [1][]byte
	wrote  int64
	err    error
}

// NewRaw returns nil if nc has no file descriptor that can be used this way.
func NewRaw(nc net.Conn) *Raw {
	sc, ok := nc.(syscall.Conn)
	if !ok || !rawSupported {
		return nil
	}
	rc, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	r := &Raw{rc: rc}
	r.try = func(fd uintptr) bool {
		r.wrote, r.err = writeAll(fd, r.chunks)
		return true
	}
	return r
}

// ReadLoop calls step whenever the descriptor may be readable, and parks in
// between, until step returns true or the connection fails. step reads with
// Read as long as it likes. Because all reading happens inside one call, a
// step that has just emptied the socket may return false without asking the
// kernel again: the poller remembers data that came since. It does not remember
// an end that came together with data: only a Read that says so tells of it.
func (r *Raw) ReadLoop(step func(fd uintptr) (done bool)) error {
	return r.rc.Read(step)
}

// Read reads what is there; ErrWouldBlock if nothing, io.EOF at the end.
func Read(fd uintptr, p []byte) (int, error) {
	n, errno := read(fd, p)
	switch {
	case errno == syscall.EAGAIN:
		return 0, ErrWouldBlock
	case errno != 0:
		return 0, errno
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// TryWrite writes what the socket takes now. It returns how many bytes that
// were, and ErrWouldBlock if that was not all.
func (r *Raw) TryWrite(chunks [][]byte) (n int64, err error) {
	r.chunks = chunks
	r.wrote, r.err = 0, nil
	if err := r.rc.Write(r.try); err != nil {
		r.err = err
	}
	r.chunks = nil
	return r.wrote, r.err
}

// TryWriteOne is TryWrite for a single chunk.
func (r *Raw) TryWriteOne(p []byte) (n int64, err error) {
	r.one[0] = p
	n, err = r.TryWrite(r.one[:])
	r.one[0] = nil
	return n, err
}

// Write writes all of chunks and parks while the socket is full; progress is
// told of each part. It ends early at the connection's write deadline.
func (r *Raw) Write(chunks [][]byte, progress func(n int64)) error {
	var werr error
	err := r.rc.Write(func(fd uintptr) bool {
		var n int64
		n, werr = writeAll(fd, chunks)
		chunks = Advance(chunks, n)
		if n > 0 {
			progress(n)
		}
		return werr != ErrWouldBlock
	})
	if err != nil {
		return err
	}
	return werr
}

// Advance drops the first n bytes of chunks, in place.
func Advance(chunks [][]byte, n int64) [][]byte {
	for len(chunks) > 0 && n >= int64(len(chunks[0])) {
		n -= int64(len(chunks[0]))
		chunks = chunks[1:]
	}
	if n > 0 {
		chunks[0] = chunks[0][n:]
	}
	return chunks
}

// writeAll writes until everything is written or the socket is full.
func writeAll(fd uintptr, chunks [][]byte) (total int64, err error) {
	for len(chunks) > 0 {
		n, errno := writeSome(fd, chunks)
		if n > 0 {
			total += int64(n)
		}
		switch errno {
		case 0:
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return total, ErrWouldBlock
		default:
			return total, errno
		}
		rest := int64(n)
		for len(chunks) > 0 && rest >= int64(len(chunks[0])) {
			rest -= int64(len(chunks[0]))
			chunks = chunks[1:]
		}
		if rest > 0 {
			// A part only: the socket is full. What is left is the caller's, who knows
			// the total, so chunks stays as it is.
			return total, ErrWouldBlock
		}
	}
	return total, nil
}

package conn

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"

	"dunlin/internal/base/bufpool"
)

const (
	recordHeader = 5
	recordMax    = 16<<10 + 2<<10 // the longest ciphertext of TLS 1.2; 1.3 allows less
	// shakeMax bounds what a client may send until the handshake is done: a hello
	// with keys of every kind and a large session ticket has 3 KB.
	shakeMax = 8 << 10
	// shakeCertsMax is the bound where clients are asked for certificates: a chain
	// of long RSA keys has 6 KB, and a session ticket holds it once more.
	shakeCertsMax = 32 << 10
	// recordStep is by how much the buffer of a long record grows.
	recordStep = 2 << 10
)

// errShakeTooLong: the peer sends more than any handshake needs.
var errShakeTooLong = errors.New("the TLS handshake is too long")

// records stands between crypto/tls and the socket while the peer is a stranger.
// It hands out a record once all of it is there: crypto/tls makes room for what
// a record's header claims, which is up to 16 KB for five bytes. An error in the
// middle of a record leaves what has come, and reading may go on.
//
// Only the reader's goroutine uses it.
type records struct {
	nc     net.Conn
	prefix []byte // was read before TLS began

	head [recordHeader]byte
	have int    // of head
	buf  []byte // the record, or what there is of it; nil while head is not complete
	size int    // what buf is to become
	out  int    // how much of buf has been handed out
	left int    // how much may still come
	max  int    // what left began with, for the error
}

func newRecords(nc net.Conn, prefix []byte, max int) *records {
	return &records{nc: nc, prefix: prefix, left: max, max: max}
}

// Read hands out bytes of one whole record.
func (r *records) Read(p []byte) (int, error) {
	if err := r.wait(); err != nil {
		return 0, err
	}
	n := copy(p, r.buf[r.out:])
	if r.out += n; r.out == len(r.buf) {
		bufpool.Put(r.buf)
		r.buf, r.have, r.out = nil, 0, 0
	}
	return n, nil
}

// wait returns when there is a whole record. It takes nothing of the next one,
// so that records may be left out between two.
func (r *records) wait() error {
	for r.have < recordHeader {
		n, err := r.from(r.head[r.have:])
		if r.have += n; err != nil && r.have < recordHeader {
			return midway(err, r.have)
		}
	}
	if r.buf == nil {
		if err := r.begin(); err != nil {
			return err
		}
	}
	for len(r.buf) < r.size {
		if len(r.buf) == cap(r.buf) {
			r.grow()
		}
		n, err := r.from(r.buf[len(r.buf):min(cap(r.buf), r.size)])
		if r.buf = r.buf[:len(r.buf)+n]; err != nil && len(r.buf) < r.size {
			return midway(err, len(r.buf))
		}
	}
	return nil
}

// begin reads the header. What is no record is handed out as it is: crypto/tls
// has the words for it.
func (r *records) begin() error {
	const changeCipherSpec, applicationData = 20, 23 // the first and the last type
	r.size = recordHeader + int(r.head[3])<<8 + int(r.head[4])
	if r.head[0] < changeCipherSpec || r.head[0] > applicationData || r.size > recordHeader+recordMax {
		r.size = recordHeader
	}
	if r.size > r.left {
		return fmt.Errorf("%w: over %d bytes", errShakeTooLong, r.max)
	}
	r.left -= r.size
	r.buf = append(bufpool.Get(recordHeader), r.head[:]...)
	return nil
}

func (r *records) grow() {
	var bigger []byte
	if n := cap(r.buf); n < recordStep {
		bigger = bufpool.Get(2 * n)
	} else {
		bigger = make([]byte, 0, n+recordStep)
	}
	bigger = append(bigger, r.buf...)
	bufpool.Put(r.buf)
	r.buf = bigger
}

// from reads what was read before TLS began, and then from the socket.
func (r *records) from(p []byte) (int, error) {
	if len(r.prefix) == 0 {
		r.prefix = nil
		return r.nc.Read(p)
	}
	n := copy(p, r.prefix)
	r.prefix = r.prefix[n:]
	return n, nil
}

// between tells that nothing of a record has been taken from the socket that
// crypto/tls does not have.
func (r *records) between() bool { return r.have == 0 && len(r.prefix) == 0 }

// shaken takes back the bound: the handshake is done.
func (r *records) shaken() { r.left = math.MaxInt }

// midway is what the end of the stream is when part of a record has been read.
func midway(err error, have int) error {
	if err == io.EOF && have > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

package monitor

import (
	"net/http"
	"sync"
	"time"

	"dunlin/internal/proto/sysapi"
)

const (
	// chunkMax is how much of an answer is held before it is written: the system
	// takes 5 microseconds for it.
	chunkMax = 8 << 10
	// writeTimeout is how long a client may take for one chunk.
	writeTimeout = 10 * time.Second
	// answerMax is how long one answer may take in all. With the two, a client
	// that reads a byte now and then cannot hold one of the heavyMax places.
	answerMax = 2 * time.Minute
)

var chunks = sync.Pool{New: func() any { b := make([]byte, 0, chunkMax+8<<10); return &b }}

// stream is an answer that is written while it is made. It belongs to the
// goroutine of its request.
type stream struct {
	json    *sysapi.Writer
	pace    *pace
	w       http.ResponseWriter
	control *http.ResponseController
	until   time.Time
	buf     *[]byte
}

func (h *Handler) stream(w http.ResponseWriter, r *http.Request) *stream {
	jsonHeader(w)
	buf := chunks.Get().(*[]byte)
	return &stream{json: sysapi.NewWriter((*buf)[:0], "  "), pace: h.pacer.start(r.Context()), w: w,
		control: http.NewResponseController(w), until: time.Now().Add(answerMax), buf: buf}
}

// step writes what has gathered if it is a chunk, and rests if it is time to.
func (s *stream) step() error {
	if len(s.json.Buf) >= chunkMax {
		if err := s.flush(); err != nil {
			return err
		}
		return s.pace.rest()
	}
	return s.pace.step()
}

func (s *stream) flush() error {
	deadline := time.Now().Add(writeTimeout)
	if deadline.After(s.until) {
		deadline = s.until
	}
	// What is no connection of net/http, as in tests, has no deadline.
	_ = s.control.SetWriteDeadline(deadline)
	_, err := s.w.Write(s.json.Buf)
	s.json.Buf = s.json.Buf[:0]
	return err
}

// end gives the buffer back, unless one long text has made it large.
func (s *stream) end() {
	s.pace.end()
	if cap(s.json.Buf) <= 2*chunkMax {
		*s.buf = s.json.Buf[:0]
		chunks.Put(s.buf)
	}
	s.json.Buf = nil
}

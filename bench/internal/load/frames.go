package load

import (
	"bytes"
	"errors"
	"fmt"
)

// frames counts messages of one fixed length in a byte stream that may be cut
// anywhere, and takes the control lines between them apart. One owner.
//
// Every frame's place is checked (the byte before it ends a line, it starts
// with MSG or HMSG); the first checkedFully are compared with what was
// published; and where one publisher feeds the stream, the number in every
// payload must follow the one before it. So a loss cannot hide behind a
// duplicate.
type frames struct {
	length   int    // of one frame, bytes; 0 = no message may come
	expect   []byte // a whole frame with any number in it; nil = subjects vary
	seqAt    int    // where in a frame the payload's number stands
	seqCycle uint32 // numbers count 0..seqCycle-1 and start again; 0 = not checked

	started int64 // frames that began
	skip    int   // bytes of the last frame still to come
	part    []byte
	nextSeq uint32
	pongs   int
}

const (
	checkedFully = 256
	seqLen       = 8
	lineMax      = 64 << 10 // no control line a server sends is longer
)

var errNotMessage = errors.New("not a message")

// complete is the number of frames that arrived whole.
func (f *frames) complete() int64 {
	if f.skip > 0 {
		return f.started - 1
	}
	return f.started
}

func (f *frames) feed(b []byte) error {
	if len(f.part) > 0 {
		rest, err := f.finishLine(b)
		if err != nil {
			return err
		}
		b = rest
	}
	if f.skip >= len(b) {
		f.skip -= len(b)
		return nil
	}
	pos := f.skip
	f.skip = 0
	for pos < len(b) {
		if b[pos] != 'M' && b[pos] != 'H' || f.length == 0 {
			n, err := f.line(b[pos:])
			if err != nil {
				return err
			}
			if n == 0 {
				f.part = append(f.part, b[pos:]...)
				return nil
			}
			pos += n
			continue
		}
		if pos > 0 && b[pos-1] != '\n' {
			return fmt.Errorf("frame %d does not follow the end of a line: %.60q", f.started, b[pos-1:])
		}
		if err := f.frame(b[pos:]); err != nil {
			return err
		}
		pos += f.length
	}
	f.skip = pos - len(b)
	return nil
}

// frame checks what has arrived of the frame at the start of b.
func (f *frames) frame(b []byte) error {
	if f.seqCycle > 0 {
		if len(b) >= f.seqAt+seqLen {
			if got := readSeq(b[f.seqAt:]); got != f.nextSeq {
				return fmt.Errorf("message %d carries number %d, expected %d: lost, doubled or out of order", f.started, got, f.nextSeq)
			}
		}
		if f.nextSeq++; f.nextSeq == f.seqCycle {
			f.nextSeq = 0
		}
	}
	if f.started < checkedFully && f.expect != nil {
		n := min(len(b), f.length)
		if head := min(n, f.seqAt); !bytes.Equal(b[:head], f.expect[:head]) {
			return fmt.Errorf("message %d starts %.80q, expected %.80q", f.started, b[:head], f.expect[:head])
		}
		if tail := f.seqAt + seqLen; n > tail && !bytes.Equal(b[tail:n], f.expect[tail:n]) {
			return fmt.Errorf("message %d: payload differs from what was published", f.started)
		}
	}
	f.started++
	return nil
}

// finishLine completes a control line that an earlier read cut.
func (f *frames) finishLine(b []byte) ([]byte, error) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		i = len(b) - 1
	}
	if len(f.part)+i > lineMax {
		return nil, fmt.Errorf("a control line of more than %d bytes: %.60q", lineMax, f.part)
	}
	f.part = append(f.part, b[:i+1]...)
	if f.part[len(f.part)-1] == '\n' {
		if _, err := f.line(f.part); err != nil {
			return nil, err
		}
		f.part = f.part[:0]
	}
	return b[i+1:], nil
}

// line handles one control line and returns its length, 0 if it is cut.
func (f *frames) line(b []byte) (int, error) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		if len(b) > lineMax {
			return 0, fmt.Errorf("a control line of more than %d bytes: %.60q", lineMax, b)
		}
		return 0, nil
	}
	switch l := b[:i+1]; {
	case bytes.HasPrefix(l, []byte("PONG")):
		f.pongs++
	// A server's PING is left unanswered: in the middle of a published message
	// nothing may be sent, and no run lasts until the second one is missed.
	case bytes.HasPrefix(l, []byte("PING")), bytes.HasPrefix(l, []byte("+OK")), bytes.HasPrefix(l, []byte("INFO ")):
	case bytes.HasPrefix(l, []byte("-ERR")):
		return 0, fmt.Errorf("the server said %q", bytes.TrimSpace(l))
	default:
		return 0, fmt.Errorf("%w: %.80q", errNotMessage, l)
	}
	return i + 1, nil
}

// writeSeq puts n as eight hexadecimal digits at the start of b.
func writeSeq(b []byte, n uint32) {
	for i := range seqLen {
		b[i] = "0123456789abcdef"[n>>(28-4*i)&15]
	}
}

// readSeq reads what writeSeq wrote. Only the last five digits: batches are
// shorter than a million messages, and this runs once a message.
func readSeq(b []byte) uint32 {
	_ = b[7]
	return hex(b[3])<<16 | hex(b[4])<<12 | hex(b[5])<<8 | hex(b[6])<<4 | hex(b[7])
}

func hex(c byte) uint32 {
	return uint32(c&15) + uint32(c>>6)*9
}

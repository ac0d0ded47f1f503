package transcript

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// lineMax bounds one protocol line of a server. INFO is the longest.
const lineMax = 1 << 20

// payloadMax bounds what a MSG may announce, so that a broken server cannot
// make the suite allocate without end.
const payloadMax = 128 << 20

// Event is one thing a connection got: a protocol line, with its payload if it
// is a MSG or HMSG, or a note such as "closed".
type Event struct {
	Line    string
	Payload []byte // nil unless MSG or HMSG
	Note    string // set instead of Line
	Raw     bool   // bytes that are no protocol line, ended by a close
}

// Closed is the event of a connection that ended.
func Closed() Event { return Event{Note: "closed"} }

// IsClosed reports whether the connection ended.
func (e Event) IsClosed() bool { return e.Note == "closed" }

// Op is the verb of the line in upper case, as sent.
func (e Event) Op() string {
	op, _, _ := strings.Cut(e.Line, " ")
	return op
}

// IsMsg reports whether the event is a delivery.
func (e Event) IsMsg() bool { return e.Payload != nil }

// Subject and Sid are those of a delivery.
func (e Event) Subject() string { return e.field(1) }

// Sid is the subscription the server names in a delivery.
func (e Event) Sid() string { return e.field(2) }

func (e Event) field(i int) string {
	if f := strings.Fields(e.Line); e.IsMsg() && i < len(f) {
		return f[i]
	}
	return ""
}

// Contains reports whether the line, the payload or the note has the text.
func (e Event) Contains(text string) bool {
	return strings.Contains(e.Line, text) || strings.Contains(e.Note, text) || bytes.Contains(e.Payload, []byte(text))
}

// Read takes the next event from a server's stream. An error means that the
// stream ended; bytes before it that form no line come first, as a Raw event.
func Read(r *bufio.Reader) (Event, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if err == nil {
			break
		}
		if err == bufio.ErrBufferFull && len(line) < lineMax {
			continue
		}
		if len(line) > 0 {
			return Event{Line: string(line), Raw: true}, nil
		}
		return Event{}, err
	}
	e := Event{Line: strings.TrimRight(string(line), "\r\n")}
	switch e.Op() {
	case "MSG", "HMSG", "RMSG", "LMSG":
		return payload(e, r)
	}
	return e, nil
}

func payload(e Event, r *bufio.Reader) (Event, error) {
	f := strings.Fields(e.Line)
	size, err := strconv.Atoi(f[len(f)-1])
	if err != nil || size < 0 || size > payloadMax {
		return Event{Line: e.Line, Raw: true}, nil
	}
	buf := make([]byte, size+2)
	n, err := io.ReadFull(r, buf)
	if err != nil {
		return Event{Line: fmt.Sprintf("%s (cut off after %d bytes)", e.Line, n), Raw: true}, nil
	}
	if string(buf[size:]) != "\r\n" {
		return Event{Line: e.Line + " (payload not followed by CRLF)", Raw: true}, nil
	}
	e.Payload = buf[:size:size]
	return e, nil
}

package wire

import "strconv"

// Msg is one published message, ready to be written to any number of
// subscribers. All fields are borrowed: they live until the delivery returns.
type Msg struct {
	Subject []byte
	Reply   []byte // nil if there is none
	// Tail is everything that follows the sid in MSG or HMSG: "[reply ]size\r\n",
	// header and payload, "\r\n". In what a client sends in the usual spelling
	// these bytes stand in one piece, so that nothing is formatted.
	Tail   []byte
	Body   []byte // header and payload
	Header int    // size of the header block within Body; 0 = none, MSG
	// Copied: parts of it stand in memory that the next message will use again,
	// so that it cannot wait for that one.
	Copied bool
}

const (
	verbMsg  = "MSG "
	verbHMsg = "HMSG "
	crlf     = "\r\n"
)

// Size is the number of bytes that Append adds for a sid of length n.
func (m *Msg) Size(n int) int {
	size := len(verbMsg) + len(m.Subject) + n + len(m.Tail) + 2
	if m.Header > 0 {
		size++
	}
	return size
}

// Append writes m for the subscription sid.
func (m *Msg) Append(dst []byte, sid string) []byte {
	if m.Header > 0 {
		dst = append(dst, verbHMsg...)
	} else {
		dst = append(dst, verbMsg...)
	}
	dst = append(dst, m.Subject...)
	dst = append(dst, ' ')
	dst = append(dst, sid...)
	dst = append(dst, ' ')
	return append(dst, m.Tail...)
}

// AppendPlain writes m without its header, for a client that knows none.
func (m *Msg) AppendPlain(dst []byte, sid string) []byte {
	dst = append(dst, verbMsg...)
	dst = append(dst, m.Subject...)
	dst = append(dst, ' ')
	dst = append(dst, sid...)
	dst = append(dst, ' ')
	body := m.Body[m.Header:]
	dst = AppendTail(dst, m.Reply, -1, len(body))
	dst = append(dst, body...)
	return append(dst, crlf...)
}

// AppendTail writes "[reply ][header ]total\r\n"; header < 0 leaves it out.
func AppendTail(dst, reply []byte, header, total int) []byte {
	if len(reply) > 0 {
		dst = append(dst, reply...)
		dst = append(dst, ' ')
	}
	if header >= 0 {
		dst = strconv.AppendInt(dst, int64(header), 10)
		dst = append(dst, ' ')
	}
	dst = strconv.AppendInt(dst, int64(total), 10)
	return append(dst, crlf...)
}

// Compose fills m from its parts and keeps the tail in dst, which it returns
// grown. For messages that are not in one piece.
func (m *Msg) Compose(dst, subj, reply, header, payload []byte) []byte {
	dst = dst[:0]
	h := -1
	if len(header) > 0 {
		h = len(header)
	}
	dst = AppendTail(dst, reply, h, len(header)+len(payload))
	at := len(dst)
	dst = append(append(dst, header...), payload...)
	end := len(dst)
	dst = append(dst, crlf...)
	*m = Msg{Subject: subj, Reply: reply, Tail: dst, Body: dst[at:end], Header: len(header)}
	return dst
}

// AppendNoResponders writes the status message that tells a requestor that
// nobody listens on subj.
func AppendNoResponders(dst, reply []byte, sid string, subj []byte) []byte {
	const status, field = "NATS/1.0 503\r\n", "Nats-Subject: "
	size := len(status) + len(field) + len(subj) + 2*len(crlf)
	dst = append(dst, verbHMsg...)
	dst = append(dst, reply...)
	dst = append(dst, ' ')
	dst = append(dst, sid...)
	dst = append(dst, ' ')
	dst = AppendTail(dst, nil, size, size)
	dst = append(dst, status...)
	dst = append(dst, field...)
	dst = append(dst, subj...)
	dst = append(dst, crlf...)
	dst = append(dst, crlf...)
	return append(dst, crlf...)
}

// AppendErr writes -ERR 'text'.
func AppendErr(dst []byte, text string) []byte {
	dst = append(dst, "-ERR '"...)
	dst = append(dst, text...)
	return append(dst, "'\r\n"...)
}

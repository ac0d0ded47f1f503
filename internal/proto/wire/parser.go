package wire

import (
	"bytes"
	"encoding/json"
)

// Op is the kind of an operation.
type Op uint8

// The operations of a client. OpNone: more bytes are needed.
const (
	OpNone Op = iota
	OpPub
	OpSub
	OpUnsub
	OpPing
	OpPong
	OpConnect
	OpInfo
	OpOK
)

// Parser cuts what a client sends into operations. The limits may be changed between calls.
type Parser struct {
	MaxControlLine int  // bytes of arguments in one line
	MaxPayload     int  // bytes of header and payload; < 0 = no limit
	NoHeaders      bool // HPUB is a mistake

	// Need is, after OpNone, the length the buffer must have before another
	// call can succeed; 0 if that is not known yet.
	Need int

	Msg     Msg    // of OpPub
	Subject []byte // of OpSub
	Queue   []byte // of OpSub; nil if there is none
	Sid     []byte // of OpSub, OpUnsub
	Max     int    // of OpUnsub; -1 if absent or not a number
	Arg     []byte // of OpConnect, OpInfo

	// The last PUB line in the usual spelling, and what it said. Publishers
	// mostly repeat themselves: comparing the line costs a tenth of reading it.
	last     [lastMax]byte
	lastLen  uint8 // of the line; 0 = none
	lastSubj uint8 // where the subject begins
	lastTail uint8 // where the size begins, one after the subject's end
	lastSize int32

	skipping bool   // in a line whose rest means nothing, up to its end
	tail     []byte // memory for messages in unusual spelling
}

// Between reports whether p remembers nothing that matters for what comes:
// it may be exchanged for another with the same limits.
func (p *Parser) Between() bool { return !p.skipping }

// Next takes one operation off the front of buf: n bytes were consumed.
// n > 0 with OpNone means that bytes without meaning were passed over.
func (p *Parser) Next(buf []byte) (op Op, n int, err error) {
	p.Need = 0
	if p.skipping {
		return p.skip(buf)
	}
	if len(buf) < 2 {
		if len(buf) == 1 && !verbMayStart(buf) {
			return OpNone, 0, ErrUnknownOp
		}
		return OpNone, 0, nil
	}
	switch buf[0] | 0x20 {
	case 'p':
		switch buf[1] | 0x20 {
		case 'u':
			return p.pub(buf)
		case 'i':
			return p.bare(buf, "ping", OpPing)
		case 'o':
			return p.bare(buf, "pong", OpPong)
		}
	case 'h':
		return p.hpub(buf)
	case 's':
		return p.sub(buf)
	case 'u':
		return p.unsub(buf)
	case 'c':
		return p.connect(buf)
	case '+' | 0x20:
		return p.bare(buf, "+ok", OpOK)
	case '-' | 0x20:
		return p.peerError(buf)
	case 'i':
		return p.info(buf)
	}
	return OpNone, 0, ErrUnknownOp
}

// verbs in lower case, for a line that is too short to tell.
var verbs = []string{"pub", "hpub", "sub", "unsub", "ping", "pong", "connect", "+ok", "-err", "info"}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// hasVerb reports how far buf begins with verb: all of it, or too short to say
// (more), or not.
func hasVerb(buf []byte, verb string) (all, more bool) {
	for i := 0; i < len(verb); i++ {
		if i == len(buf) {
			return false, true
		}
		if lower(buf[i]) != verb[i] {
			return false, false
		}
	}
	return true, false
}

func verbMayStart(buf []byte) bool {
	for _, v := range verbs {
		if all, more := hasVerb(buf, v); all || more {
			return true
		}
	}
	return false
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// skip passes over bytes up to the end of the line.
func (p *Parser) skip(buf []byte) (Op, int, error) {
	i := bytes.IndexByte(buf, '\n')
	if i < 0 {
		return OpNone, len(buf), nil
	}
	p.skipping = false
	return OpNone, i + 1, nil
}

// bare is a verb without arguments; what follows it on the line is ignored.
func (p *Parser) bare(buf []byte, verb string, op Op) (Op, int, error) {
	all, more := hasVerb(buf, verb)
	if more {
		return OpNone, 0, nil
	}
	if !all {
		return OpNone, 0, ErrUnknownOp
	}
	i := bytes.IndexByte(buf, '\n')
	if i < 0 {
		if len(buf) > p.MaxControlLine {
			// The operation counts when its line ends; a line without end must
			// not fill memory.
			p.skipping = true
			return op, len(buf), nil
		}
		return OpNone, 0, nil
	}
	return op, i + 1, nil
}

// blanksMax is what a line may hold of verb and blanks beyond MaxControlLine.
const blanksMax = 64

// line finds the arguments of a verb of length n: after the blanks that follow
// it, up to the line's end without CR. end is the length of the whole line, 0 if it is not all there.
func (p *Parser) line(buf []byte, n int, blank bool) (args []byte, end int, err error) {
	if len(buf) == n {
		return nil, 0, nil
	}
	if blank && !isBlank(buf[n]) {
		return nil, 0, ErrUnknownOp
	}
	for n < len(buf) && isBlank(buf[n]) {
		n++
	}
	args = buf[n:]
	i := bytes.IndexByte(args, '\n')
	// Blanks before the arguments do not count as arguments, but they are held,
	// too: a line of nothing else must end.
	if n > blanksMax+p.MaxControlLine {
		return nil, 0, ErrControlLine
	}
	if i < 0 {
		if len(args) > p.MaxControlLine+1 { // a CR may be the last byte
			return nil, 0, ErrControlLine
		}
		return nil, 0, nil
	}
	end = n + i + 1
	args = args[:i]
	if i > 0 && args[i-1] == '\r' {
		args = args[:i-1]
	}
	if len(args) > p.MaxControlLine {
		return nil, 0, ErrControlLine
	}
	return args, end, nil
}

// split cuts args at blanks into at most len(into) words; n is how many there
// are, more than len(into) if too many. For SUB and UNSUB a CR within the line
// is a blank (cr), for PUB and HPUB it is part of a word: so does nats-server.
func split(args []byte, into [][]byte, cr bool) (n int) {
	start := -1
	for i := 0; i <= len(args); i++ {
		if i < len(args) && !isBlank(args[i]) && !(cr && args[i] == '\r') {
			if start < 0 {
				start = i
			}
			continue
		}
		if start >= 0 {
			if n < len(into) {
				into[n] = args[start:i]
			}
			n++
			start = -1
		}
	}
	return n
}

// maxSizeDigits bounds a size to what fits into 32 bits with room to spare.
const maxSizeDigits = 9

// Number reads digits, as sizes and limits are written; -1 if b is anything else or too long.
func Number(b []byte) int {
	if len(b) == 0 || len(b) > maxSizeDigits {
		return -1
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// lastMax is the length of a line that is worth remembering.
const lastMax = 128

// remember keeps a line whose subject begins at subj and whose size at tail.
func (p *Parser) remember(line []byte, subj, tail, size int) {
	if len(line) > lastMax {
		return
	}
	p.lastLen = uint8(copy(p.last[:], line))
	p.lastSubj, p.lastTail, p.lastSize = uint8(subj), uint8(tail), int32(size)
}

// again recognises the line of the message before.
func (p *Parser) again(buf []byte) (Op, int, error) {
	m := &p.Msg
	m.Subject, m.Reply, m.Header = buf[p.lastSubj:p.lastTail-1], nil, 0
	return p.body(buf, int(p.lastLen), int(p.lastTail), int(p.lastSize))
}

func (p *Parser) pub(buf []byte) (Op, int, error) {
	if n := int(p.lastLen); n > 0 && len(buf) >= n && string(buf[:n]) == string(p.last[:n]) {
		return p.again(buf)
	}
	all, more := hasVerb(buf, "pub")
	if !all {
		return p.notAll(more)
	}
	args, end, err := p.line(buf, 3, true)
	if end == 0 {
		return OpNone, 0, err
	}
	m := &p.Msg
	// The usual spelling: one blank between the words.
	if a := bytes.IndexByte(args, ' '); a > 0 && buf[end-2] == '\r' {
		word, reply := args[a+1:], []byte(nil)
		if b := bytes.IndexByte(word, ' '); b > 0 {
			reply, word = word[:b], word[b+1:]
		}
		if size := Number(word); size >= 0 && bytes.IndexByte(args, '\t') < 0 {
			m.Subject, m.Reply, m.Header = args[:a], reply, 0
			tail := end - len(args) - 2 + a + 1
			if reply == nil { // reply subjects rarely come twice
				p.remember(buf[:end], tail-1-a, tail, size)
			}
			return p.body(buf, end, tail, size)
		}
	}
	var w [3][]byte
	n := split(args, w[:], false)
	if n < 2 || n > 3 {
		return OpNone, 0, ErrPubArgs
	}
	size := Number(w[n-1])
	if size < 0 {
		return OpNone, 0, ErrPubArgs
	}
	m.Subject, m.Reply, m.Header = w[0], nil, 0
	if n == 3 {
		m.Reply = w[1]
	}
	p.respell(w[1:n])
	return p.body(buf, end, -1, size)
}

func (p *Parser) notAll(more bool) (Op, int, error) {
	if more {
		return OpNone, 0, nil
	}
	return OpNone, 0, ErrUnknownOp
}

func (p *Parser) hpub(buf []byte) (Op, int, error) {
	all, more := hasVerb(buf, "hpub")
	if !all {
		return p.notAll(more)
	}
	args, end, err := p.line(buf, 4, true)
	if end == 0 {
		return OpNone, 0, err
	}
	if p.NoHeaders {
		return OpNone, 0, ErrNoHeaders
	}
	var w [4][]byte
	n := split(args, w[:], false)
	if n < 3 || n > 4 {
		return OpNone, 0, ErrHPubArgs
	}
	header, size := Number(w[n-2]), Number(w[n-1])
	if header < 0 || size < 0 || header > size {
		return OpNone, 0, ErrHPubArgs
	}
	m := &p.Msg
	m.Subject, m.Reply, m.Header = w[0], nil, header
	words := len(w[0]) + len(w[n-2]) + len(w[n-1])
	if n == 4 {
		m.Reply = w[1]
		words += len(w[1])
	}
	if words+n-1 == len(args) && buf[end-2] == '\r' && header > 0 && bytes.IndexByte(args, '\t') < 0 {
		return p.body(buf, end, end-len(args)-2+len(w[0])+1, size)
	}
	if header == 0 { // an empty header is none: it goes out as MSG
		w[n-2], n = w[n-1], n-1
	}
	p.respell(w[1:n])
	return p.body(buf, end, -1, size)
}

// respell begins p.tail with words as a MSG line ends: numbers stay as they
// were written, leading zeros included.
func (p *Parser) respell(words [][]byte) {
	p.tail = p.tail[:0]
	for i, w := range words {
		if i > 0 {
			p.tail = append(p.tail, ' ')
		}
		p.tail = append(p.tail, w...)
	}
	p.tail = append(p.tail, crlf...)
}

// body completes p.Msg, whose line is buf[:end], with the size bytes that
// follow. buf[tail:] is how the line would end in MSG; with tail < 0 the end of the line is in
// p.tail.
func (p *Parser) body(buf []byte, end, tail, size int) (Op, int, error) {
	if p.MaxPayload >= 0 && size > p.MaxPayload {
		return OpNone, 0, ErrMaxPayload
	}
	total := end + size + 2
	if len(buf) < total {
		if len(buf) < total-1 {
			p.Need = total - 1
			return OpNone, 0, nil
		}
		if buf[end+size] != '\r' {
			return OpNone, 0, ErrPayloadEnd
		}
		p.Need = total
		return OpNone, 0, nil
	}
	if buf[total-2] != '\r' || buf[total-1] != '\n' {
		return OpNone, 0, ErrPayloadEnd
	}
	m := &p.Msg
	m.Body = buf[end : end+size]
	m.Copied = tail < 0
	if tail >= 0 {
		m.Tail = buf[tail:total]
		return OpPub, total, nil
	}
	p.tail = append(p.tail, buf[end:total]...)
	m.Tail = p.tail
	if cap(p.tail) > 64<<10 {
		p.tail = nil // do not keep a large block for a rare spelling
	}
	return OpPub, total, nil
}

func (p *Parser) sub(buf []byte) (Op, int, error) {
	all, more := hasVerb(buf, "sub")
	if !all {
		return p.notAll(more)
	}
	args, end, err := p.line(buf, 3, true)
	if end == 0 {
		return OpNone, 0, err
	}
	var w [3][]byte
	switch split(args, w[:], true) {
	case 2:
		p.Subject, p.Queue, p.Sid = w[0], nil, w[1]
	case 3:
		p.Subject, p.Queue, p.Sid = w[0], w[1], w[2]
	default:
		return OpNone, 0, ErrSubArgs
	}
	return OpSub, end, nil
}

func (p *Parser) unsub(buf []byte) (Op, int, error) {
	all, more := hasVerb(buf, "unsub")
	if !all {
		return p.notAll(more)
	}
	args, end, err := p.line(buf, 5, true)
	if end == 0 {
		return OpNone, 0, err
	}
	var w [2][]byte
	switch split(args, w[:], true) {
	case 1:
		p.Max = -1
	case 2:
		p.Max = Number(w[1])
	default:
		return OpNone, 0, ErrUnsubArgs
	}
	p.Sid = w[0]
	return OpUnsub, end, nil
}

func (p *Parser) connect(buf []byte) (Op, int, error) {
	all, more := hasVerb(buf, "connect")
	if !all {
		return p.notAll(more)
	}
	args, end, err := p.line(buf, 7, false)
	if end == 0 {
		return OpNone, 0, err
	}
	p.Arg = args
	return OpConnect, end, nil
}

func (p *Parser) info(buf []byte) (Op, int, error) {
	all, more := hasVerb(buf, "info")
	if !all {
		return p.notAll(more)
	}
	args, end, err := p.line(buf, 4, false)
	if end == 0 {
		return OpNone, 0, err
	}
	if !json.Valid(args) {
		return OpNone, 0, ErrInfo
	}
	p.Arg = args
	return OpInfo, end, nil
}

func (p *Parser) peerError(buf []byte) (Op, int, error) {
	all, more := hasVerb(buf, "-err")
	if !all {
		return p.notAll(more)
	}
	_, end, err := p.line(buf, 4, true)
	if end == 0 {
		return OpNone, 0, err
	}
	return OpNone, 0, ErrPeer
}

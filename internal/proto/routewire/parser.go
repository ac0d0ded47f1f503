package routewire

import (
	"bytes"
	"slices"

	"dunlin/internal/proto/wire"
)

// Op is the kind of an operation.
type Op uint8

// The operations of a route. OpNone: more bytes are needed, or what was passed
// over means nothing here.
const (
	OpNone Op = iota
	OpMsg
	OpInterest   // RS+, LS+
	OpNoInterest // RS-, LS-
	OpPing
	OpPong
	OpInfo
	OpConnect
	OpOK
	OpErr
	OpClient // PUB, HPUB, SUB: a client's, which means nothing between servers
)

// What a Parser can complain of, beside what wire has.
var (
	ErrMsgArgs      = &wire.Error{Detail: "a message needs an account, a subject, perhaps reply and queues, and its sizes"}
	ErrMsgSize      = &wire.Error{Detail: "a message has sizes that are missing, not numbers, or a header larger than the whole"}
	ErrInterestArgs = &wire.Error{Detail: "interest needs an account, a subject, and perhaps a queue with its weight"}
	ErrClientOp     = &wire.Error{Detail: "an operation of clients, on a connection between servers"}
)

// Parser cuts what a server sends into operations. The settings may be changed
// between calls. Subjects and names are not checked: they are words, no more.
type Parser struct {
	MaxControlLine int  // bytes of one line, the verb included
	MaxPayload     int  // bytes of header and payload; < 0 = no limit
	Own            bool // the connection belongs to one account, which no line names
	LeafOrigin     bool // LS+ and LS- begin with the cluster that they come from

	// Need is, after OpNone, the length the buffer must have before another call
	// can succeed; 0 if that is not known yet.
	Need int

	Account []byte   // of messages and interest; nil with Own
	Origin  []byte   // cluster of the leaf node, of LMSG, LS+, LS-; else nil
	Msg     wire.Msg // of OpMsg
	Queues  [][]byte // of OpMsg: the groups it is for, beside plain subscribers
	Alone   bool     // of OpMsg: for the groups alone (QMSG)
	Subject []byte   // of interest
	Queue   []byte   // of interest; nil if there is none
	Weight  int      // of interest with a queue; 1 unless told
	Arg     []byte   // of OpInfo, OpConnect, OpErr

	// The last line of a message without reply and queues, and what it said: a
	// busy publisher repeats itself.
	last    [lastMax]byte
	lastLen int
	said    line

	words [][]byte
	names []byte // memory for the queue names of a message whose line was rewritten
	tail  []byte // memory for messages in unusual spelling
}

// line is what the line of a message says, as offsets into it.
type line struct {
	accAt, accEnd   int
	subjAt, subjEnd int
	replyAt         int
	replyLen        int // 0 = no reply subject
	tailAt          int // of the sizes that go on
	header, size    int
	own             bool
}

// lastMax is the longest line that is remembered.
const lastMax = 256

// Next takes one operation off the front of buf: n bytes were consumed. n > 0
// with OpNone means that bytes without meaning were passed over. The line of a
// message with a reply subject and queues is rewritten in place, so that the
// payload need not be copied.
func (p *Parser) Next(buf []byte) (op Op, n int, err error) {
	p.Need = 0
	if p.lastLen > 0 && len(buf) >= p.lastLen && p.said.own == p.Own && string(buf[:p.lastLen]) == string(p.last[:p.lastLen]) {
		return p.again(buf)
	}
	end := bytes.IndexByte(buf, '\n') + 1
	if end == 0 {
		if len(buf) > p.MaxControlLine {
			return OpNone, 0, wire.ErrControlLine
		}
		if len(buf) > 0 && !mayBegin(buf) {
			return OpNone, 0, wire.ErrUnknownOp
		}
		return OpNone, 0, nil
	}
	if end > p.MaxControlLine {
		return OpNone, 0, wire.ErrControlLine
	}
	args := buf[:end-1]
	if n := len(args); n > 0 && args[n-1] == '\r' {
		args = args[:n-1]
	}
	i := 0
	for i < len(args) && args[i] != ' ' && args[i] != '\t' {
		i++
	}
	return p.operation(buf, end, args[:i], args[i:])
}

// operation carries on with a line of buf[:end].
func (p *Parser) operation(buf []byte, end int, verb, args []byte) (Op, int, error) {
	kind := kindOf(verb)
	if len(args) == 0 && kind.needsArgs() {
		return OpNone, 0, wire.ErrUnknownOp
	}
	switch kind {
	case verbRMsg:
		return p.message(buf, end, args, false, false)
	case verbHMsg:
		return p.message(buf, end, args, false, true)
	case verbQMsg:
		op, n, err := p.message(buf, end, args, false, true)
		if p.Alone = true; err == nil && len(p.Queues) == 0 {
			p.lastLen, err = 0, ErrMsgArgs
		}
		return op, n, err
	case verbLMsg:
		return p.message(buf, end, args, true, true)
	case verbRSPlus:
		return p.interest(OpInterest, end, args, false)
	case verbRSMinus:
		return p.interest(OpNoInterest, end, args, false)
	case verbLSPlus:
		return p.interest(OpInterest, end, args, true)
	case verbLSMinus:
		return p.interest(OpNoInterest, end, args, true)
	case verbPing:
		return OpPing, end, nil
	case verbPong:
		return OpPong, end, nil
	case verbOK:
		return OpOK, end, nil
	case verbInfo:
		p.Arg = bytes.TrimSpace(args)
		return OpInfo, end, nil
	case verbConnect:
		p.Arg = bytes.TrimSpace(args)
		return OpConnect, end, nil
	case verbErr:
		p.Arg = bytes.Trim(args, " \t'")
		return OpErr, end, nil
	case verbGateway:
		return OpNone, end, nil
	case verbPub:
		return p.pub(buf, end, args)
	case verbSub:
		return OpClient, end, nil
	case verbUnsub:
		return OpNone, 0, ErrClientOp
	}
	return OpNone, 0, wire.ErrUnknownOp
}

type verb uint8

const (
	verbUnknown verb = iota
	verbRMsg
	verbHMsg
	verbLMsg
	verbQMsg // of Dunlin: a message passed on for queue groups alone
	verbRSPlus
	verbRSMinus
	verbLSPlus
	verbLSMinus
	verbPing
	verbPong
	verbOK
	verbInfo
	verbConnect
	verbErr
	verbGateway // A+ and A- mean something between gateways only
	verbPub
	verbSub
	verbUnsub
)

// needsArgs: without any it is as if the verb did not exist, as nats-server has
// it; with too few the connection ends without a word.
func (v verb) needsArgs() bool {
	switch v {
	case verbPing, verbPong, verbOK, verbInfo, verbConnect:
		return false
	}
	return true
}

var verbs = []struct {
	text string
	verb verb
}{
	{"RMSG", verbRMsg}, {"HMSG", verbHMsg}, {"RS+", verbRSPlus}, {"RS-", verbRSMinus}, {"PING", verbPing}, {"PONG", verbPong},
	{"LMSG", verbLMsg}, {"LS+", verbLSPlus}, {"LS-", verbLSMinus}, {"INFO", verbInfo}, {"CONNECT", verbConnect},
	{"-ERR", verbErr}, {"+OK", verbOK}, {"QMSG", verbQMsg}, {"A+", verbGateway}, {"A-", verbGateway},
	{"PUB", verbPub}, {"HPUB", verbPub}, {"SUB", verbSub}, {"UNSUB", verbUnsub},
}

func kindOf(text []byte) verb {
	for i := range verbs {
		if v := &verbs[i]; v.text == string(text) {
			return v.verb
		}
	}
	for i := range verbs { // servers do not write small letters, and may
		if v := &verbs[i]; len(v.text) == len(text) && bytes.EqualFold([]byte(v.text), text) {
			return v.verb
		}
	}
	return verbUnknown
}

// mayBegin reports whether buf, which has no line's end, may become an
// operation.
func mayBegin(buf []byte) bool {
	for i := range verbs {
		text := verbs[i].text
		n := min(len(buf), len(text))
		if !bytes.EqualFold(buf[:n], []byte(text[:n])) {
			continue
		}
		if len(buf) <= len(text) {
			return true
		}
		switch buf[len(text)] {
		case ' ', '\t', '\r':
			return true
		}
	}
	return false
}

// wordsKept is the longest list of words whose memory is kept.
const wordsKept = 256

// split cuts args at blanks into p.words.
func (p *Parser) split(args []byte) [][]byte {
	if p.words = p.words[:0]; cap(p.words) > wordsKept {
		p.words = nil
	}
	start := -1
	for i := 0; i <= len(args); i++ {
		if i < len(args) && args[i] != ' ' && args[i] != '\t' {
			if start < 0 {
				start = i
			}
			continue
		}
		if start >= 0 {
			p.words = append(p.words, args[start:i])
			start = -1
		}
	}
	return p.words
}

// interest reads "[origin] [account] subject [queue [weight]]".
func (p *Parser) interest(op Op, end int, args []byte, leaf bool) (Op, int, error) {
	w := p.split(args)
	p.Account, p.Origin, p.Queue, p.Weight = nil, nil, nil, 1
	if leaf && (op == OpInterest || p.LeafOrigin) {
		if len(w) == 0 {
			return OpNone, 0, ErrInterestArgs
		}
		p.Origin, w = w[0], w[1:]
	}
	if !p.Own {
		if len(w) == 0 {
			return OpNone, 0, ErrInterestArgs
		}
		p.Account, w = w[0], w[1:]
	}
	switch {
	case len(w) == 1:
	case len(w) == 2 && op == OpNoInterest:
		p.Queue = w[1]
	case len(w) == 3 && op == OpInterest:
		p.Queue, p.Weight = w[1], max(wire.Number(w[2]), 1) // nonsense counts as one

	default:
		return OpNone, 0, ErrInterestArgs
	}
	p.Subject = w[0]
	return op, end, nil
}

// message reads "[origin] [account] subject [middle] [header] size". The middle
// is a reply subject, "| queue …" or "+ reply queue …".
func (p *Parser) message(buf []byte, end int, args []byte, leaf, header bool) (Op, int, error) {
	w := p.split(args)
	sizes, names := 1, 1
	if header {
		sizes++
	}
	if leaf {
		names++
	}
	if !p.Own {
		names++
	}
	if len(w) < names+sizes {
		return OpNone, 0, ErrMsgArgs
	}
	said := line{size: wire.Number(w[len(w)-1])}
	if header {
		said.header = wire.Number(w[len(w)-2])
	}
	if said.size < 0 || said.header < 0 || said.header > said.size {
		return OpNone, 0, ErrMsgSize
	}
	p.Origin, p.Account, p.Alone = nil, nil, false
	if leaf {
		p.Origin, w = w[0], w[1:]
	}
	if !p.Own {
		p.Account, w = w[0], w[1:]
	}
	m := &p.Msg
	m.Subject, m.Header, m.Reply, p.Queues = w[0], said.header, nil, nil
	if !p.middle(w[1 : len(w)-sizes]) {
		return OpNone, 0, ErrMsgArgs
	}
	usual := p.place(buf, end, w, &said)
	if !usual {
		return p.respelled(buf, end, said)
	}
	if m.Reply == nil && p.Queues == nil && !leaf && (said.header > 0) == header && end <= lastMax {
		if !p.Own {
			said.accAt = cap(buf) - cap(p.Account)
			said.accEnd = said.accAt + len(p.Account)
		}
		said.own = p.Own
		p.lastLen, p.said = copy(p.last[:], buf[:end]), said
	}
	return p.body(buf, end, said)
}

// place finds the parts of the line w of buf[:end] that are kept. It reports
// whether the line ends in the usual spelling: then what follows the queues, or
// else the subject, is what follows the sid in MSG.
func (p *Parser) place(buf []byte, end int, w [][]byte, said *line) (usual bool) {
	at := func(word []byte) int { return cap(buf) - cap(word) }
	said.subjAt = at(w[0])
	said.subjEnd = said.subjAt + len(w[0])
	size := w[len(w)-1]
	said.tailAt = at(size)
	if said.tailAt+len(size)+2 != end || buf[end-2] != '\r' {
		return false
	}
	if said.header > 0 {
		header := w[len(w)-2]
		between := at(header) + len(header)
		if between+1 != said.tailAt || buf[between] != ' ' {
			return false
		}
		said.tailAt = at(header)
	}
	if m := &p.Msg; m.Reply != nil {
		said.replyAt, said.replyLen = at(m.Reply), len(m.Reply)
	}
	return true
}

// middle takes what stands between subject and sizes. One word is a reply
// subject, even if it is "+" or "|": a client may have chosen that.
func (p *Parser) middle(w [][]byte) (ok bool) {
	if len(w) == 0 {
		return true
	}
	if len(w) == 1 {
		p.Msg.Reply = w[0]
		return true
	}
	switch string(w[0]) {
	case "+":
		p.Msg.Reply, p.Queues = w[1], w[2:]
	case "|":
		p.Queues = w[1:]
	default:
		return false
	}
	return true
}

// again recognises the line of the message before.
func (p *Parser) again(buf []byte) (Op, int, error) {
	said := &p.said
	p.Origin, p.Account, p.Queues, p.Alone = nil, nil, nil, false
	if !p.Own {
		p.Account = buf[said.accAt:said.accEnd]
	}
	m := &p.Msg
	m.Subject, m.Reply, m.Header = buf[said.subjAt:said.subjEnd], nil, said.header
	return p.body(buf, p.lastLen, *said)
}

// whole reports whether the payload behind the line buf[:end] is there.
func (p *Parser) whole(buf []byte, end, size int) (total int, err error) {
	if p.MaxPayload >= 0 && size > p.MaxPayload {
		return 0, wire.ErrMaxPayload
	}
	total = end + size + 2
	if len(buf) < total {
		p.Need = total
		return 0, nil
	}
	if buf[total-2] != '\r' || buf[total-1] != '\n' {
		return 0, wire.ErrUnknownOp
	}
	return total, nil
}

// body completes a message whose line ends as MSG does.
func (p *Parser) body(buf []byte, end int, said line) (Op, int, error) {
	total, err := p.whole(buf, end, said.size)
	if total == 0 {
		return OpNone, 0, err
	}
	m := &p.Msg
	tail := said.tailAt
	if n := said.replyLen; n > 0 {
		// The reply subject stands right before the sizes, or is put there.
		tail -= n + 1
		if tail != said.replyAt || buf[said.tailAt-1] != ' ' {
			p.keepQueues()
			copy(buf[tail:], buf[said.replyAt:said.replyAt+n])
			buf[said.tailAt-1] = ' '
			m.Reply = buf[tail : tail+n]
		}
	}
	m.Body, m.Tail, m.Copied = buf[end:end+said.size], buf[tail:total], false
	return OpMsg, total, nil
}

// tailKept is the largest block of memory that is kept between operations.
const tailKept = 64 << 10

// keepQueues moves the names of the queues out of the line.
func (p *Parser) keepQueues() {
	size := 0
	for _, q := range p.Queues {
		size += len(q)
	}
	p.names = slices.Grow(p.names[:0], size)
	for i, q := range p.Queues {
		from := len(p.names)
		p.names = append(p.names, q...)
		p.Queues[i] = p.names[from:len(p.names):len(p.names)]
	}
}

// respelled completes a message whose line has other blanks than MSG.
func (p *Parser) respelled(buf []byte, end int, said line) (Op, int, error) {
	total, err := p.whole(buf, end, said.size)
	if total == 0 {
		return OpNone, 0, err
	}
	m := &p.Msg
	header := -1
	if said.header > 0 {
		header = said.header
	}
	if cap(p.tail) > tailKept {
		p.tail = nil
	}
	p.tail = wire.AppendTail(p.tail[:0], m.Reply, header, said.size)
	p.tail = append(p.tail, buf[end:total]...)
	m.Body, m.Tail, m.Copied = buf[end:end+said.size], p.tail, true
	return OpMsg, total, nil
}

// pub passes over PUB and HPUB with their payload.
func (p *Parser) pub(buf []byte, end int, args []byte) (Op, int, error) {
	w := p.split(args)
	if len(w) < 2 || wire.Number(w[len(w)-1]) < 0 {
		return OpNone, 0, ErrClientOp
	}
	total, err := p.whole(buf, end, wire.Number(w[len(w)-1]))
	if total == 0 {
		return OpNone, 0, err
	}
	return OpClient, total, nil
}

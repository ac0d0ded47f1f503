package load

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
)

// batchBytes is about what one write carries: the size of the official clients'
// write buffers. Larger ones cost the server no less a message.
const batchBytes = 32 << 10

// headerBlock is n bytes of headers: the version line and one or more fields.
func headerBlock(n int) []byte {
	const version, field, end = "NATS/1.0\r\n", "Trace-Id: ", "\r\n\r\n"
	fill := max(n-len(version)-len(field)-len(end), 1)
	return []byte(version + field + strings.Repeat("7", fill) + end)
}

// body is a message after its control line: headers, payload with the number
// seq at its start, line end.
func body(header []byte, payload int, seq uint32) []byte {
	b := append([]byte{}, header...)
	at := len(b)
	for i := range payload {
		b = append(b, 'a'+byte(i%26))
	}
	writeSeq(b[at:], seq)
	return append(b, "\r\n"...)
}

// pubFrame is a message as a publisher sends it.
func pubFrame(subject string, header []byte, payload int, seq uint32) []byte {
	line := fmt.Sprintf("PUB %s %d\r\n", subject, payload)
	if len(header) > 0 {
		line = fmt.Sprintf("HPUB %s %d %d\r\n", subject, len(header), len(header)+payload)
	}
	return append([]byte(line), body(header, payload, seq)...)
}

// msgFrame is a message as a subscriber gets it, and where its number stands.
func msgFrame(subject, sid string, header []byte, payload int) (frame []byte, seqAt int) {
	line := fmt.Sprintf("MSG %s %s %d\r\n", subject, sid, payload)
	if len(header) > 0 {
		line = fmt.Sprintf("HMSG %s %s %d %d\r\n", subject, sid, len(header), len(header)+payload)
	}
	return append([]byte(line), body(header, payload, 0)...), len(line) + len(header)
}

// batch is a run of equally long messages, sent again and again.
type batch struct {
	bytes []byte
	frame int // bytes of one message
	// due[i] is how many deliveries the first i messages cause; nil: one each.
	due []int64
}

func (b *batch) messages() int64 { return int64(len(b.bytes) / b.frame) }

// deliveries that the first n messages cause, the batch repeating.
func (b *batch) deliveries(n int64) int64 {
	if b.due == nil {
		return n
	}
	k := b.messages()
	return n/k*b.due[k] + b.due[n%k]
}

func sameSubjectBatch(subject string, header []byte, payload int) *batch {
	one := len(pubFrame(subject, header, payload, 0))
	var all bytes.Buffer
	n := max(batchBytes/one, 1)
	for i := range n {
		all.Write(pubFrame(subject, header, payload, uint32(i)))
	}
	return &batch{bytes: all.Bytes(), frame: one}
}

// textMessages is how many different payloads a batch of text has: more bytes
// than a compressor looks back.
const textMessages = 256

// textBatch is messages whose payloads are JSON of an application's events, no
// two alike. The number stands at the payload's start as everywhere.
func textBatch(subject string, payload int) *batch {
	rnd := rand.New(rand.NewPCG(textSeed, 1))
	one := len(pubFrame(subject, nil, payload, 0))
	out := &batch{bytes: make([]byte, 0, textMessages*one), frame: one}
	for i := range textMessages {
		out.bytes = fmt.Appendf(out.bytes, "PUB %s %d\r\n", subject, payload)
		at := len(out.bytes)
		out.bytes = append(out.bytes, text(rnd, payload)...)
		writeSeq(out.bytes[at:], uint32(i))
		out.bytes = append(out.bytes, "\r\n"...)
	}
	return out
}

const textSeed = 20261

var textWords = strings.Fields(`the order was shipped to customer account payment pending review
	warehouse north south delivery route updated status created failed retry queue message region
	express standard invoice total amount currency euro dollar address street number city name`)

// text is so many bytes of JSON.
func text(rnd *rand.Rand, size int) []byte {
	b := fmt.Appendf(nil, `{"seq":"........","items":[`)
	for len(b) < size {
		b = fmt.Appendf(b, `{"id":"%016x","at":"2026-11-%02dT%02d:%02d:%02d.%06dZ","amount":%d.%02d,"note":"`,
			rnd.Uint64(), 1+rnd.IntN(30), rnd.IntN(24), rnd.IntN(60), rnd.IntN(60), rnd.IntN(1e6), rnd.IntN(10_000), rnd.IntN(100))
		for range 6 + rnd.IntN(10) {
			b = append(append(b, textWords[rnd.IntN(len(textWords))]...), ' ')
		}
		b = append(b, `"},`...)
	}
	return b[:size]
}

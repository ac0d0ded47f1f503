package load

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// The mixed row's subjects are m.AAA.BBB.CCC with three digits a token: all the
// same length, and far more of them than a cache would want to hold.
const (
	mixedTokens = 1000
	mixedSeed   = 20260
	// mixedMessages differ in subject; a server that remembered each match
	// would hold half a million.
	mixedMessages = 1 << 19
	mixedSidFirst = 1_000_000 // seven digits, so that frames are equally long
	mixedSample   = "m.000.000.000"
)

// Subscriptions of the mixed row, of ten: seven literal, two "m.AAA.*.CCC",
// one "m.AAA.BBB.>".
type mixedForm int

const (
	mixedLiteral mixedForm = iota
	mixedStar
	mixedRest
)

type mixedSub struct {
	form    mixedForm
	a, b, c int16 // -1 in place of a wildcard
}

func (s mixedSub) String() string {
	switch s.form {
	case mixedStar:
		return fmt.Sprintf("m.%03d.*.%03d", s.a, s.c)
	case mixedRest:
		return fmt.Sprintf("m.%03d.%03d.>", s.a, s.b)
	}
	return fmt.Sprintf("m.%03d.%03d.%03d", s.a, s.b, s.c)
}

// mixed is the interest of the row.
type mixed struct {
	subs []mixedSub
	have map[mixedSub]bool
}

func newMixed(count int) *mixed {
	m := &mixed{have: make(map[mixedSub]bool, count)}
	rnd := rand.New(rand.NewPCG(mixedSeed, 1))
	for len(m.subs) < count {
		s := mixedSub{a: int16(rnd.IntN(mixedTokens)), b: int16(rnd.IntN(mixedTokens)), c: int16(rnd.IntN(mixedTokens))}
		switch n := len(m.subs) % 10; {
		case n >= 9:
			s.form, s.c = mixedRest, -1
		case n >= 7:
			s.form, s.b = mixedStar, -1
		}
		if !m.have[s] {
			m.have[s] = true
			m.subs = append(m.subs, s)
		}
	}
	return m
}

// lines subscribes to every nth, beginning with the first-th.
func (m *mixed) lines(first, nth int) string {
	var out strings.Builder
	for i := first; i < len(m.subs); i += nth {
		fmt.Fprintf(&out, "SUB %s %d\r\n", m.subs[i], mixedSidFirst+i)
	}
	return out.String()
}

// matches is how many of the subscriptions the subject m.a.b.c meets.
func (m *mixed) matches(a, b, c int16) (n int64) {
	for _, s := range [...]mixedSub{{mixedLiteral, a, b, c}, {mixedStar, a, -1, c}, {mixedRest, a, b, -1}} {
		if m.have[s] {
			n++
		}
	}
	return n
}

// batch makes messages whose subjects each meet at least one subscription. One
// in eight meets a literal one, and no literal is used twice before all were;
// the rest are random under a subscribed wildcard. So hardly any subject comes
// twice in a batch.
func (m *mixed) batch(messages, payload int) *batch {
	rnd := rand.New(rand.NewPCG(mixedSeed, 2))
	var literal, wild []mixedSub
	for _, s := range m.subs {
		if s.form == mixedLiteral {
			literal = append(literal, s)
		} else {
			wild = append(wild, s)
		}
	}
	one := pubFrame(mixedSample, nil, payload, 0)
	out := &batch{
		frame: len(one), bytes: make([]byte, 0, messages*len(one)),
		due: make([]int64, 1, messages+1),
	}
	for i := range messages {
		s := wild[rnd.IntN(len(wild))]
		if i%8 == 0 {
			s = literal[i/8%len(literal)]
		}
		if s.b < 0 {
			s.b = int16(rnd.IntN(mixedTokens))
		}
		if s.c < 0 {
			s.c = int16(rnd.IntN(mixedTokens))
		}
		at := len(out.bytes) + len("PUB m.")
		out.bytes = append(out.bytes, one...)
		for j, t := range [...]int16{s.a, s.b, s.c} {
			putDigits(out.bytes[at+4*j:], t)
		}
		out.due = append(out.due, out.due[i]+m.matches(s.a, s.b, s.c))
	}
	return out
}

// putDigits writes t as three digits.
func putDigits(b []byte, t int16) {
	b[0], b[1], b[2] = byte('0'+t/100), byte('0'+t/10%10), byte('0'+t%10)
}

package routewire

import (
	"strconv"

	"dunlin/internal/proto/wire"
)

// AppendInterest writes RS+ for subj of account ("" where the connection is the
// account's own). With a queue, weight is how many members it has.
func AppendInterest(dst []byte, account, subj, queue string, weight int) []byte {
	dst = appendNames(append(dst, "RS+ "...), account, subj, queue)
	if queue != "" {
		dst = strconv.AppendInt(append(dst, ' '), int64(weight), 10)
	}
	return append(dst, '\r', '\n')
}

// AppendNoInterest writes RS-.
func AppendNoInterest(dst []byte, account, subj, queue string) []byte {
	return append(appendNames(append(dst, "RS- "...), account, subj, queue), '\r', '\n')
}

// InterestSize is at least what AppendInterest adds.
func InterestSize(account, subj, queue string) int {
	return len(account) + len(subj) + len(queue) + len("RS+    4294967295\r\n")
}

func appendNames(dst []byte, account, subj, queue string) []byte {
	if account != "" {
		dst = append(append(dst, account...), ' ')
	}
	dst = append(dst, subj...)
	if queue != "" {
		dst = append(append(dst, ' '), queue...)
	}
	return dst
}

const (
	verbOfMsg  = "RMSG "
	verbOfHMsg = "HMSG "
)

// AppendMsg writes m of account ("" where the connection is the account's own)
// for plain interest and one member each of queues.
func AppendMsg(dst []byte, account string, m *wire.Msg, queues []string) []byte {
	if m.Header > 0 {
		dst = append(dst, verbOfHMsg...)
	} else {
		dst = append(dst, verbOfMsg...)
	}
	if account != "" {
		dst = append(append(dst, account...), ' ')
	}
	dst = append(append(dst, m.Subject...), ' ')
	if len(queues) == 0 {
		return append(dst, m.Tail...)
	}
	return appendQueues(dst, m, queues, -1)
}

// AppendGroups writes m for one member each of queues and for no plain
// subscription: QMSG, which has the arguments of LMSG but no origin. Only Dunlin
// knows it. It passes on what another server had sent to a queue group that has no member
// left; as RMSG it would come to plain subscribers a second time, or after what was
// published later.
func AppendGroups(dst []byte, account string, m *wire.Msg, queues []string) []byte {
	dst = append(dst, "QMSG "...)
	if account != "" {
		dst = append(append(dst, account...), ' ')
	}
	return appendQueues(append(append(dst, m.Subject...), ' '), m, queues, m.Header)
}

// appendQueues writes the end of a line with queues and the payload. With
// header 0 the size of the header is written although there is none.
func appendQueues(dst []byte, m *wire.Msg, queues []string, header int) []byte {
	tail := m.Tail
	if n := len(m.Reply); n > 0 {
		dst = append(append(append(dst, "+ "...), m.Reply...), ' ')
		tail = tail[n+1:]
	} else {
		dst = append(dst, "| "...)
	}
	for _, q := range queues {
		dst = append(append(dst, q...), ' ')
	}
	if header == 0 {
		dst = append(dst, "0 "...)
	}
	return append(dst, tail...)
}

// MsgSize is at least what AppendMsg or AppendGroups adds.
func MsgSize(account string, m *wire.Msg, queues []string) int {
	n := len(verbOfMsg) + len(account) + len(m.Subject) + len(m.Tail) + len("  + 0 ")
	for _, q := range queues {
		n += len(q) + 1
	}
	return n
}

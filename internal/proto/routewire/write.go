package routewire

import "strconv"

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

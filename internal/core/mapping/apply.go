package mapping

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"dunlin/internal/proto/subject"
)

// Apply appends what the transform makes of subj to dst and returns the
// extended slice. If subj does not match the transform's source it returns dst
// as it is, and false. rnd decides what random(n) yields; all 64 bits should
// be random.
func (t *Transform) Apply(dst, subj []byte, rnd uint64) ([]byte, bool) {
	if !t.matches(subj) {
		return dst, false
	}
	return t.apply(dst, subj, rnd), true
}

// matches has the rules of node.find: '*' matches neither an empty token nor
// a '>', the last '>' matches whatever stands there.
func (t *Transform) matches(subj []byte) bool {
	if t.literal {
		return string(subj) == t.source
	}
	pattern, more, moreSubj := t.source, true, true
	var want string
	var have []byte
	for more && moreSubj {
		want, pattern, more = subject.Next(pattern)
		if subject.IsRest(want) {
			return true
		}
		have, subj, moreSubj = subject.Next(subj)
		if string(have) != want && !(subject.IsAny(want) && isOneToken(have)) {
			return false
		}
	}
	return more == moreSubj
}

func isOneToken(token []byte) bool { return len(token) > 0 && !subject.IsRest(token) }

func (t *Transform) apply(dst, subj []byte, rnd uint64) []byte {
	for i := range t.ops {
		if i > 0 {
			dst = append(dst, '.')
		}
		dst = t.ops[i].apply(dst, subj, rnd+uint64(i))
	}
	if t.rest {
		if len(t.ops) > 0 {
			dst = append(dst, '.')
		}
		dst = append(dst, skip(subj, t.before)...)
	}
	return dst
}

func (o *op) apply(dst, subj []byte, rnd uint64) []byte {
	switch o.kind {
	case text:
		return append(dst, o.text...)
	case partition:
		return strconv.AppendUint(dst, uint64(o.partition(subj)), 10)
	case random:
		if o.n <= 0 {
			return append(dst, '0')
		}
		return strconv.AppendUint(dst, mix(rnd)%uint64(o.n), 10)
	}
	token := nth(subj, o.tokens[0])
	if o.kind == wildcard {
		return append(dst, token...)
	}
	if o.kind == split {
		return appendSplit(dst, token, o.text)
	}
	n := int(o.n)
	if n <= 0 || n >= len(token) {
		return append(dst, token...)
	}
	switch o.kind {
	case left:
		return append(dst, token[:n]...)
	case right:
		return append(dst, token[len(token)-n:]...)
	case splitFromLeft:
		return appendTwo(dst, token, n)
	case splitFromRight:
		return appendTwo(dst, token, len(token)-n)
	case sliceFromRight: // the odd piece comes first
		if odd := len(token) % n; odd > 0 {
			dst = append(append(dst, token[:odd]...), '.')
			token = token[odd:]
		}
	}
	return appendSlices(dst, token, n)
}

// skip is what follows the first n tokens of subj and their separators.
func skip(subj []byte, n int) []byte {
	for range n {
		_, subj, _ = subject.Next(subj)
	}
	return subj
}

func nth(subj []byte, n int) []byte {
	token, _, _ := subject.Next(skip(subj, n))
	return token
}

func appendTwo(dst, token []byte, at int) []byte {
	dst = append(dst, token[:at]...)
	dst = append(dst, '.')
	return append(dst, token[at:]...)
}

func appendSlices(dst, token []byte, n int) []byte {
	for len(token) > n {
		dst = append(append(dst, token[:n]...), '.')
		token = token[n:]
	}
	return append(dst, token...)
}

// appendSplit leaves out empty pieces. An empty separator stands between any
// two characters.
func appendSplit(dst, token, separator []byte) []byte {
	start := len(dst)
	for len(token) > 0 {
		end, next := len(token), len(token)
		if len(separator) == 0 {
			_, end = utf8.DecodeRune(token)
			next = end
		} else if i := bytes.Index(token, separator); i >= 0 {
			end, next = i, i+len(separator)
		}
		if end > 0 {
			if len(dst) > start {
				dst = append(dst, '.')
			}
			dst = append(dst, token[:end]...)
		}
		token = token[next:]
	}
	return dst
}

// partition is FNV-1a, 32 bits, of the tokens without their separators, or of
// the whole subject with them, modulo n. It is written out here because
// hash/fnv costs an allocation.
func (o *op) partition(subj []byte) uint32 {
	if o.n == 0 {
		return 0
	}
	hash := uint32(2166136261)
	if len(o.tokens) == 0 {
		hash = fnv1a(hash, subj)
	}
	for _, i := range o.tokens {
		hash = fnv1a(hash, nth(subj, i))
	}
	return hash % uint32(o.n)
}

func fnv1a(hash uint32, b []byte) uint32 {
	for _, c := range b {
		hash = (hash ^ uint32(c)) * 16777619
	}
	return hash
}

// mix makes neighbouring numbers unlike each other (the finalizer of
// splitmix64), so that the functions of one destination are independent of
// each other and of the choice of the destination.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

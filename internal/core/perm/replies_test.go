package perm

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRepliesAreLimitedInNumber(t *testing.T) {
	tr := NewReplyTracker(&Responses{MaxMsgs: 2})
	reply := []byte("_INBOX.a.1")
	if tr.Take(reply, 0) {
		t.Fatal("open before any request")
	}
	tr.Open(reply, 0)
	for i, want := range []bool{true, true, false, false} {
		if tr.Take(reply, 1<<60) != want {
			t.Fatalf("publish %d: want %v", i+1, want)
		}
	}
	tr.Open(reply, 0)
	tr.Take(reply, 0)
	tr.Open(reply, 0) // the second request with this reply counts in full
	if !tr.Take(reply, 0) || !tr.Take(reply, 0) || tr.Take(reply, 0) {
		t.Fatal("a second request with the same reply does not start anew")
	}
	if tr.Len() != 0 {
		t.Fatalf("%d entries left", tr.Len())
	}
}

func TestRepliesExpire(t *testing.T) {
	tr := NewReplyTracker(&Responses{MaxMsgs: -1, Expires: time.Second})
	sec := int64(time.Second)
	tr.Open([]byte("a"), 0)
	tr.Open([]byte("b"), sec/2)
	if !tr.Take([]byte("a"), sec-1) || tr.Take([]byte("a"), sec) {
		t.Fatal("a does not live exactly one second")
	}
	tr.Open([]byte("b"), sec) // renewed
	if !tr.Take([]byte("b"), 2*sec-1) || tr.Take([]byte("b"), 2*sec) || tr.Len() != 0 {
		t.Fatal("b does not live one second from its renewal")
	}
}

func TestRepliesAreBounded(t *testing.T) {
	tr := NewReplyTracker(&Responses{MaxMsgs: 1})
	const more = 100
	for i := range maxOpenReplies + more {
		tr.Open(fmt.Appendf(nil, "r.%d", i), 0)
	}
	if tr.Len() != maxOpenReplies {
		t.Fatalf("%d open, want %d", tr.Len(), maxOpenReplies)
	}
	if tr.Take([]byte("r.99"), 0) || !tr.Take([]byte("r.100"), 0) || !tr.Take(fmt.Appendf(nil, "r.%d", maxOpenReplies+more-1), 0) {
		t.Fatal("not the oldest entries gave way")
	}
	long := bytes.Repeat([]byte("x"), 1<<20)
	for i := range 20 {
		tr.Open(append(long, byte(i)), 0)
	}
	if tr.bytes > maxReplyBytes || tr.Len() != 7 {
		t.Fatalf("%d bytes in %d entries", tr.bytes, tr.Len())
	}
	tr.Open(make([]byte, maxReplyBytes+1), 0)
	tr.Open(nil, 0)
	if tr.Len() != 7 {
		t.Fatal("an absurd reply subject was recorded")
	}
}

// A burst gives its memory back.
func TestRepliesShrink(t *testing.T) {
	tr := NewReplyTracker(&Responses{MaxMsgs: 1, Expires: time.Second})
	for i := range 5000 {
		tr.Open(fmt.Appendf(nil, "r.%d", i), 0)
	}
	if tr.Take([]byte("none"), int64(time.Minute)) || cap(tr.entries) != 0 {
		t.Fatalf("%d entries kept after all have expired", cap(tr.entries))
	}
	tr.Open([]byte("again"), 0)
	if !tr.Take([]byte("again"), 0) {
		t.Fatal("of no use after shrinking")
	}
}

func TestRepliesDoNotAllocateOnceGrown(t *testing.T) {
	tr := NewReplyTracker(&Responses{MaxMsgs: 1, Expires: time.Minute})
	replies := make([][]byte, 64)
	for i := range replies {
		replies[i] = fmt.Appendf(nil, "_INBOX.abcdefghij.%d", i)
	}
	now := int64(0)
	round := func() {
		now++
		for _, r := range replies {
			tr.Open(r, now)
		}
		for _, r := range replies {
			if !tr.Take(r, now) {
				t.Fatal("not open")
			}
		}
	}
	round()
	if n := testing.AllocsPerRun(50, round); n != 0 {
		t.Fatalf("%v allocations a round", n)
	}
}

// The tracker agrees with a map and a scan.
func TestRepliesAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		max := rapid.IntRange(-1, 3).Draw(t, "max")
		expires := rapid.IntRange(-1, 5).Draw(t, "expires")
		tr := NewReplyTracker(&Responses{MaxMsgs: max, Expires: time.Duration(expires)})
		type entry struct{ left, until int64 }
		model := map[string]entry{}
		now := int64(0)
		t.Repeat(map[string]func(*rapid.T){
			"tick": func(t *rapid.T) { now += rapid.Int64Range(0, 3).Draw(t, "d") },
			"open": func(t *rapid.T) {
				r := rapid.StringMatching("[abc]{1,2}").Draw(t, "r")
				tr.Open([]byte(r), now)
				model[r] = entry{int64(max), now + int64(expires)}
			},
			"take": func(t *rapid.T) {
				r := rapid.StringMatching("[abc]{1,2}").Draw(t, "r")
				e, want := model[r]
				want = want && (expires <= 0 || now < e.until) && (max <= 0 || e.left > 0)
				if want {
					e.left--
					model[r] = e
				}
				if got := tr.Take([]byte(r), now); got != want {
					t.Fatalf("Take(%q, %d) = %v, want %v", r, now, got, want)
				}
			},
		})
	})
}

package perm

import "hash/maphash"

// Bounds of one connection's ReplyTracker. An entry with a reply subject of
// usual length costs about 150 bytes, so a full tracker is some 10 MB: only a
// responder that leaves that many requests open at once gets there.
const (
	maxOpenReplies   = 65536
	maxReplyBytes    = 8 << 20 // of all open reply subjects together
	keptReplyBufSize = 128     // larger buffers of closed entries are given back
)

// ReplyTracker records the reply subjects that messages delivered to one
// connection have opened for publishing (allow_responses). The zero value is
// not usable; see NewReplyTracker. One owner at a time.
//
// It allocates while it grows and not once it has reached its working size:
// entries and the buffers that hold their subjects are used again.
//
// If a bound is reached the oldest entries give way. To refuse the newest instead would
// let one request that nobody answers block later ones.
type ReplyTracker struct {
	maxMsgs int   // <= 0: any number
	expires int64 // nanoseconds; <= 0: never

	seed    maphash.Seed
	index   map[uint64]int32 // hash of subject -> entry
	entries []openReply
	free    int32 // head of the list of unused entries, linked by next
	oldest  int32 // open entries in the order they were (last) opened
	newest  int32
	bytes   int // sum of the lengths of open subjects
	peak    int // most entries since the index was last made anew
}

type openReply struct {
	subject    []byte
	hash       uint64
	deadline   int64 // 0: none
	left       int   // publishes; meaningless if maxMsgs <= 0
	prev, next int32
}

const none = int32(-1)

// NewReplyTracker makes an empty tracker for the rule r, which must not be nil.
func NewReplyTracker(r *Responses) *ReplyTracker {
	return &ReplyTracker{
		maxMsgs: r.MaxMsgs, expires: int64(r.Expires),
		seed: maphash.MakeSeed(), index: make(map[uint64]int32),
		free: none, oldest: none, newest: none,
	}
}

// Open records that a message with the reply subject was delivered at now
// (nanoseconds of any monotonic clock). A subject that is open already is opened afresh: the new
// request may be answered in full. (nats-server counts the second delivery as if it were an answer,
// so that of two requests with one reply subject at most one can be answered.)
func (t *ReplyTracker) Open(reply []byte, now int64) {
	if len(reply) == 0 || len(reply) > maxReplyBytes {
		return
	}
	t.prune(now)
	h := maphash.Bytes(t.seed, reply)
	if i, ok := t.index[h]; ok {
		// Equal subject, or two subjects with one 64-bit hash under a
		// random seed: then the older is forgotten, which fails closed.
		t.close(i)
	}
	for t.oldest != none && (len(t.index) >= maxOpenReplies || t.bytes+len(reply) > maxReplyBytes) {
		t.close(t.oldest)
	}
	i := t.free
	if i == none {
		i = int32(len(t.entries))
		t.entries = append(t.entries, openReply{})
	} else {
		t.free = t.entries[i].next
	}
	e := &t.entries[i]
	e.subject = append(e.subject[:0], reply...)
	e.hash, e.left, e.deadline = h, t.maxMsgs, 0
	if t.expires > 0 {
		e.deadline = now + t.expires
	}
	e.prev, e.next = t.newest, none
	if t.newest == none {
		t.oldest = i
	} else {
		t.entries[t.newest].next = i
	}
	t.newest = i
	t.bytes += len(reply)
	t.index[h] = i
	t.peak = max(t.peak, len(t.index))
}

// Take reports whether subj is open at now, and uses up one of its publishes.
func (t *ReplyTracker) Take(subj []byte, now int64) bool {
	t.prune(now)
	i, ok := t.index[maphash.Bytes(t.seed, subj)]
	if !ok || string(t.entries[i].subject) != string(subj) {
		return false
	}
	if t.maxMsgs > 0 {
		e := &t.entries[i]
		if e.left--; e.left == 0 {
			t.close(i)
		}
	}
	return true
}

// Len is the number of open reply subjects; expired ones count until the next
// Open or Take.
func (t *ReplyTracker) Len() int { return len(t.index) }

// prune closes what has expired. All entries live equally long, so they expire
// in the order they were opened and only the head has to be looked at.
func (t *ReplyTracker) prune(now int64) {
	for t.oldest != none {
		d := t.entries[t.oldest].deadline
		if d == 0 || now < d {
			return
		}
		t.close(t.oldest)
	}
}

func (t *ReplyTracker) close(i int32) {
	e := &t.entries[i]
	if e.prev == none {
		t.oldest = e.next
	} else {
		t.entries[e.prev].next = e.next
	}
	if e.next == none {
		t.newest = e.prev
	} else {
		t.entries[e.next].prev = e.prev
	}
	t.bytes -= len(e.subject)
	delete(t.index, e.hash)
	if cap(e.subject) > keptReplyBufSize {
		e.subject = nil
	}
	e.next = t.free
	t.free = i
	// A burst must not hold its memory for the life of the connection.
	if len(t.index) == 0 && t.peak > 1024 {
		t.index, t.entries, t.free, t.peak = make(map[uint64]int32), nil, none, 0
	}
}

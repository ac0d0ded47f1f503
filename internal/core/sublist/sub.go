package sublist

import (
	"context"
	"sync/atomic"

	"dunlin/internal/core/forward"
	"dunlin/internal/proto/wire"
)

// Sink is the receiving end of a subscription.
type Sink interface {
	// Deliver hands run, messages of one publisher in their order, over for s. It
	// does not block and keeps nothing of them. It returns how many were taken;
	// it takes none that cannot be delivered (gone, own message without echo,
	// denied), so that a queue group may try its next member. A sink that has to
	// be flushed registers itself with b.
	Deliver(run []wire.Msg, s *Sub, b *Batch) int
}

// PeerSink is the receiving end of what another server is interested in.
type PeerSink interface {
	Sink
	// DeliverQueues hands one message over for one member each of queues, and for
	// the plain subscriptions there. The rules of Deliver hold; false if it was
	// not taken. queues may not be kept.
	DeliverQueues(m *wire.Msg, s *Sub, queues []string, b *Batch) bool
}

// GroupSink is a PeerSink of a server that can be asked to deliver to queue
// groups alone.
type GroupSink interface {
	PeerSink
	// DeliverGroups is DeliverQueues without the plain subscriptions there. False
	// also if the server cannot be asked for that.
	DeliverGroups(m *wire.Msg, s *Sub, queues []string, b *Batch) bool
}

// Flusher is a sink with bytes that wait to be written.
type Flusher interface {
	Flush()
}

// Batch is what one publisher carries through the messages of one read: it
// belongs to the publisher's goroutine.
type Batch struct {
	Origin Sink         // the publisher itself, if it can receive
	Kind   forward.Kind // of the publisher
	NoEcho bool         // Origin does not want its own messages
	// Lane chooses among the connections to another server: what one publisher
	// sends stays in order because its lane does not change.
	Lane uint8
	Now  int64 // time of the read in ns since 1970
	// Touched are the sinks that this publisher has promised to flush.
	Touched []Flusher
	// Stalls is how often this publisher may still wait for a sink within the
	// batch, so that a batch larger than a small bound does not overrun it.
	Stalls int

	// Slow is the sink that is furthest behind, SlowBy bytes, for back-pressure;
	// nil if none is.
	Slow   Drainer
	SlowBy int64
}

// Drainer is a sink that can be waited for.
type Drainer interface {
	// WaitDrained returns when no more than want bytes wait, or ctx is done.
	WaitDrained(ctx context.Context, want int64)
}

// Sub is one subscription: 80 bytes and its key. What identifies it never
// changes; Delivered and Max belong to the Sink that it was made for.
type Sub struct {
	Sink Sink
	// key is subject, queue name and sid in one string: one allocation for three
	// fields, and one pointer for the garbage collector.
	key  string
	next atomic.Pointer[Sub] // of the same subject; readers follow it
	prev *Sub                // for the writer
	hash uint32              // of the subject
	// Filtered: some subjects it matches must not be delivered; the sink checks.
	Filtered bool
	// Gone is set by the sink when the subscription has ended, so that a match
	// made before delivers nothing after.
	Gone     bool
	inTable  bool
	Kind     forward.Kind // of the sink
	queueEnd uint32       // key[subjectEnd:queueEnd] is the queue name
	subjEnd  uint32

	Delivered uint64
	// Max is how many messages it is for, 0 = no limit. For a queue group of
	// another server it is the number of members there.
	Max     uint32
	sidHash uint32 // for another server's, which has no sid, its Remote
}

// NewSub makes a subscription that is in no table yet. The arguments are
// copied.
func NewSub(sink Sink, subj, queue, sid []byte) *Sub {
	key := make([]byte, 0, len(subj)+len(queue)+len(sid))
	key = append(append(append(key, subj...), queue...), sid...)
	return &Sub{
		Sink: sink, key: bytesToString(key),
		subjEnd: uint32(len(subj)), queueEnd: uint32(len(subj) + len(queue)),
		sidHash: uint32(Hash(sid)),
	}
}

// Subject is what was subscribed to.
func (s *Sub) Subject() string { return s.key[:s.subjEnd] }

// Queue is the queue group's name, "" for a plain subscription.
func (s *Sub) Queue() string { return s.key[s.subjEnd:s.queueEnd] }

// Weight is how many members of a queue group it stands for.
func (s *Sub) Weight() int {
	if s.Kind == forward.Client {
		return 1
	}
	return int(s.Max)
}

// Sid is the subscriber's own name for it.
func (s *Sub) Sid() string { return s.key[s.queueEnd:] }

// IsQueue reports whether it is a member of a queue group.
func (s *Sub) IsQueue() bool { return s.queueEnd != s.subjEnd }

// literal indexes subscriptions by subject; the entry is the head of the chain
// of all subscriptions of that subject.
type literal Sub

func (l *literal) IndexHash() uint32 { return l.hash }
func (l *literal) IndexKey() string  { return (*Sub)(l).Subject() }

// chain puts s into the chain whose head was head (nil for an empty one), and
// returns its head. What other servers want stands in front: so looking for one
// of theirs does not take longer the more clients here want the same.
func (s *Sub) chain(head *Sub) *Sub {
	var before *Sub
	if s.Kind == forward.Client {
		for at := head; at != nil && at.Kind != forward.Client; at = at.next.Load() {
			before = at
		}
	}
	next := head
	if before != nil {
		next = before.next.Load()
	}
	s.prev = before
	s.next.Store(next)
	if next != nil {
		next.prev = s
	}
	if before == nil {
		return s
	}
	before.next.Store(s) // last: a reader may come by
	return head
}

// replace puts s in the place of old, and reports whether that is the head, which is then
// for the caller to replace. Until then, or with the one store here, a reader who
// comes by finds one of the two, never neither.
func (s *Sub) replace(old *Sub) (head bool) {
	next := old.next.Load()
	s.prev = old.prev
	s.next.Store(next)
	if next != nil {
		next.prev = s
	}
	s.inTable, old.inTable = true, false
	if s.prev == nil {
		return true
	}
	s.prev.next.Store(s)
	return false
}

// unlink takes s out of the middle or the end of its chain. Its own next stays,
// so that a reader who stands on it finds the way on.
func (s *Sub) unlink() {
	next := s.next.Load()
	if s.prev != nil {
		s.prev.next.Store(next)
	}
	if next != nil {
		next.prev = s.prev
	}
}

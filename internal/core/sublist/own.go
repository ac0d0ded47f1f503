package sublist

import "dunlin/internal/base/rcu"

// Own is what one subscriber has subscribed to, by sid. Changes need a lock of
// the subscriber's; Find and All do not.
type Own struct {
	index rcu.Index[bySid, *bySid]
}

type bySid Sub

func (b *bySid) IndexHash() uint32 { return b.sidHash }
func (b *bySid) IndexKey() string  { return (*Sub)(b).Sid() }

// Len is the number of subscriptions. Under the lock.
func (o *Own) Len() int { return o.index.Len() }

// Find returns the subscription named sid, or nil.
func (o *Own) Find(sid []byte) *Sub { return (*Sub)(o.index.Find(uint32(Hash(sid)), sid)) }

// Add puts s in, whose sid must not be there yet.
func (o *Own) Add(s *Sub) { o.index.Insert((*bySid)(s)) }

// Remove takes s out, if it is there.
func (o *Own) Remove(s *Sub) { o.index.Remove((*bySid)(s)) }

// Reset takes all out. Under the lock.
func (o *Own) Reset() { o.index.Reset() }

// All calls fn for every subscription until it returns false.
func (o *Own) All(fn func(*Sub) bool) {
	o.index.All(func(b *bySid) bool { return fn((*Sub)(b)) })
}

// Package rcu has a hash index that one writer at a time changes while any
// number of readers look things up without a lock.
//
// Owns: the table of slots. Does not own: the entries, whose key and hash must
// not change while they are in the index.
//
// Concurrency: Find and All from any goroutine at any time; Insert and Remove
// only under a lock of the caller's. A reader sees every entry that was
// inserted before it began and not removed before it ended. The garbage
// collector keeps a replaced table alive for those who still read it, which is
// what makes read-copy-update this simple in Go.
//
// Invariants: a slot never changes from one entry to another except through
// Replace for the same key; removal leaves a tombstone, because shifting
// entries back would let a reader miss one that moves behind it.
package rcu

// Package broker takes a published message to those who want it.
//
// Owns: the order of the steps (mapping, match, plain subscribers, one member
// a queue group), what a publisher carries from message to message, flushing
// and back-pressure at the end of a batch. Does not own: whether the publisher
// may (peer/client asks core/perm), how a subscriber writes.
//
// Concurrency: a Publisher belongs to one connection's reader. Invariants: no allocation a message in
// the steady state; a queue group gets a message once, from the first member
// found that takes it, starting at a random one.
package broker

// Package routewire is the form of what servers of a cluster say to each other
// on a route: operations, INFO, CONNECT.
//
// Owns: cutting a stream of bytes into operations (Parser), writing them.
// Does not own: what they mean (peer/route, core/mesh), the message itself
// (proto/wire).
//
// Concurrency: a Parser belongs to one reader. Invariants: however the bytes
// are cut, the same operations come out; fields are slices of the buffer or of the
// parser's own memory, valid until the next call; no input makes it allocate more than a
// control line and a payload.
//
// Source: recorded conversations of nats-server 2.15.2.
package routewire

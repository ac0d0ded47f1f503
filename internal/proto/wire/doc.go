// Package wire is the text protocol between clients and a server: control
// lines in, messages and notices out.
//
// Owns: splitting bytes into operations, the forms of INFO and CONNECT, the
// texts of -ERR, writing MSG and HMSG. Does not own: what an operation does, limits
// that depend on the user (it is told them), when to close.
//
// Concurrency: a Parser belongs to one connection's reader. Invariants: the
// operations do not depend on how the bytes were cut into reads; an operation's
// fields are slices of the caller's buffer and live until the next call; no
// input makes it panic or allocate.
//
// Source: https://docs.nats.io/reference/reference-protocols/nats-protocol;
// what that leaves open follows recordings of nats-server 2.15.2.
package wire

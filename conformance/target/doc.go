// Package target finds, builds and runs the server binaries that the suite
// talks to: the real nats-server as reference, and the server under test.
//
// Owns: installing nats-server at the pinned version, building the server of
// this repository, free ports, configuration files, processes and their logs.
// Does not own: connections (package session).
//
// Concurrency: a Binary is immutable. A Server belongs to one goroutine, only
// Log may be called from others.
//
// Invariants: every process started is waited for; ports are taken from below
// the ephemeral range, so that no outgoing connection can hold one.
package target

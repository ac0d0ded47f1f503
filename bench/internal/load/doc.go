// Package load drives one NATS server over raw sockets and measures what comes
// back. No client library is in the way: everything that is sent was built
// before the clock started, and what arrives is counted frame by frame.
//
// Owns: sockets, the event loop, flow control, verification that every message
// arrived exactly once, latency samples. Does not own: server processes, rows,
// rounds, figures about the server (it takes snapshots through a callback).
//
// Concurrency: a run is one goroutine, locked to its thread, with one epoll set
// over non-blocking sockets. The generator has a single core, and a goroutine a
// connection would spend a good part of it on switching.
//
// Invariants: a run either returns figures for messages that were all accounted
// for, or an error. What is outstanding towards one subscriber is bounded, the
// same for every server, so that none is pushed into disconnecting it.
package load

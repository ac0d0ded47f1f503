// Package conn is what every kind of remote end has in common: an outbound
// queue with inline flushing, a writer that takes over when the socket is
// full, a reading loop that borrows its buffer only while there is something
// to read, closing for one stated reason.
//
// Owns: the socket, the queue and its bound, counters of what went out, the
// time of last activity, one timer, pings and whether they are answered. Does not own:
// protocol beyond that, who the peer is.
//
// Concurrency: one reader goroutine at a time (none while the connection
// rests). Anybody may
// append to the queue (Lock, Reserve, Commit, Unlock) and flush. At most one
// goroutine writes to the socket at a time: state says who. A writer goroutine
// exists only while the socket is full.
//
// Invariants: bytes go out in the order of Commit; pending is the number of
// bytes committed and not yet taken by the socket, and is bounded (beyond the bound
// the connection is closed as a slow consumer); an idle connection holds no
// buffer. After Close has begun nothing is appended.
package conn

// Package route is the server's side of a connection to another server of its
// cluster.
//
// Owns: the protocol of routes (handshake, compression, interest both ways,
// messages both ways, pings), what the servers at the other ends want (Peers,
// Link), which connection carries which account or lane. Does not own: which
// servers there are and which of two connections stays (core/mesh), dialing and
// accepting (engine/topology), the interest of clients (core/interest),
// delivery (engine/broker), the socket (peer/conn).
//
// Concurrency: the reader goroutine of a connection owns the protocol state and
// the Remote of each account. Deliver comes from other readers and touches only
// the outbound queue. A Link's table of connections is immutable behind an
// atomic pointer. tellMu orders what a connection tells of interest: a change
// is in the queue before a later message of the client that caused it.
//
// Invariants: no lock is held while another connection's method is called; a
// server is sent messages of an account by a connection only after that
// connection has told all interest it carries, so that an answer finds its
// way; what a connection told of is taken back when it ends, before it is
// reported as ended; a connection is never cut off for being slow while bytes
// move.
package route

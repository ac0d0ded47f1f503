// Package client is the server's side of a client connection.
//
// Owns: the client protocol's rules (what each operation does, which mistake
// closes and with which words), the subscriptions of the connection, its
// authentication, ping and stale timers, TLS upgrade. Does not own: the table
// of all clients and their limits (server), who may log in (engine/authn),
// delivery (engine/broker), the socket (peer/conn).
//
// Concurrency: the reader goroutine owns the protocol state. Deliver comes from
// other readers and touches only the outbound queue and the counters of the
// subscription, under the queue's lock. subsMu guards the set of
// subscriptions, which auto-unsubscribe and reload change from outside. Grant
// (identity and permissions) is an immutable value behind an atomic pointer.
//
// Invariants: no lock is held while another connection's method is called; a
// subscription is in the account's table exactly as long as it is in the
// client's own; nothing is read from a connection that has ended.
package client

// Package netx gives a connection's file descriptor to those who must not
// block on it and must not hold a buffer while they wait for it.
//
// Owns: listening, dialing, accepting, reading when readable, writing what fits,
// waiting for room, watching idle connections without a goroutine each (Parker), the shortest wait there is (Nap).
// Does not own: the connection (its net.Conn stays in charge of closing and deadlines),
// buffers, protocol.
//
// Concurrency: one reader and one writer at a time; closing the net.Conn wakes
// both. Invariants: a Raw never blocks a thread; waiting parks the goroutine in the
// runtime's poller. Nap alone does, and says for how long.
//
// Rejected: an event loop of our own. On one core it was slower than goroutine
// per connection (67 against 45 µs a round trip) and makes TLS harder.
package netx

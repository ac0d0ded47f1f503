// Package mesh decides who belongs to the cluster: which servers to connect to,
// which connections to keep, who is told of whom, and which addresses clients
// learn.
//
// Owns: this server's identity among the others (id, name, the cluster's name
// and its conflicts), the table of other servers and of the connections to
// them (slots: the indexes of the pool and the pinned accounts), the verdict on
// each handshake, gossip, when to dial what again, the list of client addresses.
//
// Does not own: sockets, timers, TLS, compression, credentials, bytes (peer/route
// and engine/topology are its shell), interest and messages.
//
// Concurrency: none. One goroutine at a time calls a Mesh, with the time as an
// argument; what is to be done comes back as a list of Effects in the order in
// which it is to be done. Nothing is called back, so a simulation drives it like the
// shell does.
//
// Invariants:
//   - a slot of a server has at most one registered connection;
//   - Register and ServerGone alternate per server: the first Register of a
//     server has First set, ServerGone follows its last connection;
//   - a connection that was closed by an effect is forgotten: what is still
//     reported about it changes nothing;
//   - every table is bounded (see the Max constants), whatever others say;
//   - servers that can reach each other and are both connected to a third come
//     to know each other, in whatever order connections are made and lost.
//
// Rejected: a dialer that says CONNECT before it has read INFO, as nats-server
// does where it can. Reading first costs no time, since the other side speaks
// at once, and a name conflict, a duplicate or a connection to oneself is seen
// before the other side hears of it.
package mesh

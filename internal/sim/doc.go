// Package sim runs the parts of a cluster that decide by themselves over a
// network that delays, cuts and loses what they say.
//
// Owns: worlds of servers (World) made of the real ledgers, cursors, tables,
// publishers and parsers, connections between them whose bytes arrive when and
// as the seed says, clients that come, subscribe, publish, answer and go, and
// what must hold of all that. Does not own: sockets, time, goroutines (there
// are none), membership (simulated in core/mesh).
//
// What stands between these parts in peer/client and peer/route (tell before
// the next message, introduce before messages, apply before a message) is here
// once more in a few lines each: it is the order in which they are to be used.
//
// Concurrency: none; a World belongs to one test. Imported by tests only.
//
// Invariants: one seed, one run; a run in which nothing happened is a failure.
package sim

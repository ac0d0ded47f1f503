// Package topology is the shell of core/mesh: it gives it the time, dials what
// it wants dialed, accepts whom others send, and has its effects carried out in
// their order.
//
// Owns: the listener for other servers, dialing and its time-outs, the timer of
// the mesh, the one goroutine that calls it. Does not own: what is decided
// (core/mesh), what is said on a connection (peer/route), who carries effects
// out (server).
//
// Concurrency: any goroutine may Call; the mesh and the Host are called by the
// loop's goroutine alone, without any lock. A Host must not Call from there.
//
// Invariants: effects are done in the order in which the mesh gave them, before
// the Call that caused them returns; after Close of the group nothing is dialed
// and nobody is accepted.
package topology

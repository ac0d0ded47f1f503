// Package version says which Dunlin this is and which nats-server it stands
// in for.
//
// Owns: the two version numbers and the commit they were built from.
//
// Does not own: where they are shown (INFO, /varz, the banner, --version).
//
// Concurrency: constants, and one function that computes its answer once.
//
// Invariants: NATS is a version whose behaviour is offered, because clients
// decide by it what they may use; it is never raised before the behaviour is
// there.
package version

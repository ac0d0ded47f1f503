// Package forward says which interest a message may reach, by where it comes
// from: one table of origin kind and interest kind, so that no other room has a
// switch over kinds.
//
// Owns: the kinds of remote ends, the table. Does not own: who is interested
// (core/sublist), how it is sent.
//
// Concurrency: constants only. Invariant: servers of a cluster form a full
// mesh, so a message crosses at most one route; what came over a route is for
// local subscribers alone, or a message would go round.
package forward

// Package soak is the long test: a server, clients that stay and are owed
// every message exactly once, and a crowd that connects, subscribes, publishes
// and dies at random, in all the ways that a network and bad programs offer.
//
// Owns: the crowd, the accounts of what was sent and what arrived, the
// comparison of goroutines, open files and heap before and after.
//
// Does not own: anything of the server. It uses the public package and raw
// sockets, no client library whose goroutines would count.
//
// Concurrency: a client belongs to the goroutine that made it. What they have
// in common is atomic counters and the list of complaints.
//
// Invariants: a run in which nobody died, or nothing was delivered, fails.
// The seed is printed and decides everything but the timing.
package soak

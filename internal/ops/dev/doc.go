// Package dev is what the command "dunlin dev" needs besides servers: a whole
// cluster on one machine, for somebody who wants to see it work.
//
// Owns: which ports the nodes take, the screen that log lines and a live line
// share, the table of addresses, and the demo: publishers and subscribers on
// all nodes with figures of what they see, on a small NATS client of its own
// (the official one is a dependency of tests only).
//
// Does not own: the servers, their configuration and their logs (cmd/dunlin,
// which joins them with this), signals.
//
// Concurrency: a Screen may be written to from any goroutine. A Demo runs in
// the task.Group it is given and is over when that is closed. Everything else
// belongs to its caller.
//
// Invariants: what comes from a server is bounded by lineMax and payloadMax,
// and never panics the client. A line of the screen is written in one piece,
// whatever the live line does.
package dev

// Package archtest holds the rules of the house as ordinary tests: which room
// may import which, where goroutines may start, how long a function may be.
// ARCHITECTURE.md says why; this package makes it fail.
//
// Owns: the rules, and the checked-in tables of what they let pass (sibling
// imports, third-party imports, oversized functions and files). Adding a line
// to a table is meant to be seen in review; a line that is no longer needed
// fails the test until it is removed, so the tables can only shrink unnoticed.
//
// Does not own: formatting and vet (the Makefile runs both), and the rule that
// no callback is called while a lock is held: that needs knowledge of what a
// function value does, which reading the syntax tree cannot give. It is kept
// by review.
//
// Concurrency: none; the source tree is read once and never changed.
//
// Invariants: every rule is also run against a small bad sample and must
// report it, and against a good one and must not. Only syntax is looked at,
// so the tests need no network, no build and no go command.
package archtest

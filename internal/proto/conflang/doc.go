// Package conflang reads the NATS configuration language.
//
// Owns: the lexical rules, the tree in which every key and every value knows
// its file, line and column, variables, includes, the digest over a tree, and
// a printer whose output parses to the same tree.
//
// Does not own: what the keys mean (ops/config), and files or the environment
// themselves: both come in through Source, so that this package does no I/O.
//
// Concurrency: a Tree is immutable once Parse returned it, and may be read by
// any number of goroutines. A parse runs in the caller's goroutine.
//
// Invariants: nothing that a file can hold makes Parse panic, recurse deeper
// than Limits.Depth, or build a tree whose expanded form weighs more than
// Limits.Weight bytes (so that a chain of variables that doubles each time is
// refused instead of filling memory when the tree is walked).
package conflang

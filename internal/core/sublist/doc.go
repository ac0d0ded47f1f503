// Package sublist is the interest table of one account: which subscriptions
// match a subject.
//
// Owns: the index of literal subscriptions, the trie of wildcard ones, the
// generations that tell a cached match from a stale one, the cache of matches
// a publisher keeps, what a connection to another server has told of
// its interest (Remote). Does not own: what a delivery does (Sink), who may subscribe
// (core/perm), what other servers are told (core/interest).
//
// Concurrency: Insert and Remove take the table's lock. Match takes none: it
// reads structures that a writer only ever extends, or changes by swapping one
// pointer (base/rcu). Cache and Result belong to one goroutine.
//
// Invariants: a change is made first and its generation bumped after, and a
// reader notes the generations before it matches; so a match that misses a
// change never looks fresh once the change is complete. A Sub is in at most
// one table, once.
//
// Rejected: one trie for everything (a literal subject costs a map look-up a
// token instead of one in all), copy on write of whole nodes (a subject with
// 100,000 subscribers costs 800 KB of garbage a change), one generation for
// the account (20,000 subscriptions a second of one connection would empty the
// caches of all).
package sublist

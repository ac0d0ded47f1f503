// Package mapping rewrites subjects: transforms with their functions, and the
// weighted tables of them that an account or a server has as "mappings".
//
// Owns: the syntax of transform destinations and the text of their errors, the
// functions (wildcard, partition, random, split, splitFromLeft, splitFromRight,
// sliceFromLeft, sliceFromRight, left, right), the choice between weighted
// destinations, and the search for the rule that a subject meets.
//
// Does not own: where rules come from and at which line they stood (config),
// who asks for a mapping and when (account, broker), and randomness: the
// caller brings a random number with every call, so the same call gives the
// same answer.
//
// Concurrency: Transform and Table do not change after they are made and may
// be used by any number of goroutines at once.
//
// Invariants:
//   - Mapping allocates nothing but what dst needs to grow.
//   - A mapped subject is not mapped again; rules do not chain.
//   - The rule for a literal source is met before any with wildcards; among
//     those the first in the given order is. nats-server takes the first of
//     them all in an order that changes from start to start, so every
//     configuration that means something there means the same here.
//   - A result is not checked: split of a token of separators only leaves an
//     empty token, as in nats-server, and nothing can be subscribed to that.
package mapping

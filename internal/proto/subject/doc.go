// Package subject knows the form of subjects: tokens divided by '.', the
// wildcards '*' (one token) and '>' (one or more trailing tokens), and what
// makes a subject valid.
//
// Owns: validation, token iteration, literal against pattern, pattern against
// pattern. Does not own: which subscriptions match (core/sublist), who may use a subject
// (core/perm), mappings (core/mapping).
//
// Concurrency: pure functions. Invariants: nothing here allocates, and every
// function takes any bytes whatever without panicking.
//
// Source: https://docs.nats.io/nats-concepts/subjects; what the rules leave
// open follows recordings of nats-server 2.15.2.
package subject

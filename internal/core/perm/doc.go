// Package perm decides what a user may publish and subscribe to.
//
// Owns: the permissions of one user as a configuration says them
// (Permissions), their compiled form (Set), and the record of reply subjects a
// connection may answer (ReplyTracker).
//
// Does not own: who the user is (engine/authn), caching of answers per
// connection, the text of the refusal (proto/wire).
//
// Concurrency: a Set is immutable and shared by all connections of a user. A
// ReplyTracker belongs to one connection; its owner serialises the calls.
//
// Invariants: a check allocates nothing and takes any bytes whatever. Nothing
// here reads a clock: time comes in as an argument. A nil *Set allows
// everything.
//
// What the rules are. A subject is held against the lists token by token, and
// a wildcard in the subject of a subscription counts as an ordinary token: "w.>"
// falls under the entry "w.*", and "x.*.*" does not fall under "x.*.z". That is
// what nats-server 2.15 does, so a subscription it takes is taken here. It is
// coarse, so such a subscription may reach further than its owner's rights; it
// is then marked (FiltersDelivery) and every message for it is checked by its
// own literal subject (DeniesDelivery). nats-server does the second half for
// denied subjects only: with allow "foo.*" and a subscription to "foo.>" it
// delivers foo.a.b as well. Here it is not delivered.
//
// Source: https://docs.nats.io/running-a-nats-service/configuration/securing_nats/authorization
package perm

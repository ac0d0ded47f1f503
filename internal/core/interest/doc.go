// Package interest keeps what the subscribers of one account here want, as
// other servers are to be told of it.
//
// Owns: the count of subscriptions by subject and queue group (Ledger), what has
// changed since a connection was last told (Cursor). Does not own: the
// subscriptions (core/sublist), the connections, what goes over the wire.
//
// A lane is a number that a client has for life. Between servers that both know
// lanes each connection carries some of them, interest and messages alike, so a
// message never overtakes the interest in its reply, and one busy account uses
// all connections. A cursor looks at the lanes of its connection (a mask); with
// all lanes it looks at the account as a whole.
//
// Concurrency: any goroutine may call a Ledger. It is divided into shards by
// key, each with a lock of its own that is held for one change, or for the copy
// of a shard when a connection is new. A Cursor belongs to one goroutine at a time: its
// connection's lock sees to that. Nothing is called back: whoever has changed
// something asks the connections to look.
//
// Invariants: for each key a cursor reports the changes in their order, and
// after the last one the peer knows the count. A change that its lanes do not show is
// not reported.
//
// Rejected: a callback for each change (it would run under a lock, or out of
// order), a set of what each connection has been told (its memory is that of
// all subscriptions, once more for every connection).
package interest

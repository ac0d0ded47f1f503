// Package task starts goroutines that have a name, a parent and a join.
//
// Owns: the only go statement of the product (internal/archtest checks that),
// the count of what runs in a group, and the context that asks a group to end.
//
// Does not own: what the goroutines do, how they are unblocked (a reader that
// waits in a socket is ended by closing the socket, not by its context), and
// timers; only what they run (Run).
//
// Concurrency: every method may be called from any goroutine. Wait and Close
// must not be called from a goroutine of the group itself or of a group below
// it: it would wait for itself.
//
// Invariants:
//   - A goroutine is counted in its group and in every group above before Go
//     returns, and is uncounted after its function has returned.
//   - After Close has returned nothing of the group or of a group below it
//     runs, and nothing can be started in them again.
//   - A panic is never recovered: a task that broke its own invariants must
//     not be outlived by a server that believes in them.
package task

// Package process is what the operating system and its scripts see of a
// server: signals, the pid file and the ports file.
//
// Owns: what each signal means, sending one to a running server
// (dunlin --signal reload), and the contents, names and removal of the pid and
// ports files.
//
// Does not own: what a reload or a lame duck does (Target), the log
// (internal/ops/logging).
//
// Concurrency: Handle runs its loop and whatever takes long in the caller's
// task group. Files is owned by its caller: one goroutine at a time.
//
// Invariants:
//   - Signals are looked at one after the other, so two reloads never run at
//     once; lame duck and shutdown run beside the loop, so that a server in its
//     lame duck minutes can still be interrupted.
//   - A file is removed only while it is this process's own.
//   - The ports file appears under its name only when it is complete.
package process

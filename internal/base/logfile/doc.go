// Package logfile is a file of log lines that is cut into pieces by size.
//
// Owns: the open file, when it is rotated, what the pieces are called, how
// many are kept, and where a line goes when the file cannot take it.
//
// Does not own: what a line looks like (internal/ops/logging), when a person
// wants the file reopened (internal/ops/process).
//
// Concurrency: every method may be called from any goroutine. A line is
// written by the goroutine that logs it, under the file's lock; there is no
// queue, so there is none that could overflow or be lost in a crash.
//
// Invariants:
//   - The bytes of one Write are never split between two files and never mixed
//     with those of another.
//   - A piece is called like the file with ".2006.01.02.15.04.05.000000000"
//     behind it (local time). Only names of that exact shape are ever deleted.
//   - A line that the file does not take goes to the fallback; the first of
//     them is preceded by a line that says why.
//   - Options.Line is called without the lock held.
package logfile

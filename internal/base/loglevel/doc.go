// Package loglevel names the two log levels that log/slog does not have.
//
// Owns: the numbers of Trace and Fatal and the three letters a level prints
// as.
//
// Does not own: handlers and where lines go (internal/ops/logging); a room
// only needs this package to log at these levels.
//
// Concurrency: constants and pure functions.
//
// Invariants: Trace < slog.LevelDebug and Fatal > slog.LevelError, so that
// every slog handler orders them rightly without knowing them.
package loglevel

// Package logging is the server's log: a log/slog handler that prints what
// nats-server prints, to where nats-server prints it.
//
//	[4711] 2026/11/22 20:41:18.123456 [INF] Server is ready
//
// Owns: the shape of a line (text and JSON), where lines go (standard error, a
// file, a local or remote syslog), whether debug and trace lines are wanted,
// and the change of all of these while the server runs.
//
// Does not own: the log file itself (internal/base/logfile), the extra levels
// (internal/base/loglevel), and when to reopen or reload (internal/ops/process
// and the binary).
//
// Concurrency: every method may be called from any goroutine. A line is
// rendered without a lock and handed over in one Write. Whether a level is
// wanted costs one atomic load. Change of destination: the new one is open
// before the old one is let go, and a line that was on its way to the old one
// goes to the new one.
//
// Invariants:
//   - One record is one line: control characters, invalid UTF-8 and what a
//     terminal does not print are escaped in text and in JSON, so that nothing
//     that came over the network can end a line or speak to a terminal.
//   - Attributes follow the text as " key=value", quoted where they would be
//     ambiguous. One key is special, see ConnKey.
//   - A line is lost only if its destination and standard error both refuse it.
package logging

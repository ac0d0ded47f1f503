// Package config turns a configuration file and command line flags into
// Options.
//
// Owns: the table of every key that nats-server knows (schema, keys_*.go),
// with its names, types, default and whether it may change while a server
// runs; the reader that checks a file against it; defaults; the checks that
// need more than one key (Validate); the command line; the comparison of two
// configurations for a reload; docs/configuration.md, which is generated from
// the table.
//
// Does not own: the syntax of the language (proto/conflang), and doing
// anything with an option.
//
// Concurrency: everything runs in the caller's goroutine. Options are not
// changed by anyone once a server has them; a reload reads new ones.
//
// Invariants: a reader reports all mistakes of a file, one a line with file,
// line and column, and never panics whatever the file holds. No message
// contains the value of a key that is a secret. A key that nats-server knows
// is either obeyed or named in Options.LaterKeys.
package config

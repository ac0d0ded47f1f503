// Package transcript turns what a server sent into lines that can be compared
// with what another server sent in the same conversation.
//
// Owns: cutting a byte stream into protocol lines and payloads, masking what
// differs between two runs of one server (ids, nonces, ports, Go version),
// sorting what the protocol leaves unordered, shapes of JSON answers, the
// golden files and the readable difference.
// Does not own: sockets, processes, steps (package session).
//
// Concurrency: values are used by one goroutine at a time.
//
// Invariants: nothing that a client could act on is masked. Masks name what was
// there (<nonce>), so an absent field and a masked field differ.
package transcript

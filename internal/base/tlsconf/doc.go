// Package tlsconf turns the tls block of a configuration into a *tls.Config
// for listeners, and holds what a listener asks besides: pinned certificates
// and the limit of handshakes a second.
//
// Owns: reading certificate, key and CA files; the names that a configuration
// uses for versions, cipher suites and curves; Pins; RateLimiter.
//
// Does not own: the handshake and its time-out (peer/conn), the user a certificate stands
// for (engine/authn), reading the block itself (ops/config).
//
// Concurrency: what Build returns is read-only and shared by every connection
// of a listener, which also shares its session ticket keys. A RateLimiter may be
// used from any goroutine.
//
// Invariants: Build opens all files or fails with every fault it found; a
// configuration that is in use is never changed, a reload builds a new one. Session tickets
// stay on: a reconnect without them costs the server a signature. No key log.
package tlsconf

// Package testkit is what tests of several rooms have in common: a server in
// this process with its log at hand, a client that speaks raw protocol,
// certificates, a check that nothing is left behind, waiting for a condition.
//
// Owns: nothing that outlives a test; everything is taken down by the test's
// own cleanup.
//
// Does not own: what is tested. The raw client knows no more of the protocol
// than lines and payloads, so that a test sees what went over the wire.
//
// Concurrency: a Server and its Log may be used from any goroutine, a Client
// from one at a time. Failures are reported with Fatal, which belongs to the test's
// own goroutine.
//
// Invariants: nothing here sleeps for a fixed time: every wait is for a
// condition and gives up after Patience. Imported by tests only.
package testkit

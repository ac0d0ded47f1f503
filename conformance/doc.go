// Package conformance compares Dunlin with a real nats-server, and drives it
// with clients made for nats-server: see README.md.
//
// Owns: the tests. Does not own: the way a script is read (script), held
// (session) or compared (transcript), nor the processes (target).
package conformance

// Package account is a tenant: its interest, its mappings, its limits and what
// it counts.
//
// Owns: the name, the interest table, the mappings in force, the limits in
// force, how many connections are bound to it. Does not own: who its users are
// (engine/authn), the connections themselves.
//
// Concurrency: every method from any goroutine; what changes is behind an
// atomic pointer or counter. Invariant: an Account lives as long as the server
// under one name; a reload changes its rules, never its identity, so that
// whoever is bound to it stays bound.
package account

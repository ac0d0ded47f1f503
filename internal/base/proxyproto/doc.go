// Package proxyproto reads the PROXY protocol header, version 1 (text) and 2 (binary), with
// which a load balancer tells the address of the client it speaks for.
//
// Owns: telling a header from other bytes, parsing it, its bounds.
//
// Does not own: reading from the connection and its time-out (peer/client),
// whether a header is expected at all (configuration), which peers may send one.
//
// Concurrency: pure functions. Invariants: at most MaxHeader bytes are ever
// asked for; nothing panics whatever the bytes; the outcome does not depend on
// how the bytes were cut on their way.
//
// Source: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt; what it
// leaves to the receiver follows recordings of nats-server 2.15.2.
package proxyproto

// Package sysapi holds the JSON shapes of the monitoring endpoints, which are
// also the shapes of the system account's services: field names, their order,
// which of them are left out when empty, and how durations are written.
//
// Owns: the types and their encoding, the text of uptime, idle and rtt, the
// names of sort orders and connection states, and the recorded spelling of
// close reasons.
//
// Does not own: where the values come from (server), which query asks for
// what (ops/monitor).
//
// Concurrency: values only; a Writer belongs to one goroutine.
//
// Invariants:
//   - Field names and their order are those that monitoring tools read from
//     nats-server 2.15. The only added fields are Varz.Dunlin
//     and RouteInfo.PoolIndex. The tests compare
//     each shape with a recording.
//   - What Writer writes is byte for byte what encoding/json would write with
//     the same indentation.
package sysapi

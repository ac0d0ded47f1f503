// Package monitor serves what people and their tools look at: nats-server's
// monitoring endpoints over HTTP and HTTPS, an index page, and the profiling
// port.
//
// Owns: the HTTP handler, query parameters and their error texts, filtering,
// sorting and paging, the ring of connections that have closed, the request
// counts, the pace at which long answers are made, and the HTTP server's
// bounds.
//
// Does not own: the state it shows (Source, implemented by server), the JSON
// shapes (proto/sysapi), Prometheus metrics (ops/metrics; its handler is
// passed in), listening and TLS settings.
//
// Concurrency: Handler, Ring and Usage may be used from any goroutine. A
// request works in the goroutine net/http gave it; Serve starts its own in a
// task.Group and has joined everything when that group is closed.
//
// Invariants:
//   - Monitoring never holds up messages. It reads snapshots, holds no lock
//     while it filters, sorts or writes, and rests after every step of
//     stepMax, so that a long answer takes a small part of one core.
//   - An answer is written as it is made. What is held at once is a few words
//     for each connection and one connection's or one batch's details.
//   - Whatever a client asks for, the work at the same time is bounded:
//     heavyMax long answers, connsMax connections, a header of headerMax
//     bytes. /healthz is answered even when all of the long ones are taken.
package monitor

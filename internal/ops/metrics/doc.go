// Package metrics serves the server's figures to Prometheus.
//
// Owns: the registry, the names and help texts of the metrics, and which
// accounts and which servers of the cluster get series of their own.
//
// Does not own: the figures (Source), the port and path (ops/monitor).
//
// Concurrency: the handler may be called from any goroutine; scrapes are made
// one after the other.
//
// Invariants:
//   - The number of series is bounded whatever clients do: nothing a client
//     chooses is a label, and of the accounts at most Config.AccountsMax have
//     series of their own, of the servers remotesMax; the rest is counted
//     together as "_other". A connection has none.
//   - A counter never goes back, also when accounts, servers and connections
//     come and go.
//   - Names begin with dunlin_, but for go_ and process_, which dashboards
//     know for every Go program.
package metrics

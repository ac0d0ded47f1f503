// Package server is Dunlin as a library: it joins the rooms of the house into
// one running server and is the only place that knows them all.
//
//	opts := &server.Options{Host: "127.0.0.1", Port: -1}
//	s, err := server.New(opts)
//	if err != nil { ... }
//	if err := s.Start(); err != nil { ... }
//	defer s.Shutdown()
//	if !s.ReadyForConnections(5 * time.Second) { ... }
//	nc, err := nats.Connect(s.ClientURL())
//
// Owns: the life of a server (start, lame duck mode, shutdown, reload), the
// table of clients, the accounts, the listeners, the totals. Does not own: what any
// of them does once it runs.
//
// Concurrency: all methods of Server may be called from any goroutine. Every
// goroutine of a server is in its task group; after Shutdown none is left, and
// no file or port either.
//
// Invariants: Options are copied by New and never changed after; a reload is verified
// as a whole before anything of it is applied.
package server

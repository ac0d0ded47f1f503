package server

import (
	"context"
	"runtime/debug"
	"time"

	"dunlin/internal/base/netx"
	"dunlin/internal/peer/client"
)

// sweepEvery is how often the server looks for clients that have gone quiet.
const sweepEvery = 100 * time.Millisecond

// When so many clients have been parked at once, the memory of their
// goroutines is given back to the system, at most so often. The runtime would
// do so in minutes; until then 5,000 clients that connected together look like
// twice the memory that they need.
const (
	releaseAfter = 500
	releaseEvery = time.Minute
)

// startParker begins to watch idle clients. Where that cannot be done, they keep their
// goroutines.
func (s *Server) startParker() {
	p, err := netx.NewParker()
	if err != nil {
		s.log.Debug("Idle connections keep their goroutines", "error", err)
		return
	}
	s.parker.Store(p)
	s.group.Go("parker", func(context.Context) {
		if err := p.Run(s.resume); err != nil {
			s.log.Error("Watching idle connections failed", "error", err)
			for _, c := range s.clients.all() {
				c.Resume()
			}
		}
	})
	s.group.Go("sweep", s.sweep)
}

func (s *Server) resume(id uint64) {
	if c := s.clients.get(id); c != nil {
		c.Resume()
	}
}

// sweep asks quiet clients to rest.
func (s *Server) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	var released time.Time
	before, kept := 0, 0 // parked at the last sweep, at the last release
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			parked := 0
			s.clients.each(func(c *client.Client) {
				if c.Idle(now) {
					parked++
				}
			})
			kept = min(kept, parked)
			if parked == before && parked-kept >= releaseAfter && now.Sub(released) >= releaseEvery {
				debug.FreeOSMemory()
				released, kept = now, parked
			}
			before = parked
		}
	}
}

// Park implements client.Host.
func (h *host) Park(c *client.Client) error {
	p := h.parker.Load()
	if p == nil {
		return ErrNotRunning
	}
	return c.Park(p, c.ID())
}

// stopParker ends the watching; no client is left.
func (s *Server) stopParker() {
	if p := s.parker.Swap(nil); p != nil {
		s.logClose("idle connections", p.Close())
	}
}

package server

import (
	"context"
	"math/rand/v2"
	"time"

	"dunlin/internal/proto/sysapi"
)

// LameDuckShutdown stops accepting, tells the clients so that they move to
// other servers, and after the grace period closes those that are still there
// one by one over the lame duck duration. Then it shuts down. It returns when
// that is done.
func (s *Server) LameDuckShutdown() {
	s.life.Lock()
	if s.phase != running {
		s.life.Unlock()
		return
	}
	s.phase = lame
	s.life.Unlock()
	<-s.opened
	s.life.Lock()
	l, accepts := s.listener, s.accepts
	s.life.Unlock()
	opts := s.opts.Load()
	s.log.Info("Entering lame duck mode, stop accepting new clients")
	if l != nil {
		s.logClose("client listener", l.Close())
		<-accepts
	}
	s.cluster.lameDuck()
	s.refreshInfo() // without this server's own addresses by now
	for _, c := range s.clients.all() {
		c.PushInfo()
	}
	if s.pause(opts.LameDuckGracePeriod) {
		s.log.Info("Closing existing clients")
		s.closeSlowly(opts.LameDuckDuration - opts.LameDuckGracePeriod)
	}
	s.Shutdown()
}

// LameDuck reports whether the server is on its way out.
func (s *Server) LameDuck() bool {
	s.life.Lock()
	defer s.life.Unlock()
	return s.phase == lame
}

// closeSlowly spreads the closing of all clients over d, at most a second
// apart, so that other servers do not get all of them at once.
func (s *Server) closeSlowly(d time.Duration) {
	list := s.clients.all()
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	if len(list) == 0 {
		return
	}
	step := min(d/time.Duration(len(list)), time.Second)
	batch := 1
	if step < time.Millisecond {
		// Timers are not that fine: close several at a time instead.
		step = time.Millisecond
		batch = max(1, len(list)/int(max(d/step, 1)))
	}
	for i, c := range list {
		c.CloseWith(sysapi.ServerShutdown, nil)
		if (i+1)%batch == 0 && i+1 < len(list) && !s.pause(step/2+rand.N(step/2+1)) {
			return
		}
	}
}

// pause waits for d; false if the server is being shut down.
func (s *Server) pause(d time.Duration) bool {
	ctx, cancel := context.WithTimeout(s.group.Context(), d)
	defer cancel()
	<-ctx.Done()
	return s.group.Context().Err() == nil
}

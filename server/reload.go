package server

import (
	"errors"
	"fmt"
	"runtime"

	"dunlin/internal/ops/config"
	"dunlin/internal/peer/client"
	"dunlin/internal/proto/sysapi"
)

// ReloadOptions puts opts in force while the server runs. Everything is
// verified first; on an error nothing has changed.
func (s *Server) ReloadOptions(opts *Options) error {
	if !s.serving() {
		return ErrNotRunning
	}
	<-s.opened // Start goes by the options that it has found
	s.reloads.Lock()
	defer s.reloads.Unlock()
	if !s.serving() {
		return ErrNotRunning
	}
	old := s.opts.Load()
	opts = opts.Clone()
	opts.SetDefaults()
	if opts.ServerName == "" {
		opts.ServerName = old.ServerName
	}
	if err := opts.Validate(); err != nil {
		return err
	}
	changes, unsupported := config.Diff(old, opts)
	var errs []error
	for _, c := range unsupported {
		errs = append(errs, fmt.Errorf("%s cannot be changed while the server runs: restart it", c.Name))
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	r, err := s.compile(opts)
	if err != nil {
		return err
	}
	s.commit(r)
	if opts.ProfBlockRate != old.ProfBlockRate { // it holds for the whole process
		runtime.SetBlockProfileRate(opts.ProfBlockRate)
	}
	s.applyToClients()
	s.reloadCluster(old, opts)
	for _, c := range changes {
		s.log.Info("Reloaded: " + c.String())
	}
	done := "Reloaded server configuration"
	if opts.ConfigDigest != "" {
		done += " (" + opts.ConfigDigest + ")"
	}
	s.log.Info(done)
	return nil
}

// applyToClients makes the connected clients meet the new rules.
func (s *Server) applyToClients() {
	cfg := s.cfg.Load()
	opts := s.opts.Load()
	var left []*client.Client
	for _, c := range s.clients.all() {
		// One that is on its way out still stands in the table.
		if c.Reauthorize(cfg) && c.WithinLimits() && c.ClosedFor() == sysapi.NotClosed {
			left = append(left, c)
		}
	}
	evict(left, opts.MaxConn)
}

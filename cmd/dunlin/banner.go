package main

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"

	"dunlin/internal/base/version"
	"dunlin/internal/engine/authn"
	"dunlin/internal/ops/config"
)

// logBanner says who is starting and what of its configuration is worth a
// second look. Where it listens the server says itself, when it does.
func logBanner(log *slog.Logger, name, id string, opts *config.Options) {
	commit := version.Commit()
	if commit == "" {
		commit = "not recorded"
	}
	log.Info("Starting dunlin")
	log.Info(fmt.Sprintf("  Version:  %s (NATS %s)", version.Dunlin, version.NATS))
	log.Info("  Git:      " + commit)
	log.Debug("  Go build: " + runtime.Version())
	if opts.Cluster.Enabled() && opts.Cluster.Name != "" { // else the server makes one up, and says so
		log.Info("  Cluster:  " + opts.Cluster.Name)
	}
	log.Info("  Name:     " + name)
	log.Info("  ID:       " + id)
	if opts.ConfigFile != "" {
		log.Info(fmt.Sprintf("Using configuration file: %s (%s)", opts.ConfigFile, opts.ConfigDigest))
	}
	logWarnings(log, opts)
}

// logWarnings has a line for everything that was accepted and yet may not be
// what was meant.
func logWarnings(log *slog.Logger, opts *config.Options) {
	for _, w := range opts.Warnings {
		log.Warn(w.String())
	}
	for _, n := range opts.Notes {
		log.Info(n.String())
	}
	for _, key := range opts.LaterKeys {
		log.Warn(key.String())
	}
	// An error here is the server's to report: it builds the same.
	if auth, err := authn.New(&opts.Auth); err == nil && auth.PlaintextPasswords() {
		log.Warn("Plaintext passwords detected, use nkeys or bcrypt")
	}
}

// printFirstSteps is for somebody who has just started a server by hand.
func printFirstSteps(w io.Writer, url string, i ink) error {
	_, err := fmt.Fprintf(w, `
%s  Any NATS client can connect to %s
With the nats command, one line each in two other terminals:

    %s
    %s

Ctrl-C stops the server; dunlin -h shows what else it can do.

`, i.heading("It runs."), i.value(url),
		i.flag("nats -s "+url+" subscribe hello"),
		i.flag("nats -s "+url+` publish hello "Hello NATS"`))
	return err
}

package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"dunlin/internal/base/loglevel"
	"dunlin/internal/base/task"
	"dunlin/internal/ops/config"
	"dunlin/internal/ops/logging"
	"dunlin/internal/ops/process"
	"dunlin/server"
)

// errLogged ends the program with exit code 1 after the reason has been
// logged; it is not printed again.
var errLogged = errors.New("")

// daemon is the running program: a server, its log, and the files that other
// programs find it by.
type daemon struct {
	flags  *config.Flags // to read the configuration again as it was
	server *server.Server
	log    *logging.Logging
	logger *slog.Logger
	files  process.Files
	// started is closed once Start has returned: signals are taken from the
	// first moment, and acted on when there is a server to act on.
	started chan struct{}
}

// serve runs a server until a signal or lame duck mode ends it.
func serve(flags *config.Flags, stderr *os.File) error {
	opts, err := load(flags)
	if err != nil {
		return err
	}
	log, err := logging.Open(logOptions(opts))
	if err != nil {
		return err
	}
	d := &daemon{flags: flags, log: log, logger: log.Logger(), started: make(chan struct{})}
	err = d.run(opts, stderr)
	return errors.Join(err, log.Close())
}

func (d *daemon) run(opts *config.Options, stderr *os.File) (err error) {
	d.server, err = server.New(opts, server.WithLogger(d.logger))
	if err != nil {
		return err
	}
	logBanner(d.logger, d.server.Name(), d.server.ID(), opts)

	defer d.removeFiles() // after the last signal, which may be a reload that moves them
	signals := task.NewGroup(program)
	defer signals.Close()
	handler := process.Handler{Target: d, ReopenLog: d.log.Reopen, Logger: d.logger, Group: signals}
	handler.Handle()

	err = d.files.WritePID(opts.PidFile)
	if err == nil {
		err = d.server.Start()
	}
	if err == nil {
		d.writePorts(opts)
	}
	close(d.started)
	if err != nil {
		return d.fatal(err)
	}
	if startedByHand(opts) && logging.IsTerminal(stderr) {
		if err := printFirstSteps(stderr, d.server.ClientURL(), ink{logging.WantsColour(stderr)}); err != nil {
			return err
		}
	}
	d.server.WaitForShutdown()
	return nil
}

// fatal logs why the program ends.
func (d *daemon) fatal(err error) error {
	d.logger.Log(context.Background(), loglevel.Fatal, err.Error())
	return errLogged
}

// Reload reads the configuration again, flags included, and takes it into use
// as a whole or not at all.
func (d *daemon) Reload() error {
	<-d.started
	if d.flags.ConfigFile == "" {
		return process.ErrNothingToReload
	}
	opts, err := load(d.flags)
	if err != nil {
		return err
	}
	change, err := d.log.Prepare(logOptions(opts))
	if err != nil {
		return err
	}
	if err := d.server.ReloadOptions(opts); err != nil {
		return errors.Join(err, change.Discard())
	}
	if err := change.Commit(); err != nil {
		d.logger.Warn("Closing the log in use until now: " + err.Error())
	}
	d.applied(opts)
	return nil
}

// applied follows a configuration that is in force already: what fails here is
// said, and does not undo it.
func (d *daemon) applied(opts *config.Options) {
	logWarnings(d.logger, opts)
	if err := d.files.WritePID(opts.PidFile); err != nil {
		d.logger.Error(err.Error())
	}
	d.writePorts(opts)
}

func (d *daemon) LameDuck() {
	<-d.started
	d.server.LameDuckShutdown()
}

func (d *daemon) Shutdown() {
	<-d.started
	d.server.Shutdown()
}

// writePorts: a server that serves is not ended for a file that helps to find
// it.
func (d *daemon) writePorts(opts *config.Options) {
	client, monitor := "nats", "http"
	if opts.TLS != nil {
		client = "tls"
	}
	if opts.HTTPSPort != 0 {
		monitor = "https"
	}
	ports := process.Ports{
		NATS:       process.URLs(client, d.server.Addr()),
		Monitoring: process.URLs(monitor, d.server.MonitorAddr()),
		Cluster:    process.URLs("nats", d.server.ClusterAddr()),
		Profile:    process.URLs("http", d.server.ProfileAddr()),
	}
	if err := d.files.WritePorts(opts.PortsFileDir, &ports); err != nil {
		d.logger.Error(err.Error())
	}
}

func (d *daemon) removeFiles() {
	if err := d.files.Remove(); err != nil {
		d.logger.Error(err.Error())
	}
}

package main

import (
	"dunlin/internal/ops/config"
	"dunlin/internal/ops/logging"
)

// load reads the configuration that the command line names and lets the flags
// win over it. What it returns is whole and has been verified: it can be
// served, or taken into use by a server that runs.
func load(flags *config.Flags) (*config.Options, error) {
	opts := config.New()
	if flags.ConfigFile != "" {
		read := config.Load
		if flags.Test {
			read = config.Check
		}
		var err error
		if opts, err = read(flags.ConfigFile); err != nil {
			return nil, err
		}
	}
	if err := flags.Apply(opts); err != nil {
		return nil, err
	}
	opts.SetDefaults()
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	return opts, nil
}

// logOptions is the part of the configuration that is about the log.
func logOptions(o *config.Options) logging.Options {
	return logging.Options{
		Debug: o.Debug, Trace: o.Trace, None: o.NoLog,
		Time: o.LogTime, TimeUTC: o.LogTimeUTC, Format: o.LogFormat,
		File: o.LogFile, FileSizeLimit: o.LogSizeLimit, FileMax: int(min(o.LogMaxFiles, 1<<31-1)),
		Syslog: o.Syslog, RemoteSyslog: o.RemoteSyslog,
	}
}

// startedByHand reports whether this looks like a first try: no file, the log
// on standard error, and no password or TLS that a client would have to be
// told of.
func startedByHand(o *config.Options) bool {
	logsToStderr := o.LogFile == "" && o.RemoteSyslog == "" && !o.Syslog && !o.NoLog
	open := o.Auth.Username == "" && o.Auth.Token == "" && o.TLS == nil
	return o.ConfigFile == "" && logsToStderr && open
}

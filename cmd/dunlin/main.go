// Command dunlin is the server.
//
//	dunlin                    serve on port 4222
//	dunlin -c dunlin.conf     serve as the file says
//	dunlin -t -c dunlin.conf  only check the file
//	dunlin --signal reload    tell the running server to read its file again
//	dunlin dev --nodes 3      a cluster on this machine, to try things
//
// All flags of the server are those of nats-server; dunlin -h lists them. The exit code is 0
// after an orderly end and 1 if something was wrong: a line of standard error
// each says what.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"dunlin/internal/base/version"
	"dunlin/internal/ops/config"
	"dunlin/internal/ops/process"
)

// program is how messages begin, and the name of the process that --signal
// looks for.
const program = "dunlin"

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr *os.File) int {
	if err := dispatch(args, stdout, stderr); err != nil {
		complain(stderr, err)
		return 1
	}
	return 0
}

func dispatch(args []string, stdout, stderr *os.File) error {
	if len(args) > 0 && args[0] == "dev" {
		return runDev(args[1:], stdout)
	}
	flags, err := config.ParseFlags(args)
	if err != nil {
		return err
	}
	switch {
	case flags.Help:
		return printHelp(stdout)
	case flags.HelpTLS:
		return printHelpTLS(stdout)
	case flags.Version:
		return printVersion(stdout)
	case flags.Signal != "":
		sender := process.Sender{Program: program}
		return sender.Send(flags.Signal)
	case flags.Test:
		return check(flags, stdout, stderr)
	}
	return serve(flags, stderr)
}

// complain prints an error, which may be many, one a line.
func complain(w io.Writer, err error) {
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			fmt.Fprintf(w, "%s: %s\n", program, line)
		}
	}
}

func printVersion(w io.Writer) error {
	commit := version.Commit()
	if commit != "" {
		commit = ", commit " + commit
	}
	_, err := fmt.Fprintf(w, "%s: v%s (NATS %s%s)\n", program, version.Dunlin, version.NATS, commit)
	return err
}

// check reads a configuration as a server would and says what it thinks of it.
func check(flags *config.Flags, stdout, stderr io.Writer) error {
	opts, err := load(flags)
	if err != nil {
		return err
	}
	for _, n := range opts.Notes {
		fmt.Fprintf(stderr, "%s: note: %s\n", program, n)
	}
	for _, key := range opts.LaterKeys {
		fmt.Fprintf(stderr, "%s: warning: %s\n", program, key)
	}
	_, err = fmt.Fprintf(stdout, "%s: configuration file %s is valid (%s)\n", program, flags.ConfigFile, opts.ConfigDigest)
	return err
}

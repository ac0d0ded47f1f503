// Command bench measures dunlin beside nats-server: the same load over raw
// sockets, one server pinned to one core, rounds interleaved, medians of ratios.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"dunlin/bench/internal/procfs"
	"dunlin/bench/internal/report"
	"dunlin/bench/internal/runner"
	"dunlin/bench/internal/scenario"
	"dunlin/bench/internal/target"
)

type options struct {
	set, rows, servers, out string
	readme, project         string // pages to renew, "" = none
	rounds, shrink          int
	warmup, duration, quiet time.Duration
	self, profile, list     bool
	source                  target.Source
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.set, "set", scenario.Core, "which table: "+strings.Join(scenario.Sets, ", "))
	f.StringVar(&o.rows, "rows", ".", "regular expression: play only the rows whose name matches")
	f.StringVar(&o.servers, "servers", "nats-server,dunlin", "what to measure: one, or two with the judged one last")
	f.BoolVar(&o.self, "self", false, "nats-server against itself: every ratio should be about 1")
	f.IntVar(&o.rounds, "rounds", 5, "rounds of each row")
	f.IntVar(&o.shrink, "shrink", 1, "divide counts of subscriptions and connections by this: for a quick look")
	f.DurationVar(&o.duration, "duration", time.Second, "measured time of a run (some rows take a multiple)")
	f.DurationVar(&o.warmup, "warmup", 300*time.Millisecond, "load before the clock starts")
	f.DurationVar(&o.quiet, "quiet", 0, "before a run, wait up to this long for other programs to be quiet")
	f.StringVar(&o.out, "out", "results", "folder for results.md, results.json, results.svg")
	updateReadme := f.Bool("update-readme", false, "replace the table in README.md of the working directory (that of the scaling set in ../docs/scaling.md) and the excerpt in ../README.md with this run's, which has to be of all rows, of both servers, not shrunk and not profiled")
	f.BoolVar(&o.profile, "profile", false, "take CPU and allocation profiles of the servers into -out (distorts the figures)")
	f.BoolVar(&o.list, "list", false, "print the rows and their floors, then stop")
	f.StringVar(&o.source.Cache, "cache", "", "folder for server binaries (default: dunlin-bench in the user's cache folder)")
	f.StringVar(&o.source.Checkout, "checkout", "", "dunlin's sources (default: found above the working directory)")
	f.StringVar(&o.source.NATSServer, "nats-server", "", "use this nats-server instead of installing "+target.NATSVersion)
	f.StringVar(&o.source.Dunlin, "dunlin", "", "use this dunlin instead of building it")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if *updateReadme {
		if o.rows != "." || o.self || o.servers != "nats-server,dunlin" || o.shrink > 1 || o.profile {
			return o, errors.New("-update-readme is for whole runs of both servers: leave out -rows, -self, -servers, -shrink and -profile")
		}
		o.readme, o.project = report.Page(o.set), "../README.md"
	}
	if o.self {
		o.servers = "nats-server,nats-server"
	}
	if n := strings.Count(o.servers, ","); n > 1 {
		return o, fmt.Errorf("-servers names %d servers: one or two can be measured", n+1)
	}
	if !slices.Contains(scenario.Sets, o.set) {
		return o, fmt.Errorf("there is no set %q: say one of %s", o.set, strings.Join(scenario.Sets, ", "))
	}
	if o.shrink < 1 {
		return o, errors.New("-shrink has to be 1 or more")
	}
	if o.rounds < 1 || o.duration <= 0 || o.warmup < 0 {
		return o, errors.New("-rounds and -duration have to be positive")
	}
	return o, nil
}

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	want, err := regexp.Compile(o.rows)
	if err != nil {
		return fmt.Errorf("-rows: %w", err)
	}
	var rows []scenario.Row
	for _, r := range scenario.Table(o.set) {
		if want.MatchString(r.Name) {
			r.Load.Count /= max(o.shrink, 1)
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return fmt.Errorf("no row matches %q; -list shows them", o.rows)
	}
	if o.list {
		return list(os.Stdout, rows)
	}
	var programs []target.Program
	for name := range strings.SplitSeq(o.servers, ",") {
		fmt.Fprintf(os.Stderr, "getting %s …\n", name)
		p, err := o.source.Get(strings.TrimSpace(name))
		if err != nil {
			return err
		}
		programs = append(programs, p)
	}
	return play(o, rows, programs)
}

func play(o options, rows []scenario.Row, programs []target.Program) error {
	// Interrupted once, it ends after the run and writes the rows it has; twice,
	// at once.
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	context.AfterFunc(ctx, cancel)
	rep := report.Report{
		When: time.Now().UTC().Truncate(time.Second), Set: o.set, Servers: programs, Revision: o.source.Revision(),
		Machine: report.Machine{Model: procfs.Model(), Cores: procfs.Cores(), Kernel: procfs.Kernel(), Go: runtime.Version(), Congestion: procfs.Congestion()},
		Rounds:  o.rounds, Warmup: o.warmup.Seconds(), Duration: o.duration.Seconds(), Profiled: o.profile,
		Shrunk: o.shrink,
	}
	ro := runner.Options{Rounds: o.rounds, Warmup: o.warmup, Duration: o.duration, Quiet: o.quiet}
	if o.profile {
		ro.Profile = o.out
	}
	screen := newScreen(os.Stdout, len(rows))
	ro.Progress = screen.step
	ro.Interrupted = func() bool { return ctx.Err() != nil }
	for _, row := range rows {
		r := report.RowOf(runner.Play(row, programs, ro))
		if ctx.Err() != nil && r.Error != "" {
			break
		}
		rep.Rows = append(rep.Rows, r)
		screen.row(r)
	}
	if err := write(o, rep); err != nil {
		return err
	}
	missed, broken := report.Failed(rep)
	screen.end(report.Folder(o.out, o.set), missed, broken)
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted: the results hold the rows played so far")
	case broken > 0:
		return fmt.Errorf("%d rows could not be measured", broken)
	}
	return nil
}

// Command watched measures what a loop of /connz?subs=1 does to messages.
//
// A server on one core has many idle connections with a subscription each, and
// from another core gets as many messages as it takes. Beside that a flow of a
// fixed rate is timed, in stretches with and without the loop, in turns: the
// ratio of neighbouring stretches says what the loop costs, even on a machine
// that is not quiet.
//
//	go run ./watched              # nats-server and dunlin
//	go run ./watched -control     # no loop in either stretch: how far to trust the machine
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"dunlin/bench/internal/procfs"
	"dunlin/bench/internal/stats"
	"dunlin/bench/internal/target"
)

type options struct {
	servers, query  string
	idle, pairs     int
	rate, rounds    int
	stretch         time.Duration
	control         bool
	loadFor         string // in the child: the address to put the load on
	source          target.Source
	serverCore, own int
}

func main() {
	o := options{serverCore: 0, own: 1}
	flag.StringVar(&o.servers, "servers", "nats-server,dunlin", "what to measure")
	flag.StringVar(&o.query, "query", "/connz?subs=1", "what is asked for in a loop")
	flag.IntVar(&o.idle, "idle", 10_000, "idle connections with one subscription")
	flag.IntVar(&o.pairs, "pairs", 4, "publishers that send as much as their subscriber takes")
	flag.IntVar(&o.rate, "rate", 2000, "messages a second of the flow that is timed")
	flag.IntVar(&o.rounds, "rounds", 7, "pairs of stretches")
	flag.DurationVar(&o.stretch, "stretch", 2*time.Second, "length of one")
	flag.BoolVar(&o.control, "control", false, "ask for nothing in either stretch")
	flag.StringVar(&o.loadFor, "load", "", "used by the program itself")
	flag.StringVar(&o.source.NATSServer, "nats-server", "", "use this nats-server instead of installing "+target.NATSVersion)
	flag.StringVar(&o.source.Dunlin, "dunlin", "", "use this dunlin instead of building it")
	flag.Parse()
	err := run(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "watched:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if o.loadFor != "" {
		return serveLoad(o.loadFor, o.pairs)
	}
	if procfs.Cores() < 2 {
		return errors.New("two cores are needed, one of them for the server alone")
	}
	for name := range strings.SplitSeq(o.servers, ",") {
		program, err := o.source.Get(name)
		if err != nil {
			return err
		}
		if err := o.measure(program); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// measure runs one server and prints what came out.
func (o *options) measure(program target.Program) error {
	s, err := o.start(program)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := procfs.Pin(o.own); err != nil {
		return err
	}
	for i := range o.idle {
		nc, err := join(s.addr, fmt.Sprintf("SUB idle.%d.> 1\r\n", i))
		if err != nil {
			return fmt.Errorf("idle connection %d: %w", i, err)
		}
		defer func() { _ = nc.Close() }()
	}
	load, err := o.startLoad(s.addr)
	if err != nil {
		return err
	}
	defer load.stop()
	f, err := startFlow(s.addr, o.rate)
	if err != nil {
		return err
	}
	w := newWatcher("http://" + s.web + o.query)
	defer w.stop()
	var quiet, watched []figures
	for range o.rounds {
		for _, on := range []bool{false, true} {
			w.on.Store(on && !o.control)
			time.Sleep(o.stretch / 10) // settles
			got, err := o.take(s, f, load, w)
			if err != nil {
				return err
			}
			fmt.Printf("%-12s %s\n", program.Name, got)
			if on {
				watched = append(watched, got)
			} else {
				quiet = append(quiet, got)
			}
		}
	}
	fmt.Printf("%-12s with the loop / without: p50 %.2f, p99 %.2f, p99.9 %.2f, throughput %.2f\n\n", program.Name,
		ratio(watched, quiet, 0), ratio(watched, quiet, 1), ratio(watched, quiet, 2), ratio(watched, quiet, 3))
	return nil
}

// figures of one stretch.
type figures struct {
	value   [4]float64 // p50, p99, p99.9 in µs; thousand messages a second
	busy    float64    // share of its core the server used
	answers float64    // a second
}

func (f figures) String() string {
	return fmt.Sprintf("p50 %6.0f µs, p99 %6.0f µs, p99.9 %6.0f µs, %5.0f k/s, %3.0f %% of the core, %.1f answers a second",
		f.value[0], f.value[1], f.value[2], f.value[3], 100*f.busy, f.answers)
}

func ratio(a, b []figures, at int) float64 {
	var r []float64
	for i := range a {
		r = append(r, a[i].value[at]/b[i].value[at])
	}
	return stats.Median(r)
}

func (o *options) take(s *server, f *flow, l *load, w *watcher) (figures, error) {
	var got figures
	msgs, err := l.count()
	if err != nil {
		return got, err
	}
	cpu, err := procfs.CPU(s.cmd.Process.Pid)
	if err != nil {
		return got, err
	}
	answers, start := w.answers.Load(), time.Now()
	f.take()
	time.Sleep(o.stretch)
	latency, elapsed := f.take(), time.Since(start)
	after, err := procfs.CPU(s.cmd.Process.Pid)
	if err != nil {
		return got, err
	}
	now, err := l.count()
	if err != nil {
		return got, err
	}
	if err := errors.Join(f.failed(), w.failed()); err != nil {
		return got, err
	}
	slices.Sort(latency)
	for i, q := range []float64{0.5, 0.99, 0.999} {
		got.value[i] = stats.Quantile(latency, q) / 1e3
	}
	got.value[3] = float64(now-msgs) / elapsed.Seconds() / 1e3
	got.busy = (after - cpu).Seconds() / elapsed.Seconds()
	got.answers = float64(w.answers.Load()-answers) / elapsed.Seconds()
	return got, nil
}

// server is one that runs, with a port for monitoring.
type server struct {
	cmd       *exec.Cmd
	dir       string
	addr, web string
}

func (o *options) start(program target.Program) (*server, error) {
	dir, err := os.MkdirTemp("", "watched")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir}
	var ports [2]net.Listener
	for i := range ports {
		if ports[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, err
		}
	}
	s.addr, s.web = ports[0].Addr().String(), ports[1].Addr().String()
	for _, l := range ports {
		_ = l.Close() // only its number was wanted
	}
	conf := filepath.Join(dir, "server.conf")
	text := fmt.Sprintf("listen: %q\nhttp: %q\nmax_connections: %d\n", s.addr, s.web, o.idle+100)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	s.cmd = exec.Command("taskset", "-c", fmt.Sprint(o.serverCore), program.Path, "-c", conf)
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for until := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		nc, err := join(s.addr, "")
		if err == nil {
			return s, nc.Close()
		}
		if time.Now().After(until) {
			s.stop()
			return nil, fmt.Errorf("it does not answer: %w", err)
		}
	}
}

func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.dir)
}

// failure is the first error of a goroutine that cannot return it.
type failure struct{ first atomic.Pointer[error] }

func (f *failure) set(err error) { f.first.CompareAndSwap(nil, &err) }

func (f *failure) failed() error {
	if err := f.first.Load(); err != nil {
		return *err
	}
	return nil
}

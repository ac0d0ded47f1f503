package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"dunlin/internal/base/task"
	"dunlin/internal/ops/config"
	"dunlin/internal/ops/dev"
	"dunlin/internal/ops/logging"
	"dunlin/server"
)

// devNodesMax keeps a slip of the finger from filling the machine: each node
// has connections to each other one.
const devNodesMax = 16

// devFlags is the command line behind "dunlin dev".
type devFlags struct {
	nodes, rate, port int
	host              string
	demo              bool
	debug, trace      bool
}

var devSections = []section{{"Flags", []flagHelp{
	{"--nodes", "<number>", "How many nodes, 1 to 16 (default: 3)"},
	{"--demo", "", "Publishers and subscribers on all nodes, and what they see"},
	{"--rate", "<number>", "Messages a second of each publisher of the demo, 0 as many as it can (default: 1000)"},
	{"-p, --port", "<port>", "Port for clients of the first node (default: 4222, -1: any that are free)"},
	{"-a, --addr", "<host>", "Address to listen on (default: 127.0.0.1)"},
	{"-D, --debug", "", "Log what helps to find mistakes"},
	{"-V, --trace", "", "Log the raw protocol"},
}}}

func printDevHelp(to *os.File) error {
	i := ink{logging.WantsColour(to)}
	var b strings.Builder
	fmt.Fprintf(&b, "%s dunlin dev [flags]\n", i.heading("Usage:"))
	b.WriteString(`
Starts a cluster on this machine, in one process, to see it work. Its nodes are
n1, n2 and so on; Ctrl-C stops them all, and nothing is left on disk. A port
that is taken is replaced by a free one: the table says which are used.
`)
	writeSections(&b, i, devSections)
	_, err := io.WriteString(to, b.String())
	return err
}

func parseDevFlags(args []string) (*devFlags, error) {
	f := new(devFlags)
	set := flag.NewFlagSet("", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	set.IntVar(&f.nodes, "nodes", 3, "")
	set.IntVar(&f.rate, "rate", 1000, "")
	set.BoolVar(&f.demo, "demo", false, "")
	for _, name := range []string{"p", "port"} {
		set.IntVar(&f.port, name, dev.FirstClient, "")
	}
	for _, name := range []string{"a", "addr"} {
		set.StringVar(&f.host, name, "127.0.0.1", "")
	}
	for _, name := range []string{"D", "debug"} {
		set.BoolVar(&f.debug, name, false, "")
	}
	for _, name := range []string{"V", "trace"} {
		set.BoolVar(&f.trace, name, false, "")
	}
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, fmt.Errorf("%s; dunlin dev --help lists the flags", strings.Replace(err.Error(), "parse error", "expected a number, or true or false for a switch", 1))
	}
	switch {
	case set.NArg() > 0:
		return nil, fmt.Errorf("unexpected word %q behind dunlin dev; dunlin dev --help lists the flags", set.Arg(0))
	case f.nodes < 1 || f.nodes > devNodesMax:
		return nil, fmt.Errorf("--nodes is %d; expected 1 to %d", f.nodes, devNodesMax)
	case f.rate < 0:
		return nil, fmt.Errorf("--rate is %d; expected 0, for as many as possible, or more", f.rate)
	case f.port < -1 || f.port > 65535:
		return nil, fmt.Errorf("--port is %d; expected 1 to 65535, or -1 for any free port", f.port)
	}
	return f, nil
}

// runDev runs a cluster in this process until a signal ends it.
func runDev(args []string, stdout *os.File) error {
	f, err := parseDevFlags(args)
	if errors.Is(err, flag.ErrHelp) {
		return printDevHelp(stdout)
	}
	if err != nil {
		return err
	}
	// A second Ctrl-C ends the process as if nobody listened: see stop below.
	interrupted, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	c := &devCluster{
		flags: f, ink: ink{logging.WantsColour(stdout)},
		screen: dev.NewScreen(stdout, logging.IsTerminal(stdout)),
	}
	if err := c.start(); err != nil {
		c.shutdown()
		return err
	}
	demo := task.NewGroup("demo")
	if err := c.show(demo); err != nil {
		demo.Close()
		c.shutdown()
		return err
	}
	<-interrupted.Done()
	stop()
	demo.Close()
	c.shutdown()
	return nil
}

// devCluster is the nodes of a cluster in this process.
type devCluster struct {
	flags  *devFlags
	ink    ink
	screen *dev.Screen
	ports  []dev.Ports
	nodes  []*server.Server
}

func (c *devCluster) start() error {
	first := dev.Ports{Client: c.flags.port, Cluster: dev.FirstCluster, Monitor: dev.FirstMonitor}
	if c.flags.port < 0 {
		first = dev.Ports{Client: -1, Cluster: -1, Monitor: -1}
	}
	var err error
	if c.ports, err = dev.Reserve(c.flags.host, c.flags.nodes, first); err != nil {
		return err
	}
	for i := range c.ports {
		node, err := server.New(c.options(i), server.WithLogger(logging.To(c.screen, logging.Prefixed{
			Prefix: c.paint(i, c.name(i)+" |") + " ", Colour: c.ink.on, Debug: c.flags.debug, Trace: c.flags.trace,
		})))
		if err != nil {
			return fmt.Errorf("%s: %w", c.name(i), err)
		}
		c.nodes = append(c.nodes, node)
	}
	for i, node := range c.nodes {
		if err := node.Start(); err != nil {
			return fmt.Errorf("%s: %w", c.name(i), err)
		}
	}
	return nil
}

// name is as long for all nodes, so that their lines are aligned.
func (c *devCluster) name(i int) string {
	return fmt.Sprintf("n%0*d", len(strconv.Itoa(c.flags.nodes)), i+1)
}

// devColours are those of the nodes, other than the ones of the levels.
var devColours = []string{"36", "35", "34", "33", "32", "96", "95", "94"}

func (c *devCluster) paint(i int, s string) string {
	return c.ink.paint(devColours[i%len(devColours)], s)
}

// options are those of one node. It dials those that run already, and they
// learn of it by that: to dial one that has not started yet would only fill
// the log with attempts.
func (c *devCluster) options(i int) *config.Options {
	o := config.New()
	o.ServerName = c.name(i)
	o.Host, o.Port, o.HTTPPort = c.flags.host, c.ports[i].Client, c.ports[i].Monitor
	o.Debug, o.Trace = c.flags.debug, c.flags.trace
	if len(c.ports) == 1 {
		return o
	}
	o.Cluster.Name, o.Cluster.Host, o.Cluster.Port = "dev", c.flags.host, c.ports[i].Cluster
	for _, p := range c.ports[:i] {
		o.Cluster.Routes = append(o.Cluster.Routes, &url.URL{Scheme: "nats", Host: c.address(p.Cluster)})
	}
	return o
}

// address is one that can be connected to from this machine.
func (c *devCluster) address(port int) string {
	host := c.flags.host
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// show prints where the nodes are, and starts the demo if there is one.
func (c *devCluster) show(demo *task.Group) error {
	rows := [][]string{{"node", "clients", "other servers", "monitoring"}}
	var targets []dev.Target
	for i, p := range c.ports {
		cluster := "nats://" + c.address(p.Cluster)
		if len(c.ports) == 1 {
			cluster = "-"
		}
		rows = append(rows, []string{c.name(i), c.nodes[i].ClientURL(), cluster, "http://" + c.address(p.Monitor)})
		targets = append(targets, dev.Target{Name: c.name(i), Address: c.address(p.Client)})
	}
	table := dev.Table(rows, func(row, column int, text string) string {
		switch {
		case row == 0:
			return c.ink.heading(text)
		case column == 0:
			return c.paint(row-1, text)
		}
		return text
	})
	more := "Ctrl-C stops them all; dunlin dev --demo shows traffic."
	if c.flags.demo {
		more = "Ctrl-C stops them all."
	}
	if _, err := fmt.Fprintf(c.screen, "\n%s\n%s\n\n", table, more); err != nil {
		return err
	}
	if c.flags.demo {
		return dev.StartDemo(demo, c.screen, targets, c.flags.rate)
	}
	return nil
}

// shutdown stops all nodes at the same time: one after the other, the rest
// would try to reach those that have gone.
func (c *devCluster) shutdown() {
	group := task.NewGroup("shutdown")
	for _, node := range c.nodes {
		group.Go("node", func(context.Context) { node.Shutdown() })
	}
	group.Wait()
}

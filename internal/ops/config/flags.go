package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"

	"dunlin/internal/base/tlsconf"
	"dunlin/internal/proto/conflang"
)

// Flags is a command line that was read.
type Flags struct {
	ConfigFile string // -c
	Test       bool   // -t: check the configuration and exit
	Signal     string // -sl: "signal" or "signal=pid", for another process
	Version    bool
	Help       bool
	HelpTLS    bool

	given []*givenFlag // what changes options, in the order of the command line
}

// givenFlag is one flag of the command line with its value.
type givenFlag struct {
	def   *flagDef
	name  string // as written
	text  string
	on    bool
	count int
}

// flagDef is one flag under all its names.
type flagDef struct {
	names []string
	kind  conflang.Kind // String, Int or Bool
	later string
	apply func(o *Options, g *givenFlag) error
	// places are what the flag says instead of the file: see Options.places.
	places []string
}

// sets names the keys that the flag overrides, so that a mistake in one is
// shown to be the flag's.
func (d *flagDef) sets(places ...string) *flagDef {
	d.places = places
	return d
}

// dashed is the flag as a user writes it.
func (g *givenFlag) dashed() string {
	if len(g.name) < 3 {
		return "-" + g.name
	}
	return "--" + g.name
}

var tlsFlags = []string{"tls", "tlscert", "tlskey", "tlsverify", "tlscacert"}

// optionFlags are the flags that change options; all can be written with one
// dash or two.
var optionFlags = []*flagDef{
	text(func(o *Options) *string { return &o.Host }, "a", "addr", "net"),
	number(func(o *Options, n int) { o.Port = n }, "p", "port").sets("port"),
	text(func(o *Options) *string { return &o.ServerName }, "n", "name", "server_name").sets("server_name"),
	text(func(o *Options) *string { return &o.PidFile }, "P", "pid"),
	number(func(o *Options, n int) { o.HTTPPort = n }, "m", "http_port").sets("http_port"),
	number(func(o *Options, n int) { o.HTTPSPort = n }, "ms", "https_port").sets("https_port"),
	text(func(o *Options) *string { return &o.ClientAdvertise }, "client_advertise").sets("client_advertise"),
	text(func(o *Options) *string { return &o.PortsFileDir }, "ports_file_dir"),
	text(func(o *Options) *string { return &o.LogFile }, "l", "log"),
	toggle(func(o *Options, on bool) { o.LogTime = on }, "T", "logtime"),
	toggle(func(o *Options, on bool) { o.LogTimeUTC = on }, "logtime_utc"),
	toggle(func(o *Options, on bool) { o.Syslog = on }, "s", "syslog"),
	text(func(o *Options) *string { return &o.RemoteSyslog }, "r", "remote_syslog"),
	toggle(func(o *Options, on bool) { o.Debug = on }, "D", "debug"),
	toggle(func(o *Options, on bool) { o.Trace = on }, "V", "trace"),
	toggle(func(o *Options, on bool) { o.Trace, o.TraceVerbose = on, on }, "VV"),
	toggle(func(o *Options, on bool) { o.Debug, o.Trace = on, on }, "DV"),
	toggle(func(o *Options, on bool) { o.Debug, o.Trace, o.TraceVerbose = on, on, on }, "DVV"),
	number(func(o *Options, n int) { o.LogSizeLimit = int64(n) }, "log_size_limit"),
	number(func(o *Options, n int) { o.MaxTracedMsgLen = n }, "max_traced_msg_len"),
	text(func(o *Options) *string { return &o.Auth.Username }, "user"),
	text(func(o *Options) *string { return &o.Auth.Password }, "pass"),
	text(func(o *Options) *string { return &o.Auth.Token }, "auth"),
	number(func(o *Options, n int) { o.ProfPort = n }, "profile").sets("prof_port"),
	toggle(func(o *Options, on bool) {
		if !on {
			o.TLS = nil
		}
	}, "tls"),
	text(func(o *Options) *string { return &tlsOf(o).CertFile }, "tlscert"),
	text(func(o *Options) *string { return &tlsOf(o).KeyFile }, "tlskey"),
	text(func(o *Options) *string { return &tlsOf(o).CAFile }, "tlscacert"),
	toggle(func(o *Options, on bool) { tlsOf(o).Verify = on }, "tlsverify"),
	laterFlag(laterJetStream, conflang.Bool, func(o *Options, g *givenFlag) error { o.JetStream = g.on; return nil }, "js", "jetstream"),
	laterFlag(laterJetStream, conflang.String, func(o *Options, g *givenFlag) error { o.StoreDir = g.text; return nil }, "sd", "store_dir"),
	clusterFlag(setClusterListen, conflang.String, "cluster_listen", "cluster").sets("cluster.host", "cluster.port"),
	clusterFlag(setClusterRoutes, conflang.String, "routes").sets("cluster.routes"),
	clusterFlag(func(c *Cluster, g *givenFlag) error { c.Name = g.text; return nil }, conflang.String, "cluster_name").sets("cluster.name"),
	clusterFlag(func(c *Cluster, g *givenFlag) error { c.Advertise = g.text; return nil }, conflang.String, "cluster_advertise").sets("cluster.cluster_advertise"),
	clusterFlag(func(c *Cluster, g *givenFlag) error { c.NoAdvertise = g.on; return nil }, conflang.Bool, "no_advertise"),
	clusterFlag(func(c *Cluster, g *givenFlag) error { c.ConnectRetries = g.count; return nil }, conflang.Int, "connect_retries"),
}

func text(field func(o *Options) *string, names ...string) *flagDef {
	return &flagDef{names: names, kind: conflang.String, apply: func(o *Options, g *givenFlag) error {
		*field(o) = g.text
		return nil
	}}
}

func number(set func(o *Options, n int), names ...string) *flagDef {
	return &flagDef{names: names, kind: conflang.Int, apply: func(o *Options, g *givenFlag) error {
		set(o, g.count)
		return nil
	}}
}

func toggle(set func(o *Options, on bool), names ...string) *flagDef {
	return &flagDef{names: names, kind: conflang.Bool, apply: func(o *Options, g *givenFlag) error {
		set(o, g.on)
		return nil
	}}
}

func laterFlag(area string, kind conflang.Kind, apply func(o *Options, g *givenFlag) error, names ...string) *flagDef {
	return &flagDef{names: names, kind: kind, later: area, apply: apply}
}

func tlsOf(o *Options) *tlsconf.Options {
	if o.TLS == nil {
		o.TLS = new(tlsconf.Options)
	}
	return o.TLS
}

// FlagNames are all names that ParseFlags knows, for a help text to be
// compared with.
func FlagNames() [][]string {
	f, values := new(Flags), [][]string{}
	for _, d := range f.own() {
		values = append(values, d.names)
	}
	for _, d := range optionFlags {
		values = append(values, d.names)
	}
	return values
}

type ownFlag struct {
	names []string
	dst   any
}

func (f *Flags) own() []ownFlag {
	return []ownFlag{
		{[]string{"c", "config"}, &f.ConfigFile},
		{[]string{"t"}, &f.Test},
		{[]string{"sl", "signal"}, &f.Signal},
		{[]string{"v", "version"}, &f.Version},
		{[]string{"h", "help"}, &f.Help},
		{[]string{"help_tls"}, &f.HelpTLS},
	}
}

// ParseFlags reads a command line, without the name of the program. Behind the
// flags the words version and help may stand. The error is for the user: it
// names the flag and what was expected.
func ParseFlags(args []string) (*Flags, error) {
	f := new(Flags)
	set := flag.NewFlagSet("", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Usage = func() {}
	for _, own := range f.own() {
		for _, n := range own.names {
			switch dst := own.dst.(type) {
			case *bool:
				set.BoolVar(dst, n, false, "")
			case *string:
				set.StringVar(dst, n, "", "")
			}
		}
	}
	found := make(map[string]*givenFlag)
	for _, d := range optionFlags {
		for _, n := range d.names {
			g := &givenFlag{def: d, name: n}
			found[n] = g
			switch d.kind {
			case conflang.Bool:
				set.BoolVar(&g.on, n, false, "")
			case conflang.Int:
				set.IntVar(&g.count, n, 0, "")
			default:
				set.StringVar(&g.text, n, "", "")
			}
		}
	}
	if err := set.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			f.Help = true
			return f, nil
		}
		return nil, fmt.Errorf("%s; dunlin --help lists the flags", strings.Replace(err.Error(), "parse error", "expected a number, or true or false for a switch", 1))
	}
	for _, word := range set.Args() {
		switch strings.ToLower(word) {
		case "version":
			f.Version = true
		case "help":
			f.Help = true
		default:
			return nil, fmt.Errorf("unexpected word %q behind the flags; dunlin --help lists the flags", word)
		}
	}
	f.collect(set, found)
	if f.Test && f.ConfigFile == "" && !f.Help && !f.Version {
		return nil, errors.New("-t checks a configuration file, and none is named; expected -c <file>, too")
	}
	return f, nil
}

// collect keeps what was given, short flags of a family first: -V before -VV
// must not undo it, so the order is that of the table, not that of the line.
func (f *Flags) collect(set *flag.FlagSet, found map[string]*givenFlag) {
	given := make(map[string]bool)
	set.Visit(func(one *flag.Flag) { given[one.Name] = true })
	for _, d := range optionFlags {
		for _, n := range d.names {
			if given[n] {
				f.given = append(f.given, found[n])
			}
		}
	}
}

// Given says whether one of these flags stood on the command line.
func (f *Flags) Given(names ...string) bool {
	return slices.ContainsFunc(f.given, func(g *givenFlag) bool { return slices.Contains(names, g.name) })
}

// Apply lets the command line override options. Areas that are not served yet
// are recorded as with a file. The error is of type *Problems, one for each
// flag that makes no sense.
func (f *Flags) Apply(o *Options) error {
	if f.ConfigFile != "" && o.ConfigFile == "" {
		o.ConfigFile = f.ConfigFile
	}
	bad := new(Problems)
	for _, g := range f.given {
		at := conflang.Pos{File: g.dashed()}
		if g.def.apply != nil {
			if err := g.def.apply(o, g); err != nil {
				bad.List = append(bad.List, Problem{at, err.Error()})
			}
		}
		for _, place := range g.def.places {
			if o.places == nil {
				o.places = make(map[string]conflang.Pos)
			}
			o.places[place] = at
		}
		if g.def.later != "" && (g.def.kind != conflang.Bool || g.on) {
			path := "--" + g.def.names[len(g.def.names)-1]
			o.Later = append(o.Later, path)
			o.LaterKeys = append(o.LaterKeys, LaterKey{Path: path, Area: g.def.later, digest: g.text})
		}
	}
	if f.Given("routes") && len(o.Cluster.Routes) > 0 && !o.Cluster.Enabled() && len(bad.List) == 0 {
		bad.List = append(bad.List, Problem{conflang.Pos{File: "--routes"}, "routes need a listener for other servers; expected --cluster nats://host:port, too"})
	}
	if len(bad.List) > 0 {
		return bad
	}
	return f.applyTLS(o)
}

// applyTLS looks at what the flags made of the TLS of clients.
func (f *Flags) applyTLS(o *Options) error {
	if !f.Given(tlsFlags...) || o.TLS == nil && !f.switchedOn("tls") {
		return nil
	}
	t := tlsOf(o)
	switch {
	case len(t.Certs) > 0 && !f.Given("tlscert", "tlskey"):
	case t.CertFile == "":
		return errors.New("TLS is asked for without a certificate; expected --tlscert <file>")
	case t.KeyFile == "":
		return errors.New("TLS is asked for without the key of the certificate; expected --tlskey <file>")
	}
	return checkTLSFiles(t)
}

func (f *Flags) switchedOn(name string) bool {
	return slices.ContainsFunc(f.given, func(g *givenFlag) bool { return g.name == name && g.on })
}

// checkTLSFiles reads the files, as for a tls block.
func checkTLSFiles(t *tlsconf.Options) error {
	r := &reader{o: New()}
	r.checkTLS(&tlsBlock{Options: *t})
	if len(r.problems) == 0 {
		return nil
	}
	return &Problems{r.problems}
}

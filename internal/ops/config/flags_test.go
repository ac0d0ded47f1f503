package config

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestFlagsOverrideTheFile(t *testing.T) {
	dir := t.TempDir()
	makeCertificates(t, dir)
	cert, key := filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key")
	const file = `port: 1, host: h, debug: on, logtime: on, server_name: f, http: 2, max_traced_msg_len: 3`
	for _, test := range []struct {
		args string
		want func(o *Options) bool
	}{
		{"", func(o *Options) bool { return o.Port == 1 && o.Host == "h" && o.Debug && o.LogTime && o.HTTPPort == 2 }},
		{"-p 5 -a x", func(o *Options) bool { return o.Port == 5 && o.Host == "x" }},
		{"--port=-1 --addr x", func(o *Options) bool { return o.Port == -1 && o.Host == "x" }},
		{"--net x", func(o *Options) bool { return o.Host == "x" }},
		{"-D=false -T=false", func(o *Options) bool { return !o.Debug && !o.LogTime }},
		{"-V", func(o *Options) bool { return o.Trace && !o.TraceVerbose }},
		{"-V -VV", func(o *Options) bool { return o.Trace && o.TraceVerbose }},
		{"-VV -V", func(o *Options) bool { return o.Trace && o.TraceVerbose }},
		{"-DV", func(o *Options) bool { return o.Debug && o.Trace && !o.TraceVerbose }},
		{"-DVV", func(o *Options) bool { return o.Debug && o.Trace && o.TraceVerbose }},
		{"-n a", func(o *Options) bool { return o.ServerName == "a" }},
		{"--name a", func(o *Options) bool { return o.ServerName == "a" }},
		{"--server_name a", func(o *Options) bool { return o.ServerName == "a" }},
		{"-P f --ports_file_dir d", func(o *Options) bool { return o.PidFile == "f" && o.PortsFileDir == "d" }},
		{"-m 7 -ms 8", func(o *Options) bool { return o.HTTPPort == 7 && o.HTTPSPort == 8 }},
		{"-l f --logtime_utc -s -r udp://h", func(o *Options) bool {
			return o.LogFile == "f" && o.LogTimeUTC && o.Syslog && o.RemoteSyslog == "udp://h"
		}},
		{"--log_size_limit 9 --max_traced_msg_len 8", func(o *Options) bool { return o.LogSizeLimit == 9 && o.MaxTracedMsgLen == 8 }},
		{"--user u --pass p", func(o *Options) bool { return o.Auth.Username == "u" && o.Auth.Password == "p" }},
		{"-auth t --profile 6", func(o *Options) bool { return o.Auth.Token == "t" && o.ProfPort == 6 }},
		{"--client_advertise a:1", func(o *Options) bool { return o.ClientAdvertise == "a:1" }},
		{"-js -sd /d", func(o *Options) bool {
			return o.JetStream && o.StoreDir == "/d" && slices.Equal(o.Later, []string{"--jetstream", "--store_dir"})
		}},
		{"-js=false", func(o *Options) bool { return !o.JetStream && len(o.Later) == 0 }},
		{"--tls --tlscert " + cert + " --tlskey " + key, func(o *Options) bool { return o.TLS.CertFile == cert && !o.TLS.Verify }},
		{"--tlsverify --tlscert " + cert + " --tlskey " + key + " --tlscacert " + cert, func(o *Options) bool { return o.TLS.Verify && o.TLS.CAFile == cert }},
	} {
		f, err := ParseFlags(strings.Fields(test.args))
		if err != nil {
			t.Errorf("%s: %v", test.args, err)
			continue
		}
		o, err := Parse("x.conf", []byte(file))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Apply(o); err != nil {
			t.Errorf("%s: %v", test.args, err)
		} else if !test.want(o) {
			t.Errorf("%s: got %+v", test.args, o)
		}
	}
}

func TestFlagsThatAskForSomethingElse(t *testing.T) {
	for args, want := range map[string]Flags{
		"-v":                     {Version: true},
		"--version":              {Version: true},
		"version":                {Version: true},
		"-h":                     {Help: true},
		"--help":                 {Help: true},
		"-c x help":              {Help: true, ConfigFile: "x"},
		"--help_tls":             {HelpTLS: true},
		"-t -c x":                {Test: true, ConfigFile: "x"},
		"--config=x":             {ConfigFile: "x"},
		"-sl reload=7":           {Signal: "reload=7"},
		"--signal ldm=/run/*pid": {Signal: "ldm=/run/*pid"},
	} {
		f, err := ParseFlags(strings.Fields(args))
		if err != nil {
			t.Errorf("%s: %v", args, err)
		} else if !reflect.DeepEqual(*f, want) {
			t.Errorf("%s: got %+v", args, f)
		}
	}
}

func TestWrongFlags(t *testing.T) {
	for args, want := range map[string]string{
		"-p":            "needs an argument",
		"-p x":          "expected a number",
		"-nope":         "-nope",
		"serve":         `unexpected word "serve"`,
		"-t":            "expected -c",
		"-D=maybe":      "switch",
		"--p 1 extra 2": `"extra"`,
	} {
		if _, err := ParseFlags(strings.Fields(args)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
	for args, want := range map[string]string{
		"--tls":                           "expected --tlscert",
		"--tlsverify":                     "expected --tlscert",
		"--tlscert x":                     "expected --tlskey",
		"--tls --tlscert no --tlskey no2": "no such file",
	} {
		f, err := ParseFlags(strings.Fields(args))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Apply(New()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

// The names of nats-server 2.15.2's help.
func TestAllFlagsAreKnown(t *testing.T) {
	var known []string
	for _, names := range FlagNames() {
		known = append(known, names...)
	}
	for _, name := range strings.Fields(`a addr net p port n name server_name P pid m http_port ms https_port c config t sl signal
		client_advertise ports_file_dir l log T logtime logtime_utc s syslog r remote_syslog D debug V trace VV DV DVV
		log_size_limit max_traced_msg_len js jetstream sd store_dir user pass auth tls tlscert tlskey tlsverify tlscacert
		routes cluster cluster_name no_advertise cluster_advertise connect_retries cluster_listen profile h help v version help_tls`) {
		if !slices.Contains(known, name) {
			t.Errorf("the flag %s is not known", name)
		}
	}
}

// What nats-server does with each of these was tried with 2.15.2.
func TestClusterFlags(t *testing.T) {
	const file = `cluster { name: f, listen: "h:1", authorization { user: u, password: p }, routes: ["nats://f:1"] }`
	for _, test := range []struct {
		args string
		want func(c *Cluster) bool
	}{
		{"", func(c *Cluster) bool { return c.Port == 1 && c.Username == "u" && len(c.Routes) == 1 }},
		{"--cluster nats://x:2", func(c *Cluster) bool {
			return c.Host == "x" && c.Port == 2 && c.Username == "" && c.Password == "" && c.Name == "f" && len(c.Routes) == 1
		}},
		{"--cluster_listen nats://a:b@x:-1", func(c *Cluster) bool {
			return c.Host == "x" && c.Port == -1 && c.Username == "a" && c.Password == "b"
		}},
		{"-cluster nats://[::1]:2", func(c *Cluster) bool { return c.Host == "::1" && c.Port == 2 }},
		{"--cluster=", func(c *Cluster) bool { return !c.Enabled() }},
		{"--routes nats://a:1,,nats://b:c@d:2", func(c *Cluster) bool {
			return len(c.Routes) == 2 && c.Routes[0].Host == "a:1" && c.Routes[1].User.Username() == "b"
		}},
		{"--routes=", func(c *Cluster) bool { return len(c.Routes) == 1 && c.Routes[0].Host == "f:1" }},
		{"--cluster_name c --cluster_advertise y:3 --no_advertise --connect_retries 5", func(c *Cluster) bool {
			return c.Name == "c" && c.Advertise == "y:3" && c.NoAdvertise && c.ConnectRetries == 5 && c.Port == 1
		}},
		{"--no_advertise=false", func(c *Cluster) bool { return !c.NoAdvertise }},
	} {
		f, err := ParseFlags(strings.Fields(test.args))
		if err != nil {
			t.Errorf("%s: %v", test.args, err)
			continue
		}
		o, err := Parse("x.conf", []byte(file))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Apply(o); err != nil {
			t.Errorf("%s: %v", test.args, err)
		} else if !test.want(&o.Cluster) || len(o.Later) > 0 {
			t.Errorf("%s: got %+v", test.args, o.Cluster)
		}
	}
}

func TestWrongClusterFlags(t *testing.T) {
	const secret = "hunter2"
	for args, want := range map[string]string{
		"--cluster 127.0.0.1:6222":                             "--cluster: is no URL; expected the form nats://user:password@host:port",
		"--cluster nats://h":                                   "--cluster: nats://h has no port; expected the form nats://user:password@host:port",
		"--cluster nats://u@h:1":                               "--cluster: has a user without a password; expected the form nats://user:password@host:port",
		"--cluster nats://u:" + secret + "@h:x":                "--cluster: is no URL; expected the form nats://user:password@host:port",
		"--routes nats://a:1":                                  "--routes: routes need a listener for other servers; expected --cluster nats://host:port, too",
		"--cluster nats://h:1 --routes nats://a:1,nats://b:x":  "--routes: URL 2 is none with a host; expected the form nats://host:port",
		"--cluster nats://h:1 --routes a:" + secret + "@b:1":   "--routes: URL 1 is none with a host; expected the form nats://host:port",
		"--cluster nats://h --routes x":                        "--cluster: nats://h has no port; expected the form nats://user:password@host:port\n--routes: URL 1 is none with a host; expected the form nats://host:port",
		"--cluster nats://h:70000":                             "--cluster: cluster.port is 70000; expected 1 to 65535, or -1 for any free port",
		"--cluster_name=_ --cluster nats://h:1":                "--cluster_name: cluster.name: the name _ is reserved; expected another one",
		"--cluster_advertise a:b:c --cluster nats://h:1 -p -2": "-p: port is -2; expected 1 to 65535, or -1 for any free port\n--cluster_advertise: cluster.cluster_advertise is \"a:b:c\"; expected \"host\" or \"host:port\"",
	} {
		f, err := ParseFlags(strings.Fields(args))
		if err != nil {
			t.Errorf("%s: %v", args, err)
			continue
		}
		o := New()
		if err = f.Apply(o); err == nil {
			o.SetDefaults()
			err = o.Validate()
		}
		if err == nil || err.Error() != want {
			t.Errorf("%s: got\n%v\nwant\n%s", args, err, want)
		}
	}
}

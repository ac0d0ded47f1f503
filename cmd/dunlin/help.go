package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"dunlin/internal/base/tlsconf"
	"dunlin/internal/ops/logging"
)

// flag is one line of the help.
type flagHelp struct {
	names string // "-p, --port"
	value string // "<port>", "" for a switch
	text  string
}

type section struct {
	title string
	flags []flagHelp
}

// sections are all flags. A test compares them with what is accepted.
var sections = []section{
	{"Server", []flagHelp{
		{"-a, --addr, --net", "<host>", "Listen for clients on this address (default: all)"},
		{"-p, --port", "<port>", "Listen for clients on this port (default: 4222, -1: any that is free)"},
		{"-n, --name, --server_name", "<name>", "Name of the server (default: its id)"},
		{"-c, --config", "<file>", "Configuration file; flags win over it"},
		{"-t", "", "Check the configuration file and exit"},
		{"-P, --pid", "<file>", "Write the process id to this file"},
		{"--ports_file_dir", "<dir>", "Write dunlin_<pid>.ports, with all URLs, to this directory"},
		{"--client_advertise", "<host:port>", "Where clients are told to connect to"},
		{"-sl, --signal", "<signal>[=<pid>]", "Signal a running server: reload, reopen (log), ldm (lame duck),\nterm, quit or stop (kill). <pid> may be a process id, the beginning\nof some (12*), a pid file, or a pattern of pid files"},
	}},
	{"Monitoring", []flagHelp{
		{"-m, --http_port", "<port>", "Answer monitoring requests (/varz, /connz, /metrics, ...) over HTTP"},
		{"-ms, --https_port", "<port>", "The same over HTTPS"},
		{"--profile", "<port>", "Serve Go profiles (net/http/pprof)"},
	}},
	{"Logging", []flagHelp{
		{"-l, --log", "<file>", "Log to this file instead of standard error"},
		{"--log_size_limit", "<bytes>", "Rotate the log file when it is larger (default: never)"},
		{"-T, --logtime", "", "Begin each line with the time (default: true)"},
		{"--logtime_utc", "", "Time in UTC instead of local time"},
		{"-s, --syslog", "", "Log to the local syslog"},
		{"-r, --remote_syslog", "<url>", "Log to a remote syslog, udp://host:514 or tcp://host:514"},
		{"-D, --debug", "", "Log what helps to find mistakes"},
		{"-V, --trace", "", "Log the raw protocol"},
		{"-VV", "", "Log the raw protocol, the system account's included"},
		{"-DV", "", "-D and -V"},
		{"-DVV", "", "-D and -VV"},
		{"--max_traced_msg_len", "<bytes>", "Longest payload that is logged (default: all of it)"},
	}},
	{"Who may connect", []flagHelp{
		{"--user", "<name>", "User that clients must name"},
		{"--pass", "<password>", "Password of that user"},
		{"--auth", "<token>", "Token that clients must show"},
	}},
	{"TLS", []flagHelp{
		{"--tls", "", "Require TLS"},
		{"--tlscert", "<file>", "Certificate of the server"},
		{"--tlskey", "<file>", "Key of that certificate"},
		{"--tlsverify", "", "Require TLS, and a certificate of each client"},
		{"--tlscacert", "<file>", "Authorities that client certificates are checked with"},
	}},
	{"JetStream (accepted, not served yet)", []flagHelp{
		{"-js, --jetstream", "", "Enable JetStream"},
		{"-sd, --store_dir", "<dir>", "Keep streams in this directory"},
	}},
	{"Cluster", []flagHelp{
		{"--routes", "<url,url>", "Servers to connect to"},
		{"--cluster, --cluster_listen", "<url>", "Listen for other servers, nats://host:port"},
		{"--cluster_name", "<name>", "Name of the cluster"},
		{"--cluster_advertise", "<host:port>", "Where other servers are told to connect to"},
		{"--no_advertise", "", "Do not tell clients about other servers"},
		{"--connect_retries", "<number>", "How often to try a server that was only heard of"},
	}},
	{"Common", []flagHelp{
		{"-h, --help", "", "Show this text"},
		{"--help_tls", "", "Explain the tls block of the configuration"},
		{"-v, --version", "", "Show the version"},
	}},
}

// ink paints, where what is written will be seen on a terminal.
type ink struct{ on bool }

func (i ink) paint(code, s string) string {
	if !i.on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (i ink) heading(s string) string { return i.paint("1", s) }
func (i ink) flag(s string) string    { return i.paint("32", s) }
func (i ink) value(s string) string   { return i.paint("33", s) }

func printHelp(to *os.File) error {
	return writeHelp(to, ink{logging.WantsColour(to)})
}

func writeHelp(w io.Writer, i ink) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s dunlin [flags]\n", i.heading("Usage:"))
	b.WriteString("       dunlin dev [--nodes 3] [--demo]  a cluster on this machine, to try things\n\n")
	b.WriteString("A messaging server for NATS clients. Without flags it serves on port 4222.\n")
	writeSections(&b, i, sections)
	_, err := io.WriteString(w, b.String())
	return err
}

func writeSections(b *strings.Builder, i ink, list []section) {
	width := 0
	for _, s := range list {
		for _, f := range s.flags {
			width = max(width, f.width())
		}
	}
	for _, s := range list {
		fmt.Fprintf(b, "\n%s\n", i.heading(s.title))
		for _, f := range s.flags {
			pad := strings.Repeat(" ", width-f.width())
			indent := "\n" + strings.Repeat(" ", width+4)
			fmt.Fprintf(b, "  %s%s  %s\n", f.paint(i), pad, strings.ReplaceAll(f.text, "\n", indent))
		}
	}
}

func (f *flagHelp) width() int { return len(f.paint(ink{})) }

// paint writes the flag with long names under each other: flags without a
// short name are indented by the room of one.
func (f *flagHelp) paint(i ink) string {
	var b strings.Builder
	if strings.HasPrefix(f.names, "--") {
		b.WriteString("    ")
	}
	for n, name := range strings.Split(f.names, ", ") {
		if n > 0 {
			b.WriteString(", ")
		}
		b.WriteString(i.flag(name))
	}
	if f.value != "" {
		b.WriteString(" " + i.value(f.value))
	}
	return b.String()
}

func printHelpTLS(to *os.File) error {
	var names strings.Builder
	for _, list := range []struct {
		title string
		names []string
	}{{"cipher_suites, the weak ones last:", tlsconf.CipherNames()}, {"curve_preferences:", tlsconf.CurveNames()}} {
		fmt.Fprintf(&names, "\nNames for %s\n", list.title)
		for _, name := range list.names {
			fmt.Fprintf(&names, "    %s\n", name)
		}
	}
	_, err := io.WriteString(to, `The tls block of a configuration file makes the server speak TLS:

    tls {
        cert_file: "server.pem"     # certificate, with its chain
        key_file:  "server.key"
        ca_file:   "clients.pem"    # authorities of client certificates
        verify:    true             # every client must show a certificate
        timeout:   2                # seconds a handshake may take
    }

Further keys: verify_and_map takes the user from the client's certificate;
pinned_certs lists the only ones accepted, by the SHA-256 of their public key;
handshake_first expects TLS before the first line of the protocol;
min_version is "1.2" or "1.3"; connection_rate_limit bounds the handshakes a
second; certs lists several pairs of cert_file and key_file.

cipher_suites (of TLS 1.2) and curve_preferences list names, for example:

    tls {
        cipher_suites:     [ "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" ]
        curve_preferences: [ "X25519MLKEM768", "X25519" ]
    }
`+names.String())
	return err
}

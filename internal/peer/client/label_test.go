package client_test

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"

	"dunlin/internal/proto/sysapi"
)

// TestLabel: lines of the log name a client by its address, its number, and
// what it says of itself, which cannot break the line.
func TestLabel(t *testing.T) {
	for connect, want := range map[string]string{
		`{}`: "",
		`{"lang":"go","version":"1.2.3","name":"me"}`: ` - "v1.2.3:go:me"`,
		`{"name":"me"}`:                ` - "me"`,
		`{"lang":"go"}`:                ` - "go"`,
		`{"version":"1"}`:              ` - "v1"`,
		`{"name":"a\nb\"c\u0007"}`:     ` - "a\nb\"c\a"`,
		`{"name":"\u001b[31m","x":{}}`: ` - "\x1b[31m"`,
	} {
		ours, theirs := tcpPair(t)
		p := serveOn(t, ours, theirs, nil, nil)
		p.ReadInfo()
		before := fmt.Sprintf("%s - cid:7", theirs.LocalAddr())
		if got := p.served.Label(); got != before {
			t.Errorf("before CONNECT: %q, want %q", got, before)
		}
		p.Send("CONNECT %s\r\n", connect)
		p.Want("+OK")
		if got := p.served.Label(); got != before+want {
			t.Errorf("%s: %q, want %q", connect, got, before+want)
		}
		p.Send("FOO\r\n")
		p.Rest()
		p.host.end(t, sysapi.ProtocolViolation)
		for _, line := range p.host.log.Lines() {
			if strings.ContainsAny(line, "\n\x1b\a") {
				t.Errorf("%s: a line of the log is %q", connect, line)
			}
		}
	}
}

func tcpPair(t *testing.T) (ours, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if theirs, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if ours, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

// TestHostileTexts: a subject or a name of the client's choice reaches the log
// quoted.
func TestHostileTexts(t *testing.T) {
	ours, theirs := tcpPair(t)
	p := serveOn(t, ours, theirs, []string{"a"}, nil)
	p.ReadInfo()
	name, err := json.Marshal("evil\r\n[INF] all is well\x1b[2J")
	if err != nil {
		t.Fatal(err)
	}
	p.Send("CONNECT {\"verbose\":false,\"user\":%s,\"name\":%s}\r\n", name, name)
	p.Want("-ERR 'Authorization Violation'")
	p.Rest()
	p.host.end(t, sysapi.AuthenticationViolation)
	for _, line := range p.host.log.Lines() {
		if strings.ContainsAny(line, "\r\n\x1b") {
			t.Errorf("a line of the log is %q", line)
		}
	}
}

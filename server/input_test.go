package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dunlin/internal/testkit"
	"dunlin/server"
)

// badInput is something no client should send, and what becomes of it.
type badInput struct {
	send   string
	answer []string // before the connection closes
	reason string   // in /connz?state=closed; "" = the connection stays
	raw    bool     // sent instead of CONNECT
}

const (
	unknownOp   = "-ERR 'Unknown Protocol Operation'"
	controlLine = "-ERR 'maximum control line exceeded'"
	tooLarge    = "-ERR 'Maximum Payload Violation'"

	protocol = "Protocol Violation"
	longLine = "Maximum Control Line Exceeded"
	payload  = "Maximum Message Payload Exceeded"
)

var badInputs = map[string]badInput{
	"unknown verb":     {send: "FOO\r\n", answer: []string{unknownOp}, reason: protocol},
	"bare newline":     {send: "\n", answer: []string{unknownOp}, reason: protocol},
	"bare newlines":    {send: "\r\n\r\n\r\n", answer: []string{unknownOp}, reason: protocol},
	"half a verb":      {send: "PU\r\n", answer: []string{unknownOp}, reason: protocol},
	"blank first":      {send: " PING\r\n", answer: []string{unknownOp}, reason: protocol},
	"zero bytes":       {send: "\x00\x01\x02\r\n", answer: []string{unknownOp}, reason: protocol},
	"HTTP":             {send: "GET / HTTP/1.1\r\nHost: x\r\n\r\n", answer: []string{unknownOp}, reason: protocol, raw: true},
	"TLS in clear":     {send: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", answer: []string{unknownOp}, reason: protocol, raw: true},
	"a server's words": {send: "RS+ $G foo\r\n", answer: []string{unknownOp}, reason: protocol},

	"no size":         {send: "PUB foo\r\n", reason: protocol},
	"negative size":   {send: "PUB foo -1\r\n\r\n", reason: protocol},
	"size of words":   {send: "PUB foo abc\r\n", reason: protocol},
	"size overflows":  {send: "PUB foo 99999999999999999999\r\n", reason: protocol},
	"size wraps":      {send: "PUB foo 4294967297\r\n", reason: protocol},
	"size with sign":  {send: "PUB foo +3\r\nabc\r\n", reason: protocol},
	"size too large":  {send: "PUB foo 999999999\r\n", answer: []string{tooLarge}, reason: payload},
	"size one over":   {send: "PUB foo 1048577\r\n", answer: []string{tooLarge}, reason: payload},
	"too many words":  {send: "PUB a b c 1\r\nx\r\n", reason: protocol},
	"payload short":   {send: "PUB foo 5\r\nhi\r\nPING\r\n", answer: []string{unknownOp}, reason: protocol},
	"payload long":    {send: "PUB foo 2\r\nhiya\r\n", answer: []string{unknownOp}, reason: protocol},
	"header negative": {send: "HPUB foo -1 5\r\nhello\r\n", reason: protocol},
	"header beyond":   {send: "HPUB foo 10 5\r\nhello\r\n", reason: protocol},
	"header overflow": {send: "HPUB foo 99999999999 99999999999\r\n", reason: protocol},
	"header no size":  {send: "HPUB foo 12\r\n", reason: protocol},
	"header too long": {send: "HPUB foo 12 1048577\r\n", answer: []string{tooLarge}, reason: payload},

	"sub no sid":     {send: "SUB foo\r\n", reason: protocol},
	"sub too much":   {send: "SUB foo q 1 x\r\n", reason: protocol},
	"unsub too much": {send: "UNSUB 1 2 3\r\n", reason: protocol},
	"sub bare":       {send: "SUB\r\n", answer: []string{unknownOp}, reason: protocol},
	"peer error":     {send: "-ERR 'x'\r\n", reason: "Parse Error"},

	"long line":          {send: "SUB " + strings.Repeat("a", 5000) + " 1\r\n", answer: []string{controlLine}, reason: longLine},
	"line of 10 MB":      {send: "SUB " + strings.Repeat("a", 10<<20) + " 1\r\n", answer: []string{controlLine}, reason: longLine},
	"endless line":       {send: "PUB " + strings.Repeat("a", 10<<20), answer: []string{controlLine}, reason: longLine},
	"10 MB of no verb":   {send: strings.Repeat("z", 10<<20), answer: []string{unknownOp}, reason: protocol, raw: true},
	"second CONNECT bad": {send: "CONNECT {\r\n", reason: protocol},

	"CONNECT nothing":   {send: "CONNECT\r\n", reason: protocol, raw: true},
	"CONNECT no object": {send: "CONNECT 17\r\n", reason: protocol, raw: true},
	"CONNECT two":       {send: "CONNECT {}{}\r\n", reason: protocol, raw: true},
	"CONNECT wrong":     {send: `CONNECT {"protocol":"one"}` + "\r\n", reason: protocol, raw: true},
	"CONNECT overflow":  {send: `CONNECT {"protocol":1e400}` + "\r\n", reason: protocol, raw: true},
	"CONNECT deep":      {send: `CONNECT {"x":` + strings.Repeat("[", 4000) + "\r\n", reason: protocol, raw: true},
	"CONNECT deep, whole": {
		send: `CONNECT {"x":` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + "}\r\n", reason: "", raw: true,
	},
	"CONNECT huge":     {send: `CONNECT {"name":"` + strings.Repeat("n", 1<<20) + `"}` + "\r\n", answer: []string{controlLine}, reason: longLine, raw: true},
	"CONNECT protocol": {send: `CONNECT {"protocol":7}` + "\r\n", answer: []string{"-ERR 'invalid client protocol'"}, reason: "Bad Client Protocol Version", raw: true},

	"empty token":      {send: "SUB a..b 1\r\n", answer: []string{"-ERR 'Invalid Subject'"}},
	"dot at the end":   {send: "SUB a. 1\r\n", answer: []string{"-ERR 'Invalid Subject'"}},
	"rest not at end":  {send: "SUB a.>.b 1\r\n", answer: []string{"-ERR 'Invalid Subject'"}},
	"invalid UTF-8":    {send: "SUB \xff\xfe 1\r\nPUB \xff\xfe 1\r\nx\r\n", answer: []string{"MSG \xff\xfe 1 1", "x"}},
	"many tokens":      {send: "SUB " + strings.Repeat("a.", 1500) + "a 1\r\nPUB " + strings.Repeat("a.", 1500) + "a 1\r\nx\r\n", answer: []string{"MSG " + strings.Repeat("a.", 1500) + "a 1 1", "x"}},
	"many wildcards":   {send: "SUB " + strings.Repeat("*.", 1500) + "> 1\r\nPUB " + strings.Repeat("a.", 1501) + "a 1\r\nx\r\n", answer: []string{"MSG " + strings.Repeat("a.", 1501) + "a 1 1", "x"}},
	"unsub unknown":    {send: "UNSUB 77 18446744073709551616\r\n"},
	"control letters":  {send: "SUB a\x01b 1\r\nPUB a\x01b 1\r\nx\r\n", answer: []string{"MSG a\x01b 1 1", "x"}},
	"publish to wild":  {send: "PUB a.* 1\r\nx\r\nPUB > 1\r\nx\r\n"},
	"publish to empty": {send: "PUB a..b 1\r\nx\r\nPUB . 1\r\nx\r\n"},
}

// TestBadInput sends each, and expects the words and the reason, a line of log
// for those that are closed, and a bystander that notices nothing.
func TestBadInput(t *testing.T) {
	testkit.NothingLeft(t)
	s := testkit.Start(t, &server.Options{HTTPHost: "127.0.0.1", HTTPPort: -1})
	bystander := testkit.Join(t, s.Address(), "")
	bystander.Send("SUB ping.me 1\r\n")
	bystander.Sync()
	for name, in := range badInputs {
		t.Run(name, func(t *testing.T) {
			c := testkit.Dial(t, s.Address())
			if !in.raw {
				c.Login("")
			}
			id := uint64(c.Field("client_id").(float64))
			go func() { _ = c.TrySend([]byte(in.send)) }() // what comes late may meet a closed connection
			if in.reason == "" {
				c.Want(in.answer...)
				if got := c.Sync(); len(got) > 0 && !in.raw {
					t.Errorf("then came %q", got)
				}
			} else {
				wantRest(t, c, in.answer...)
				checkClosed(t, s, id, in.reason)
				s.Log.Wait(t, fmt.Sprintf("cid:%d", id), "Client connection closed: "+in.reason)
				if n := s.Log.Count("ERR 127.0.0.1:", fmt.Sprintf("cid:%d ", id)); n != 1 && in.reason != "Bad Client Protocol Version" {
					t.Errorf("%d lines of log complain about it", n)
				}
			}
			_ = c.Close()
			bystander.Send("PUB ping.me 1\r\n!\r\n")
			bystander.Want("MSG ping.me 1 1", "!")
		})
	}
	if got := bystander.Sync(); len(got) > 0 {
		t.Errorf("the bystander got %q", got)
	}
}

// checkClosed waits until connection id stands among the closed and compares
// the reason.
func checkClosed(t *testing.T, s *testkit.Server, id uint64, reason string) {
	t.Helper()
	var got string
	testkit.Eventually(t, "the connection stands among the closed", func() bool {
		for _, c := range closedConns(t, s) {
			if c.Cid == id {
				got = c.Reason
				return true
			}
		}
		return false
	})
	if got != reason {
		t.Errorf("closed for %q, want %q", got, reason)
	}
}

// TestSlowLoris: a client that begins and does not go on is closed after the
// time it has for authentication, however it tries to look busy.
func TestSlowLoris(t *testing.T) {
	testkit.NothingLeft(t)
	opts := withUsers(&server.Options{HTTPHost: "127.0.0.1", HTTPPort: -1}, "a")
	opts.Auth.Timeout = 300 * time.Millisecond
	s := testkit.Start(t, opts)
	for name, every := range map[string]string{"silent": "", "byte by byte": `CONNECT {"user":"a","pass":"a","name":"` + strings.Repeat("n", 3000)} {
		c := testkit.Dial(t, s.Address())
		start := time.Now()
		stop := make(chan struct{})
		go func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for i := 0; i < len(every); i++ {
				if c.TrySend([]byte{every[i]}) != nil {
					return
				}
				select {
				case <-tick.C:
				case <-stop:
					return
				}
			}
		}()
		wantRest(t, c, "-ERR 'Authentication Timeout'")
		close(stop)
		if d := time.Since(start); d < 200*time.Millisecond {
			t.Errorf("%s: closed after %v already", name, d)
		}
		checkClosed(t, s, uint64(c.Field("client_id").(float64)), "Authentication Timeout")
	}
	testkit.Join(t, s.Address(), as("a"))
}

// TestTLSGarbage: what is no handshake ends the connection, a handshake that
// stops ends at its time-out, and neither keeps others from coming in.
func TestTLSGarbage(t *testing.T) {
	testkit.NothingLeft(t)
	ca := testkit.NewAuthority(t)
	opts := withTLS(&server.Options{HTTPHost: "127.0.0.1", HTTPPort: -1}, ca.Issue("server"))
	opts.TLS.Timeout = 300 * time.Millisecond
	s := testkit.Start(t, opts)
	hello := "\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03" // the rest of it does not come
	for name, send := range map[string]string{
		"not TLS":       "CONNECT {}\r\nPING\r\n",
		"random":        strings.Repeat("\x16\xff\x00\x80garbage", 100),
		"half a hello":  hello,
		"nothing":       "",
		"huge record":   "\x16\x03\x01\xff\xff" + strings.Repeat("x", 70000),
		"only an alert": "\x15\x03\x01\x00\x02\x02\x28",
	} {
		t.Run(name, func(t *testing.T) {
			c := testkit.Dial(t, s.Address())
			go func() { _ = c.TrySend([]byte(send)) }()
			c.Rest() // an alert may come first
			id := uint64(c.Field("client_id").(float64))
			checkClosed(t, s, id, "TLS Handshake Failure")
			if n := s.Log.Count("ERR 127.0.0.1:", fmt.Sprintf("cid:%d - TLS handshake error", id)); n != 1 {
				t.Errorf("%d lines of log tell of it", n)
			}
		})
	}
	c := testkit.Dial(t, s.Address())
	c.Secure(ca.Client())
	c.Login("")
	c.Send("garbage within\r\n")
	wantRest(t, c, unknownOp)
	checkClosed(t, s, uint64(c.Field("client_id").(float64)), protocol)
}

// TestNeverReads: a subscriber that reads nothing is closed when its queue is
// over max_pending; another one on the same subject misses nothing.
func TestNeverReads(t *testing.T) {
	testkit.NothingLeft(t)
	s := testkit.Start(t, &server.Options{HTTPHost: "127.0.0.1", HTTPPort: -1, MaxPending: 2 << 20, MaxPayload: 1 << 20, WriteDeadline: time.Hour})
	stuck, good, pub := testkit.Join(t, s.Address(), ""), testkit.Join(t, s.Address(), ""), testkit.Join(t, s.Address(), "")
	stuck.Send("SUB flood 1\r\n")
	stuck.Sync()
	id := uint64(stuck.Field("client_id").(float64))
	good.Send("SUB flood 1\r\n")
	good.Sync()
	body := strings.Repeat("x", 8<<10)
	for range 50 {
		flood(pub, 64*8209)
		for range 64 {
			good.Want("MSG flood 1 8192", body)
		}
	}
	checkClosed(t, s, id, "Slow Consumer (Pending Bytes)")
	s.Log.Wait(t, fmt.Sprintf("cid:%d", id), "Slow Consumer Detected: MaxPending of 2097152 Exceeded")
	if v := varz(t, s); v.SlowConsumers != 1 || v.SlowConsumerStats.Clients != 1 {
		t.Errorf("varz counts %d slow consumers", v.SlowConsumers)
	}
}

package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// newParser has limits small enough to be reached in a script.
func newParser() *Parser { return &Parser{MaxControlLine: 64, MaxPayload: 100} }

// run feeds input in pieces cut at cuts and writes what comes out, one line an
// operation.
func run(p *Parser, input []byte, cut func(have int) int) string {
	var out strings.Builder
	var buf []byte
	for {
		if p.Need == 0 || len(buf) >= p.Need {
			op, n, err := p.Next(buf)
			if err != nil {
				var e *Error
				if !errors.As(err, &e) {
					panic(err)
				}
				fmt.Fprintf(&out, "error %q\n", e.Error())
				return out.String()
			}
			if op != OpNone {
				out.WriteString(describe(p, op))
			}
			if n > len(buf) {
				panic("consumed more than there was")
			}
			buf = buf[n:]
			if n > 0 {
				continue
			}
		}
		if len(input) == 0 {
			if len(buf) > 0 {
				fmt.Fprintf(&out, "left %d\n", len(buf))
			}
			return out.String()
		}
		n := min(cut(len(buf)), len(input))
		// A fresh buffer each time, so that a slice kept too long shows.
		buf = append(append([]byte(nil), buf...), input[:n]...)
		input = input[n:]
	}
}

func describe(p *Parser, op Op) string {
	switch op {
	case OpPub:
		m := &p.Msg
		return fmt.Sprintf("pub %q reply %q header %d body %q\n  %q\n", m.Subject, m.Reply, m.Header, m.Body, m.Append(nil, "9"))
	case OpSub:
		return fmt.Sprintf("sub %q queue %q sid %q\n", p.Subject, p.Queue, p.Sid)
	case OpUnsub:
		return fmt.Sprintf("unsub %q max %d\n", p.Sid, p.Max)
	case OpConnect:
		return fmt.Sprintf("connect %q\n", p.Arg)
	case OpInfo:
		return fmt.Sprintf("info %q\n", p.Arg)
	case OpPing:
		return "ping\n"
	case OpPong:
		return "pong\n"
	case OpOK:
		return "ok\n"
	}
	return fmt.Sprintf("op %d\n", op)
}

func unescape(s string) []byte {
	s = strings.ReplaceAll(s, "\n", "")
	r := strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\t`, "\t", `\0`, "\x00", `\\`, `\`)
	return []byte(r.Replace(s))
}

// TestParserScripts: each script gives the same operations whole and byte by
// byte.
func TestParserScripts(t *testing.T) {
	datadriven.RunTest(t, "testdata/parser", func(t *testing.T, d *datadriven.TestData) string {
		in := unescape(d.Input)
		whole := run(newParser(), in, func(int) int { return len(in) })
		if byByte := run(newParser(), in, func(int) int { return 1 }); byByte != whole {
			t.Fatalf("%s: cut into bytes it gives\n%s\nwhole\n%s", d.Pos, byByte, whole)
		}
		return whole
	})
}

func TestParserDoesNotAllocate(t *testing.T) {
	p := newParser()
	in := []byte("PUB foo.bar 5\r\nhello\r\nPUB foo _INBOX.1 2\r\nhi\r\nHPUB h 12 14\r\nNATS/1.0\r\n\r\nhi\r\nSUB a q 1\r\nUNSUB 1 3\r\nPING\r\nPUB  a\tb 1\r\nx\r\n")
	one := func() {
		for b := in; len(b) > 0; {
			_, n, err := p.Next(b)
			if err != nil || n == 0 {
				t.Fatal(n, err)
			}
			b = b[n:]
		}
	}
	one()
	if n := testing.AllocsPerRun(100, one); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzParser: no panic, and the operations do not depend on the cuts.
func FuzzParser(f *testing.F) {
	for _, s := range []string{
		"CONNECT {}\r\nPING\r\n", "PUB a 1\r\nx\r\n", "HPUB a r 12 13\r\nNATS/1.0\r\n\r\nx\r\n", "SUB a 1\nUNSUB 1 2\r\n",
		"PUB a 9999999999\r\n", "+OK\r\n-ERR 'x'\r\n", "INFO {}\r\n", "GET / HTTP/1.1\r\n", "PUB  a\t b 1 \r\nx\r\n", "PING " + strings.Repeat("x", 200) + "\r\nPONG\r\n",
	} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		whole := run(newParser(), in, func(int) int { return len(in) })
		cuts := run(newParser(), in, func(int) int { return int(step%7) + 1 })
		// An overlong line is reported as soon as it is seen, whatever follows.
		trim := func(s string) string {
			if i := strings.LastIndex(s, "left "); i >= 0 && (i == 0 || s[i-1] == '\n') {
				return s[:i]
			}
			return s
		}
		if trim(whole) != trim(cuts) {
			t.Fatalf("whole:\n%s\ncut:\n%s", whole, cuts)
		}
	})
}

func TestConnectDefaults(t *testing.T) {
	for in, want := range map[string]string{
		`{}`: "true true true", `null`: "true true true", `{"verbose":false}`: "false true true",
		`{"echo":false,"unknown":1}`: "true true false",
	} {
		c, err := ParseConnect([]byte(in), DefaultConnect())
		if got := fmt.Sprint(c.Verbose, c.Pedantic, c.Echo); err != nil || got != want {
			t.Errorf("%s: %s %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{``, `{`, `[]`, `"x"`, `{"verbose":"yes"}`, `{} x`, `{"name":123}`, `{"protocol":"x"}`, strings.Repeat(`{"a":`, 20000)} {
		if _, err := ParseConnect([]byte(in), DefaultConnect()); !errors.Is(err, ErrConnect) {
			t.Errorf("%.40s: %v, want ErrConnect", in, err)
		}
	}
}

func TestMsgForms(t *testing.T) {
	var m Msg
	m.Compose(nil, []byte("s"), []byte("r"), []byte("NATS/1.0\r\n\r\n"), []byte("hi"))
	if got := string(m.Append(nil, "1")); got != "HMSG s 1 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n" {
		t.Errorf("%q", got)
	}
	if got := m.Size(1); got != len(m.Append(nil, "1")) {
		t.Errorf("Size %d, written %d", got, len(m.Append(nil, "1")))
	}
	if got := string(m.AppendPlain(nil, "1")); got != "MSG s 1 r 2\r\nhi\r\n" {
		t.Errorf("%q", got)
	}
	if got := string(AppendNoResponders(nil, []byte("_INBOX.c.1"), "1", []byte("nobody"))); got != "HMSG _INBOX.c.1 1 38 38\r\nNATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n\r\n" {
		t.Errorf("%q", got)
	}
}

// FuzzConnect: no panic, and what is accepted reads the same when it is written
// and read again.
func FuzzConnect(f *testing.F) {
	for _, s := range []string{`{}`, `null`, `{"verbose":false,"user":"u","pass":"p","protocol":1}`, `[]`, `{"a":{"b":[1,2,{}]}}`, `{"name":"\ud800"}`, `{"verbose":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := ParseConnect(in, DefaultConnect())
		if err != nil {
			if !errors.Is(err, ErrConnect) {
				t.Fatalf("%q: %v is no ErrConnect", in, err)
			}
			return
		}
		line, err := json.Marshal(c)
		if err != nil {
			t.Fatalf("%q: %v", in, err)
		}
		if again, err := ParseConnect(line, Connect{}); err != nil || again != c {
			t.Fatalf("%q: %+v, read again %+v %v", in, c, again, err)
		}
	})
}

// FuzzHeaders: a message with any header goes out whole to those who know
// headers and without it to those who do not.
func FuzzHeaders(f *testing.F) {
	f.Add([]byte("NATS/1.0\r\nA: 1\r\n\r\n"), []byte("body"), "r")
	f.Add([]byte("NATS/1.0 503\r\n\r\n"), []byte(""), "")
	f.Add([]byte{0}, []byte("\r\n"), "x")
	f.Fuzz(func(t *testing.T, header, body []byte, reply string) {
		if len(header) == 0 || len(header)+len(body) > 4096 || strings.ContainsAny(reply, " \t\r\n") {
			return
		}
		line := fmt.Appendf(nil, "HPUB s %s %d %d\r\n%s%s\r\n", reply, len(header), len(header)+len(body), header, body)
		p := &Parser{MaxControlLine: 8192, MaxPayload: 8192}
		op, n, err := p.Next(line)
		if err != nil || op != OpPub || n != len(line) {
			t.Fatalf("%q: op %d, %d of %d bytes, %v", line, op, n, len(line), err)
		}
		middle := ""
		if reply != "" {
			middle = reply + " "
		}
		with := fmt.Sprintf("HMSG s 1 %s%d %d\r\n%s%s\r\n", middle, len(header), len(header)+len(body), header, body)
		if got := string(p.Msg.Append(nil, "1")); got != with {
			t.Fatalf("got %q, want %q", got, with)
		}
		without := fmt.Sprintf("MSG s 1 %s%d\r\n%s\r\n", middle, len(body), body)
		if got := string(p.Msg.AppendPlain(nil, "1")); got != without {
			t.Fatalf("got %q, want %q", got, without)
		}
	})
}

package dev

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"dunlin/internal/base/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPortsAreThoseThatFollow(t *testing.T) {
	// Three that were free a moment ago; the next ones may be taken.
	free, err := Reserve("127.0.0.1", 1, Ports{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Reserve("127.0.0.1", 3, free[0])
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || got[0] != free[0] {
		t.Errorf("wanted %v first, got %v", free[0], got)
	}
	seen := map[int]bool{}
	for _, p := range got {
		for _, port := range []int{p.Client, p.Cluster, p.Monitor} {
			if port < 1 || port > 65535 || seen[port] {
				t.Errorf("port %d in %v", port, got)
			}
			seen[port] = true
		}
	}
}

func TestTakenPortsAreReplaced(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	got, err := Reserve("127.0.0.1", 2, Ports{Client: port, Cluster: port, Monitor: 65535})
	if err != nil {
		t.Fatal(err)
	}
	if got[0].Client == port || got[0].Cluster == port || got[1].Monitor > 65535 || got[1].Monitor < 1 {
		t.Errorf("got %v; %d is taken", got, port)
	}
	if _, err := Reserve("192.0.2.1", 1, Ports{}); err == nil || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Errorf("ports of another machine: %v", err)
	}
}

// terminal shows what somebody in front of it would see.
type terminal struct {
	lines []string
	line  string
}

func (s *terminal) Write(b []byte) (int, error) {
	text := strings.NewReplacer(wrapOff, "", wrapOn, "").Replace(string(b))
	for text != "" {
		switch {
		case strings.HasPrefix(text, clearLine):
			s.line, text = "", text[len(clearLine):]
		case text[0] == '\n':
			s.lines = append(s.lines, s.line)
			s.line, text = "", text[1:]
		default:
			s.line += text[:1]
			text = text[1:]
		}
	}
	return len(b), nil
}

func TestScreen(t *testing.T) {
	on := new(terminal)
	s := NewScreen(on, true)
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(text string) {
		t.Helper()
		n, err := io.WriteString(s, text)
		if do(err); n != len(text) {
			t.Errorf("%d bytes written of %d", n, len(text))
		}
	}
	want := func(lines, last string) {
		t.Helper()
		if got := strings.Join(on.lines, "|"); got != lines || on.line != last {
			t.Errorf("the screen shows %q and %q, want %q and %q", got, on.line, lines, last)
		}
	}
	write("a\n")
	want("a", "")
	do(s.Status("live 1"))
	want("a", "live 1")
	write("b\nc\n")
	want("a|b|c", "live 1")
	do(s.Status("live"))
	want("a|b|c", "live")
	do(s.Status(""))
	want("a|b|c", "")
	write("d\n")
	want("a|b|c|d", "")

	var plain bytes.Buffer
	s = NewScreen(&plain, false)
	write("a\n")
	do(s.Status("live 1"))
	write("b\n")
	do(s.Status("live 2"))
	do(s.Status(""))
	if plain.String() != "a\nlive 1\nb\nlive 2\n" {
		t.Errorf("without a terminal: %q", plain.String())
	}
}

func TestTable(t *testing.T) {
	rows := [][]string{{"node", "where"}, {"n1", "é"}, {"longer than that", "x"}}
	want := "node               where\nn1                 é\nlonger than that   x\n"
	if got := Table(rows, nil); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	painted := Table(rows, func(_, _ int, text string) string { return "<" + text + ">" })
	if got := strings.NewReplacer("<", "", ">", "").Replace(painted); got != want || !strings.Contains(painted, "<n1> ") {
		t.Errorf("with colours\n%s", painted)
	}
}

func TestReadOp(t *testing.T) {
	for input, want := range map[string]string{
		"INFO {}\r\n": "other", "+OK\r\n": "other", "ping\r\n": "ping", "PONG\n": "pong",
		"MSG a 1 5\r\nhello\r\n": "msg", "MSG a 1 r 0\r\n\r\n": "msg", "HMSG a 1 12 17\r\nNATS/1.0\r\n\r\nhello\r\n": "msg",
		"MSG a 1 5\r\nhellooo\r\n": "longer than it says", "MSG a 1 -5\r\n": "message of", "MSG\r\n": "message of",
		"MSG a 1 99999999999999999999\r\n": "message of", "MSG a 1 1048577\r\n": "message of",
		"-ERR 'Slow Consumer'\r\n": "'Slow Consumer'", "HTTP/1.1 400 Bad Request\r\n": "does not know", "\r\n": "does not know",
		"INFO": "EOF", "": "EOF", "MSG a 1 5\r\nhel": "EOF", "INFO " + strings.Repeat("x", lineMax) + "\r\n": "line of more than",
	} {
		kind, err := readOp(bufio.NewReaderSize(strings.NewReader(input), lineMax))
		got := map[op]string{opOther: "other", opMsg: "msg", opPing: "ping", opPong: "pong"}[kind]
		if err != nil {
			got = "error: " + err.Error()
		}
		if !strings.Contains(got, want) || (err == nil) != (got == want) {
			t.Errorf("%.40q: %s, want %s", input, got, want)
		}
	}
}

// FuzzReadOp: whatever a server sends, and however it is cut, the same
// operations come out and nothing panics.
func FuzzReadOp(f *testing.F) {
	f.Add([]byte("INFO {}\r\nPING\r\nMSG a 1 5\r\nhello\r\nHMSG a 1 q 2 3\r\nabc\r\n-ERR 'x'\r\n"))
	f.Add([]byte("MSG a 1 -1\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all := func(r io.Reader) (ops []op, text string) {
			buf := bufio.NewReaderSize(r, lineMax)
			for {
				op, err := readOp(buf)
				if err != nil {
					return ops, err.Error()
				}
				if ops = append(ops, op); len(ops) > len(data) {
					t.Fatal("more operations than bytes")
				}
			}
		}
		whole, wholeErr := all(bytes.NewReader(data))
		single, singleErr := all(iotest.OneByteReader(bytes.NewReader(data)))
		if fmt.Sprint(whole) != fmt.Sprint(single) || wholeErr != singleErr {
			t.Errorf("in one piece %v, %s; byte by byte %v, %s", whole, wholeErr, single, singleErr)
		}
	})
}

// echo is a server of which a subscriber hears everything that is published.
type echo struct{ net.Listener }

// newEcho answers each connection with greeting and serves those that say
// CONNECT. It is over when the test is.
func newEcho(t *testing.T, greeting string) *echo {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{l}
	group := task.NewGroup("echo")
	t.Cleanup(group.Close)
	t.Cleanup(func() { l.Close() })
	lines := make(chan string, 1000)
	serve := func(conn net.Conn) {
		defer conn.Close()
		if _, err := io.WriteString(conn, greeting); err != nil {
			return
		}
		for r := bufio.NewReader(conn); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			switch words := strings.Fields(line); {
			case line == "PING\r\n":
				_, err = io.WriteString(conn, "PONG\r\n")
			case words[0] == "SUB":
				for payload := range lines {
					if _, err = fmt.Fprintf(conn, "MSG %s 1 %d\r\n%s\r\n", words[1], len(payload), payload); err != nil {
						return
					}
				}
			case words[0] == "PUB":
				payload, _ := r.ReadString('\n')
				select {
				case lines <- strings.TrimRight(payload, "\r\n"):
				default:
				}
			}
			if err != nil {
				return
			}
		}
	}
	group.Go("accept", func(context.Context) {
		defer close(lines)
		var conns []net.Conn
		for {
			conn, err := l.Accept()
			if err != nil {
				break
			}
			conns = append(conns, conn)
			group.Go("serve", func(context.Context) { serve(conn) })
		}
		for _, c := range conns {
			c.Close()
		}
	})
	return e
}

func TestDemoAgainstAServerThatEchoes(t *testing.T) {
	e := newEcho(t, "INFO {}\r\n")
	group := task.NewGroup("demo")
	defer group.Close()
	shown := make(chan string, 100)
	screen := NewScreen(lines(shown), false)
	if err := StartDemo(group, screen, []Target{{"n1", e.Addr().String()}}, 2000); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(20 * time.Second)
	for {
		select {
		case line := <-shown:
			var in, out float64
			if n, err := fmt.Sscanf(strings.ReplaceAll(line, "k", ""), "messages a second | n1 in %f out %f", &in, &out); n == 2 && err == nil && in > 0 && out > 0 {
				return
			}
		case <-deadline:
			t.Fatal("no figures")
		}
	}
}

// lines hands on each Write.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	select {
	case l <- string(b):
	default:
	}
	return len(b), nil
}

func TestDemoWithoutAServer(t *testing.T) {
	for greeting, want := range map[string]string{
		"HTTP/1.1 400 Bad Request\r\n":                  "does not know",
		"PING\r\n":                                      "no NATS server",
		"-ERR 'maximum connections exceeded'\r\n":       "maximum connections exceeded",
		"INFO {}\r\n-ERR 'Authorization Violation'\r\n": "Authorization Violation",
	} {
		e := newEcho(t, greeting)
		group := task.NewGroup("demo")
		err := StartDemo(group, NewScreen(io.Discard, false), []Target{{"n1", e.Addr().String()}}, 1)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "n1") {
			t.Errorf("%q: %v, want %q", greeting, err, want)
		}
		if n := group.Count(); n != 0 {
			t.Errorf("%d parts of the demo are left", n)
		}
		group.Close()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var op *net.OpError
	group := task.NewGroup("demo")
	defer group.Close()
	if err := StartDemo(group, NewScreen(io.Discard, false), []Target{{"n1", l.Addr().String()}}, 1); !errors.As(err, &op) {
		t.Errorf("nobody listens: %v", err)
	}
}

func TestDemoSaysWhenANodeHasGone(t *testing.T) {
	e := newEcho(t, "INFO {}\r\n")
	group := task.NewGroup("demo")
	defer group.Close()
	shown := make(chan string, 100)
	if err := StartDemo(group, NewScreen(lines(shown), false), []Target{{"n1", e.Addr().String()}}, 100); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil { // closes its connections, too
		t.Fatal(err)
	}
	deadline := time.After(20 * time.Second)
	for {
		select {
		case line := <-shown:
			if strings.HasPrefix(line, "demo | the ") && strings.Contains(line, " on n1 has ended: ") {
				return
			}
		case <-deadline:
			t.Fatal("nothing is said")
		}
	}
}

func TestAmounts(t *testing.T) {
	for v, want := range map[float64]string{0: "    0 ", 999: "  999 ", 1000: "  1.0k", 12_345: " 12.3k", 99_999: "  100k", 1_234_567: " 1.23M"} {
		if got := amount(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}

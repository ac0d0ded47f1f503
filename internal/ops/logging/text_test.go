package logging

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
	"unicode"
	"unicode/utf8"

	"dunlin/internal/base/loglevel"
)

// capture is a destination that keeps what it gets.
type capture struct{ lines []string }

func (c *capture) send(_ slog.Level, line []byte) error {
	c.lines = append(c.lines, string(line))
	return nil
}

func (c *capture) Close() error { return nil }

// recorder returns a logger whose lines are kept, with all levels on.
func recorder(f format) (*slog.Logger, *capture) {
	c := &capture{}
	out := &output{}
	out.want.Store(wantDebug | wantTrace)
	out.target.Store(&target{format: f, dest: c})
	return slog.New(&handler{out: out}), c
}

// at is a record's time in the tests, in a zone of its own so that it shows
// whether the clock was converted.
var at = time.Date(2026, 11, 22, 23, 41, 18, 123456789, time.FixedZone("", 3*60*60))

func emit(l *slog.Logger, level slog.Level, msg string, attrs ...slog.Attr) {
	r := slog.NewRecord(at, level, msg, 0)
	r.AddAttrs(attrs...)
	_ = l.Handler().Handle(context.Background(), r)
}

type grumpy struct{}

func (*grumpy) String() string { panic("do not look at me") }

func TestTextIsNatsServersShape(t *testing.T) {
	utc := format{time: true, utc: true, pid: 4711}
	for _, c := range []struct {
		name   string
		format format
		level  slog.Level
		msg    string
		attrs  []slog.Attr
		want   string
	}{
		{"plain", utc, slog.LevelInfo, "Server is ready", nil,
			"[4711] 2026/11/22 20:41:18.123456 [INF] Server is ready\n"},
		{"trace", utc, loglevel.Trace, `<<- [PING]`, []slog.Attr{slog.String("conn", "127.0.0.1:36672 - cid:5")},
			"[4711] 2026/11/22 20:41:18.123456 [TRC] 127.0.0.1:36672 - cid:5 - <<- [PING]\n"},
		{"debug", utc, slog.LevelDebug, "x", nil, "[4711] 2026/11/22 20:41:18.123456 [DBG] x\n"},
		{"warning", utc, slog.LevelWarn, "x", nil, "[4711] 2026/11/22 20:41:18.123456 [WRN] x\n"},
		{"error", utc, slog.LevelError, "x", nil, "[4711] 2026/11/22 20:41:18.123456 [ERR] x\n"},
		{"fatal", utc, loglevel.Fatal, "x", nil, "[4711] 2026/11/22 20:41:18.123456 [FTL] x\n"},
		{"without time", format{pid: 4711}, slog.LevelInfo, "x", nil, "[4711] [INF] x\n"},
		{"colours", format{pid: 1, colour: true}, slog.LevelWarn, "x", nil, "[1] [\x1b[0;93mWRN\x1b[0m] x\n"},
		{"towards syslog", format{time: true}, slog.LevelInfo, "x", nil, "x\n"},
		{"attributes", utc, slog.LevelInfo, "listening", []slog.Attr{
			slog.Int("port", 4222), slog.String("host", "::1"), slog.Duration("after", 1500*time.Millisecond),
			slog.Bool("tls", true), slog.Any("error", errors.New("no way")), slog.String("empty", ""),
			slog.String("key with space", `a"b\c`), slog.Any("nothing", nil),
		}, `[4711] 2026/11/22 20:41:18.123456 [INF] listening port=4222 host=::1 after=1.5s tls=true error="no way" empty="" "key with space"="a\"b\\c" nothing=<nil>` + "\n"},
		{"groups", utc, slog.LevelInfo, "x", []slog.Attr{
			slog.Group("tls", slog.String("version", "1.3"), slog.Group("peer", slog.String("cn", "a"))),
			slog.Group("", slog.Int("inlined", 1)), slog.Group("empty"),
		}, "[4711] 2026/11/22 20:41:18.123456 [INF] x tls.version=1.3 tls.peer.cn=a inlined=1\n"},
		{"a value that panics", format{}, slog.LevelInfo, "x", []slog.Attr{slog.Any("v", &grumpy{})},
			"x v=\"%!v(PANIC=String method: do not look at me)\"\n"},
		{"quotes and backslashes of the text stay", format{}, slog.LevelInfo, `MSG_PAYLOAD: ["a\r\n"]`, nil,
			`MSG_PAYLOAD: ["a\r\n"]` + "\n"},
		{"injection", format{}, slog.LevelError, "bad\r\n[1] [INF] forged \x1b[2J\x00\x7f\u009b\u202e\xff\U000e0001 naïve 日本\t", []slog.Attr{
			slog.String("user", "a\nb"), slog.String("conn", "x\ny"), slog.String("k\n", "v"),
		}, `x\ny - bad\r\n[1] [INF] forged \x1b[2J\x00\x7f\u009b\u202e\xff\U000e0001 naïve 日本\t user="a\nb" "k\n"=v` + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, got := recorder(c.format)
			emit(l, c.level, c.msg, c.attrs...)
			if len(got.lines) != 1 || got.lines[0] != c.want {
				t.Errorf("got  %q\nwant %q", got.lines, c.want)
			}
		})
	}
}

func TestLocalTimeIsTheDefault(t *testing.T) {
	old := time.Local
	time.Local = time.FixedZone("", -60*60)
	defer func() { time.Local = old }()
	l, got := recorder(format{time: true, pid: 1})
	emit(l, slog.LevelInfo, "x")
	if want := "[1] 2026/11/22 19:41:18.123456 [INF] x\n"; got.lines[0] != want {
		t.Errorf("got %q, want %q", got.lines[0], want)
	}
}

func TestWithAndGroupsInText(t *testing.T) {
	l, got := recorder(format{})
	l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").Info("x", "c", 3, "conn", "inner")
	l.With("conn", "1.2.3.4:5 - cid:7").Info("hello", "a", 1)
	want := []string{"x a=1 g.b=2 g.h.c=3 g.h.conn=inner\n", "1.2.3.4:5 - cid:7 - hello a=1\n"}
	for i, w := range want {
		if got.lines[i] != w {
			t.Errorf("got %q, want %q", got.lines[i], w)
		}
	}
}

func TestJSONLine(t *testing.T) {
	for _, c := range []struct {
		name   string
		format format
		level  slog.Level
		want   string
	}{
		{"utc", format{json: true, time: true, utc: true, pid: 4711}, slog.LevelWarn,
			`{"time":"2026-11-22T20:41:18.123456789Z","level":"WARN","msg":"a\nb","pid":4711,"conn":"1.2.3.4:5 - cid:7","g":{"n":1,"wide":"\u202e\u007f\udb40\udc01ü"}}` + "\n"},
		{"without time", format{json: true, utc: true, pid: 4711}, loglevel.Trace,
			`{"level":"TRACE","msg":"a\nb","pid":4711,"conn":"1.2.3.4:5 - cid:7","g":{"n":1,"wide":"\u202e\u007f\udb40\udc01ü"}}` + "\n"},
		{"towards syslog", format{json: true, time: true}, loglevel.Fatal,
			`{"level":"FATAL","msg":"a\nb","conn":"1.2.3.4:5 - cid:7","g":{"n":1,"wide":"\u202e\u007f\udb40\udc01ü"}}` + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, got := recorder(c.format)
			l = l.With("conn", "1.2.3.4:5 - cid:7").WithGroup("g")
			emit(l, c.level, "a\nb", slog.Int("n", 1), slog.String("wide", "\u202e\x7f\U000e0001ü"))
			if got.lines[0] != c.want {
				t.Errorf("got  %s\nwant %s", got.lines[0], c.want)
			}
			var v any
			if err := json.Unmarshal([]byte(got.lines[0]), &v); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestJSONKeepsSlogsPromises(t *testing.T) {
	var c *capture
	slogtest.Run(t, func(*testing.T) slog.Handler {
		var l *slog.Logger
		l, c = recorder(format{json: true, time: true, pid: 1})
		return l.Handler()
	}, func(t *testing.T) map[string]any {
		var m map[string]any
		if err := json.Unmarshal([]byte(c.lines[len(c.lines)-1]), &m); err != nil {
			t.Fatal(err)
		}
		return m
	})
}

func TestUnwantedLevelsCostNothing(t *testing.T) {
	l, c := recorder(format{})
	l.Handler().(*handler).out.want.Store(0)
	l = l.With("conn", "x")
	ctx := context.Background()
	if n := testing.AllocsPerRun(100, func() {
		if l.Enabled(ctx, loglevel.Trace) || l.Enabled(ctx, slog.LevelDebug) {
			t.Error("trace or debug is on")
		}
		l.LogAttrs(ctx, loglevel.Trace, "x")
	}); n != 0 {
		t.Errorf("%v allocations a line nobody wants", n)
	}
	if len(c.lines) != 0 {
		t.Errorf("logged %q", c.lines)
	}
}

func TestTraceAndDebugAreIndependent(t *testing.T) {
	for want, levels := range map[uint32][]bool{
		0:                     {false, false, true, true, true},
		wantDebug:             {false, true, true, true, true},
		wantTrace:             {true, false, true, true, true},
		wantDebug | wantTrace: {true, true, true, true, true},
		wantNothing | 3:       {false, false, false, false, false},
	} {
		l, _ := recorder(format{})
		l.Handler().(*handler).out.want.Store(want)
		for i, level := range []slog.Level{loglevel.Trace, slog.LevelDebug, slog.LevelInfo, slog.LevelError, loglevel.Fatal} {
			if got := l.Enabled(context.Background(), level); got != levels[i] {
				t.Errorf("want=%03b: %s enabled = %v", want, loglevel.Name(level), got)
			}
		}
	}
}

// FuzzOneRecordIsOneHarmlessLine: whatever comes over the network, a record
// is one line that a terminal shows as it is.
func FuzzOneRecordIsOneHarmlessLine(f *testing.F) {
	f.Add("x\ny", "k", "v", "c")
	f.Add("\x1b[2J", "\u202e", "\xff", "\u2028\u009b")
	f.Add("=", `"`, `\`, " ")
	f.Fuzz(func(t *testing.T, msg, key, value, conn string) {
		for _, as := range []format{{pid: 1, time: true}, {json: true, pid: 1, time: true}} {
			l, c := recorder(as)
			emit(l, slog.LevelInfo, msg, slog.String("conn", conn), slog.String(key, value), slog.Any("list", []string{value}))
			line := c.lines[0]
			body, ended := strings.CutSuffix(line, "\n")
			if !ended || !utf8.ValidString(body) {
				t.Fatalf("%q does not end well or is not UTF-8", line)
			}
			for _, r := range body {
				if !unicode.IsPrint(r) && r != utf8.RuneError {
					t.Fatalf("%q holds %U", line, r)
				}
			}
			if !as.json {
				continue
			}
			var m map[string]any
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if got := m["msg"]; utf8.ValidString(msg) && key != "msg" && got != msg {
				t.Fatalf("msg came back as %q, was %q", got, msg)
			}
		}
	})
}

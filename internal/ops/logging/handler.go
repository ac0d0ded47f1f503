package logging

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"dunlin/internal/base/loglevel"
)

// ConnKey is the attribute that names the connection a line is about, for
// example slog.String(ConnKey, `192.0.2.7:36672 - cid:5`). In text it stands in
// front of the message, "192.0.2.7:36672 - cid:5 - Client connection created",
// where nats-server has it and where people's log filters look for it; in JSON
// it is the member "conn". Rooms below this one spell it "conn".
const ConnKey = "conn"

// Levels below Info that are wanted; the two are independent, as -D and -V are.
const (
	wantDebug uint32 = 1 << iota
	wantTrace
	wantNothing // not even errors
)

// output is what all handlers of one log share.
type output struct {
	want   atomic.Uint32
	target atomic.Pointer[target]
}

// handler implements slog.Handler. What With and WithGroup added is kept
// unrendered: the format may change under a logger, and a logger kept by every
// connection must stay small.
type handler struct {
	out   *output
	added *addition
}

// addition is one call of With or WithGroup and those before it.
type addition struct {
	before *addition
	group  string // or attrs
	attrs  []slog.Attr
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	want := h.out.want.Load()
	switch {
	case want&wantNothing != 0:
		return false
	case level >= slog.LevelInfo:
		return true
	case level >= slog.LevelDebug:
		return want&wantDebug != 0
	}
	return want&wantTrace != 0
}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	return h.out.write(&r, h.added)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	return &handler{h.out, &addition{before: h.added, attrs: attrs}}
}

func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{h.out, &addition{before: h.added, group: name}}
}

// inOrder calls visit for every addition, the oldest first.
func (a *addition) inOrder(visit func(*addition)) {
	if a == nil {
		return
	}
	a.before.inOrder(visit)
	visit(a)
}

// write hands the record to the current target. A target that was closed
// since it was looked up has a successor.
func (o *output) write(r *slog.Record, added *addition) error {
	for {
		t := o.target.Load()
		err := t.log(r, added)
		if err == nil || t == o.target.Load() {
			return err
		}
	}
}

// format says how a line looks.
type format struct {
	json   bool
	colour bool
	time   bool
	utc    bool
	pid    int // 0 = leave pid and time to the destination (syslog)
	// prefix stands in front of a text line instead of the pid and the date.
	prefix string
}

// clock returns the record's time as it is to be shown.
func (f *format) clock(t time.Time) time.Time {
	if f.utc {
		return t.UTC()
	}
	return t.Local()
}

func (f *format) render(dst []byte, r *slog.Record, added *addition) []byte {
	if f.json {
		return f.appendJSON(dst, r, added)
	}
	return f.appendText(dst, r, added)
}

var colours = map[string]string{
	"TRC": "\x1b[33m", "DBG": "\x1b[36m", "INF": "\x1b[32m", "WRN": "\x1b[0;93m", "ERR": "\x1b[31m", "FTL": "\x1b[31m",
}

const colourOff = "\x1b[0m"

func (f *format) appendLevel(dst []byte, level slog.Level) []byte {
	short := loglevel.Abbreviation(level)
	dst = append(dst, '[')
	if f.colour {
		dst = append(dst, colours[short]...)
	}
	dst = append(dst, short...)
	if f.colour {
		dst = append(dst, colourOff...)
	}
	return append(dst, "] "...)
}

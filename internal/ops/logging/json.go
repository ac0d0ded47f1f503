package logging

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"time"
	"unicode"
	"unicode/utf8"

	"dunlin/internal/base/loglevel"
)

// appendJSON renders the record as one JSON object on one line: time (RFC
// 3339), level (TRACE, DEBUG, INFO, WARN, ERROR, FATAL), pid, msg, and the
// attributes as members, groups as objects. Towards a syslog, which adds them
// itself, time and pid are left out.
//
// slog's own handler does the encoding and is made anew for each line: loggers
// outlive formats, and a JSON log is not read for its speed.
func (f *format) appendJSON(dst []byte, r *slog.Record, added *addition) []byte {
	var line bytes.Buffer
	var h slog.Handler = slog.NewJSONHandler(&line, &slog.HandlerOptions{
		Level:       slog.Level(math.MinInt),
		ReplaceAttr: levelName,
	})
	record := *r
	record.Time = time.Time{} // slog leaves a zero time out
	if f.pid != 0 {
		if f.time && !r.Time.IsZero() {
			record.Time = f.clock(r.Time)
		}
		h = h.WithAttrs([]slog.Attr{slog.Int("pid", f.pid)})
	}
	added.inOrder(func(next *addition) {
		if next.group != "" {
			h = h.WithGroup(next.group)
		} else {
			h = h.WithAttrs(next.attrs)
		}
	})
	if err := h.Handle(context.Background(), record); err != nil {
		// Writing to a buffer cannot fail; should encoding ever, the text is kept.
		line.Reset()
		fmt.Fprintf(&line, "{\"level\":%q,\"msg\":%q}\n", loglevel.Name(r.Level), r.Message)
	}
	return appendASCII(dst, line.Bytes())
}

func levelName(groups []string, a slog.Attr) slog.Attr {
	if level, ok := a.Value.Any().(slog.Level); ok && a.Key == slog.LevelKey && len(groups) == 0 {
		a.Value = slog.StringValue(loglevel.Name(level))
	}
	return a
}

// appendASCII appends a line of JSON with what a terminal might act on
// escaped. Outside of strings JSON is ASCII, so an escape is right wherever
// such a rune stands.
func appendASCII(dst, line []byte) []byte {
	for i := 0; i < len(line); {
		c := line[i]
		if c < utf8.RuneSelf && c != 0x7f {
			dst = append(dst, c)
			i++
			continue
		}
		r, size := utf8.DecodeRune(line[i:])
		switch {
		case unicode.IsPrint(r):
			dst = append(dst, line[i:i+size]...)
		case r > 0xffff:
			r -= 0x10000
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		i += size
	}
	return dst
}

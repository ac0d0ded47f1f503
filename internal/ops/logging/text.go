package logging

import (
	"fmt"
	"log/slog"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// timeLayout is nats-server's.
const timeLayout = "2006/01/02 15:04:05.000000 "

// shortTimeLayout is for somebody who looks on.
const shortTimeLayout = "15:04:05.000 "

func (f *format) appendText(dst []byte, r *slog.Record, added *addition) []byte {
	switch {
	case f.prefix != "":
		dst = append(dst, f.prefix...)
		if f.time && !r.Time.IsZero() {
			dst = f.clock(r.Time).AppendFormat(dst, shortTimeLayout)
		}
		dst = f.appendLevel(dst, r.Level)
	case f.pid != 0:
		dst = append(dst, '[')
		dst = strconv.AppendInt(dst, int64(f.pid), 10)
		dst = append(dst, "] "...)
		if f.time && !r.Time.IsZero() {
			dst = f.clock(r.Time).AppendFormat(dst, timeLayout)
		}
		dst = f.appendLevel(dst, r.Level)
	}
	var a attrs
	added.inOrder(a.addition)
	r.Attrs(func(attr slog.Attr) bool {
		a.add(attr)
		return true
	})
	if a.conn != "" {
		dst = appendEscaped(dst, a.conn)
		dst = append(dst, " - "...)
	}
	dst = appendEscaped(dst, r.Message)
	dst = append(dst, a.text...)
	return append(dst, '\n')
}

// attrs collects the attributes of one line.
type attrs struct {
	conn   string
	prefix string // names of the open groups, each with a dot behind it
	text   []byte
}

func (a *attrs) addition(next *addition) {
	if next.group != "" {
		a.prefix += next.group + "."
		return
	}
	for _, attr := range next.attrs {
		a.add(attr)
	}
}

func (a *attrs) add(attr slog.Attr) {
	value := attr.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		a.group(attr.Key, value.Group())
		return
	}
	if attr.Key == "" && value.Any() == nil { // slog: an empty attribute is ignored
		return
	}
	if attr.Key == ConnKey && a.prefix == "" {
		a.conn = valueText(value)
		return
	}
	a.text = append(a.text, ' ')
	a.text = appendQuoted(a.text, a.prefix+attr.Key)
	a.text = append(a.text, '=')
	a.text = appendQuoted(a.text, valueText(value))
}

func (a *attrs) group(name string, members []slog.Attr) {
	outer := a.prefix
	if name != "" { // slog: a group without a name is inlined
		a.prefix += name + "."
	}
	for _, m := range members {
		a.add(m)
	}
	a.prefix = outer
}

// valueText never fails: fmt catches a String or Error method that panics, on
// a nil pointer for example.
func valueText(v slog.Value) string {
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().Format(time.RFC3339Nano)
	case slog.KindAny:
		return fmt.Sprint(v.Any())
	}
	return v.String()
}

// appendEscaped appends s with everything escaped that is not printable, and
// nothing else: log texts often hold quotes and backslashes already.
func appendEscaped(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if size > 1 && unicode.IsPrint(r) {
			i += size
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, r, s[i:i+size])
		i += size
		start = i
	}
	return append(dst, s[start:]...)
}

// appendEscape writes one rune the way a Go string literal does.
func appendEscape(dst []byte, r rune, raw string) []byte {
	switch {
	case r == '\n':
		return append(dst, `\n`...)
	case r == '\r':
		return append(dst, `\r`...)
	case r == '\t':
		return append(dst, `\t`...)
	case len(raw) == 1:
		return fmt.Appendf(dst, `\x%02x`, raw[0])
	case r > 0xffff:
		return fmt.Appendf(dst, `\U%08x`, r)
	}
	return fmt.Appendf(dst, `\u%04x`, r)
}

// appendQuoted appends s as it is if it can be told from what stands around
// it, and as a quoted Go string otherwise.
func appendQuoted(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, `""`...)
	}
	for _, r := range s {
		if r == ' ' || r == '"' || r == '=' || r == '\\' || r == utf8.RuneError || !unicode.IsPrint(r) {
			return strconv.AppendQuote(dst, s)
		}
	}
	return append(dst, s...)
}

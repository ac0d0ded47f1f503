package conflang

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Digest identifies what a configuration says, not how it is written: comments,
// order of keys, separators and the division into files make no difference,
// while every value, variables included, does. The form is
// "sha256:<64 hex digits>", over the tree as JSON with sorted keys and a line
// end, which gives the value that nats-server -t prints for the same file.
func (t *Tree) Digest() (string, error) {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(plainMap(t.Root)); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

func plainMap(m *Map) map[string]any {
	out := make(map[string]any, m.Len())
	for _, e := range m.Entries() {
		out[e.Key] = plain(e.Value)
	}
	return out
}

func plain(v *Value) any {
	switch v.Kind {
	case Int:
		return v.Int
	case Float:
		return v.Float
	case Bool:
		return v.Bool
	case Time:
		return v.Time
	case Array:
		out := make([]any, len(v.Items))
		for i, item := range v.Items {
			out[i] = plain(item)
		}
		return out
	case Object:
		return plainMap(v.Map)
	}
	return v.Str
}

// Print writes the tree in the language itself, with variables and includes
// written out. Parsing the result gives the same tree, except for positions.
func (t *Tree) Print() []byte {
	var b []byte
	for _, e := range t.Root.Entries() {
		b = printEntry(b, e, 0)
	}
	return b
}

// Print writes one value in the language.
func (v *Value) Print() []byte { return printValue(nil, v, 0) }

func printEntry(b []byte, e *Entry, level int) []byte {
	b = append(b, strings.Repeat("  ", level)...)
	b = printKey(b, e.Key)
	b = append(b, ": "...)
	b = printValue(b, e.Value, level)
	return append(b, '\n')
}

// printKey quotes every key. Quoted keys know no escapes, so one that holds
// both kinds of quotes can only have been a bare word, and becomes one again.
func printKey(b []byte, key string) []byte {
	switch {
	case !strings.Contains(key, `"`):
		return append(append(append(b, '"'), key...), '"')
	case !strings.Contains(key, `'`):
		return append(append(append(b, '\''), key...), '\'')
	}
	return append(b, key...)
}

func printValue(b []byte, v *Value, level int) []byte {
	switch v.Kind {
	case Int:
		return strconv.AppendInt(b, v.Int, 10)
	case Float:
		n := len(b)
		b = strconv.AppendFloat(b, v.Float, 'f', -1, 64)
		if v.Float == math.Trunc(v.Float) && !strings.Contains(string(b[n:]), ".") {
			b = append(b, ".0"...)
		}
		return b
	case Bool:
		return strconv.AppendBool(b, v.Bool)
	case Time:
		return v.Time.AppendFormat(b, "2006-01-02T15:04:05Z")
	case Array:
		b = append(b, "[\n"...)
		for _, item := range v.Items {
			b = append(b, strings.Repeat("  ", level+1)...)
			b = printValue(b, item, level+1)
			b = append(b, '\n')
		}
		return append(append(b, strings.Repeat("  ", level)...), ']')
	case Object:
		b = append(b, "{\n"...)
		for _, e := range v.Map.Entries() {
			b = printEntry(b, e, level+1)
		}
		return append(append(b, strings.Repeat("  ", level)...), '}')
	}
	return printString(b, v.Str)
}

func printString(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	b = append(b, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c < ' ' || c == 0x7f:
			b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

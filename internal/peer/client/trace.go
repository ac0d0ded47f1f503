package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"dunlin/internal/base/loglevel"
	"dunlin/internal/proto/wire"
)

// secrets are the fields of CONNECT that never reach the log.
var secrets = []string{"pass", "auth_token", "sig", "proxy_sig", "nkey", "jwt"}

// traceIn logs what came in, in nats-server's shape.
func (c *Client) traceIn(op wire.Op, raw []byte) {
	if acc := c.account.Load(); acc != nil && acc.IsSystem && !c.cfg.TraceSystem {
		return
	}
	line, body, _ := bytes.Cut(raw, []byte("\n"))
	line = bytes.TrimRight(line, "\r")
	if op == wire.OpConnect {
		line = redact(line)
	}
	c.trace("<<-", line)
	if op != wire.OpPub {
		return
	}
	m := &c.parser.Msg
	if m.Header > 0 {
		c.tracePart("MSG_HEADERS", m.Body[:m.Header])
	}
	if !c.cfg.TraceHeaders && len(body) > 0 {
		c.tracePart("MSG_PAYLOAD", m.Body[m.Header:])
	}
}

// traceOut logs the first line of what goes out.
func (c *Client) traceOut(data []byte) {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	c.trace("->>", bytes.TrimRight(line, "\r"))
}

func (c *Client) tracePart(what string, data []byte) {
	more := ""
	if max := c.cfg.MaxTracedSize; max > 0 && len(data) > max {
		data, more = data[:max], "..."
	}
	c.log(loglevel.Trace, fmt.Sprintf("<<- %s: [%q%s]", what, data, more))
}

const blot = "[REDACTED]"

// redact blots out the values of secret fields in a line with CONNECT, in
// whatever spelling the decoder takes for their names. What is no JSON is not
// shown at all: nobody can say where a secret in it begins.
func redact(line []byte) []byte {
	verb := min(len(line), len("CONNECT"))
	arg := bytes.TrimLeft(line[verb:], " \t")
	if len(arg) == 0 {
		return line
	}
	if !json.Valid(arg) {
		return append(bytes.Clone(line[:verb]), " "+blot...)
	}
	out := bytes.Clone(line[:len(line)-len(arg)])
	for i := 0; i < len(arg); {
		if arg[i] != '"' {
			out = append(out, arg[i])
			i++
			continue
		}
		end := afterString(arg, i)
		text := arg[i:end]
		out = append(out, text...)
		i = end
		colon := skipBlanks(arg, i)
		if colon == len(arg) || arg[colon] != ':' || !isSecret(text) {
			continue
		}
		value := skipBlanks(arg, colon+1)
		out = append(append(out, arg[i:value]...), `"`+blot+`"`...)
		i = afterValue(arg, value)
	}
	return out
}

// isSecret tells whether key, a JSON string, names a secret field. The decoder
// of CONNECT does not look at the case of letters either.
func isSecret(key []byte) bool {
	var name string
	if json.Unmarshal(key, &name) != nil {
		return true
	}
	return slices.ContainsFunc(secrets, func(s string) bool { return strings.EqualFold(s, name) })
}

// The functions below look at valid JSON.

func skipBlanks(b []byte, i int) int {
	for i < len(b) && (isBlank(b[i]) || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// afterString is where the string that begins at i has ended.
func afterString(b []byte, i int) int {
	for i++; i < len(b) && b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return min(i+1, len(b))
}

// afterValue is where the value that begins at i has ended.
func afterValue(b []byte, i int) int {
	for depth := 0; i < len(b); {
		switch b[i] {
		case '"':
			if i = afterString(b, i); depth == 0 {
				return i
			}
			continue
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
		if depth < 0 { // the end of what a number or a word stands in
			return i
		}
		i++
	}
	return i
}

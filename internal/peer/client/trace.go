package client

import (
	"bytes"
	"fmt"

	"dunlin/internal/base/loglevel"
	"dunlin/internal/proto/wire"
)

// secrets are the fields of CONNECT that never reach the log.
var secrets = [][]byte{[]byte(`"pass"`), []byte(`"auth_token"`), []byte(`"sig"`), []byte(`"proxy_sig"`), []byte(`"nkey"`), []byte(`"jwt"`)}

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

func (c *Client) tracePart(what string, data []byte) {
	more := ""
	if max := c.cfg.MaxTracedSize; max > 0 && len(data) > max {
		data, more = data[:max], "..."
	}
	c.log(loglevel.Trace, fmt.Sprintf("<<- %s: [%q%s]", what, data, more))
}

// redact blots out the values of secret fields in a JSON object, however it is
// spelled: from the colon to the end of the string.
func redact(line []byte) []byte {
	out := bytes.Clone(line)
	for _, name := range secrets {
		from := 0
		for {
			i := bytes.Index(bytes.ToLower(out[from:]), name)
			if i < 0 {
				break
			}
			at := from + i + len(name)
			start, end := stringAfter(out, at)
			if start < 0 {
				from = at
				continue
			}
			blot := []byte("[REDACTED]")
			out = append(out[:start:start], append(blot, out[end:]...)...)
			from = start + len(blot)
		}
	}
	return out
}

// stringAfter finds the contents of the JSON string that follows a colon after
// position at; start is -1 if there is none.
func stringAfter(b []byte, at int) (start, end int) {
	for at < len(b) && (b[at] == ' ' || b[at] == '\t') {
		at++
	}
	if at >= len(b) || b[at] != ':' {
		return -1, 0
	}
	at++
	for at < len(b) && (b[at] == ' ' || b[at] == '\t') {
		at++
	}
	if at >= len(b) || b[at] != '"' {
		return -1, 0
	}
	at++
	for end = at; end < len(b) && b[end] != '"'; end++ {
		if b[end] == '\\' {
			end++
		}
	}
	return at, min(end, len(b))
}

package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dunlin/internal/proto/conflang"
	"dunlin/internal/proto/subject"
)

// exportEntry and importEntry are what the checks between accounts need.
type exportEntry struct {
	at              conflang.Pos
	service         bool
	subject         string
	accounts        []string
	hasAccounts     bool
	tokenPosition   int
	latencySubject  string
	latencyAt       *conflang.Pos
	serviceOnly     string // a key that only a service may have
	seen, seenOther bool
}

type importEntry struct {
	at      conflang.Pos
	service bool
	account string
	subject string
	to      string
	prefix  string
	seen    bool
}

func openExport(_ *reader, _ any, at conflang.Pos, _ string) any { return &exportEntry{at: at} }

func closeExport(r *reader, ctx, child any, at conflang.Pos) {
	e := child.(*exportEntry)
	if e.seen && !e.service && e.serviceOnly != "" {
		r.fail(at, "the export of stream %q has %s, which only a service can have", e.subject, e.serviceOnly)
		return
	}
	if a, ok := ctx.(*accountEntry); ok && e.seen && !e.seenOther {
		a.exports = append(a.exports, e)
	}
}

func setExport(service bool) func(*reader, any, *conflang.Entry) {
	return setIn(func(r *reader, x *exportEntry, v *conflang.Value) {
		if x.seen && x.service != service {
			r.fail(v.Pos, "an export has both stream and service; expected one of them")
			x.seenOther = true
			return
		}
		x.seen, x.service, x.subject = true, service, v.Str
	})
}

func serviceOnly(name string, f func(r *reader, x *exportEntry, v *conflang.Value)) func(*reader, any, *conflang.Entry) {
	return setIn(func(r *reader, x *exportEntry, v *conflang.Value) {
		x.serviceOnly = name
		if f != nil {
			f(r, x, v)
		}
	})
}

var exportKeys = schema{title: "exports", keys: []*key{
	{name: "stream", takes: tStr, doc: "Subject of a stream.", set: setExport(false)},
	{name: "service", takes: tStr, doc: "Subject of a service.", set: setExport(true)},
	{name: "accounts", takes: tStrs, doc: "Accounts that may import; without it every account may.", set: setIn(func(_ *reader, x *exportEntry, v *conflang.Value) { x.accounts, x.hasAccounts = strs(v), true })},
	{name: "response_type", alias: []string{"response"}, takes: tStr, words: []string{"single", "singleton", "stream", "chunk", "chunked"}, def: "singleton", doc: "How a service answers.", set: serviceOnly("response_type", nil)},
	{name: "response_threshold", alias: []string{"threshold"}, takes: tDur, def: "2m", doc: "Time in which a service answers.", set: serviceOnly("response_threshold", nil)},
	{name: "latency", takes: tStr | tMap, doc: "Subject for measurements of a service, or a map.", set: serviceOnly("latency", setLatency), inner: &schema{title: "latency", keys: []*key{
		{name: "subject", takes: tStr, doc: "Subject of the measurements."},
		{name: "sampling", takes: tInt | tStr, def: "100", doc: "Percentage of requests, or headers.", check: func(v *conflang.Value) string {
			if v.Kind == conflang.String && strings.EqualFold(v.Str, "headers") {
				return ""
			}
			return percentage(1)(v)
		}},
	}}},
	{name: "account_token_position", takes: tInt, doc: "Token of the subject that must be the importing account.", bind: in(func(x *exportEntry) any { return &x.tokenPosition })},
	{name: "allow_trace", takes: tBool, def: "false", doc: "Message tracing goes on in this account.", set: serviceOnly("allow_trace", nil)},
}}

func setLatency(r *reader, x *exportEntry, v *conflang.Value) {
	x.latencyAt = &v.Pos
	if x.latencySubject = v.Str; v.Kind != conflang.Object {
		return
	}
	if e := v.Map.GetFold("subject"); e != nil {
		x.latencySubject = e.Value.Str
	} else {
		r.fail(v.Pos, "latency has no subject; expected one")
		x.latencyAt = nil
	}
}

func openImport(_ *reader, _ any, at conflang.Pos, _ string) any { return &importEntry{at: at} }

func closeImport(_ *reader, ctx, child any, _ conflang.Pos) {
	if a, ok := ctx.(*accountEntry); ok && child.(*importEntry).seen {
		a.imports = append(a.imports, child.(*importEntry))
	}
}

func importSource(service bool) *key {
	name := "stream"
	if service {
		name = "service"
	}
	return &key{name: name, takes: tMap, doc: "The " + name + ": account and subject.",
		open: func(r *reader, ctx any, at conflang.Pos, _ string) any {
			i, ok := ctx.(*importEntry)
			if !ok {
				return nil
			}
			if i.seen {
				r.fail(at, "an import has both stream and service; expected one of them")
			}
			i.seen, i.service = true, service
			return i
		},
		close: func(r *reader, _, child any, at conflang.Pos) {
			if i := child.(*importEntry); i.account == "" || i.subject == "" {
				r.fail(at, "an import does not say where from; expected account and subject")
				i.seen = false
			}
		},
		inner: &schema{title: "an import", keys: []*key{
			{name: "account", takes: tStr, doc: "Account that exports.", bind: in(func(i *importEntry) any { return &i.account })},
			{name: "subject", takes: tStr, doc: "Subject there.", bind: in(func(i *importEntry) any { return &i.subject })},
		}}}
}

var importKeys = schema{title: "imports", keys: []*key{
	importSource(false),
	importSource(true),
	{name: "to", takes: tStr, doc: "Subject here.", bind: in(func(i *importEntry) any { return &i.to })},
	{name: "prefix", takes: tStr, doc: "Tokens in front of the subject here.", bind: in(func(i *importEntry) any { return &i.prefix })},
	{name: "share", takes: tBool, def: "false", doc: "Tell the service who asks."},
	{name: "allow_trace", takes: tBool, def: "false", doc: "Message tracing goes on in this account."},
}}

// checkTraceDest looks at the short form; the long one has keys of its own.
func checkTraceDest(v *conflang.Value) string {
	dest := v.Str
	if v.Kind == conflang.Object {
		e := v.Map.GetFold("dest")
		if v.Map.Len() == 0 {
			return ""
		}
		if e == nil {
			return "no dest; expected a subject for the traces"
		}
		dest = e.Value.Str
	}
	if !subject.ValidLiteral(dest) {
		return fmt.Sprintf("%q is no subject to publish to; expected one without wildcards", dest)
	}
	return ""
}

// checkSharing looks at exports and imports across accounts.
func (r *reader) checkSharing() {
	for _, a := range r.accounts {
		for _, x := range a.exports {
			r.checkExport(a, x)
		}
	}
	for _, a := range r.accounts {
		seen := make(map[string]bool)
		for _, i := range a.imports {
			r.checkImport(a, i, seen)
		}
	}
}

func kindOf(service bool) string {
	if service {
		return "service"
	}
	return "stream"
}

func (r *reader) checkExport(a *accountEntry, x *exportEntry) {
	for _, name := range x.accounts {
		if r.accountNamed(name) == nil {
			r.fail(x.at, "the export of %s %q names the account %q, which is not defined", kindOf(x.service), x.subject, name)
		}
	}
	if x.tokenPosition > 0 {
		tokens := strings.Split(x.subject, ".")
		if x.tokenPosition > len(tokens) || tokens[x.tokenPosition-1] != "*" {
			r.fail(x.at, "account_token_position is %d; expected the position of a * in %q", x.tokenPosition, x.subject)
		}
	}
	if x.latencyAt != nil && !subject.ValidLiteral(x.latencySubject) {
		r.fail(*x.latencyAt, "latency of %q goes to %q; expected a subject without wildcards", x.subject, x.latencySubject)
	}
}

// local is the subject of an import in the importing account.
func (i *importEntry) local() string {
	switch {
	case i.to != "":
		return i.to
	case i.prefix != "" && !i.service:
		return strings.TrimSuffix(i.prefix, ".") + "." + i.subject
	}
	return i.subject
}

func (r *reader) checkImport(a *accountEntry, i *importEntry, seen map[string]bool) {
	what := kindOf(i.service)
	from := r.accountNamed(i.account)
	if from == nil {
		r.fail(i.at, "account %q, from which %s %q is imported, is not defined", i.account, what, i.subject)
		return
	}
	if !exported(from, a, i) {
		r.fail(i.at, "%s %q cannot be imported: account %q does not export it to %q", what, i.subject, i.account, a.Name)
		return
	}
	id := strconv.FormatBool(i.service) + " " + i.local()
	if !i.service {
		id += " " + i.account + " " + i.subject
	}
	if seen[id] {
		r.fail(i.at, "%s %q is imported twice to the same subject; expected different ones", what, i.local())
		return
	}
	seen[id] = true
	if from != a && r.cycle(a, i, from, i.subject, make(map[string]bool)) {
		r.fail(i.at, "the import of %s %q from account %q leads in a circle back to account %q", what, i.subject, i.account, a.Name)
	}
}

// exported says whether from lets a import i.
func exported(from, a *accountEntry, i *importEntry) bool {
	for _, x := range from.exports {
		if x.service == i.service && subject.Covers(x.subject, i.subject) &&
			(!x.hasAccounts || len(x.accounts) == 0 || slices.Contains(x.accounts, a.Name)) {
			return true
		}
	}
	return false
}

// cycle follows the imports of account at that deliver subj, and says whether
// they come back to a.
func (r *reader) cycle(a *accountEntry, first *importEntry, at *accountEntry, subj string, visited map[string]bool) bool {
	id := at.Name + " " + subj
	if visited[id] {
		return false
	}
	visited[id] = true
	for _, i := range at.imports {
		if i.service != first.service || !subject.Overlap(i.local(), subj) {
			continue
		}
		next := r.accountNamed(i.account)
		if next == nil {
			continue // reported where it stands
		}
		if next == a || next != at && r.cycle(a, first, next, i.subject, visited) {
			return true
		}
	}
	return false
}

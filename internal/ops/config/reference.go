package config

import (
	"fmt"
	"slices"
	"strings"
)

// Reference gives docs/configuration.md, from the table that the reader uses.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceIntro)
	b.WriteString("\n## Top level\n\n")
	w := &referenceWriter{b: &b, seen: make(map[*schema]string)}
	w.table(&top, "")
	for len(w.queue) > 0 {
		s := w.queue[0]
		w.queue = w.queue[1:]
		fmt.Fprintf(&b, "\n## %s\n\n", s.path)
		w.table(s.schema, s.path)
	}
	return b.String()
}

type referenceWriter struct {
	b     *strings.Builder
	seen  map[*schema]string // the section of each block
	queue []*referenceSection
}

type referenceSection struct {
	schema *schema
	path   string
}

func (w *referenceWriter) table(s *schema, path string) {
	keys := slices.Clone(s.keys)
	if s.free != nil {
		keys = append(keys, s.free)
	}
	w.b.WriteString("| key | takes | default | reload | what it does |\n|---|---|---|---|---|\n")
	for _, k := range keys {
		names := make([]string, 0, 1+len(k.alias))
		for _, n := range k.names() {
			names = append(names, "`"+n+"`")
		}
		reload := k.sometimes
		switch {
		case reload != "":
		case k.lasting:
			reload = "yes, but not on or off"
		case k.reload:
			reload = "yes"
		case path == "" || k.restart:
			reload = "restart"
		}
		doc := k.doc
		if k.later != "" {
			doc += " *Not yet: " + k.later + ".*"
		}
		if k.inner != nil {
			doc += " Keys: [" + w.section(k, path) + "](#" + anchor(w.section(k, path)) + ")."
		}
		fmt.Fprintf(w.b, "| %s | %s | %s | %s | %s |\n", strings.Join(names, ", "), cell(k.expected()), cell(k.def), reload, cell(doc))
	}
}

// section names the part of the reference that describes the block of k, and
// puts it into the queue the first time.
func (w *referenceWriter) section(k *key, path string) string {
	if name, ok := w.seen[k.inner]; ok {
		return name
	}
	name := k.name
	if path != "" {
		name = path + "." + k.name
	}
	if k.inner.section != "" {
		name = k.inner.section
	}
	w.seen[k.inner] = name
	w.queue = append(w.queue, &referenceSection{schema: k.inner, path: name})
	return name
}

// anchor is the name that GitHub gives a heading.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r == ' ':
			return '-'
		}
		return -1
	}, heading)
}

func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;").Replace(s)
}

const referenceIntro = `# Configuration

<!-- Written by: go test ./internal/ops/config -run TestReference -update -->

` + "`dunlin -c file`" + ` reads a configuration file in the language of nats-server; its files work unchanged. ` + "`dunlin -c file -t`" + ` only
checks it, and prints every mistake with file, line and column. What would be a warning at the start is a mistake there.
Flags on the command line override the file; ` + "`dunlin --help`" + ` lists them.

## The language

` + "```" + `
# a comment; so is what follows // (both need a blank before them behind a value)
port: 4222                      # "key: value", "key = value" and "key value" mean the same
max_payload = 1MB; debug on     # a line end, ";" or "," ends a value
server_name "east-1"            # quotes where a value holds blanks or separators
HOST: "10.0.0.7"                # a key that is used as a variable may have any name
client_advertise: $HOST         # looked up in the enclosing maps, then in the environment
authorization {                 # maps may do without ":"
  users [                       # in arrays, line ends or "," separate
    { user: joe, password: $JOES_PASSWORD }
  ]
}
include "./accounts.conf"       # relative to this file; inside maps, too
` + "```" + `

- Keys are not case sensitive. If a key is given twice, the last one counts.
- Strings: bare words, ` + "`\"with \\t \\n \\r \\\" \\\\ \\x41 escapes\"`" + `, ` + "`'as they stand'`" + `, and blocks from ` + "`(`" + ` to a ` + "`)`" + ` alone in the first column.
- Integers may have a size: ` + "`k m g t p e`" + ` count in thousands, with ` + "`b`" + `, ` + "`i`" + ` or ` + "`ib`" + ` behind it in 1024.
- Booleans: ` + "`true yes on`" + `, ` + "`false no off`" + `. Dates: ` + "`2006-01-02T15:04:05Z`" + `.
- Durations are strings with a unit (` + "`\"1m30s\"`" + `). A bare number is taken as seconds, with a warning.
- bcrypt hashes (` + "`$2a$...`" + `) need no quotes.
- JSON is understood, too.
- The digest that ` + "`-t`" + ` prints, and ` + "`/varz`" + ` shows as ` + "`config_digest`" + `, is over what the file says, not how it is written.

## Reading the tables

Column *reload*: whether the key may change while the server runs (` + "`dunlin --signal reload`" + `); keys inside a block follow the block's
rule, unless they have one of their own. A file that changes a key marked *restart* is refused as a whole, and nothing of it is taken over.
Keys marked *Not yet* are read and checked, and the server says once at its start that they have no effect; what a reload may change of
them is what nats-server lets it change, but for the keys of a leaf node remote that stays, of which it takes over fewer.
`

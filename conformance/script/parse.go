package script

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// parser walks the lines of one file; it is used by one goroutine, once.
type parser struct {
	path     string
	lines    []string
	next     int // index of the next line
	file     *File
	current  *Script
	common   string
	seen     map[string]int // script name to line
	mistakes []string
}

func (p *parser) mistake(format string, args ...any) {
	p.mistakes = append(p.mistakes, fmt.Sprintf("%s:%d: ", p.path, p.next)+fmt.Sprintf(format, args...))
}

func (p *parser) line() {
	raw := p.lines[p.next]
	p.next++
	text := strings.TrimRight(raw, " \t\r")
	switch {
	case text == "" || strings.HasPrefix(text, "#"):
	case strings.HasPrefix(text, "=== "):
		p.begin(strings.TrimPrefix(text, "=== "))
	case text == "common:":
		if p.current != nil {
			p.mistake("common: must stand before the first script")
		}
		p.common += p.block()
	case p.current == nil:
		p.mistake("%q stands before the first script", text)
	case strings.HasPrefix(text, " "):
		p.mistake("an indented line needs a block above it (config:, reload:)")
	default:
		// A send keeps its trailing blanks: they are part of the bytes.
		p.directive(text, strings.TrimRight(raw, "\r"))
	}
}

func (p *parser) begin(heading string) {
	p.finish()
	title, shows, ok := strings.Cut(heading, ":")
	title = strings.TrimSpace(title)
	if !ok || strings.TrimSpace(shows) == "" || !name.MatchString(title) {
		p.mistake("want \"=== name: what it shows\" with a name of a-z, 0-9 and -")
	}
	if first, dup := p.seen[title]; dup {
		p.mistake("script %q exists already, in line %d", title, first)
	}
	p.seen[title] = p.next
	p.current = &Script{Area: p.file.Area, Name: title, Shows: strings.TrimSpace(shows), Line: p.next, Config: p.common}
}

func (p *parser) finish() {
	if p.current == nil {
		return
	}
	if len(p.current.Steps) == 0 {
		p.mistake("script %q has no steps, it would test nothing", p.current.Name)
	}
	p.file.Scripts = append(p.file.Scripts, p.current)
	p.current = nil
}

// block takes the indented lines that follow.
func (p *parser) block() string {
	var b strings.Builder
	for p.next < len(p.lines) {
		text := p.lines[p.next]
		if strings.TrimSpace(text) != "" && !strings.HasPrefix(text, "  ") {
			break
		}
		if strings.TrimSpace(text) != "" {
			b.WriteString(strings.TrimPrefix(text, "  ") + "\n")
		}
		p.next++
	}
	return b.String()
}

var send = regexp.MustCompile(`^([A-Z][A-Za-z0-9]*)(>>?)(?: (.*))?$`)

func (p *parser) directive(text, raw string) {
	if m := send.FindStringSubmatch(raw); m != nil {
		p.send(m[1], m[2] == ">>", m[3])
		return
	}
	switch word, rest, _ := strings.Cut(text, " "); word {
	case "config:":
		if len(p.current.Steps) > 0 {
			p.mistake("config: must stand before the steps; use reload: for a later one")
		}
		p.current.Config += p.block()
	case "nohttp":
		p.current.NoHTTP = true
	case "mask":
		p.mask(rest)
	case "reload:", "reload-refused:":
		verb := Verb(strings.TrimSuffix(word, ":"))
		p.add(Step{Line: p.next, Verb: verb, Text: p.common + p.block(), Source: string(verb)})
	default:
		p.step(Verb(word), text, strings.TrimSpace(rest))
	}
}

func (p *parser) add(s Step) { p.current.Steps = append(p.current.Steps, s) }

func (p *parser) mask(rest string) {
	pattern, text, ok := strings.Cut(rest, " => ")
	re, err := regexp.Compile(pattern)
	if !ok || err != nil {
		p.mistake("want \"mask REGEXP => TEXT\" (%v)", err)
		return
	}
	p.current.Masks = append(p.current.Masks, Mask{Pattern: re, Text: text})
}

func (p *parser) send(conn string, exact bool, text string) {
	if _, err := Unescape(text); err != nil {
		p.mistake("%v", err)
		return
	}
	steps := p.current.Steps
	if exact {
		p.add(Step{Line: p.next, Verb: SendRaw, Conns: []string{conn}, Text: text, Source: conn + ">> " + text})
		return
	}
	if n := len(steps); n > 0 && steps[n-1].Verb == Send && steps[n-1].Conns[0] == conn {
		steps[n-1].Text += text + `\r\n`
		steps[n-1].Source += "\n" + conn + "> " + text
		return
	}
	p.add(Step{Line: p.next, Verb: Send, Conns: []string{conn}, Text: text + `\r\n`, Source: conn + "> " + text})
}

var optionName = regexp.MustCompile(`^[a-z]+$`)

var connName = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)

func (p *parser) step(verb Verb, source, rest string) {
	f, ok := forms[verb]
	if !ok {
		p.mistake("unknown step %q", verb)
		return
	}
	s := Step{Line: p.next, Verb: verb, Source: source, Options: map[string]string{}}
	if i := strings.IndexByte(rest, '{'); i >= 0 && (verb == Join || verb == Connect || verb == Peer || verb == Accept) {
		s.JSON, rest = rest[i:], rest[:i]
	}
	words, err := split(rest)
	if err != nil {
		p.mistake("%v", err)
		return
	}
	for _, w := range words {
		key, value, assigned := strings.Cut(w.text, "=")
		switch {
		case !w.quoted && slices.Contains(f.options, key):
			s.Options[key] = value
		case assigned && w.assigned && optionName.MatchString(key):
			p.mistake("%s takes no option %q", verb, key)
		case f.conns && !w.quoted && connName.MatchString(w.text) && len(s.Words) == 0:
			s.Conns = append(s.Conns, w.text)
		default:
			s.Words = append(s.Words, w.text)
		}
	}
	// "wait A PONG": a bare text that looks like a connection.
	for len(s.Words) < f.words && len(s.Conns) > 1 {
		s.Words = append([]string{s.Conns[len(s.Conns)-1]}, s.Words...)
		s.Conns = s.Conns[:len(s.Conns)-1]
	}
	if f.conns && len(s.Conns) == 0 {
		p.mistake("%s needs the name of a connection", verb)
	}
	if len(s.Words) != f.words {
		p.mistake("%s takes %d words, got %d", verb, f.words, len(s.Words))
	}
	p.add(s)
}

type word struct {
	text     string
	quoted   bool // the whole word stood in quotes
	assigned bool // key=value, outside of quotes
}

// split cuts a line at blanks; quotes hold a word together, and escapes in
// them are resolved.
func split(s string) ([]word, error) {
	var words []word
	for i := 0; i < len(s); {
		if s[i] == ' ' || s[i] == '\t' {
			i++
			continue
		}
		var b strings.Builder
		w := word{quoted: s[i] == '"'}
		for i < len(s) && s[i] != ' ' && s[i] != '\t' {
			if s[i] != '"' {
				w.assigned = w.assigned || s[i] == '='
				b.WriteByte(s[i])
				i++
				continue
			}
			end := i + 1
			for end < len(s) && s[end] != '"' {
				if s[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(s) {
				return nil, fmt.Errorf("quote not closed in %q", s)
			}
			inner, err := Unescape(s[i+1 : end])
			if err != nil {
				return nil, err
			}
			b.WriteString(inner)
			i = end + 1
		}
		w.text = b.String()
		words = append(words, w)
	}
	return words, nil
}

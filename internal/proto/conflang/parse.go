package conflang

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Limits bound what a configuration may make the parser do.
type Limits struct {
	FileBytes    int64 // size of one file
	TotalBytes   int64 // size of all files together
	Includes     int   // number of included files
	IncludeDepth int   // files that include files that include ...
	Depth        int   // maps and arrays inside each other, variables resolved
	Weight       int64 // bytes of the tree with every variable written out
}

// DefaultLimits are far above any real configuration, and far below what would
// hurt a machine.
var DefaultLimits = Limits{
	FileBytes:    64 << 20,
	TotalBytes:   128 << 20,
	Includes:     10_000,
	IncludeDepth: 32,
	Depth:        256,
	Weight:       512 << 20,
}

// Source is where a parse gets everything that is not in the text itself.
type Source struct {
	// ReadFile gives the content of an included file, refusing one longer
	// than max bytes. Nil: includes are refused. An error that wraps
	// fs.ErrNotExist makes the parser try an absolute name as it stands.
	ReadFile func(path string, max int64) ([]byte, error)
	// Env looks up an environment variable. Nil: there is none.
	Env func(name string) (string, bool)
	// Limits; the zero value means DefaultLimits.
	Limits Limits
}

// Parse reads a configuration. The name stands in every position and names
// the directory to which includes are relative. The error is of type Errors.
func Parse(name string, data []byte, src Source) (*Tree, error) {
	if src.Limits == (Limits{}) {
		src.Limits = DefaultLimits
	}
	r := &run{src: src, total: int64(len(data)), files: []string{name}}
	if int64(len(data)) > src.Limits.FileBytes {
		r.fail(Pos{name, 1, 1}, "the file has %d bytes; at most %d are allowed", len(data), src.Limits.FileBytes)
		return nil, r.errs
	}
	root := r.file(name, data, 0)
	if len(r.errs) > 0 {
		return nil, r.errs
	}
	return &Tree{Root: root, Files: r.files}, nil
}

// run is the state that one parse shares over all its files.
type run struct {
	src     Source
	errs    Errors
	files   []string
	open    []string // include stack, to name a cycle
	total   int64
	weight  int64 // of everything accepted so far
	envOpen []string
}

// errsMax keeps a generated file with a mistake on each line from printing a
// million of them.
const errsMax = 200

func (r *run) fail(at Pos, format string, args ...any) {
	if len(r.errs) < errsMax {
		r.errs = append(r.errs, &Error{Pos: at, Msg: fmt.Sprintf(format, args...)})
	}
}

// file parses one file to the map of its top level. What was read before a
// syntax error is returned, too: the caller looks at r.errs. The depth is that
// of the map into which the file is included.
func (r *run) file(name string, data []byte, depth int) *Map {
	p := &parser{run: r, name: name, in: data, line: 1, depth: depth}
	root := new(Map)
	p.scopes = []*Map{root}
	r.open = append(r.open, filepath.Clean(name))
	if err := p.topLevel(root); err != nil {
		p.report(err)
	}
	r.open = r.open[:len(r.open)-1]
	return root
}

// parser reads one file. It is a recursive descent over bytes: the language
// needs one byte of look-ahead, two for "//".
type parser struct {
	*run
	name   string
	in     []byte
	off    int
	line   int
	bol    int    // offset of the first byte of the line
	scopes []*Map // enclosing maps, outermost first: where variables are looked up
	depth  int
	env    bool // reads an environment variable, not a file
}

func (p *parser) pos() Pos { return Pos{p.name, p.line, p.off - p.bol + 1} }

// eof is what peek gives behind the last byte. NUL in a file is refused
// outside of strings, so it cannot be mistaken for content.
const eof = 0

func (p *parser) peek() byte {
	if p.off < len(p.in) {
		return p.in[p.off]
	}
	return eof
}

func (p *parser) atEnd() bool { return p.off >= len(p.in) }

func (p *parser) next() {
	if p.in[p.off] == '\n' {
		p.line++
		p.bol = p.off + 1
	}
	p.off++
}

func (p *parser) report(err error) {
	var e *Error
	if errors.As(err, &e) {
		p.fail(e.Pos, "%s", e.Msg)
	}
}

func (p *parser) errorf(at Pos, format string, args ...any) error {
	return &Error{Pos: at, Msg: fmt.Sprintf(format, args...)}
}

// found describes the next byte for a message.
func (p *parser) found() string {
	switch {
	case p.atEnd():
		return "the end of the file"
	case p.peek() == '\n':
		return "the end of the line"
	case p.peek() < ' ' || p.peek() >= 0x7f:
		return fmt.Sprintf("the byte 0x%02x", p.peek())
	}
	return fmt.Sprintf("%q", p.peek())
}

func (p *parser) skipBlanks() {
	for !p.atEnd() {
		switch p.peek() {
		case ' ', '\t', '\r':
			p.off++
		default:
			return
		}
	}
}

func (p *parser) commentHere() bool {
	if p.peek() == '#' {
		return true
	}
	return p.peek() == '/' && p.off+1 < len(p.in) && p.in[p.off+1] == '/'
}

func (p *parser) skipLine() {
	for !p.atEnd() && p.peek() != '\n' {
		p.off++
	}
}

// skipSpace passes blanks, line ends and comments.
func (p *parser) skipSpace() {
	for {
		p.skipBlanks()
		switch {
		case p.atEnd():
			return
		case p.peek() == '\n':
			p.next()
		case p.commentHere():
			p.skipLine()
		default:
			return
		}
	}
}

func (p *parser) topLevel(root *Map) error {
	for {
		p.skipSpace()
		if p.atEnd() {
			return nil
		}
		at := p.pos()
		switch p.peek() {
		case '{':
			// A file in JSON wears braces around everything. nats-server
			// reads on behind them, and so do we.
			p.off++
			if err := p.mapBody(root, at); err != nil {
				return err
			}
			continue
		case '}':
			// A brace too many as the very last thing is let through, as
			// nats-server does; anywhere else it means that maps are not
			// what the author thinks they are.
			p.off++
			p.skipSpace()
			if !p.atEnd() {
				return p.errorf(at, "unexpected '}'; no map is open here")
			}
			return nil
		}
		if err := p.entry(root, true); err != nil {
			return err
		}
		if err := p.endOfEntry(true); err != nil {
			return err
		}
	}
}

// mapBody reads entries up to the closing brace. The opening one, at start,
// has been read.
func (p *parser) mapBody(m *Map, start Pos) error {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > p.src.Limits.Depth {
		return p.errorf(start, "maps and arrays are nested more than %d deep; nest less", p.src.Limits.Depth)
	}
	for {
		p.skipSpace()
		if p.atEnd() {
			return p.errorf(p.pos(), "the map that begins on line %d is not closed; expected '}'", start.Line)
		}
		if p.peek() == '}' {
			p.off++
			return nil
		}
		if err := p.entry(m, false); err != nil {
			return err
		}
		if err := p.endOfEntry(false); err != nil {
			return err
		}
	}
}

// endOfEntry checks what stands behind a value: the end of the line, a
// separator, a comment, or the brace that closes the map (left unread).
func (p *parser) endOfEntry(top bool) error {
	p.skipBlanks()
	switch {
	case p.atEnd(), p.peek() == '\n', p.peek() == '}', p.commentHere():
		return nil
	case p.peek() == ',', p.peek() == ';':
		p.off++
		return nil
	}
	if top {
		return p.errorf(p.pos(), "unexpected %s after a value; expected the end of the line, ',' or ';' (a value with blanks needs quotes)", p.found())
	}
	return p.errorf(p.pos(), "unexpected %s after a value; expected the end of the line, ',', ';' or '}' (a value with blanks needs quotes)", p.found())
}

// entry reads one key with its value into m, or one include.
func (p *parser) entry(m *Map, top bool) error {
	at := p.pos()
	key, bare, err := p.key()
	if err != nil {
		return err
	}
	if bare && strings.EqualFold(key, "include") && (p.peek() == ' ' || p.peek() == '\t') {
		return p.include(m, at)
	}
	// A line end is passed between key and separator, and in a map behind the
	// separator, too; on the top level "key:" wants its value on the line.
	p.skipBlanksAndLines()
	if c := p.peek(); c == ':' || c == '=' {
		p.off++
		if top {
			p.skipBlanks()
		} else {
			p.skipBlanksAndLines()
		}
	}
	if p.atEnd() || p.peek() == '\n' {
		return p.errorf(p.pos(), "key %q has no value; expected a value before %s", key, p.found())
	}
	v, err := p.value()
	if err != nil {
		return err
	}
	m.put(&Entry{Key: key, Pos: at, Value: v})
	return p.charge(at, int64(len(key))+32)
}

func (p *parser) skipBlanksAndLines() {
	for p.skipBlanks(); p.peek() == '\n'; p.skipBlanks() {
		p.next()
	}
}

// key reads a key up to, not including, the blank, ':' or '=' behind it.
// Quotes take everything as it stands: keys know no escapes.
func (p *parser) key() (key string, bare bool, err error) {
	at := p.pos()
	switch c := p.peek(); c {
	case '"', '\'':
		p.off++
		start := p.off
		for !p.atEnd() && p.peek() != c && p.peek() != '\n' {
			p.off++
		}
		if p.peek() != c || p.atEnd() {
			return "", false, p.errorf(at, "the quoted key is not closed on its line; expected %c", c)
		}
		p.off++
		return string(p.in[start : p.off-1]), false, nil
	case ':', '=':
		return "", false, p.errorf(at, "unexpected %q; expected a key before it", c)
	case ',', ';':
		return "", false, p.errorf(at, "unexpected %q; expected a key (one separator behind each value is enough)", c)
	}
	start := p.off
	if strings.HasPrefix(string(p.in[start:min(start+2, len(p.in))]), "/*") {
		return "", false, p.errorf(at, "there are no block comments; begin each line with '#' or '//'")
	}
	for !p.atEnd() {
		switch c := p.peek(); c {
		case ' ', '\t', '\r', '\n', ':', '=':
			return string(p.in[start:p.off]), true, nil
		case '{':
			if p.off > start {
				return "", false, p.errorf(p.pos(), "unexpected '{' in the key %q; expected a blank, ':' or '=' before it", p.in[start:p.off])
			}
			return "", false, p.errorf(p.pos(), "unexpected '{'; expected a key")
		case '}':
			return "", false, p.errorf(at, "key %q has no value; expected ':' and a value before '}'", p.in[start:p.off])
		case eof:
			return "", false, p.errorf(p.pos(), "unexpected NUL byte in a key")
		}
		p.off++
	}
	return "", false, p.errorf(at, "key %q has no value; expected ':' and a value before the end of the file", p.in[start:p.off])
}

// charge adds to the weight of the whole tree.
func (p *parser) charge(at Pos, weight int64) error {
	p.run.weight += weight
	if p.run.weight > p.src.Limits.Weight {
		return p.errorf(at, "the configuration with its variables written out is larger than %d bytes; repeat less by variables", p.src.Limits.Weight)
	}
	return nil
}

// date reads the one form of dates that the language knows.
func date(word string) (time.Time, bool) {
	t, err := time.Parse("2006-01-02T15:04:05Z", word)
	return t, err == nil
}

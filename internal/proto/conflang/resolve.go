package conflang

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// variable resolves $name: in the enclosing maps from the inside out, as far
// as they have been read, then in the environment. Maps of an including file
// are not searched: a file means the same wherever it is included.
//
// A variable that is not there is recorded and parsing goes on, so that all
// of them are reported at once.
func (p *parser) variable(name string, at Pos) (*Value, error) {
	for i := len(p.scopes) - 1; i >= 0; i-- {
		if e := p.scopes[i].Get(name); e != nil {
			e.Used = true
			v := *e.Value
			v.Pos, v.Variable = at, name
			return &v, nil
		}
	}
	missing := &Value{Kind: String, Pos: at, Variable: name}
	if p.src.Env == nil {
		p.fail(at, "variable $%s is not defined; expected a key %s before this line", name, name)
		return missing, nil
	}
	text, ok := p.src.Env(name)
	if !ok {
		p.fail(at, "variable $%s is not defined; expected a key %s in an enclosing map before this line, or an environment variable", name, name)
		return missing, nil
	}
	v, err := p.environment(name, text, at)
	if err != nil {
		p.report(err)
		return missing, nil
	}
	return v, nil
}

// environment reads the text of an environment variable as a value.
func (p *parser) environment(name, text string, at Pos) (*Value, error) {
	if slices.Contains(p.envOpen, name) {
		return nil, p.errorf(at, "the environment variables %s refer to each other in a circle", strings.Join(append(p.envOpen, name), " -> "))
	}
	if text == "" {
		return &Value{Kind: String, Pos: at, Variable: name}, nil
	}
	inner := &parser{run: p.run, name: "environment variable " + name, in: []byte(text), line: 1, depth: p.depth, env: true}
	inner.envOpen = append(inner.envOpen, name)
	defer func() { p.envOpen = p.envOpen[:len(p.envOpen)-1] }()
	inner.skipBlanks()
	v, err := inner.value()
	if err == nil {
		inner.skipSpace()
		if !inner.atEnd() {
			err = inner.errorf(inner.pos(), "unexpected text behind the value; a value with blanks or separators needs quotes inside the variable")
		}
	}
	var e *Error
	if errors.As(err, &e) {
		// The text itself stays out of the message: it may be a password.
		return nil, p.errorf(at, "the environment variable %s cannot be read as a value: column %d: %s", name, e.Pos.Col, e.Msg)
	}
	v.Pos, v.Variable = at, name
	return v, nil
}

// include reads the file name behind the word include and merges that file's
// keys into m.
func (p *parser) include(m *Map, at Pos) error {
	p.skipBlanks()
	nameAt := p.pos()
	if p.env {
		return p.errorf(at, "an environment variable cannot include files")
	}
	name, err := p.includeName()
	if err != nil {
		return err
	}
	child := p.load(name, nameAt)
	if child == nil {
		return nil // recorded; the rest of this file is still worth reading
	}
	for _, e := range child.entries {
		if e != nil {
			m.put(e)
		}
	}
	return nil
}

func (p *parser) includeName() (string, error) {
	at := p.pos()
	if c := p.peek(); c == '"' || c == '\'' {
		p.off++
		start := p.off
		for !p.atEnd() && p.peek() != c && p.peek() != '\n' {
			p.off++
		}
		if p.atEnd() || p.peek() != c {
			return "", p.errorf(at, "the file name is not closed; expected %c", c)
		}
		p.off++
		return string(p.in[start : p.off-1]), nil
	}
	start := p.off
	for !p.atEnd() && strings.IndexByte(" \t\r\n;}", p.peek()) < 0 {
		p.off++
	}
	if p.off == start {
		return "", p.errorf(at, "include names no file; expected a file name before %s", p.found())
	}
	return string(p.in[start:p.off]), nil
}

// load reads and parses an included file. It returns nil after recording why
// it could not.
func (p *parser) load(name string, at Pos) *Map {
	r := p.run
	lim := r.src.Limits
	switch {
	case r.src.ReadFile == nil:
		r.fail(at, "files cannot be included here")
		return nil
	case name == "":
		r.fail(at, "include names no file; expected a file name")
		return nil
	case len(r.open) > lim.IncludeDepth:
		r.fail(at, "files include each other more than %d deep", lim.IncludeDepth)
		return nil
	case len(r.files) > lim.Includes:
		r.fail(at, "more than %d files are included", lim.Includes)
		return nil
	}
	// As in nats-server every name is taken from the directory of the file
	// that includes it, even one that begins with a slash. If nothing is
	// there, an absolute name means what it says.
	path := filepath.Join(filepath.Dir(p.name), name)
	data, err := r.src.ReadFile(path, lim.FileBytes)
	if errors.Is(err, fs.ErrNotExist) && filepath.IsAbs(name) {
		path = filepath.Clean(name)
		data, err = r.src.ReadFile(path, lim.FileBytes)
	}
	if err != nil {
		r.fail(at, "cannot include %q: %v", name, err)
		return nil
	}
	if slices.Contains(r.open, path) {
		r.fail(at, "files include each other in a circle: %s -> %s", strings.Join(r.open, " -> "), path)
		return nil
	}
	r.files = append(r.files, path)
	r.total += int64(len(data))
	if r.total > lim.TotalBytes {
		r.fail(at, "the included files have more than %d bytes together", lim.TotalBytes)
		return nil
	}
	return r.file(path, data, p.depth)
}

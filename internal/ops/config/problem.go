package config

import (
	"strings"

	"dunlin/internal/proto/conflang"
)

// Problem is one mistake, or one thing worth a warning, in a configuration.
type Problem struct {
	// Pos is where; its zero value means the command line, or the
	// configuration as a whole.
	Pos conflang.Pos
	Msg string // what is wrong; what was expected
}

// String gives "file:line:col: message".
func (p Problem) String() string {
	switch {
	case p.Pos == conflang.Pos{}:
		return p.Msg
	case p.Pos.Line == 0:
		return p.Pos.File + ": " + p.Msg
	}
	return p.Pos.String() + ": " + p.Msg
}

// Problems is the error of a configuration that cannot be used: every mistake
// that was found.
type Problems struct{ List []Problem }

// Error gives one line a mistake.
func (p *Problems) Error() string {
	lines := make([]string, len(p.List))
	for i, one := range p.List {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}

// LaterKey is a key that was read and understood, but belongs to an area that
// this version does not serve yet.
type LaterKey struct {
	Path string // "cluster", "accounts.<name>.imports", "--routes" for a flag
	Area string // "clustering", "JetStream", ...
	Pos  conflang.Pos
	// digest of what the key says, so that a reload can tell a change.
	digest string
}

// String is the text of the warning.
func (l LaterKey) String() string {
	return Problem{Pos: l.Pos, Msg: l.Path + " has no effect: this version does not serve " + l.Area + " yet"}.String()
}

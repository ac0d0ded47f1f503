package config

import (
	"cmp"
	"slices"
	"strings"

	"dunlin/internal/proto/conflang"
)

// Problem is one mistake, or one thing worth a warning, in a configuration.
type Problem struct {
	// Pos is where: in a file, or the flag of the command line as File alone.
	// Its zero value means the configuration as a whole.
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

// sortProblems puts those of one file into the order of its lines. Files keep
// the order in which they were first met.
func sortProblems(list []Problem) {
	rank := make(map[string]int)
	for _, p := range list {
		if _, ok := rank[p.Pos.File]; !ok {
			rank[p.Pos.File] = len(rank)
		}
	}
	slices.SortStableFunc(list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(rank[a.Pos.File], rank[b.Pos.File]), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
}

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
	Path string // "jetstream", "accounts.<name>.imports", "--store_dir" for a flag
	Area string // "gateways", "JetStream", ...
	Pos  conflang.Pos
	// digest of what the key says, so that a reload can tell a change.
	digest string
}

// String is the text of the warning.
func (l LaterKey) String() string {
	return Problem{Pos: l.Pos, Msg: l.Path + " has no effect: this version does not serve " + l.Area + " yet"}.String()
}

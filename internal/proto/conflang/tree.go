package conflang

import (
	"fmt"
	"strings"
	"time"
)

// Pos is a place in a file. Line and Col count from 1; Col counts bytes.
type Pos struct {
	File string
	Line int
	Col  int
}

// String gives "file:line:col", the form that editors jump to.
func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// Kind is the type of a Value.
type Kind uint8

// The kinds of values.
const (
	String Kind = iota
	Int
	Float
	Bool
	Time
	Array
	Object
)

var kindNames = [...]string{"a string", "an integer", "a float", "a boolean", "a date", "an array", "a map"}

// String names the kind with its article, as error messages need it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "an unknown kind"
}

// Value is one value of the tree. Which of the fields holds it is said by
// Kind.
type Value struct {
	Kind  Kind
	Pos   Pos
	Str   string    // String
	Int   int64     // Int
	Float float64   // Float
	Bool  bool      // Bool
	Time  time.Time // Time, UTC
	Items []*Value  // Array
	Map   *Map      // Object
	// Raw is how a bare word or number was written, so that a message can
	// quote what the file says (8KB) and not what it was read as (8192).
	Raw string
	// Variable is the name behind the $ when the value came from a variable.
	Variable string

	weight int64 // bytes that a full walk of this value visits
	height int   // levels of maps and arrays in it
}

// Entry is one key with its value.
type Entry struct {
	Key   string
	Pos   Pos // of the key
	Value *Value
	// Used says that a $variable was resolved by this entry. Readers let such
	// a key through even if they do not know it.
	Used bool
}

// Map holds the entries of a map in the order of the file. A key that was
// written twice is held once: with its last value, at the last place.
type Map struct {
	entries []*Entry
	index   map[string]int
	dead    int // nil slots in entries that later duplicates left behind
}

// Len is the number of keys.
func (m *Map) Len() int {
	if m == nil {
		return 0
	}
	return len(m.entries) - m.dead
}

// Get returns the entry with exactly this key, or nil.
func (m *Map) Get(key string) *Entry {
	if m == nil {
		return nil
	}
	i, ok := m.index[key]
	if !ok {
		return nil
	}
	return m.entries[i]
}

// GetFold returns the last entry whose key equals one of the names without
// regard to case, or nil.
func (m *Map) GetFold(names ...string) *Entry {
	if m == nil {
		return nil
	}
	for i := len(m.entries) - 1; i >= 0; i-- {
		e := m.entries[i]
		if e == nil {
			continue
		}
		for _, n := range names {
			if strings.EqualFold(e.Key, n) {
				return e
			}
		}
	}
	return nil
}

// Entries returns the entries in the order of the file.
func (m *Map) Entries() []*Entry {
	if m == nil {
		return nil
	}
	out := make([]*Entry, 0, m.Len())
	for _, e := range m.entries {
		if e != nil {
			out = append(out, e)
		}
	}
	return out
}

func (m *Map) put(e *Entry) {
	if m.index == nil {
		m.index = make(map[string]int)
	}
	if i, ok := m.index[e.Key]; ok {
		m.entries[i] = nil
		m.dead++
	}
	m.index[e.Key] = len(m.entries)
	m.entries = append(m.entries, e)
}

// Tree is a whole configuration, includes merged in.
type Tree struct {
	Root *Map
	// Files are the names of all files that were read, the first one first.
	Files []string
}

// Error is one mistake at one place.
type Error struct {
	Pos Pos
	Msg string // what is wrong; what was expected
}

// Error gives "file:line:col: message".
func (e *Error) Error() string { return e.Pos.String() + ": " + e.Msg }

// Errors are all mistakes of a parse, in the order in which they were met.
type Errors []*Error

// Error gives one line a mistake.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

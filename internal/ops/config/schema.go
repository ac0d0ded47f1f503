package config

import (
	"slices"
	"strings"
	"sync"

	"dunlin/internal/proto/conflang"
)

// takes is the set of kinds of values that a key accepts.
type takes uint16

const (
	tInt      takes = 1 << iota // integer, with a size suffix if one likes
	tFloat                      // number with a point
	tBool                       //
	tStr                        // any string
	tDur                        // string that is a duration
	tSeconds                    // a number of seconds, taken with a warning
	tHostPort                   // "host:port", or a port as an integer
	tStrs                       // array of strings
	tArray                      // array, of maps unless a check says otherwise
	tMap                        //
	tAny                        // the value is not looked at

	tDuration = tDur | tSeconds
	tStrOrs   = tStr | tStrs
)

// areas of keys that this version does not serve yet.
const (
	laterGateway   = "gateways"
	laterLeaf      = "leaf nodes"
	laterWebsocket = "WebSocket"
	laterMQTT      = "MQTT"
	laterJetStream = "JetStream"
	laterJWT       = "operator mode (JWT)"
	laterOCSP      = "OCSP"
	laterCallout   = "auth callout"
	laterSharing   = "imports and exports between accounts"
	laterTracing   = "message tracing"
	laterCertStore = "the Windows certificate store"
)

// key is one row of the table: everything that is known of one key.
type key struct {
	name  string
	alias []string
	takes takes
	def   string // default, as the reference shows it
	doc   string // one sentence, without the names of other servers
	// reload says that the value may change while the server runs: of a key of
	// the top level, or of one inside a block that may not change.
	reload bool
	// restart, inside a block that may change, says that this key may not.
	restart bool
	// lasting says of a key that may change that it may neither come nor go.
	lasting bool
	// sometimes is what the reference says of a key that may change under a
	// condition only.
	sometimes string
	secret    bool // its value never stands in a message
	later     string
	// words are the only strings that are taken.
	words []string
	// check looks at a value of an accepted kind and says what is wrong.
	check func(v *conflang.Value) string
	// advise says what a server should be warned of; it starts all the same.
	advise func(v *conflang.Value) string

	// bind gives the pointer that the value goes to; set does what is more
	// than storing one value. Both get the context of their block, and are
	// not called where the block has none (areas of later versions).
	bind func(ctx any) any
	set  func(r *reader, ctx any, e *conflang.Entry)

	// inner are the keys of a map value, or of the maps in an array. open
	// makes the context for them, close takes it when they have been read.
	inner *schema
	open  func(r *reader, ctx any, at conflang.Pos, name string) any
	close func(r *reader, ctx, child any, at conflang.Pos)
}

// schema is one block of keys.
type schema struct {
	title string
	// section is its heading in the reference, where the path of the first key
	// that has it would say too little.
	section string
	keys    []*key
	// free describes every key that is not in keys, where names are the
	// user's own (accounts, mappings, metadata).
	free *key

	once   sync.Once
	byName map[string]*key
}

func (s *schema) find(name string) *key {
	s.once.Do(func() {
		s.byName = make(map[string]*key)
		for _, k := range s.keys {
			for _, n := range k.names() {
				s.byName[n] = k
			}
		}
	})
	if k := s.byName[strings.ToLower(name)]; k != nil {
		return k
	}
	return s.free
}

// nearest gives the known name that is closest to a wrong one, "" if none is
// close.
func (s *schema) nearest(name string) string {
	name = strings.ToLower(name)
	best, at := "", 2 // letters that may differ, and one
	if len(name) > 3 {
		at = 3 + len(name)/10
	}
	for _, k := range s.keys {
		for _, n := range append([]string{k.name}, k.alias...) {
			if d := distance(name, n, at); d < at {
				best, at = n, d
			}
		}
	}
	return best
}

// distance is the number of letters to change, add or remove between a and b,
// as far as it is below limit.
func distance(a, b string, limit int) int {
	if len(a) > 64 || len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		last := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := last
			if a[i-1] != b[j-1] {
				cost++
			}
			last = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}

// expected lists what a key accepts, for messages and for the reference.
func (k *key) expected() string {
	var parts []string
	add := func(t takes, text string) {
		if k.takes&t == t {
			parts = append(parts, text)
		}
	}
	if k.words != nil && k.takes&tBool == 0 && k.takes&^(tStr) == 0 {
		return "one of " + strings.Join(k.words, ", ")
	}
	add(tAny, "anything")
	add(tInt, "an integer (or size)")
	add(tFloat, "a number")
	add(tBool, "a boolean")
	add(tDur, `a duration such as "2s"`)
	add(tHostPort, `a port or "host:port"`)
	if k.words != nil {
		parts = append(parts, "one of "+strings.Join(k.words, ", "))
	} else {
		add(tStr, "a string")
	}
	add(tStrs, "an array of strings")
	if k.takes&tArray != 0 {
		if k.inner != nil && k.takes&tMap == 0 {
			parts = append(parts, "an array of maps")
		} else {
			parts = append(parts, "an array")
		}
	}
	add(tMap, "a map")
	if n := len(parts); n > 1 {
		return strings.Join(parts[:n-1], ", ") + " or " + parts[n-1]
	}
	return strings.Join(parts, "")
}

// mayChange says whether the value may change while the server runs, block
// being the rule of what the key stands in.
func (k *key) mayChange(block bool) bool { return k.reload || block && !k.restart }

func (k *key) names() []string { return append([]string{k.name}, k.alias...) }

func (k *key) hasWord(s string) bool {
	return slices.ContainsFunc(k.words, func(w string) bool { return strings.EqualFold(w, s) })
}

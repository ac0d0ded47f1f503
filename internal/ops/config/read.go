package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"dunlin/internal/proto/conflang"
)

// New returns options that say nothing yet, except for what a file or a flag
// can only switch off: timestamps in the log.
func New() *Options { return &Options{LogTime: true} }

// Load reads a configuration file as a starting server does. The error is of
// type *Problems and lists every mistake; Options.Warnings holds what a server
// starts in spite of. Defaults are not filled in.
func Load(path string) (*Options, error) {
	data, err := readFile(path, conflang.DefaultLimits.FileBytes)
	if err != nil {
		return nil, &Problems{[]Problem{{Pos: conflang.Pos{File: path}, Msg: fmt.Sprintf("cannot read the configuration: %v", err)}}}
	}
	return Parse(path, data)
}

// Check reads a configuration file as the flag -t does: what is worth a
// warning is an error, too.
func Check(path string) (*Options, error) {
	o, err := Load(path)
	if err == nil && len(o.Warnings) > 0 {
		return o, &Problems{o.Warnings}
	}
	return o, err
}

// Parse reads a configuration that is in memory. The name stands in messages,
// and names the directory for includes.
func Parse(name string, data []byte) (*Options, error) {
	tree, err := conflang.Parse(name, data, conflang.Source{ReadFile: readFile, Env: os.LookupEnv})
	if err != nil {
		p := new(Problems)
		var all conflang.Errors
		if !errors.As(err, &all) {
			return nil, err
		}
		for _, e := range all {
			p.List = append(p.List, Problem{e.Pos, e.Msg})
		}
		return nil, p
	}
	if tree.Root.Len() == 0 {
		return nil, &Problems{[]Problem{{conflang.Pos{File: name, Line: 1, Col: 1}, "the configuration is empty; expected at least one key"}}}
	}
	r := &reader{o: New()}
	r.o.places = make(map[string]conflang.Pos)
	r.o.settled = make(map[string]map[string]string)
	r.o.ConfigFile = name
	if abs, err := filepath.Abs(name); err == nil {
		r.o.ConfigFile = abs
	}
	if r.o.ConfigDigest, err = tree.Digest(); err != nil {
		r.fail(conflang.Pos{File: name, Line: 1, Col: 1}, "no digest can be made of the configuration: %v", err)
	}
	r.block(tree.Root, &top, path{}, r.o)
	r.finish()
	if len(r.problems) > 0 {
		sortProblems(r.problems)
		return nil, &Problems{r.problems}
	}
	return r.o, nil
}

// readFile reads a regular file of at most limit bytes. A pipe or device would
// keep a server from ever starting.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil {
		return nil, err
	} else if st.IsDir() {
		return nil, fmt.Errorf("%s is a directory", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return data, err
}

// reader is one pass over one tree.
type reader struct {
	o        *Options
	problems []Problem
	inLater  int // > 0 inside a block that is recorded as a whole

	// What can be judged only when the whole file has been read.
	auth     *authBlock
	accounts []*accountEntry
	byName   map[string]*accountEntry
	tls      *tlsBlock
}

const problemsMax = 200

func (r *reader) fail(at conflang.Pos, format string, args ...any) {
	if len(r.problems) < problemsMax {
		r.problems = append(r.problems, Problem{at, fmt.Sprintf(format, args...)})
	}
}

func (r *reader) warn(at conflang.Pos, format string, args ...any) {
	if len(r.o.Warnings) < problemsMax {
		r.o.Warnings = append(r.o.Warnings, Problem{at, fmt.Sprintf(format, args...)})
	}
}

// note is for what works, but perhaps not as its author thinks.
func (r *reader) note(at conflang.Pos, format string, args ...any) {
	if len(r.o.Notes) < problemsMax {
		r.o.Notes = append(r.o.Notes, Problem{at, fmt.Sprintf(format, args...)})
	}
}

// block reads the entries of one map. A nil ctx means that the values are
// checked but stored nowhere.
func (r *reader) block(m *conflang.Map, s *schema, at path, ctx any) {
	for _, e := range m.Entries() {
		k := s.find(e.Key)
		if k == nil {
			r.unknown(e, s)
			continue
		}
		if k == s.free {
			r.entry(e, k, at.plus(e.Key, "<name>"), ctx)
		} else {
			r.entry(e, k, at.plus(k.name, k.name), ctx)
		}
	}
}

// path names a key in messages. The general form has <name> where the user
// chose a name, so that it is the same for all accounts.
type path struct{ exact, general string }

func (p path) plus(exact, general string) path {
	if p.exact == "" {
		return path{exact, general}
	}
	return path{p.exact + "." + exact, p.general + "." + general}
}

func (r *reader) unknown(e *conflang.Entry, s *schema) {
	switch near := s.nearest(e.Key); {
	case e.Used: // a variable
	case near != "":
		r.fail(e.Pos, "unknown key %q in %s; did you mean %q?", e.Key, s.title, near)
	default:
		r.fail(e.Pos, "unknown key %q in %s; expected a key from docs/configuration.md, or one that is used as $%s", e.Key, s.title, e.Key)
	}
}

func (r *reader) entry(e *conflang.Entry, k *key, at path, ctx any) {
	v, path := e.Value, at.exact
	if msg := k.wrong(v, path); msg != "" {
		r.fail(v.Pos, "%s", msg)
		return
	}
	if r.inLater == 0 {
		r.place(at.general, v.Pos)
	}
	if k.takes&tSeconds != 0 && k.takes&tInt == 0 && (v.Kind == conflang.Int || v.Kind == conflang.Float) {
		r.warn(v.Pos, "%s is a bare number, taken as seconds; write a duration such as %q", path, secondsText(v))
	}
	if k.advise != nil {
		if msg := k.advise(v); msg != "" {
			r.warn(v.Pos, "%s: %s", path, msg)
		}
	}
	if k.later != "" && r.inLater == 0 {
		r.settle(v, k, at.general)
	}
	if k.later != "" && r.inLater == 0 && !switchedOff(v) {
		r.later(e, k, at.general)
		r.inLater++
		defer func() { r.inLater-- }()
	}
	if ctx != nil && k.bind != nil {
		r.store(k.bind(ctx), v, path)
	}
	if ctx != nil && k.set != nil {
		k.set(r, ctx, e)
	}
	if k.inner == nil {
		return
	}
	one := func(v *conflang.Value, name string) {
		var child any
		if k.open != nil {
			child = k.open(r, ctx, v.Pos, name)
		}
		r.block(v.Map, k.inner, at, child)
		if k.close != nil && child != nil {
			k.close(r, ctx, child, v.Pos)
		}
	}
	switch v.Kind {
	case conflang.Object:
		one(v, e.Key)
	case conflang.Array:
		for _, item := range v.Items {
			if item.Kind == conflang.Object {
				one(item, e.Key)
			} else if k.takes&tStrs == 0 {
				r.fail(item.Pos, "an entry of %s is %s; expected a map", path, item.Kind)
			}
		}
	}
}

// place remembers where a key of the configuration stands, for Validate. What
// has a name of the user's choice in its path is remembered elsewhere.
func (r *reader) place(path string, at conflang.Pos) {
	if strings.Contains(path, "<") {
		return
	}
	r.o.places[path] = at
	for _, also := range alsoSets[path] {
		r.o.places[also] = at
	}
}

// alsoSets are the keys whose place a key takes over, because it sets the same
// option.
var alsoSets = map[string][]string{
	"listen":         {"host", "port"},
	"http":           {"http_port"},
	"https":          {"https_port"},
	"cluster.listen": {"cluster.host", "cluster.port"},
}

// switchedOff tells values that ask for nothing, so that no warning is due.
func switchedOff(v *conflang.Value) bool {
	switch v.Kind {
	case conflang.Bool:
		return !v.Bool
	case conflang.String:
		return strings.EqualFold(v.Str, "disabled") || strings.EqualFold(v.Str, "disable")
	case conflang.Array:
		return len(v.Items) == 0
	case conflang.Object:
		e := v.Map.GetFold("enabled", "enable")
		return v.Map.Len() == 0 || e != nil && e.Value.Kind == conflang.Bool && !e.Value.Bool
	}
	return false
}

// later records a key of an area that is not served yet; each path once, so
// that a thousand accounts with imports do not make a thousand warnings.
func (r *reader) later(e *conflang.Entry, k *key, path string) {
	sum := sha256.Sum256(append([]byte(e.Key+"\n"), e.Value.Print()...))
	for i := range r.o.LaterKeys {
		if r.o.LaterKeys[i].Path == path {
			both := sha256.Sum256(append(sum[:], r.o.LaterKeys[i].digest...))
			r.o.LaterKeys[i].digest = hex.EncodeToString(both[:])
			return
		}
	}
	r.o.Later = append(r.o.Later, path)
	r.o.LaterKeys = append(r.o.LaterKeys, LaterKey{Path: path, Area: k.later, Pos: e.Pos, digest: hex.EncodeToString(sum[:])})
}

// settle remembers what only a restart may change of a key of an area that is
// not served yet.
func (r *reader) settle(v *conflang.Value, k *key, path string) {
	may := k.mayChange(strings.Contains(path, ".")) // what is served and holds such keys may change
	record := func(at, text string) {
		if r.o.settled[path] == nil {
			r.o.settled[path] = make(map[string]string)
		}
		sum := sha256.Sum256([]byte(r.o.settled[path][at] + text))
		r.o.settled[path][at] = hex.EncodeToString(sum[:])
	}
	switch {
	case k.lasting:
		record(path, "") // whether it is there
	case k.inner == nil || v.Kind != conflang.Object:
		if !may && !switchedOff(v) {
			record(path, string(v.Print()))
		}
	default:
		for _, e := range v.Map.Entries() {
			switch inner := k.inner.find(e.Key); {
			case inner == nil: // a variable
			case inner.lasting:
				record(path+"."+inner.name, "")
			case !inner.mayChange(may):
				record(path+"."+inner.name, string(e.Value.Print()))
			}
		}
	}
}

// wrong says why a value cannot be the value of k, "" if it can.
func (k *key) wrong(v *conflang.Value, path string) string {
	mismatch := func() string {
		return fmt.Sprintf("%s is %s; expected %s", path, k.show(v), k.expected())
	}
	ok := k.takes&tAny != 0
	switch v.Kind {
	case conflang.Int:
		ok = ok || k.takes&(tInt|tHostPort|tSeconds) != 0
	case conflang.Float:
		ok = ok || k.takes&(tFloat|tSeconds) != 0
	case conflang.Bool:
		ok = ok || k.takes&tBool != 0
	case conflang.String:
		switch {
		case ok, k.words != nil && k.hasWord(v.Str):
			ok = true
		case k.takes&tHostPort != 0:
			if _, _, msg := hostPort(v); msg != "" {
				return path + " is " + k.show(v) + ": " + msg
			}
			ok = true
		case k.takes&tDur != 0 && k.takes&tStr == 0:
			if _, err := time.ParseDuration(v.Str); err != nil {
				return fmt.Sprintf("%s is %s, which is not a duration; expected a number with a unit (ns us ms s m h), such as \"2s\" or \"1m30s\"", path, k.show(v))
			}
			ok = true
		case k.words == nil && k.takes&tStr != 0:
			ok = true
		}
	case conflang.Array:
		ok = ok || k.takes&tArray != 0
		if !ok && k.takes&tStrs != 0 {
			for _, item := range v.Items {
				if item.Kind != conflang.String {
					return fmt.Sprintf("%s holds %s at line %d; expected strings only", path, item.Kind, item.Pos.Line)
				}
			}
			ok = true
		}
	case conflang.Object:
		ok = ok || k.takes&tMap != 0
	}
	if !ok {
		return mismatch()
	}
	if k.check != nil {
		if msg := k.check(v); msg != "" {
			return path + ": " + msg
		}
	}
	return ""
}

// show describes a value in a message, quoting it if it is short and no
// secret.
func (k *key) show(v *conflang.Value) string {
	const quoted = 60
	switch {
	case k.secret || v.Variable != "":
		return v.Kind.String()
	case v.Kind == conflang.String && len(v.Str) <= quoted:
		return fmt.Sprintf("the string %q", v.Str)
	case v.Raw != "" && v.Kind != conflang.String && len(v.Raw) <= quoted:
		return fmt.Sprintf("%s (%s)", v.Kind, v.Raw)
	}
	return v.Kind.String()
}

func secondsText(v *conflang.Value) string {
	return strconv.FormatFloat(asFloat(v), 'f', -1, 64) + "s"
}

func asFloat(v *conflang.Value) float64 {
	if v.Kind == conflang.Int {
		return float64(v.Int)
	}
	return v.Float
}

// duration reads a value that wrong has accepted.
func duration(v *conflang.Value) time.Duration {
	if v.Kind == conflang.String {
		d, err := time.ParseDuration(v.Str)
		if err != nil {
			return 0 // wrong has refused it
		}
		return d
	}
	nanos := asFloat(v) * float64(time.Second)
	switch {
	case nanos > math.MaxInt64/2:
		return math.MaxInt64 / 2
	case nanos < math.MinInt64/2:
		return math.MinInt64 / 2
	}
	return time.Duration(nanos)
}

// hostPort takes a listen address apart. Port -1 asks for any free port.
func hostPort(v *conflang.Value) (host string, port int, msg string) {
	if v.Kind == conflang.Int {
		if v.Int < math.MinInt32 || v.Int > math.MaxInt32 {
			return "", 0, "is no port; expected -1 to 65535"
		}
		return "", int(v.Int), ""
	}
	host, text, err := net.SplitHostPort(v.Str)
	if err != nil {
		return "", 0, `expected a port, or "host:port"`
	}
	port, err = strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return "", 0, fmt.Sprintf("the port %q is not a number; expected -1 to 65535", text)
	}
	return host, port, ""
}

// store puts a value where bind pointed.
func (r *reader) store(dst any, v *conflang.Value, path string) {
	whole := func(low, high int64) (int64, bool) {
		if v.Int < low || v.Int > high {
			r.fail(v.Pos, "%s is %d; expected %d to %d", path, v.Int, low, high)
			return 0, false
		}
		return v.Int, true
	}
	switch dst := dst.(type) {
	case *string:
		*dst = v.Str
	case *bool:
		*dst = v.Bool
	case *int:
		if n, ok := whole(math.MinInt, math.MaxInt); ok {
			*dst = int(n)
		}
	case *int32:
		if n, ok := whole(math.MinInt32, math.MaxInt32); ok {
			*dst = int32(n)
		}
	case *int64:
		*dst = v.Int
	case *time.Duration:
		*dst = duration(v)
	case *[]string:
		*dst = strs(v)
	default:
		panic(fmt.Sprintf("config: key %s is bound to a %T", path, dst))
	}
}

// strs reads a string or an array of strings.
func strs(v *conflang.Value) []string {
	if v.Kind == conflang.String {
		return []string{v.Str}
	}
	out := make([]string, 0, len(v.Items))
	for _, item := range v.Items {
		out = append(out, item.Str)
	}
	return out
}

package mapping

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"dunlin/internal/proto/subject"
)

// Transform rewrites the subjects that match one pattern. It does not change
// after NewTransform.
type Transform struct {
	source  string
	literal bool // source has no wildcard
	ops     []op // joined by '.'
	rest    bool // source and destination end in '>': what it matched is appended
	before  int  // tokens of source before its '>'
}

type kind uint8

const (
	text kind = iota
	wildcard
	partition
	random
	split
	splitFromLeft
	splitFromRight
	sliceFromLeft
	sliceFromRight
	left
	right
)

// op yields one or more tokens of the result.
type op struct {
	kind   kind
	text   []byte // text: as it is; split: the separator
	tokens []int  // which tokens of the subject, from 0; partition: none = whole subject
	n      int32  // the size that the function was given
}

// functions are what may stand between {{ and }}. The expressions are not
// anchored and their arguments are greedy, because nats-server's are:
// {{{wildcard(1)}}} is a wildcard, {{wildcard(1)(1)}} has a bad argument.
var functions = []struct {
	kind    kind
	pattern *regexp.Regexp
}{
	{wildcard, function("[wW]ildcard")},
	{partition, function("[pP]artition")},
	{random, function("[rR]andom")},
	{split, function("[sS]plit")},
	{splitFromLeft, function("[sS]plit[fF]rom[lL]eft")},
	{splitFromRight, function("[sS]plit[fF]rom[rR]ight")},
	{sliceFromLeft, function("[sS]lice[fF]rom[lL]eft")},
	{sliceFromRight, function("[sS]lice[fF]rom[rR]ight")},
	{left, function("[lL]eft")},
	{right, function("[rR]ight")},
}

func function(name string) *regexp.Regexp {
	return regexp.MustCompile(`\{\{\s*` + name + `\s*\((.*)\)\s*\}\}`)
}

var argumentSeparator = regexp.MustCompile(`,\s*`)

// What can be wrong with a destination. The texts are nats-server's: people
// search for them.
var (
	errSubject   = errors.New("invalid subject")
	errTransform = errors.New("invalid transform")
	errUnknown   = errors.New("unknown function")
	errFew       = errors.New("not enough arguments passed to the function")
	errMany      = errors.New("too many arguments passed to the function")
	errArgument  = errors.New("function argument is invalid or in the wrong format")
	errIndex     = errors.New("wildcard index out of range")
)

func destinationError(err error, token string) error {
	if token == "" {
		return fmt.Errorf("invalid mapping destination: %w", err)
	}
	return fmt.Errorf("invalid mapping destination: %w in %s", err, token)
}

func indexError(token string, index int) error {
	return fmt.Errorf("%w: [%d]", destinationError(errIndex, token), index)
}

// NewTransform compiles a transform of the subjects that match source, a
// subject with or without wildcards, to destination, whose tokens are text,
// functions of the form {{name(arguments)}}, $n for the n-th wildcard, or a
// last '>' for what the '>' of source matched.
func NewTransform(source, destination string) (*Transform, error) {
	if !subject.Valid(source) {
		return nil, fmt.Errorf("subject %q is not a valid subject", source)
	}
	tokens := strings.Split(destination, ".")
	if err := checkDestination(tokens); err != nil {
		return nil, err
	}
	src := strings.Split(source, ".")
	t := &Transform{source: source, literal: subject.IsLiteral(source)}
	t.rest = src[len(src)-1] == ">"
	if t.rest {
		t.before = len(src) - 1
	}
	if t.rest != (tokens[len(tokens)-1] == ">") {
		return nil, errSubject
	}
	var wildcards []int // the position of each '*' in source
	for i, token := range src {
		if token == "*" {
			wildcards = append(wildcards, i)
		}
	}
	if t.rest {
		tokens = tokens[:len(tokens)-1]
	}
	for _, token := range tokens {
		o, err := newOp(token)
		if err == nil {
			err = t.place(&o, token, wildcards)
		}
		if err != nil {
			return nil, err
		}
		t.add(o)
	}
	return t, nil
}

// checkDestination looks at the form of all tokens before any is looked at
// closely, so that the first mistake that is reported is nats-server's first.
func checkDestination(tokens []string) error {
	wild := false
	for i, token := range tokens {
		switch {
		case token == "":
			return destinationError(errTransform, "")
		case i > 0 && tokens[i-1] == ">":
			return destinationError(errTransform, token)
		case isCall(token):
			if _, _, ok := call(token); !ok {
				return destinationError(errUnknown, token)
			}
		case strings.ContainsAny(token, " \t\r\n\f"):
			return destinationError(errTransform, "")
		}
		wild = wild || token == "*"
	}
	if wild {
		return errSubject
	}
	return nil
}

func isCall(token string) bool {
	return len(token) > len("{{}}") && strings.HasPrefix(token, "{{") && strings.HasSuffix(token, "}}")
}

func call(token string) (k kind, arguments []string, ok bool) {
	for _, f := range functions {
		if m := f.pattern.FindStringSubmatch(token); m != nil {
			return f.kind, argumentSeparator.Split(m[1], -1), true
		}
	}
	return text, nil, false
}

// newOp parses one token. Its op still has the numbers of wildcards where it
// will have positions of tokens; see place.
func newOp(token string) (op, error) {
	if len(token) > 1 && token[0] == '$' {
		if n, err := strconv.Atoi(token[1:]); err == nil {
			return op{kind: wildcard, tokens: []int{n}}, nil
		}
	}
	if !isCall(token) {
		return op{kind: text, text: []byte(token)}, nil
	}
	k, arguments, _ := call(token)
	o := op{kind: k}
	var err error
	switch k {
	case wildcard:
		if err = count(arguments, 1); err == nil {
			o.tokens, err = indices(arguments)
		}
	case partition:
		if o.n, err = modulus(arguments[0]); err == nil {
			o.tokens, err = indices(arguments[1:])
		}
	case random:
		if len(arguments) > 1 {
			err = errFew // sic
			break
		}
		o.n, err = modulus(arguments[0])
	case split:
		if err = count(arguments, 2); err != nil {
			break
		}
		o.tokens, err = indices(arguments[:1])
		o.text = []byte(arguments[1])
		if strings.Contains(arguments[1], " ") {
			err = errArgument
		}
	default:
		if err = count(arguments, 2); err == nil {
			o.n, err = size(arguments[1])
		}
		if err == nil {
			o.tokens, err = indices(arguments[:1])
		}
	}
	if err != nil {
		return op{}, destinationError(err, token)
	}
	return o, nil
}

// count also sees to it that "()" is no argument at all where one is wanted.
func count(arguments []string, want int) error {
	switch {
	case len(arguments) > want:
		return errMany
	case len(arguments) < want || len(arguments) == 1 && arguments[0] == "":
		return errFew
	}
	return nil
}

func integer(argument string) (int, error) {
	n, err := strconv.Atoi(strings.Trim(argument, " "))
	if err != nil {
		return 0, errArgument
	}
	return n, nil
}

func indices(arguments []string) (list []int, err error) {
	for _, argument := range arguments {
		n, err := integer(argument)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}

func size(argument string) (int32, error) {
	n, err := integer(argument)
	if err != nil || n > math.MaxInt32 || n < math.MinInt32 {
		return 0, errArgument
	}
	return int32(n), nil
}

// modulus takes any negative number, as nats-server does: partition counts it
// modulo 2^32, random as none.
func modulus(argument string) (int32, error) {
	n, err := integer(argument)
	if err != nil || n > math.MaxInt32 {
		return 0, errArgument
	}
	return int32(n), nil
}

// place turns numbers of wildcards into positions of tokens. A number below 1
// means the first token of the subject; nats-server does that, and
// configurations can depend on it.
func (t *Transform) place(o *op, token string, wildcards []int) error {
	if t.literal {
		switch o.kind {
		case partition:
			o.tokens = nil // nothing varies, the whole subject is hashed
		case text, random:
		default:
			return destinationError(errIndex, token)
		}
		return nil
	}
	for i, n := range o.tokens {
		switch {
		case n > len(wildcards):
			return indexError(token, n)
		case n < 1:
			o.tokens[i] = 0
		default:
			o.tokens[i] = wildcards[n-1]
		}
	}
	return nil
}

func (t *Transform) add(o op) {
	if last := len(t.ops) - 1; last >= 0 && o.kind == text && t.ops[last].kind == text {
		t.ops[last].text = append(append(t.ops[last].text, '.'), o.text...)
		return
	}
	t.ops = append(t.ops, o)
}

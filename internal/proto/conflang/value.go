package conflang

import (
	"math"
	"strconv"
	"strings"
)

// value reads one value. What stands behind it is the caller's to check.
func (p *parser) value() (*Value, error) {
	at := p.pos()
	v := &Value{Pos: at, weight: 16}
	var err error
	switch p.peek() {
	case '{':
		p.off++
		v.Kind, v.Map = Object, new(Map)
		p.scopes = append(p.scopes, v.Map)
		err = p.mapBody(v.Map, at)
		p.scopes = p.scopes[:len(p.scopes)-1]
	case '[':
		p.off++
		v.Kind = Array
		err = p.array(v)
	case '"':
		v.Str, err = p.quoted()
	case '\'':
		v.Str, err = p.raw()
	case '(':
		v.Str, err = p.block()
	default:
		v, err = p.bare()
	}
	if err != nil {
		return nil, err
	}
	measure(v)
	if v.Variable != "" && p.depth+v.height > p.src.Limits.Depth {
		return nil, p.errorf(at, "with the variable %q written out, maps and arrays are nested more than %d deep; nest less", v.Variable, p.src.Limits.Depth)
	}
	own := 16 + int64(len(v.Str))
	if v.Variable != "" {
		own = v.weight
	}
	return v, p.charge(at, own)
}

// measure sets the weight and the height of v from its children, which have
// theirs already.
func measure(v *Value) {
	v.weight, v.height = 16+int64(len(v.Str)), 0
	grow := func(c *Value) {
		v.height = max(v.height, c.height)
		v.weight += c.weight
	}
	switch v.Kind {
	case Object:
		for _, e := range v.Map.entries {
			if e != nil {
				v.weight += 32 + int64(len(e.Key))
				grow(e.Value)
			}
		}
		v.height++
	case Array:
		for _, c := range v.Items {
			grow(c)
		}
		v.height++
	}
}

func (p *parser) array(v *Value) error {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > p.src.Limits.Depth {
		return p.errorf(v.Pos, "maps and arrays are nested more than %d deep; nest less", p.src.Limits.Depth)
	}
	for {
		p.skipSpace()
		switch {
		case p.atEnd():
			return p.errorf(p.pos(), "the array that begins on line %d is not closed; expected ']'", v.Pos.Line)
		case p.peek() == ']':
			p.off++
			return nil
		case p.peek() == ',':
			return p.errorf(p.pos(), "unexpected ','; expected a value (one ',' or line end between two values is enough)")
		}
		item, err := p.value()
		if err != nil {
			return err
		}
		v.Items = append(v.Items, item)
		p.skipBlanks()
		switch {
		case p.peek() == ',':
			p.off++
		case p.atEnd(), p.peek() == '\n', p.peek() == ']', p.commentHere():
		default:
			return p.errorf(p.pos(), "unexpected %s in an array; expected ',', ']' or the end of the line", p.found())
		}
	}
}

// quoted reads a string in double quotes. It may go over lines.
func (p *parser) quoted() (string, error) {
	at := p.pos()
	p.off++
	start := p.off
	var b []byte // nil until an escape forces a copy
	for !p.atEnd() {
		switch p.peek() {
		case '"':
			s := p.in[start:p.off]
			p.off++
			return string(append(b, s...)), nil
		case '\\':
			b = append(b, p.in[start:p.off]...)
			c, err := p.escape()
			if err != nil {
				return "", err
			}
			b = append(b, c)
			start = p.off
		default:
			p.next()
		}
	}
	return "", p.errorf(at, "the string that begins here is not closed; expected '\"' before the end of the file")
}

// escape reads one escape sequence, the backslash included.
func (p *parser) escape() (byte, error) {
	at := p.pos()
	p.off++
	c := p.peek()
	if !p.atEnd() && c != '\n' {
		p.off++
	}
	switch c {
	case 't':
		return '\t', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case '"', '\\':
		return c, nil
	case 'x':
		if p.off+2 <= len(p.in) {
			if n, err := strconv.ParseUint(string(p.in[p.off:p.off+2]), 16, 8); err == nil {
				p.off += 2
				return byte(n), nil
			}
		}
		return 0, p.errorf(at, `wrong escape \x; expected two hexadecimal digits behind it`)
	}
	return 0, p.errorf(at, `unknown escape in a string; expected one of \t \n \r \" \\ \xHH (single quotes keep backslashes as they are)`)
}

// raw reads a string in single quotes, which knows no escapes.
func (p *parser) raw() (string, error) {
	at := p.pos()
	p.off++
	start := p.off
	for !p.atEnd() {
		if p.peek() == '\'' {
			p.off++
			return string(p.in[start : p.off-1]), nil
		}
		p.next()
	}
	return "", p.errorf(at, "the string that begins here is not closed; expected ' before the end of the file")
}

// block reads "( ... )". The closing parenthesis stands alone on its line, in
// the first column; everything before it belongs to the text, the line end
// before it included.
func (p *parser) block() (string, error) {
	at := p.pos()
	p.off++
	start := p.off
	for !p.atEnd() {
		c := p.peek()
		p.next()
		if c != '\n' || p.peek() != ')' || !p.restOfLineBlank(p.off+1) {
			continue
		}
		text := string(p.in[start:p.off])
		p.off++
		return text, nil
	}
	return "", p.errorf(at, "the block that begins here is not closed; expected ')' alone on a line, in the first column")
}

func (p *parser) restOfLineBlank(off int) bool {
	for ; off < len(p.in); off++ {
		switch p.in[off] {
		case ' ', '\t', '\r':
		case '\n':
			return true
		default:
			return false
		}
	}
	return true
}

// bare reads a word without quotes: a boolean, a number, a date, a variable,
// or else a string.
func (p *parser) bare() (*Value, error) {
	at := p.pos()
	start := p.off
	var b []byte
	copied := start
loop:
	for !p.atEnd() {
		switch p.peek() {
		case ' ', '\t', '\r', '\n', ',', ';', '}', ']':
			break loop
		case '\\':
			b = append(b, p.in[copied:p.off]...)
			c, err := p.escape()
			if err != nil {
				return nil, err
			}
			b = append(b, c)
			copied = p.off
		case '\'':
			return nil, p.errorf(p.pos(), "unexpected ' in a word; put the whole value in double quotes")
		case eof:
			return nil, p.errorf(p.pos(), "unexpected NUL byte; the file is damaged, or not text in UTF-8")
		default:
			p.off++
		}
	}
	if p.off == start {
		return nil, p.errorf(at, "unexpected %s; expected a value", p.found())
	}
	word := string(p.in[start:p.off])
	if b != nil {
		return &Value{Kind: String, Pos: at, Raw: word, Str: string(append(b, p.in[copied:p.off]...))}, nil
	}
	if word[0] == '$' && !bcrypt(word) {
		return p.variable(word[1:], at)
	}
	return p.word(word, at)
}

// bcrypt says that a word is a password hash and not a variable. nats-server
// knows $2a$ only; the other three are the same kind of hash, and no sensible
// variable begins so.
func bcrypt(word string) bool {
	return len(word) > 4 && word[1] == '2' && strings.IndexByte("abxy", word[2]) >= 0 && word[3] == '$'
}

// word tells the kinds of bare words apart.
func (p *parser) word(word string, at Pos) (*Value, error) {
	v := &Value{Kind: String, Pos: at, Raw: word, Str: word}
	switch strings.ToLower(word) {
	case "true", "yes", "on":
		v.Kind, v.Bool, v.Str = Bool, true, ""
		return v, nil
	case "false", "no", "off":
		v.Kind, v.Str = Bool, ""
		return v, nil
	}
	if word[0] == '.' {
		return nil, p.errorf(at, "a value may not begin with '.'; a float needs a digit before it, a string needs quotes")
	}
	negative := word[0] == '-'
	digits := word
	if negative {
		digits = word[1:]
	}
	n := 0
	for n < len(digits) && digits[n] >= '0' && digits[n] <= '9' {
		n++
	}
	rest := digits[n:]
	switch {
	case n == 0 && negative:
		return nil, p.errorf(at, "a value that begins with '-' must be a number; a string needs quotes")
	case n == 0:
		return v, nil
	case rest == "":
		return p.integer(v, word, 1)
	case rest[0] == '.':
		return p.float(v, word, rest[1:])
	case rest[0] == '-' && !negative:
		t, ok := date(word)
		if !ok {
			return nil, p.errorf(at, "%q is not a date; expected the form 2006-01-02T15:04:05Z (a string needs quotes)", word)
		}
		v.Kind, v.Time, v.Str = Time, t, ""
		return v, nil
	}
	if scale, ok := suffixes[strings.ToLower(rest)]; ok {
		return p.integer(v, word[:len(word)-len(rest)], scale)
	}
	if negative && !strings.ContainsAny(rest[:1], "kmgtpeKMGTPE") { // -1ms is a string, like nats-server's; -1s is none
		return nil, p.errorf(at, "%q is not a number; a string needs quotes", word)
	}
	return v, nil
}

// suffixes of integers: the single letter counts in thousands, all others in
// 1024.
var suffixes = func() map[string]int64 {
	m := make(map[string]int64)
	dec, bin := int64(1), int64(1)
	for _, letter := range "kmgtpe" {
		dec *= 1000
		bin *= 1024
		s := string(letter)
		m[s] = dec
		for _, unit := range []string{"b", "i", "ib"} {
			m[s+unit] = bin
		}
	}
	return m
}()

func (p *parser) integer(v *Value, digits string, scale int64) (*Value, error) {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/scale || n < math.MinInt64/scale {
		return nil, p.errorf(v.Pos, "%s does not fit into 64 bits; expected an integer from %d to %d", v.Raw, int64(math.MinInt64), int64(math.MaxInt64))
	}
	v.Kind, v.Int, v.Str = Int, n*scale, ""
	return v, nil
}

// float reads a word with digits, a point and then the fraction. A second
// point makes it a string, such as an IP address.
func (p *parser) float(v *Value, word, fraction string) (*Value, error) {
	n := 0
	for n < len(fraction) && fraction[n] >= '0' && fraction[n] <= '9' {
		n++
	}
	switch {
	case n < len(fraction) && n > 0 && fraction[n] == '.':
		return v, nil
	case n == 0 || n < len(fraction):
		return nil, p.errorf(v.Pos, "%q is not a number; expected digits after the point and no suffix (a string, such as a duration with a fraction, needs quotes)", word)
	}
	f, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return nil, p.errorf(v.Pos, "%q does not fit into a 64 bit float", word)
	}
	v.Kind, v.Float, v.Str = Float, f, ""
	return v, nil
}

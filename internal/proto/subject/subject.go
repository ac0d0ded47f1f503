package subject

// The bytes that give a subject its structure.
const (
	Sep  = '.' // between tokens
	Any  = '*' // a whole token of it matches any one token
	Rest = '>' // as the whole last token it matches one or more tokens
)

// Text is a subject as it stands on the wire or in a configuration.
type Text interface{ ~string | ~[]byte }

// Next cuts the first token off s. more tells that a separator followed it, so
// that a rest exists even if it is empty ("a." has the tokens "a" and "").
func Next[T Text](s T) (token, rest T, more bool) {
	for i := 0; i < len(s); i++ {
		if s[i] == Sep {
			return s[:i], s[i+1:], true
		}
	}
	return s, s[len(s):], false
}

// IsAny reports whether token is the wildcard for one token.
func IsAny[T Text](token T) bool { return len(token) == 1 && token[0] == Any }

// IsRest reports whether token is the wildcard for the rest.
func IsRest[T Text](token T) bool { return len(token) == 1 && token[0] == Rest }

// Valid reports whether s may stand in a configuration as something to
// subscribe to: well formed, and without blanks (space, tab, CR, LF, FF).
func Valid[T Text](s T) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ' ', '\t', '\r', '\n', '\f':
			return false
		}
	}
	return Wellformed(s)
}

// Wellformed reports whether s can be subscribed to: no empty token, and '>'
// only as the last token. Wildcard characters inside a longer token are
// ordinary characters, as in nats-server.
func Wellformed[T Text](s T) bool {
	if len(s) == 0 {
		return false
	}
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != Sep {
			continue
		}
		if i == start {
			return false
		}
		if i-start == 1 && s[start] == Rest && i != len(s) {
			return false
		}
		start = i + 1
	}
	return true
}

// ValidLiteral reports whether s may be published to: valid and without
// wildcards.
func ValidLiteral[T Text](s T) bool { return Valid(s) && IsLiteral(s) }

// IsLiteral reports whether s has no wildcard token. It does not validate.
func IsLiteral[T Text](s T) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == Any || c == Rest {
			if (i == 0 || s[i-1] == Sep) && (i+1 == len(s) || s[i+1] == Sep) {
				return false
			}
		}
	}
	return true
}

// Tokens counts the tokens of s; the empty subject has none.
func Tokens[T Text](s T) int {
	if len(s) == 0 {
		return 0
	}
	n := 1
	for i := 0; i < len(s); i++ {
		if s[i] == Sep {
			n++
		}
	}
	return n
}

// HasEmptyToken reports whether s is empty, begins or ends with a separator or
// has two in a row. Such a subject can be published, and reaches nobody.
func HasEmptyToken[T Text](s T) bool {
	if len(s) == 0 || s[0] == Sep || s[len(s)-1] == Sep {
		return true
	}
	for i := 1; i < len(s); i++ {
		if s[i] == Sep && s[i-1] == Sep {
			return true
		}
	}
	return false
}

// Matches reports whether the literal subject is one that pattern stands for.
func Matches[L, P Text](literal L, pattern P) bool {
	if len(literal) == 0 || len(pattern) == 0 {
		return false
	}
	for {
		lt, lrest, lmore := Next(literal)
		pt, prest, pmore := Next(pattern)
		if len(lt) == 0 {
			return false
		}
		if IsRest(pt) {
			return !HasEmptyToken(literal)
		}
		if !IsAny(pt) && string(lt) != string(pt) {
			return false
		}
		if !lmore || !pmore {
			return lmore == pmore
		}
		literal, pattern = lrest, prest
	}
}

// Covers reports whether every subject that inner stands for is one that outer
// stands for too. Both may hold wildcards.
func Covers[O, I Text](outer O, inner I) bool {
	for {
		ot, orest, omore := Next(outer)
		it, irest, imore := Next(inner)
		switch {
		case IsRest(ot):
			return len(it) > 0
		case IsRest(it):
			return false
		case IsAny(ot):
			if len(it) == 0 {
				return false
			}
		case IsAny(it), string(ot) != string(it):
			return false
		}
		if !omore || !imore {
			return omore == imore
		}
		outer, inner = orest, irest
	}
}

// Overlap reports whether some subject is one that both a and b stand for.
func Overlap[A, B Text](a A, b B) bool {
	for {
		at, arest, amore := Next(a)
		bt, brest, bmore := Next(b)
		if len(at) == 0 || len(bt) == 0 {
			return false
		}
		if IsRest(at) || IsRest(bt) {
			return true
		}
		if !IsAny(at) && !IsAny(bt) && string(at) != string(bt) {
			return false
		}
		if !amore || !bmore {
			return amore == bmore
		}
		a, b = arest, brest
	}
}

package script

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// expandedMax bounds what one <<x*n>> may become.
const expandedMax = 64 << 20

var repeat = regexp.MustCompile(`<<(.+?)\*(\d+)>>`)

var escapes = map[byte]byte{'r': '\r', 'n': '\n', 't': '\t', 'f': '\f', 'v': '\v', '\\': '\\', '"': '"'}

// Unescape resolves backslash escapes and repetitions.
func Unescape(s string) (string, error) {
	var failed error
	s = repeat.ReplaceAllStringFunc(s, func(m string) string {
		parts := repeat.FindStringSubmatch(m)
		n, err := strconv.Atoi(parts[2])
		if err != nil || n*len(parts[1]) > expandedMax {
			failed = fmt.Errorf("%s is more than %d bytes", m, expandedMax)
			return ""
		}
		return strings.Repeat(parts[1], n)
	})
	if failed != nil || !strings.Contains(s, `\`) {
		return s, failed
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i+1 == len(s) {
			return "", fmt.Errorf("a backslash ends %q", s)
		}
		i++
		if c, ok := escapes[s[i]]; ok {
			b.WriteByte(c)
			continue
		}
		if s[i] != 'x' || i+2 >= len(s) {
			return "", fmt.Errorf("unknown escape \\%c", s[i])
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", fmt.Errorf("bad escape \\x%s", s[i+1:i+3])
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String(), nil
}

package sysapi

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// Age is how long something has lasted, in JSON a text of whole seconds: "0s",
// "8s", "1m3s", "2h0m5s", "3d0h0m1s", "1y2d0h0m0s". A negative age, as a clock
// that was set back gives, is written as "0s".
type Age time.Duration

// RTT is a round trip time, in JSON a text as Go writes durations, cut to
// whole microseconds below a millisecond: "0s", "324µs", "2.510242ms".
type RTT time.Duration

const year = 365 * 24 * time.Hour

var ageUnits = [...]struct {
	long time.Duration
	name byte
}{{year, 'y'}, {24 * time.Hour, 'd'}, {time.Hour, 'h'}, {time.Minute, 'm'}, {time.Second, 's'}}

// AppendText appends the text and cannot fail.
func (a Age) AppendText(dst []byte) ([]byte, error) {
	left := max(time.Duration(a), 0)
	begun := false
	for _, u := range ageUnits {
		n := left / u.long
		left %= u.long
		if begun = begun || n > 0 || u.long == time.Second; begun {
			dst = append(strconv.AppendInt(dst, int64(n), 10), u.name)
		}
	}
	return dst, nil
}

// MarshalText is AppendText into a new slice.
func (a Age) MarshalText() ([]byte, error) { return a.AppendText(nil) }

// UnmarshalText reads what AppendText writes.
func (a *Age) UnmarshalText(text []byte) error {
	var sum time.Duration
	rest := text
	for _, u := range ageUnits {
		digits, after, found := bytes.Cut(rest, []byte{u.name})
		if !found {
			continue
		}
		n, err := strconv.ParseUint(string(digits), 10, 32)
		if err != nil {
			return fmt.Errorf("%q is not an age such as 1d2h3m4s", text)
		}
		sum += time.Duration(n) * u.long
		rest = after
	}
	if len(rest) > 0 || len(text) == 0 {
		return fmt.Errorf("%q is not an age such as 1d2h3m4s", text)
	}
	*a = Age(sum)
	return nil
}

// String is the text.
func (a Age) String() string {
	var room [32]byte
	b, _ := a.AppendText(room[:0]) // cannot fail
	return string(b)
}

// AppendText appends the text and cannot fail.
func (r RTT) AppendText(dst []byte) ([]byte, error) {
	d := max(time.Duration(r), 0)
	switch {
	case d == 0 || d >= time.Second:
		return append(dst, d.String()...), nil
	case d < time.Microsecond:
		return append(dst, "0s"...), nil
	case d < time.Millisecond:
		return append(strconv.AppendInt(dst, int64(d/time.Microsecond), 10), "µs"...), nil
	}
	// Milliseconds with up to six decimals; written out because the String of
	// a duration allocates and every connection of a long list has one.
	dst = strconv.AppendInt(dst, int64(d/time.Millisecond), 10)
	if part := int64(d % time.Millisecond); part > 0 {
		var digits [7]byte
		b := strconv.AppendInt(digits[:0], 1_000_000+part, 10)
		dst = append(append(dst, '.'), bytes.TrimRight(b[1:], "0")...)
	}
	return append(dst, "ms"...), nil
}

// MarshalText is AppendText into a new slice.
func (r RTT) MarshalText() ([]byte, error) { return r.AppendText(nil) }

// UnmarshalText reads what AppendText writes.
func (r *RTT) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil {
		return err
	}
	*r = RTT(d)
	return nil
}

// String is the text.
func (r RTT) String() string {
	var room [32]byte
	b, _ := r.AppendText(room[:0]) // cannot fail
	return string(b)
}

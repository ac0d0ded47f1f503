package sysapi

import (
	"strconv"
	"time"
)

// FormatAge writes how long something has lasted, whole seconds only: "0s",
// "8s", "1m3s", "2h0m5s", "3d0h0m1s", "1y2d0h0m0s". A negative age, as a clock
// that was set back gives, is written as "0s".
func FormatAge(d time.Duration) string {
	var room [32]byte
	return string(AppendAge(room[:0], d))
}

// AppendAge is FormatAge into dst.
func AppendAge(dst []byte, d time.Duration) []byte {
	total := max(int64(d/time.Second), 0)
	const year = 365 * 24 * 3600
	units := [...]struct {
		seconds int64
		name    byte
	}{{year, 'y'}, {24 * 3600, 'd'}, {3600, 'h'}, {60, 'm'}}
	begun := false
	for _, u := range units {
		n := total / u.seconds
		total %= u.seconds
		if n == 0 && !begun {
			continue
		}
		begun = true
		dst = append(strconv.AppendInt(dst, n, 10), u.name)
	}
	return append(strconv.AppendInt(dst, total, 10), 's')
}

// FormatRTT writes a round trip time as Go writes durations, cut to whole
// microseconds below a millisecond: "0s", "324µs", "2.510242ms".
func FormatRTT(d time.Duration) string {
	if d < time.Millisecond {
		d = max(d, 0).Truncate(time.Microsecond)
	}
	return d.String()
}

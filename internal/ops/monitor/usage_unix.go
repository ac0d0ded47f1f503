//go:build unix

package monitor

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cpuTime is what the process used of the processors so far.
func cpuTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// residentBytes is the resident memory as the system counts it, or, where it
// has no /proc, as the Go runtime does.
func residentBytes() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return runtimeBytes()
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return runtimeBytes()
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return runtimeBytes()
	}
	return pages * int64(os.Getpagesize())
}

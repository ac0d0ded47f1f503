// Package procfs reads what the operating system knows about a process: its
// processor time and its memory.
//
// Owns: the forms of /proc files and the CPU clock of another process. Does not
// own: which process, when, and what the figures mean. No state; safe from
// anywhere. Invariant: a figure is either from the kernel or an error, never a
// guess.
package procfs

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuClockSched is CPUCLOCK_SCHED of the kernel's ABI: the scheduler's own
// nanosecond account of a whole thread group.
const cpuClockSched = 2

// CPU returns the processor time (user and system, all threads, ended ones
// too) the process has used. It reads the process's CPU clock: nanoseconds,
// current to the moment of the call. /proc/<pid>/stat counts in 10 ms ticks and
// /proc/<pid>/task/*/schedstat forgets threads that ended.
func CPU(pid int) (time.Duration, error) {
	clock := int32(^uint32(pid)<<3 | cpuClockSched)
	var ts unix.Timespec
	if err := unix.ClockGettime(clock, &ts); err != nil {
		return 0, fmt.Errorf("reading the CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// Memory of one process, in bytes.
type Memory struct {
	RSS  int64 `json:"rss"`  // VmRSS of /proc/<pid>/status
	Pss  int64 `json:"pss"`  // shared pages counted by share
	Anon int64 `json:"anon"` // heap and stacks: what the process wrote itself
}

// MemoryOf reads the memory of a process.
func MemoryOf(pid int) (Memory, error) {
	status, err := readKB(fmt.Sprintf("/proc/%d/status", pid), "VmRSS")
	if err != nil {
		return Memory{}, err
	}
	rollup, err := readKB(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss", "Anonymous")
	if err != nil {
		return Memory{}, err
	}
	return Memory{RSS: status["VmRSS"], Pss: rollup["Pss"], Anon: rollup["Anonymous"]}, nil
}

func readKB(path string, keys ...string) (map[string]int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	got, err := ParseKB(f, keys...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return got, nil
}

// ParseKB finds lines "Key:   123 kB" and returns bytes by key. A key that is
// not there, or whose value is not a number of kB, is an error.
func ParseKB(r io.Reader, keys ...string) (map[string]int64, error) {
	got := make(map[string]int64, len(keys))
	s := bufio.NewScanner(r)
	for s.Scan() {
		key, rest, ok := strings.Cut(s.Text(), ":")
		if !ok {
			continue
		}
		for _, want := range keys {
			if key != want {
				continue
			}
			f := strings.Fields(rest)
			if len(f) != 2 || f[1] != "kB" {
				return nil, fmt.Errorf("%s: expected a number of kB, got %q", key, rest)
			}
			n, err := strconv.ParseInt(f[0], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			got[key] = n << 10
		}
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	for _, want := range keys {
		if _, ok := got[want]; !ok {
			return nil, fmt.Errorf("no line %q", want+":")
		}
	}
	return got, nil
}

// ticksPerSecond is USER_HZ, 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// Busy returns the processor time all cores together spent on anything but
// idling since boot, time stolen by the hypervisor included.
func Busy() (time.Duration, error) {
	f, err := os.Open("/proc/stat")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return ParseBusy(f)
}

// ParseBusy reads the first line of /proc/stat.
func ParseBusy(r io.Reader) (time.Duration, error) {
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil && err != io.EOF {
		return 0, err
	}
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat: first line is %q, expected \"cpu\" and at least 8 numbers", line)
	}
	var ticks int64
	// user nice system idle iowait irq softirq steal; guest time is part of user.
	for i, s := range f[1:9] {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		if i != 3 && i != 4 {
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// Pin puts every thread of the calling process on the given cores; threads made
// later inherit it. No cores means all that the machine has.
func Pin(cores ...int) error {
	var set unix.CPUSet
	if len(cores) == 0 {
		for i := range Cores() {
			set.Set(i)
		}
	}
	for _, c := range cores {
		set.Set(c)
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			continue
		}
		if err := unix.SchedSetaffinity(tid, &set); err != nil && err != unix.ESRCH {
			return fmt.Errorf("pinning thread %d to cores %v: %w", tid, cores, err)
		}
	}
	return nil
}

// cores is taken once, before anything is pinned.
var cores = func() int {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return 1
	}
	defer f.Close()
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.HasPrefix(s.Text(), "processor") {
			n++
		}
	}
	return max(n, 1)
}()

// Cores is the number of processors the machine shows.
func Cores() int { return cores }

// Model is the processor's name as the kernel tells it, "" if it does not.
func Model() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if key, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// Congestion is the congestion control that TCP connections begin with, "" if it
// cannot be read.
func Congestion() string {
	b, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// Kernel is the running kernel's name and release, "" if it cannot be read.
func Kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

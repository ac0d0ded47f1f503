package procfs

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestParseKB(t *testing.T) {
	got, err := ParseKB(strings.NewReader("Name:\tx\nVmHWM:\t  9 kB\nVmRSS:\t    1234 kB\nThreads:\t3\n"), "VmRSS", "VmHWM")
	if err != nil || got["VmRSS"] != 1234<<10 || got["VmHWM"] != 9<<10 {
		t.Fatalf("got %v, %v", got, err)
	}
	for name, in := range map[string]string{
		"missing": "VmHWM: 9 kB\n", "no unit": "VmRSS: 9\n", "not a number": "VmRSS: x kB\n", "too large": "VmRSS: 99999999999999999999 kB\n",
	} {
		if got, err := ParseKB(strings.NewReader(in), "VmRSS"); err == nil {
			t.Errorf("%s: got %v, expected an error", name, got)
		}
	}
}

func TestParseBusy(t *testing.T) {
	// user nice system idle iowait irq softirq steal guest guest_nice
	got, err := ParseBusy(strings.NewReader("cpu  100 20 30 9999 8888 4 5 6 77 0\ncpu0 1 1 1 1\n"))
	if err != nil || got != 1650*time.Millisecond {
		t.Fatalf("got %v, %v; expected 1.65s: idle, waiting and guests do not count", got, err)
	}
	for _, in := range []string{"", "cpu 1 2 3", "cpu0 1 2 3 4 5 6 7 8", "cpu a b c d e f g h"} {
		if got, err := ParseBusy(strings.NewReader(in)); err == nil {
			t.Errorf("%q: got %v, expected an error", in, got)
		}
	}
}

// The CPU clock of a process sees what its own threads use, to less than a
// scheduler tick.
func TestCPUGrowsWithWork(t *testing.T) {
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for {
		after, err := CPU(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if after > before { // reading the clock is work
			return
		}
	}
}

func TestOwnMemory(t *testing.T) {
	m, err := MemoryOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if m.Anon <= 0 || m.RSS < m.Anon/2 || m.Pss <= 0 {
		t.Fatalf("implausible: %+v", m)
	}
	if _, err := MemoryOf(1 << 30); err == nil {
		t.Error("a process that does not exist has memory")
	}
	if _, err := CPU(1 << 22); err == nil {
		t.Error("a process that does not exist has a CPU clock")
	}
}

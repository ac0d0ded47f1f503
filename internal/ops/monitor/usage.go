package monitor

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"

	"dunlin/internal/proto/sysapi"
)

// usageAge is how old a measurement of the processor may be before it is
// taken again.
const usageAge = time.Second

// Usage tells what the process uses of the machine. The processor share is
// that of the time since the last measurement, in percent of one core; the
// first is that since NewUsage.
type Usage struct {
	mu      sync.Mutex
	at      time.Time
	cpu     time.Duration
	percent float64
	fresh   bool // percent was measured at all
}

// NewUsage begins to measure.
func NewUsage() *Usage { return &Usage{at: time.Now(), cpu: cpuTime()} }

// Fill sets the process's figures in v.
func (u *Usage) Fill(v *sysapi.Varz) {
	v.GoVersion = runtime.Version()
	v.Mem, v.CPU = residentBytes(), u.share(time.Now())
	v.Cores, v.MaxProcs = runtime.NumCPU(), runtime.GOMAXPROCS(0)
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		v.MemLimit = limit
	}
}

func (u *Usage) share(now time.Time) float64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	passed := now.Sub(u.at)
	if passed <= 0 || u.fresh && passed < usageAge {
		return u.percent
	}
	used := cpuTime()
	u.percent = math.Round(1000*float64(used-u.cpu)/float64(passed)) / 10
	u.at, u.cpu, u.fresh = now, used, true
	return u.percent
}

// runtimeBytes is what the Go runtime holds of the system's memory.
func runtimeBytes() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 || s[1].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return int64(s[0].Value.Uint64() - s[1].Value.Uint64())
}

package runner

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"dunlin/bench/internal/load"
	"dunlin/bench/internal/target"
)

// profile collects a server's CPU profile of the measured stretch, and its
// allocation profiles before and after (go tool pprof -base), beside a run.
type profile struct {
	base, prefix string
	done         chan []error
}

// profiles are those of all nodes of a run; none without profiling.
type profiles []*profile

func startProfiles(nodes []*target.Process, dir, name string, l load.Spec) profiles {
	var all profiles
	for i, n := range nodes {
		if n.Profile == "" {
			continue
		}
		own := name
		if len(nodes) > 1 {
			own = fmt.Sprintf("%s-node-%d", name, i)
		}
		all = append(all, startProfile(n.Profile, dir, own, l))
	}
	return all
}

func (all profiles) finish() string {
	var notes []string
	for _, p := range all {
		notes = append(notes, p.finish())
	}
	return strings.Join(notes, "\n  ")
}

func startProfile(base, dir, name string, l load.Spec) *profile {
	p := &profile{base: base, done: make(chan []error, 1)}
	p.prefix = filepath.Join(dir, strings.NewReplacer(" ", "-", "(", "", ")", "").Replace(name))
	go func() { // finish waits for it
		errs := []error{os.MkdirAll(dir, 0o755), p.fetch("allocs", "allocs-before.pprof")}
		long := l.Warmup + l.Duration
		if l.Stall || l.ChurnLater {
			long += l.Duration // the second stretch is what such a row is about
		}
		seconds := max(int(long/time.Second), 1)
		errs = append(errs, p.fetch(fmt.Sprintf("profile?seconds=%d", seconds), "cpu.pprof"))
		p.done <- errs
	}()
	return p
}

// finish waits for the CPU profile, takes the last one and says where they are,
// or why not.
func (p *profile) finish() string {
	errs := <-p.done
	errs = append(errs, p.fetch("allocs", "allocs-after.pprof"), p.fetch("heap", "heap.pprof"))
	if err := errors.Join(errs...); err != nil {
		return "no profile: " + err.Error()
	}
	return "profiles: " + p.prefix + "-*.pprof"
}

func (p *profile) fetch(what, file string) error {
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Get(p.base + "/debug/pprof/" + what)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Request.URL, resp.Status)
	}
	f, err := os.Create(p.prefix + "-" + file)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, resp.Body)
	return errors.Join(err, f.Close())
}

package conformance

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// scoreboard counts what ran. It is shared by parallel tests.
type scoreboard struct {
	mu    sync.Mutex
	areas map[string]*score
	notes []string
}

type score struct {
	agree, all int
	differ     []string
}

var board = &scoreboard{areas: map[string]*score{}}

func (b *scoreboard) count(area, name string, agree bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.areas[area]
	if s == nil {
		s = &score{}
		b.areas[area] = s
	}
	s.all++
	if agree {
		s.agree++
	} else {
		s.differ = append(s.differ, name)
	}
}

// skipped notes a part that could not run, so that it is not taken for tested.
func (b *scoreboard) skipped(what, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes = append(b.notes, fmt.Sprintf("not run: %s (%s)", what, why))
}

func (b *scoreboard) print(w io.Writer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	agree, all := 0, 0
	for _, area := range slices.Sorted(maps.Keys(b.areas)) {
		s := b.areas[area]
		agree, all = agree+s.agree, all+s.all
		slices.Sort(s.differ)
		fmt.Fprintf(w, "%4d of %4d  %-14s %s\n", s.agree, s.all, area, strings.Join(s.differ, " "))
	}
	for _, note := range b.notes {
		fmt.Fprintln(w, note)
	}
	if all > 0 {
		fmt.Fprintf(w, "%d of %d scripts agree\n", agree, all)
	}
}

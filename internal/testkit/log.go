package testkit

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"dunlin/internal/base/loglevel"
)

// Log is a slog.Handler that remembers what was logged, one line a record:
// "INF message key=value".
type Log struct {
	mu    sync.Mutex
	lines []string
	// Level is the lowest that is remembered; change it before the log is used.
	Level slog.Level
}

// Enabled implements slog.Handler.
func (l *Log) Enabled(_ context.Context, level slog.Level) bool { return level >= l.Level }

// Handle implements slog.Handler.
func (l *Log) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", loglevel.Abbreviation(r.Level), r.Message)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, b.String())
	return nil
}

// WithAttrs implements slog.Handler; attributes of a logger are not remembered.
func (l *Log) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup implements slog.Handler.
func (l *Log) WithGroup(string) slog.Handler { return l }

// Lines are a copy of all lines so far.
func (l *Log) Lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.lines...)
}

// Count is how many lines hold all of parts.
func (l *Log) Count(parts ...string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if holds(line, parts) {
			n++
		}
	}
	return n
}

func holds(line string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(line, p) {
			return false
		}
	}
	return true
}

// Wait waits for a line that holds all of parts.
func (l *Log) Wait(t testing.TB, parts ...string) {
	t.Helper()
	if !Within(Patience, func() bool { return l.Count(parts...) > 0 }) {
		lines := l.Lines()
		t.Fatalf("no line of the log holds %q; the last of %d are:\n%s", parts, len(lines), strings.Join(lines[max(0, len(lines)-20):], "\n"))
	}
}

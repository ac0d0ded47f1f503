package loglevel

import (
	"log/slog"
	"testing"
)

func TestEveryLevelBelongsToTheNamedOneBelowIt(t *testing.T) {
	for _, c := range []struct {
		level       slog.Level
		short, long string
	}{
		{-100, "TRC", "TRACE"},
		{Trace, "TRC", "TRACE"},
		{slog.LevelDebug - 1, "TRC", "TRACE"},
		{slog.LevelDebug, "DBG", "DEBUG"},
		{slog.LevelInfo - 1, "DBG", "DEBUG"},
		{slog.LevelInfo, "INF", "INFO"},
		{slog.LevelWarn - 1, "INF", "INFO"},
		{slog.LevelWarn, "WRN", "WARN"},
		{slog.LevelError - 1, "WRN", "WARN"},
		{slog.LevelError, "ERR", "ERROR"},
		{Fatal - 1, "ERR", "ERROR"},
		{Fatal, "FTL", "FATAL"},
		{100, "FTL", "FATAL"},
	} {
		if got := Abbreviation(c.level); got != c.short {
			t.Errorf("Abbreviation(%d) = %s, want %s", c.level, got, c.short)
		}
		if got := Name(c.level); got != c.long {
			t.Errorf("Name(%d) = %s, want %s", c.level, got, c.long)
		}
	}
}

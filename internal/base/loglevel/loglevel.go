package loglevel

import "log/slog"

const (
	// Trace is the raw protocol: what each connection said and was told.
	Trace = slog.Level(-8)
	// Fatal is the last line before the process ends because it must. The
	// level does not end it: whoever logs at it does.
	Fatal = slog.Level(12)
)

// Abbreviation returns the three letters of the level that l belongs to: TRC,
// DBG, INF, WRN, ERR or FTL. A level between two named ones belongs to the
// lower one.
func Abbreviation(l slog.Level) string {
	switch {
	case l < slog.LevelDebug:
		return "TRC"
	case l < slog.LevelInfo:
		return "DBG"
	case l < slog.LevelWarn:
		return "INF"
	case l < slog.LevelError:
		return "WRN"
	case l < Fatal:
		return "ERR"
	}
	return "FTL"
}

// Name returns the level's word as log/slog spells its own: TRACE, DEBUG,
// INFO, WARN, ERROR or FATAL.
func Name(l slog.Level) string {
	switch Abbreviation(l) {
	case "TRC":
		return "TRACE"
	case "DBG":
		return "DEBUG"
	case "INF":
		return "INFO"
	case "WRN":
		return "WARN"
	case "ERR":
		return "ERROR"
	}
	return "FATAL"
}

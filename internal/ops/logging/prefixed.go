package logging

import (
	"io"
	"log/slog"
)

// Prefixed says how lines look that are marked with where they come from, for
// several servers in one window.
type Prefixed struct {
	Prefix string // as it is to be written: colours and blanks included; not empty
	Colour bool   // of the level
	// Levels below Info that are wanted.
	Debug, Trace bool
}

// To returns a logger that writes each line to w in one Write: the prefix, the
// time of day, the level and the text. w is called by any goroutine; what it
// returns as error is lost, as there is nobody to tell.
func To(w io.Writer, p Prefixed) *slog.Logger {
	out := &output{}
	out.target.Store(&target{format: format{prefix: p.Prefix, colour: p.Colour, time: true}, dest: written{w}})
	levels := Options{Debug: p.Debug, Trace: p.Trace}
	out.want.Store(levels.want())
	return slog.New(&handler{out: out})
}

// written is a destination that somebody else owns.
type written struct{ to io.Writer }

func (w written) send(_ slog.Level, line []byte) error {
	_, err := w.to.Write(line)
	return err
}

func (w written) Close() error { return nil }

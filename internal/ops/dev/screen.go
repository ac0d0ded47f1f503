package dev

import (
	"bytes"
	"io"
	"sync"
	"unicode/utf8"
)

// Screen is a place that lines go to from everywhere, with one line at the end
// that is written again and again. Where the place is no terminal, the live
// line is a line like any other.
type Screen struct {
	mu     sync.Mutex
	to     io.Writer
	live   bool // the place is a terminal
	status []byte
	buf    bytes.Buffer
}

// NewScreen writes to w, which is a terminal or not.
func NewScreen(w io.Writer, terminal bool) *Screen { return &Screen{to: w, live: terminal} }

const (
	clearLine = "\r\x1b[2K"
	wrapOff   = "\x1b[?7l" // a live line that is too long is cut, not wrapped
	wrapOn    = "\x1b[?7h"
)

// Write writes whole lines above the live line.
func (s *Screen) Write(lines []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.status) == 0 {
		return s.to.Write(lines)
	}
	s.buf.Reset()
	s.buf.WriteString(clearLine)
	s.buf.Write(lines)
	s.buf.Write(s.status)
	if _, err := s.to.Write(s.buf.Bytes()); err != nil {
		return 0, err
	}
	return len(lines), nil
}

// Status replaces the live line; "" takes it away. The text is one line.
func (s *Screen) Status(text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live {
		if text == "" {
			return nil
		}
		_, err := io.WriteString(s.to, text+"\n")
		return err
	}
	s.buf.Reset()
	if len(s.status) > 0 {
		s.buf.WriteString(clearLine)
	}
	s.status = s.status[:0]
	if text != "" {
		s.status = append(append(append(s.status, wrapOff...), text...), wrapOn...)
	}
	s.buf.Write(s.status)
	_, err := s.to.Write(s.buf.Bytes())
	return err
}

// Table lays cells out in columns as wide as their longest cell. paint, if
// there is one, colours a cell; its width is that of the text without.
func Table(rows [][]string, paint func(row, column int, text string) string) string {
	var widths []int
	for _, row := range rows {
		for i, text := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	var b bytes.Buffer
	for r, row := range rows {
		for i, text := range row {
			shown := text
			if paint != nil {
				shown = paint(r, i, text)
			}
			if b.WriteString(shown); i < len(row)-1 {
				for range widths[i] - utf8.RuneCountInString(text) + 3 {
					b.WriteByte(' ')
				}
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

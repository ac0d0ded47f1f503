package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"dunlin/bench/internal/report"
	"dunlin/bench/internal/runner"
	"dunlin/bench/internal/scenario"
)

// write puts the results into their folder and, if asked, into the README.
func write(o options, rep report.Report) error {
	out := report.Folder(o.out, rep.Set)
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	js, err := report.JSON(rep)
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"results.json": js,
		"results.md":   []byte(report.Markdown(rep)),
		"results.svg":  []byte(report.SVG(rep)),
	}
	if rep.Set == scenario.Scaling {
		files["results.csv"] = []byte(report.CSV(rep))
		files["results.svg"] = []byte(report.ScalingSVG(rep))
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(out, name), b, 0o644); err != nil {
			return err
		}
	}
	if o.readme == "" {
		return nil
	}
	pages := []string{o.readme}
	texts := []func(string, report.Report) (string, error){report.InReadme}
	if report.HasExcerpt(rep.Set) {
		pages, texts = append(pages, o.project), append(texts, report.InProjectReadme)
	}
	return rewrite(rep, pages, texts)
}

// rewrite puts a report into pages: into all of them, or none if one can't have it.
func rewrite(rep report.Report, pages []string, texts []func(string, report.Report) (string, error)) error {
	var written []string
	for i, page := range pages {
		old, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		text, err := texts[i](string(old), rep)
		if err != nil {
			return fmt.Errorf("%s: %w", page, err)
		}
		written = append(written, text)
	}
	for i, page := range pages {
		if err := os.WriteFile(page, []byte(written[i]), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// list prints the table of rows.
func list(w io.Writer, rows []scenario.Row) error {
	for _, r := range rows {
		var floors []string
		for _, c := range r.Checks {
			floors = append(floors, report.FloorOf(c, r))
		}
		if _, err := fmt.Fprintf(w, "%s  %s  %s\n", report.Pad(r.Name, 28, false), report.Pad(r.Title, 56, false), strings.Join(floors, "; ")); err != nil {
			return err
		}
	}
	return nil
}

// screen shows progress: a line a row, and on a terminal a line that moves.
type screen struct {
	w        io.Writer
	terminal bool
	rows     int
	played   int
	judged   int // checks
	started  time.Time
}

func newScreen(f *os.File, rows int) *screen {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return &screen{w: f, terminal: err == nil && os.Getenv("TERM") != "dumb", rows: rows, started: time.Now()}
}

// SGR colours; none without a terminal or with NO_COLOR set.
const (
	green = "32"
	red   = "31"
	faint = "2"
	bold  = "1"
)

func (s *screen) colour(code, text string) string {
	if !s.terminal || os.Getenv("NO_COLOR") != "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

const titleWidth = 52

func (s *screen) step(st runner.Step) {
	if st.ProfileNote != "" {
		s.clear()
		fmt.Fprintln(s.w, s.colour(faint, "  "+st.ProfileNote))
	}
	if !s.terminal || st.Done {
		return
	}
	s.clear()
	fmt.Fprintf(s.w, "%s  %s", report.Pad(st.Row.Title, titleWidth, false),
		s.colour(faint, fmt.Sprintf("row %d/%d  round %d/%d  %s", s.played+1, s.rows, st.Round+1, st.Of, st.Side)))
}

func (s *screen) clear() {
	if s.terminal {
		fmt.Fprint(s.w, "\r\x1b[K")
	}
}

// row prints a row's outcome.
func (s *screen) row(r report.Row) {
	s.played++
	s.clear()
	if r.Error != "" {
		fmt.Fprintf(s.w, "%s  %s\n", report.Pad(r.Title, titleWidth, false), s.colour(red, "failed: "+r.Error))
		return
	}
	for i, l := range report.Lines(r) {
		title := r.Title
		if i > 0 {
			title = ""
		}
		mark := " "
		if l.Judged {
			s.judged++
			mark = s.colour(red, "✗")
			if l.Pass {
				mark = s.colour(green, "✓")
			}
		}
		fmt.Fprintf(s.w, "%s  %s %s %s  %s  %s %s\n", report.Pad(title, titleWidth, false), report.Pad(l.Measured, 20, false),
			report.Pad(l.Peer, 9, true), report.Pad(l.Value, 9, true), s.colour(bold, report.Pad(l.Ratio, 7, true)),
			s.colour(faint, report.Pad(l.Floor, 9, true)), mark)
	}
}

func (s *screen) end(dir string, missed, broken int) {
	verdict := s.colour(green, fmt.Sprintf("all %d floors reached", s.judged))
	switch {
	case broken == 0 && s.judged == 0:
		verdict = "nothing was compared"
	case broken > 0:
		verdict = s.colour(red, fmt.Sprintf("%d rows failed, %d floors missed", broken, missed))
	case missed > 0:
		verdict = s.colour(red, fmt.Sprintf("%d of %d floors missed", missed, s.judged))
	}
	line := fmt.Sprintf("%d rows in %v, results in %s: ", s.played, time.Since(s.started).Round(time.Second), dir)
	fmt.Fprintln(s.w, strings.Repeat("─", min(utf8.RuneCountInString(line)+30, 100)))
	fmt.Fprintln(s.w, line+verdict)
}

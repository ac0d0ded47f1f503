package logging

import (
	"bufio"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

func openLog(t *testing.T, o Options) (*Logging, *os.File) {
	t.Helper()
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := openTo(o, stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		stderr.Close()
	})
	return l, stderr
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var lineShape = regexp.MustCompile(`^\[\d+\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} \[(TRC|DBG|INF|WRN|ERR|FTL)\] (.*)$`)

// texts strips pid and time, and fails on a line that has another shape.
func texts(t *testing.T, s string) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(s) {
		m := lineShape.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			t.Fatalf("line %q has not the shape of a log line", line)
		}
		out = append(out, m[1]+" "+m[2])
	}
	return out
}

func TestStandardErrorIsTheDefault(t *testing.T) {
	l, stderr := openLog(t, Options{Time: true, Debug: true})
	l.Logger().Info("hello", "n", 1)
	l.Logger().Debug("there")
	if err := l.Reopen(); err != nil {
		t.Error(err)
	}
	got := strings.Join(texts(t, content(t, stderr.Name())), "\n")
	if got != "INF hello n=1\nDBG there\nINF Log is not a file, nothing to reopen" {
		t.Errorf("standard error has %q", got)
	}
}

func TestLogFileRotatesInTheShapeOfALogLine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "d.log")
	l, _ := openLog(t, Options{Time: true, File: path, FileSizeLimit: 100, FileMax: 2})
	for range 4 {
		l.Logger().Info(strings.Repeat("x", 100))
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Fatalf("files %v, %v; want 2", entries, err)
	}
	got := texts(t, content(t, path))
	if len(got) != 2 || !strings.HasPrefix(got[0], "INF Rotated log, backup saved as ") || !strings.HasPrefix(got[1], "INF Purged log file ") {
		t.Errorf("file has %q", got)
	}
}

func TestReopenedFileSaysSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.log")
	l, _ := openLog(t, Options{Time: true, File: path})
	l.Logger().Info("before")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, content(t, path)); len(got) != 1 || got[0] != "INF File log re-opened" {
		t.Errorf("new file has %q", got)
	}
}

func TestAReopenThatFailsLosesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, _ := openLog(t, Options{Time: true, File: filepath.Join(dir, "d.log")})
	if err := os.Rename(dir, dir+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err == nil || !strings.Contains(err.Error(), "stays in use") {
		t.Errorf("Reopen: %v", err)
	}
	l.Logger().Info("still here")
	if got := texts(t, content(t, filepath.Join(dir+".moved", "d.log"))); len(got) != 1 || got[0] != "INF still here" {
		t.Errorf("file has %q", got)
	}
}

func TestBadOptionsChangeNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.log")
	l, _ := openLog(t, Options{File: path})
	for _, bad := range []Options{
		{Format: "xml"},
		{File: filepath.Join(path, "below", "a", "file")},
		{RemoteSyslog: "nonsense"},
		{RemoteSyslog: "tcp://"},
		{RemoteSyslog: "ftp://host:1"},
		{RemoteSyslog: "unix:///does/not/exist"},
	} {
		if err := l.Reconfigure(bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	l.Logger().Debug("not wanted")
	l.Logger().Info("to the file")
	if got := content(t, path); !strings.HasSuffix(got, "[INF] to the file\n") || strings.Contains(got, "not wanted") {
		t.Errorf("file has %q", got)
	}
}

func TestAPreparedChangeShowsNothingUntilCommitted(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "1"), filepath.Join(dir, "2")
	l, _ := openLog(t, Options{Time: true, File: first})
	for _, commit := range []bool{false, true} {
		c, err := l.Prepare(Options{File: second, Debug: true, Format: "json"})
		if err != nil {
			t.Fatal(err)
		}
		l.Logger().Info("prepared")
		l.Logger().Debug("prepared")
		if commit {
			err = c.Commit()
		} else {
			err = c.Discard()
		}
		if err != nil {
			t.Error(err)
		}
	}
	l.Logger().Debug("committed")
	if got := texts(t, content(t, first)); strings.Join(got, ",") != "INF prepared,INF prepared" {
		t.Errorf("first file has %q", got)
	}
	if got := content(t, second); !strings.Contains(got, `"level":"DEBUG","msg":"committed"`) || strings.Count(got, "\n") != 1 {
		t.Errorf("second file has %q", got)
	}
}

func TestFormatAndLimitsChangeOnTheOpenFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "d.log")
	l, _ := openLog(t, Options{File: path})
	kept := l.Logger().With("conn", "a") // a logger that outlives the format
	kept.Info("one")
	if err := os.Rename(path, path+".open"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reconfigure(Options{File: path, Format: "json", FileSizeLimit: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	kept.Info("two")
	got := strings.Split(content(t, path+".open"), "\n")
	if len(got) != 3 || !strings.HasSuffix(got[0], "[INF] a - one") || !strings.Contains(got[1], `"msg":"two"`) || !strings.Contains(got[1], `"conn":"a"`) {
		t.Errorf("file has %q", got)
	}
}

func TestLevelsSwitchWhileRunning(t *testing.T) {
	l, stderr := openLog(t, Options{Time: true})
	l.Logger().Debug("1")
	l.SetLevels(true, false)
	l.Logger().Debug("2")
	l.SetLevels(false, false)
	l.Logger().Debug("3")
	if got := texts(t, content(t, stderr.Name())); len(got) != 1 || got[0] != "DBG 2" {
		t.Errorf("standard error has %q", got)
	}
}

func TestLinesAfterCloseGoToStandardError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.log")
	l, stderr := openLog(t, Options{Time: true, File: path})
	l.Logger().Info("file")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.Logger().Error("late")
	if got := texts(t, content(t, path)); len(got) != 1 || got[0] != "INF file" {
		t.Errorf("file has %q", got)
	}
	if got := texts(t, content(t, stderr.Name())); len(got) != 1 || got[0] != "ERR late" {
		t.Errorf("standard error has %q", got)
	}
}

func TestNoLineIsLostWhileTheDestinationChanges(t *testing.T) {
	dir := t.TempDir()
	file := func(i int) string { return filepath.Join(dir, fmt.Sprintf("%d.log", i)) }
	l, _ := openLog(t, Options{File: file(0)})
	const writers, lines, changes = 4, 500, 40
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			logger := l.Logger().With("w", w)
			for i := range lines {
				logger.Info("line", "i", i)
			}
		})
	}
	wg.Go(func() {
		for i := range changes {
			if err := l.Reconfigure(Options{File: file(i % 7), Debug: i%2 == 0}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	seen := map[string]bool{}
	for i := range 7 {
		f, err := os.Open(file(i))
		if err != nil {
			t.Fatal(err)
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			_, text, ok := strings.Cut(s.Text(), "[INF] ")
			if !ok || seen[text] {
				t.Errorf("odd or doubled line %q", s.Text())
			}
			seen[text] = true
		}
		f.Close()
	}
	if len(seen) != writers*lines {
		t.Errorf("%d lines arrived, want %d", len(seen), writers*lines)
	}
}

func TestNoneIsSilence(t *testing.T) {
	l, stderr := openLog(t, Options{None: true, Debug: true})
	l.Logger().Error("x")
	if got := content(t, stderr.Name()); got != "" {
		t.Errorf("standard error has %q", got)
	}
	if err := l.Reconfigure(Options{}); err != nil {
		t.Fatal(err)
	}
	l.Logger().Log(t.Context(), slog.LevelError, "y")
	if got := content(t, stderr.Name()); !strings.HasSuffix(got, "[ERR] y\n") {
		t.Errorf("standard error has %q", got)
	}
}

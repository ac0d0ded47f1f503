package logfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// stepClock returns a clock that moves a second a look.
func stepClock() func() time.Time {
	t := time.Date(2026, 11, 22, 20, 53, 18, 159100568, time.Local)
	return func() time.Time {
		t = t.Add(time.Second)
		return t
	}
}

func open(t *testing.T, o Options) *File {
	t.Helper()
	f, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	return f
}

func write(t *testing.T, f *File, line string) {
	t.Helper()
	n, err := io.WriteString(f, line)
	if err != nil || n != len(line) {
		t.Fatalf("Write(%q) = %d, %v", line, n, err)
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func levelLine(level slog.Level, text string) []byte {
	return fmt.Appendf(nil, "%v %s\n", level, text)
}

func TestPiecesAreNamedByTimeAndKeepWholeLines(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "n.log")
	f := open(t, Options{Path: path, SizeLimit: 20, Line: levelLine})
	f.now = stepClock()

	write(t, f, "0123456789012345678\n") // 20 bytes: at the limit, not past it
	if got := names(t, dir); !slices.Equal(got, []string{"n.log"}) {
		t.Fatalf("rotated at the limit already: %v", got)
	}
	write(t, f, "second\n")
	piece := "n.log.2026.11.22.20.53.19.159100568"
	if got := names(t, dir); !slices.Equal(got, []string{"n.log", piece}) {
		t.Fatalf("files: %v", got)
	}
	if got := content(t, filepath.Join(dir, piece)); got != "0123456789012345678\nsecond\n" {
		t.Errorf("piece holds %q", got)
	}
	want := fmt.Sprintf("INFO Rotated log, backup saved as %q\n", filepath.Join(dir, piece))
	if got := content(t, path); got != want {
		t.Errorf("new file holds %q, want %q", got, want)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v; want 0640", info.Mode(), err)
	}
}

func TestOnlyTheNewestPiecesAreKeptAndNothingElseIsDeleted(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "n.log")
	strangers := []string{
		"n.log.bak", "n.log.2026.11.22", "n.log.2026.11.22.20.53.18.15910056x",
		"n.log.2026.99.22.20.53.18.159100568", "an.log.2020.11.22.20.53.18.159100568",
	}
	for _, s := range strangers {
		if err := os.WriteFile(filepath.Join(dir, s), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := open(t, Options{Path: path, SizeLimit: 1, MaxFiles: 3, Line: levelLine})
	f.now = stepClock()
	for i := range 5 {
		write(t, f, fmt.Sprintf("line %d\n", i))
	}
	got := names(t, dir)
	for _, s := range strangers {
		i := slices.Index(got, s)
		if i < 0 {
			t.Fatalf("%s is gone: %v", s, got)
		}
		got = slices.Delete(got, i, i+1)
	}
	want := []string{"n.log", "n.log.2026.11.22.20.53.22.159100568", "n.log.2026.11.22.20.53.23.159100568"}
	if !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	if got := content(t, path); !strings.HasSuffix(got, "INFO Purged log file \"n.log.2026.11.22.20.53.21.159100568\"\n") {
		t.Errorf("the file says %q", got)
	}
}

func TestAPieceIsNeverOverwritten(t *testing.T) {
	dir := t.TempDir()
	f := open(t, Options{Path: filepath.Join(dir, "n.log"), SizeLimit: 1})
	still := time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local)
	f.now = func() time.Time { return still }
	for i := range 3 {
		write(t, f, fmt.Sprintf("line %d\n", i))
	}
	for i, name := range names(t, dir)[1:] {
		if want := fmt.Sprintf("n.log.2026.01.02.03.04.05.%09d", i); name != want {
			t.Errorf("piece %d is called %s, want %s", i, name, want)
		}
		if got := content(t, filepath.Join(dir, name)); !strings.Contains(got, fmt.Sprintf("line %d\n", i)) {
			t.Errorf("piece %d holds %q", i, got)
		}
	}
}

func TestAFileLeftOverTheLimitIsRotatedByTheFirstLine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "n.log")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	f := open(t, Options{Path: path, SizeLimit: 50})
	write(t, f, "first\n")
	if got := len(names(t, dir)); got != 2 {
		t.Errorf("%d files, want 2", got)
	}
}

func TestAFailedRotationIsSaidOnceALimitAndTriedAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "n.log")
	f := open(t, Options{Path: path, SizeLimit: 1000, Line: levelLine})
	// The open file is looked at through another name: its own is gone.
	kept := filepath.Join(dir, "kept")
	if err := os.Rename(path, kept); err != nil {
		t.Fatal(err)
	}
	write(t, f, strings.Repeat("x", 1000)+"\n")
	write(t, f, "2\n")
	write(t, f, "3\n")
	got := content(t, kept)
	if strings.Count(got, "ERROR Log file ") != 1 || !strings.HasSuffix(got, "2\n3\n") {
		t.Errorf("the file says %q", got)
	}
	if err := os.Rename(kept, path); err != nil {
		t.Fatal(err)
	}
	write(t, f, strings.Repeat("y", 1000)+"\n")
	if got := len(names(t, dir)); got != 2 {
		t.Errorf("%d files after another 1000 bytes, want 2", got)
	}
}

func TestReopenFollowsThePath(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "n.log")
	f := open(t, Options{Path: path})
	write(t, f, "before\n")
	moved := filepath.Join(dir, "moved")
	if err := os.Rename(path, moved); err != nil {
		t.Fatal(err)
	}
	write(t, f, "still there\n")
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	write(t, f, "after\n")
	if got := content(t, moved); got != "before\nstill there\n" {
		t.Errorf("moved file: %q", got)
	}
	if got := content(t, path); got != "after\n" {
		t.Errorf("new file: %q", got)
	}
}

func TestAFailedReopenKeepsTheOpenFile(t *testing.T) {
	dir := t.TempDir()
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	f := open(t, Options{Path: filepath.Join(sub, "n.log")})
	moved := filepath.Join(dir, "moved")
	if err := os.Rename(sub, moved); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); err == nil {
		t.Fatal("Reopen succeeded in a directory that is gone")
	}
	write(t, f, "line\n")
	if got := content(t, filepath.Join(moved, "n.log")); got != "line\n" {
		t.Errorf("file: %q", got)
	}
}

func TestAFullDiskSendsLinesToTheFallbackAndSaysSoOnce(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "n.log")
	if err := os.Symlink("/dev/full", path); err != nil {
		t.Fatal(err)
	}
	var fallback bytes.Buffer
	f := open(t, Options{Path: path, Line: levelLine, Fallback: &fallback, SizeLimit: 1})
	write(t, f, "one\n")
	write(t, f, "two\n")
	got := fallback.String()
	if strings.Count(got, "cannot be written") != 1 || !strings.HasSuffix(got, "\none\ntwo\n") ||
		!strings.HasPrefix(got, "ERROR ") || !strings.Contains(got, "no space left") {
		t.Errorf("fallback got %q", got)
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := f.Reopen(); err != nil {
		t.Fatal(err)
	}
	f.SetLimits(0, 0)
	fallback.Reset()
	write(t, f, "three\n")
	write(t, f, "four\n")
	got = content(t, path)
	if !strings.HasPrefix(got, "three\nWARN Log file ") || !strings.HasSuffix(got, "can be written again; lines in between went to standard error\nfour\n") {
		t.Errorf("file: %q", got)
	}
	if fallback.Len() > 0 {
		t.Errorf("fallback got %q", fallback.String())
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("broken") }

func TestALineThatNothingTakesIsAnError(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("this system has no /dev/full")
	}
	f := open(t, Options{Path: "/dev/full", Fallback: brokenWriter{}})
	if _, err := f.Write([]byte("x\n")); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("Write: %v", err)
	}
}

func TestALineCutOffByAnErrorIsClosedBeforeTheNext(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var fallback bytes.Buffer
	f := &File{file: w, fallback: &fallback, line: levelLine}
	defer f.Close()
	long := strings.Repeat("x", 1<<20) + "\n" // more than a pipe holds
	written := make(chan error, 1)
	go func() {
		_, err := io.WriteString(f, long)
		written <- err
	}()
	// A byte has come through, so the write is under way: now break it.
	if _, err := r.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := w.SetWriteDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(r)
		read <- string(b)
	}()
	if err := w.SetWriteDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	write(t, f, "next\n")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got := <-read
	head, tail, _ := strings.Cut(got, "\n")
	if !strings.HasPrefix(tail, "next\n") {
		t.Errorf("after the torn line comes %q", tail)
	}
	_, rest, _ := strings.Cut(fallback.String(), "\n")
	if "x"+head+rest != long {
		t.Errorf("%d bytes in the file and %d in the fallback, want %d in all", len(head), len(rest), len(long))
	}
}

func TestConcurrentWritersLoseNothingOverRotationsAndReopens(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "n.log")
	f := open(t, Options{Path: path, SizeLimit: 4096, Line: func(slog.Level, string) []byte { return []byte("note\n") }})
	const writers, lines = 8, 500
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range lines {
				if _, err := fmt.Fprintf(f, "%d-%d\n", w, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 50 {
			if err := f.Reopen(); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	seen := map[string]int{}
	for _, name := range names(t, dir) {
		for line := range strings.Lines(content(t, filepath.Join(dir, name))) {
			seen[line]++
		}
	}
	if seen["note\n"] == 0 {
		t.Error("nothing was rotated")
	}
	delete(seen, "note\n")
	if len(seen) != writers*lines {
		t.Errorf("%d different lines, want %d", len(seen), writers*lines)
	}
	for line, n := range seen {
		if n != 1 {
			t.Errorf("%q is there %d times", line, n)
		}
	}
}

func TestWhatIsNoRegularFileIsNotRotated(t *testing.T) {
	f := open(t, Options{Path: os.DevNull, SizeLimit: 1})
	write(t, f, "a line\n")
	write(t, f, "a line\n")
	if _, err := os.Stat(os.DevNull); err != nil {
		t.Fatal(err)
	}
}

func TestAClosedFileSaysSo(t *testing.T) {
	f := open(t, Options{Path: filepath.Join(t.TempDir(), "n.log")})
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("x\n")); !errors.Is(err, ErrClosed) {
		t.Errorf("Write: %v", err)
	}
	if err := f.Reopen(); !errors.Is(err, ErrClosed) {
		t.Errorf("Reopen: %v", err)
	}
	if err := f.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("Close: %v", err)
	}
}

func TestAPathThatCannotBeOpenedIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "n.log")
	if _, err := Open(Options{Path: path}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Open: %v", err)
	}
}

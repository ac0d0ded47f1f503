package logfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// ErrClosed is returned by calls on a file after Close.
var ErrClosed = errors.New("log file is closed")

// filePerm keeps other users of the machine out: logs carry names, addresses
// and, when traced, payloads.
const filePerm = 0o640

// Options say where lines go and when the file is cut.
type Options struct {
	Path string
	// SizeLimit in bytes: the write that takes the file past it is its last.
	// 0 or less = never rotated. What is not a regular file (a pipe, a
	// terminal, /dev/null) never is.
	SizeLimit int64
	// MaxFiles is how many files are kept, the one being written included.
	// 0 or less = all.
	MaxFiles int
	// Line renders a line that the file has to say about itself, with its line
	// end. It must not write to the file. nil = the bare text.
	Line func(level slog.Level, text string) []byte
	// Fallback gets what the file cannot take. nil = os.Stderr.
	Fallback io.Writer
}

// File is an open log file.
type File struct {
	path     string
	line     func(level slog.Level, text string) []byte
	fallback io.Writer
	now      func() time.Time

	mu        sync.Mutex // guards everything below
	file      *os.File   // nil after Close
	regular   bool
	size      int64
	sizeLimit int64
	maxFiles  int
	// rotateAt is where the next rotation is due. It is beyond sizeLimit after
	// one has failed: a directory that may not be written must not cost a
	// system call a line.
	rotateAt int64
	failing  bool // the last write went to the fallback
	torn     bool // the file ends within a line
}

// note is something to be said about the file once its lock is free.
type note struct {
	level slog.Level
	text  string
}

// Open opens the file for appending, and creates it (mode 0640) if need be.
func Open(o Options) (*File, error) {
	f := &File{
		path: o.Path, line: o.Line, fallback: o.Fallback, now: time.Now,
		sizeLimit: o.SizeLimit, maxFiles: o.MaxFiles,
	}
	if f.line == nil {
		f.line = func(_ slog.Level, text string) []byte { return []byte(text + "\n") }
	}
	if f.fallback == nil {
		f.fallback = os.Stderr
	}
	file, size, regular, err := openAppend(f.path)
	if err != nil {
		return nil, err
	}
	f.adopt(file, size, regular)
	return f, nil
}

func openAppend(path string) (file *os.File, size int64, regular bool, err error) {
	file, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, filePerm)
	if err != nil {
		return nil, 0, false, fmt.Errorf("cannot open log file: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, false, errors.Join(fmt.Errorf("cannot look at log file: %w", err), file.Close())
	}
	return file, info.Size(), info.Mode().IsRegular(), nil
}

// adopt makes file the one that is written. Callers hold the lock, or are
// alone.
func (f *File) adopt(file *os.File, size int64, regular bool) {
	f.file, f.size, f.regular = file, size, regular
	f.rotateAt, f.torn = f.sizeLimit, false
}

// Path returns the name of the file being written.
func (f *File) Path() string { return f.path }

// Write appends p, which must be whole lines, and rotates the file if it has
// become too large. When the file fails (a full disk) the line goes to the
// fallback. The error is ErrClosed, or that of file and fallback both.
func (f *File) Write(p []byte) (int, error) {
	if err := f.write(p, true); err != nil {
		return 0, err
	}
	return len(p), nil
}

// write takes the lock for the file only; what there is to say, and the
// fallback, which may block, come after it.
func (f *File) write(p []byte, mayRotate bool) error {
	f.mu.Lock()
	if f.file == nil {
		f.mu.Unlock()
		return ErrClosed
	}
	written, cause := f.append(p)
	turned := f.failing != (cause != nil)
	f.failing = cause != nil
	var notes []note
	if cause == nil && mayRotate && f.sizeLimit > 0 && f.regular && f.size > f.rotateAt {
		notes = f.rotate()
	}
	f.mu.Unlock()

	if cause != nil {
		return f.fallBack(p[written:], cause, turned)
	}
	if turned {
		notes = append(notes, note{slog.LevelWarn, fmt.Sprintf(
			"Log file %q can be written again; lines in between went to standard error", f.path)})
	}
	// A note never rotates, so this ends even where the limit is smaller than
	// the note.
	var errs []error
	for _, n := range notes {
		errs = append(errs, f.write(f.line(n.level, n.text), false))
	}
	return errors.Join(errs...)
}

func (f *File) fallBack(rest []byte, cause error, first bool) error {
	if first {
		rest = append(f.line(slog.LevelError, fmt.Sprintf(
			"Log file %q cannot be written (%v); lines go to standard error until it can", f.path, cause)), rest...)
	}
	if _, err := f.fallback.Write(rest); err != nil {
		return fmt.Errorf("log file %q: %w; standard error: %w", f.path, cause, err)
	}
	return nil
}

// append writes p to the file and returns how much of it got there. The
// remains of a line that was cut off by an error are closed with a line end
// first, so that they cannot be read as one with p.
func (f *File) append(p []byte) (int, error) {
	if f.torn {
		n, err := f.file.Write([]byte{'\n'})
		f.size += int64(n)
		if err != nil {
			return 0, err
		}
		f.torn = false
	}
	n, err := f.file.Write(p)
	f.size += int64(n)
	if err != nil && n > 0 && p[n-1] != '\n' {
		f.torn = true
	}
	return n, err
}

// SetLimits changes when the file is cut and how many pieces are kept, from
// the next write on.
func (f *File) SetLimits(sizeLimit int64, maxFiles int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sizeLimit, f.maxFiles, f.rotateAt = sizeLimit, maxFiles, sizeLimit
}

// Reopen closes the file and opens what its path now names, creating it if
// need be: how an outside tool that has moved the file away gets hold of a
// whole one. If that fails, the open file stays in use.
func (f *File) Reopen() error {
	file, size, regular, err := openAppend(f.path)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return errors.Join(ErrClosed, file.Close())
	}
	old := f.file
	f.adopt(file, size, regular)
	if err := old.Close(); err != nil {
		return fmt.Errorf("closing the log file that was open: %w", err)
	}
	return nil
}

// Close ends writing. A second Close returns ErrClosed.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return ErrClosed
	}
	file := f.file
	f.file = nil
	if err := file.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return fmt.Errorf("cannot close log file: %w", err)
	}
	return nil
}

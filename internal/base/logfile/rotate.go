package logfile

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// stampLayout is what a piece has behind the file's name: nats-server's
// layout, so that scripts that collect pieces find Dunlin's.
const stampLayout = "2006.01.02.15.04.05.000000000"

// rotate gives the file its piece's name and goes on in a new one. The old
// file stays in use if any step of that fails. Callers hold the lock.
func (f *File) rotate() []note {
	piece, err := f.pieceName()
	if err == nil {
		err = f.moveTo(piece)
	}
	if err != nil {
		f.rotateAt = f.size + f.sizeLimit
		return []note{{slog.LevelError, fmt.Sprintf(
			"Log file %q is over its limit of %d bytes but cannot be rotated: %v; next try at %d bytes",
			f.path, f.sizeLimit, err, f.rotateAt)}}
	}
	notes := []note{{slog.LevelInfo, fmt.Sprintf("Rotated log, backup saved as %q", piece)}}
	return append(notes, f.purge()...)
}

// pieceName returns a name that does not exist yet. Time may stand still or
// be set back; a piece must not be overwritten for that.
func (f *File) pieceName() (string, error) {
	now := f.now()
	for {
		name := f.path + "." + now.Format(stampLayout)
		_, err := os.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			return name, nil
		}
		if err != nil {
			return "", err
		}
		now = now.Add(1)
	}
}

func (f *File) moveTo(piece string) error {
	if err := os.Rename(f.path, piece); err != nil {
		return err
	}
	file, size, regular, err := openAppend(f.path)
	if err != nil {
		// Back to its name: otherwise the next piece would be taken from a file
		// that is not the one being written.
		return errors.Join(err, os.Rename(piece, f.path))
	}
	old := f.file
	f.adopt(file, size, regular)
	if err := old.Close(); err != nil {
		return fmt.Errorf("closing %q: %w", piece, err)
	}
	return nil
}

// purge deletes the oldest pieces beyond the number to keep.
func (f *File) purge() []note {
	if f.maxFiles <= 0 {
		return nil
	}
	dir, base := filepath.Split(f.path)
	if dir == "" {
		dir = "."
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return []note{{slog.LevelError, fmt.Sprintf("Old log files cannot be listed: %v", err)}}
	}
	var pieces []string
	for _, e := range entries {
		if isPiece(base, e.Name()) {
			pieces = append(pieces, e.Name())
		}
	}
	slices.Sort(pieces) // by age, which is how the stamp sorts
	var notes []note
	for len(pieces) >= f.maxFiles && len(pieces) > 0 {
		oldest := pieces[0]
		pieces = pieces[1:]
		if err := os.Remove(filepath.Join(dir, oldest)); err != nil {
			notes = append(notes, note{slog.LevelError, fmt.Sprintf("Old log file cannot be removed: %v", err)})
			continue
		}
		notes = append(notes, note{slog.LevelInfo, fmt.Sprintf("Purged log file %q", oldest)})
	}
	return notes
}

// isPiece reports whether name is that of a piece of the file called base.
func isPiece(base, name string) bool {
	stamp, ok := strings.CutPrefix(name, base+".")
	if !ok || len(stamp) != len(stampLayout) {
		return false
	}
	_, err := time.Parse(stampLayout, stamp)
	return err == nil
}

package testkit

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// NothingLeft fails the test if, when all of its later cleanups are done, more
// goroutines run or more files are open than now. Call it first. Tests that use
// it cannot run in parallel with others.
func NothingLeft(t testing.TB) {
	t.Helper()
	wakePoller(t)
	goroutines := goleak.IgnoreCurrent()
	files := OpenFiles(t)
	t.Cleanup(func() {
		if t.Failed() {
			return // what is left says nothing then
		}
		if err := goleak.Find(goroutines); err != nil {
			t.Errorf("left behind: %v", err)
		}
		if !Within(Patience, func() bool { return len(OpenFiles(t)) <= len(files) }) {
			t.Errorf("%d files were open before, these are now:\n%s", len(files), strings.Join(OpenFiles(t), "\n"))
		}
	})
}

// wakePoller makes the runtime open what it opens for the first socket.
func wakePoller(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// OpenFiles lists the open files of this process by what they are. It is empty
// where the system does not tell.
func OpenFiles(t testing.TB) (names []string) {
	t.Helper()
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		name, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err == nil && !strings.HasSuffix(name, "/fd") {
			names = append(names, name)
		}
	}
	return names
}

// PortFree reports whether addr can be listened on.
func PortFree(addr string) bool {
	l, err := net.Listen("tcp", addr)
	return err == nil && l.Close() == nil
}

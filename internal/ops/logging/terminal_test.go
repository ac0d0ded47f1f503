//go:build linux

package logging

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal returns the two ends of a pseudo terminal.
func openTerminal(t *testing.T) (screen, tty *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	fd := int(screen.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		tty.Close()
		screen.Close()
	})
	return screen, tty
}

func TestColoursOnATerminalOnly(t *testing.T) {
	for _, c := range []struct {
		name, noColour, term, format string
		want                         string
	}{
		{"terminal", "", "xterm", "", "] [\x1b[31mERR\x1b[0m] x"},
		{"NO_COLOR", "1", "xterm", "", "] [ERR] x"},
		{"dumb terminal", "", "dumb", "", "] [ERR] x"},
		{"json", "", "xterm", "json", `{"level":"ERROR","msg":"x",`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("NO_COLOR", c.noColour)
			t.Setenv("TERM", c.term)
			screen, tty := openTerminal(t)
			l, err := openTo(Options{Format: c.format}, tty)
			if err != nil {
				t.Fatal(err)
			}
			l.Logger().Error("x")
			line, err := bufio.NewReader(screen).ReadString('\n')
			if err != nil || !strings.Contains(line, c.want) {
				t.Errorf("terminal shows %q, %v; want ...%q", line, err, c.want)
			}
		})
	}
}

func TestAFileIsNoTerminal(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if IsTerminal(f) {
		t.Error("/dev/null is taken for a terminal")
	}
	_, tty := openTerminal(t)
	if !IsTerminal(tty) {
		t.Error("a terminal is not recognised")
	}
}

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dunlin/internal/ops/config"
)

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"-v"}, {"--version"}, {"version"}} {
		stdout, stderr, code := once(t, args...)
		if code != 0 || stderr != "" || !regexp.MustCompile(`^dunlin: v0\.1\.0 \(NATS 2\.15\.2(, commit [0-9a-f]{7}(-modified)?)?\)\n$`).MatchString(stdout) {
			t.Errorf("%v: %q, %q, exit code %d", args, stdout, stderr, code)
		}
	}
}

func TestMistakesOfTheCommandLine(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-foo"}, "-foo"},
		{[]string{"-p", "x"}, `"x" for flag -p`},
		{[]string{"-p", "99999"}, "99999"},
		{[]string{"serve"}, `"serve"`},
		{[]string{"-t"}, "-c"},
		{[]string{"--signal", "restart"}, "ldm, stop, quit, term, reopen or reload"},
		{[]string{"-c", "does-not-exist.conf"}, "does-not-exist.conf"},
		{[]string{"--tls"}, "--tlscert"},
	} {
		stdout, stderr, code := once(t, c.args...)
		if code != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 ||
			!strings.HasPrefix(stderr, "dunlin: ") || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: %q, %q, exit code %d; want one line with %q", c.args, stdout, stderr, code, c.want)
		}
	}
}

func TestCheckOfAConfiguration(t *testing.T) {
	dir := t.TempDir()
	good := write(t, filepath.Join(dir, "good.conf"), "port: 14444\n")
	stdout, stderr, code := once(t, "-t", "-c", good)
	// The digest is what nats-server prints for this file.
	want := fmt.Sprintf("dunlin: configuration file %s is valid (sha256:9987e3cd246c074e30d1529359accf043483616f5687d84fc1a0ec4006775bbb)\n", good)
	if code != 0 || stdout != want || stderr != "" {
		t.Errorf("%q, %q, exit code %d", stdout, stderr, code)
	}

	later := write(t, filepath.Join(dir, "later.conf"), "jetstream: enabled\n")
	stdout, stderr, code = once(t, "-t", "-c", later)
	if code != 0 || !strings.Contains(stdout, "is valid") || !strings.HasPrefix(stderr, "dunlin: warning: "+later+":1:1: jetstream has no effect") {
		t.Errorf("%q, %q, exit code %d", stdout, stderr, code)
	}

	bad := write(t, filepath.Join(dir, "bad.conf"), "port: 1\nfoo: 3\nmax_payload: \"x\"\n")
	for _, args := range [][]string{{"-t", "-c", bad}, {"-c", bad}} {
		stdout, stderr, code = once(t, args...)
		lines := strings.SplitAfter(stderr, "\n")
		if code != 1 || stdout != "" || len(lines) != 3 ||
			!strings.HasPrefix(lines[0], "dunlin: "+bad+":2:1: ") || !strings.HasPrefix(lines[1], "dunlin: "+bad+":3:14: ") {
			t.Errorf("%v: %q, %q, exit code %d", args, stdout, stderr, code)
		}
	}
}

func TestTheConfigurationsWeShipAreValid(t *testing.T) {
	files, err := filepath.Glob("../../deploy/*.conf")
	if err != nil || len(files) < 2 {
		t.Fatalf("found %v, %v", files, err)
	}
	for _, f := range files {
		stdout, stderr, code := once(t, "-t", "-c", f)
		if code != 0 || stderr != "" || !strings.Contains(stdout, "is valid (sha256:") {
			t.Errorf("%s: %q, %q, exit code %d", f, stdout, stderr, code)
		}
	}
}

// What the comments of the example suggest must work as well.
func TestTheExampleIsValidWithItsCommentsSwitchedOn(t *testing.T) {
	text := content(t, "../../deploy/dunlin.conf")
	suggested := regexp.MustCompile(`(?m)^# ( *(?:[a-z_]+:|[a-z_]+ \{|\{ |\]|\}).*)$`)
	if n := len(suggested.FindAllString(text, -1)); n < 10 {
		t.Fatalf("only %d lines of the example are suggestions", n)
	}
	text = suggested.ReplaceAllString(text, "$1")
	text = regexp.MustCompile(`(?s)\ntls \{.*?\n\}`).ReplaceAllString(text, "") // needs files
	text = strings.ReplaceAll(text, "$2a$11$...", "$2a$11$W2zko751KUvVy59mUTWmpOdWjpEm5qhcCZRd05GjI/sSOT.xtiHyG")
	conf := write(t, filepath.Join(t.TempDir(), "d.conf"), text)
	if stdout, stderr, code := once(t, "-t", "-c", conf); code != 0 {
		t.Errorf("%q, %q, exit code %d in\n%s", stdout, stderr, code, text)
	}
}

func TestHelpListsEveryFlag(t *testing.T) {
	listed := map[string]bool{}
	for _, s := range sections {
		for _, f := range s.flags {
			for name := range strings.SplitSeq(f.names, ", ") {
				listed[strings.TrimLeft(name, "-")] = true
			}
		}
	}
	for _, names := range config.FlagNames() {
		for _, n := range names {
			if !listed[n] {
				t.Errorf("-%s is accepted and not in the help", n)
			}
			delete(listed, n)
		}
	}
	for n := range listed {
		t.Errorf("-%s is in the help and not accepted", n)
	}
}

func TestHelpIsAlignedAndPlainInAPipe(t *testing.T) {
	stdout, stderr, code := once(t, "--help")
	if code != 0 || stderr != "" || strings.Contains(stdout, "\x1b") {
		t.Fatalf("%q, exit code %d, escapes: %v", stderr, code, strings.Contains(stdout, "\x1b"))
	}
	column := regexp.MustCompile(`^ {2,6}-.*?  +(\S)`)
	var columns []int
	for line := range strings.Lines(stdout) {
		if len(line) > 120 {
			t.Errorf("line of %d characters: %s", len(line), line)
		}
		if at := column.FindStringSubmatchIndex(line); at != nil {
			columns = append(columns, at[2])
		}
	}
	if slices.Sort(columns); len(columns) < 40 || columns[0] != columns[len(columns)-1] {
		t.Errorf("texts of flags begin in columns %v", slices.Compact(columns))
	}
	var painted bytes.Buffer
	if err := writeHelp(&painted, ink{on: true}); err != nil {
		t.Fatal(err)
	}
	if bare := regexp.MustCompile(`\x1b\[\d+m`).ReplaceAllString(painted.String(), ""); bare != stdout {
		t.Error("with colours the help is not the same text")
	}
}

func TestHelpOfTLSNamesKeysThatExist(t *testing.T) {
	stdout, _, code := once(t, "--help_tls")
	blocks := regexp.MustCompile(`(?ms)^    tls \{.*?^    \}`).FindAllString(stdout, -1)
	if code != 0 || len(blocks) != 2 {
		t.Fatalf("exit code %d, %d blocks in\n%s", code, len(blocks), stdout)
	}
	for _, b := range blocks {
		conf := write(t, filepath.Join(t.TempDir(), "d.conf"), b)
		_, stderr, _ := once(t, "-t", "-c", conf)
		// The files it names do not exist; everything else must be right.
		for line := range strings.Lines(stderr) {
			if !strings.Contains(line, "_file") && !strings.Contains(line, ".pem") {
				t.Errorf("%s\nis not valid: %s", b, line)
			}
		}
	}
}

// onATerminal runs the program with a terminal for all that it prints until
// the screen shows text, then presses Ctrl-C, and returns what was shown.
func onATerminal(t *testing.T, until string, args ...string) string {
	t.Helper()
	screen, tty := openTerminal(t)
	cmd := command(args...)
	cmd.Env = append(cmd.Env, "TERM=xterm", "NO_COLOR=")
	cmd.Stdout, cmd.Stderr = tty, tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close() // reading the screen ends with the program
	var shown strings.Builder
	buf := make([]byte, 4096)
	stopped := false
	for {
		n, err := screen.Read(buf)
		shown.Write(buf[:n])
		if err != nil {
			break
		}
		if !stopped && strings.Contains(shown.String(), until) {
			stopped = true
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	return shown.String()
}

func TestOnATerminalItShowsWhatToDoNext(t *testing.T) {
	shown := onATerminal(t, "Ctrl-C stops the server", "-a", "127.0.0.1", "-p", "-1")
	for _, want := range []string{
		"[\x1b[32mINF\x1b[0m] Server is ready",
		`\x1b\[32mnats -s nats://127\.0\.0\.1:\d+ subscribe hello\x1b\[0m`,
		`\x1b\[32mnats -s nats://127\.0\.0\.1:\d+ publish hello "Hello NATS"\x1b\[0m`,
	} {
		if !strings.Contains(shown, want) && !regexp.MustCompile(want).MatchString(shown) {
			t.Errorf("the terminal shows\n%s\nwithout %q", shown, want)
		}
	}
}

func TestHelpOfTLSListsNamesThatAreTaken(t *testing.T) {
	stdout, _, _ := once(t, "--help_tls")
	_, ciphers, ok := strings.Cut(stdout, "Names for cipher_suites")
	ciphers, curves, ok2 := strings.Cut(ciphers, "Names for curve_preferences")
	quoted := func(s string) string {
		var names []string
		for _, line := range strings.Split(s, "\n")[1:] {
			if line = strings.TrimSpace(line); line != "" {
				names = append(names, fmt.Sprintf("%q", line))
			}
		}
		return strings.Join(names, ", ")
	}
	if !ok || !ok2 || quoted(ciphers) == "" || quoted(curves) == "" {
		t.Fatalf("no names in\n%s", stdout)
	}
	conf := write(t, filepath.Join(t.TempDir(), "d.conf"),
		"tls { cipher_suites: ["+quoted(ciphers)+"], allow_insecure_cipher_suites: true, curve_preferences: ["+quoted(curves)+"] }")
	if _, stderr, code := once(t, "-t", "-c", conf); code != 0 {
		t.Errorf("%s", stderr)
	}
}

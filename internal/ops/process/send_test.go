package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// machine is a /proc with some processes, and a record of who was sent what.
type machine struct {
	t    *testing.T
	proc string
	sent []string
	fail map[int]error
}

func newMachine(t *testing.T) *machine {
	return &machine{t: t, proc: t.TempDir(), fail: map[int]error{}}
}

func (m *machine) process(pid int, comm, state string) {
	m.t.Helper()
	dir := filepath.Join(m.proc, fmt.Sprint(pid))
	if err := os.Mkdir(dir, 0o700); err != nil {
		m.t.Fatal(err)
	}
	stat := fmt.Sprintf("%d (%s) %s 1 2 3", pid, comm, state)
	if err := os.WriteFile(filepath.Join(dir, "stat"), []byte(stat), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *machine) sender() *Sender {
	return &Sender{Program: "dunlin", Proc: m.proc, Kill: func(pid int, s syscall.Signal) error {
		m.sent = append(m.sent, fmt.Sprintf("%d:%v", pid, s))
		return m.fail[pid]
	}}
}

// check sends and compares what was sent and what was said.
func (m *machine) check(request, sent string, complaints ...string) {
	m.t.Helper()
	m.sent = nil
	err := m.sender().Send(request)
	if got := strings.Join(m.sent, " "); got != sent {
		m.t.Errorf("%s: sent %q, want %q", request, got, sent)
	}
	if (err != nil) != (len(complaints) > 0) {
		m.t.Errorf("%s: error %v", request, err)
	}
	for _, c := range complaints {
		if err != nil && !strings.Contains(err.Error(), c) {
			m.t.Errorf("%s: error %q does not say %q", request, err, c)
		}
	}
}

func TestEveryCommandHasItsSignal(t *testing.T) {
	m := newMachine(t)
	m.process(12, "dunlin", "S")
	m.check("ldm", "12:user defined signal 2")
	m.check("stop", "12:killed")
	m.check("quit", "12:interrupt")
	m.check("term", "12:terminated")
	m.check("reopen", "12:user defined signal 1")
	m.check("reload", "12:hangup")
	m.check("reload=", "12:hangup")
	m.check("restart", "", `unknown signal "restart"`, "ldm, stop, quit, term, reopen or reload")
	m.check("", "", "unknown signal")
}

func TestWithoutAPidThereMustBeOneServer(t *testing.T) {
	m := newMachine(t)
	m.process(1, "init", "S")
	m.process(7, "dunlin", "Z")                 // dead, not waited for
	m.process(8, "dunlin-exporter", "S")        // another program
	m.process(os.Getpid(), "dunlin", "R")       // the one that sends
	m.process(9, "evil) S 1 (dunlin) R 1", "S") // a name made to mislead
	m.check("reload", "", "no dunlin process is running")
	m.process(123, "dunlin", "S")
	m.check("reload", "123:hangup")
	m.process(45, "dunlin", "S")
	m.check("reload", "", "multiple dunlin processes are running (45, 123)", "--signal reload=<pid>", "--signal reload=*")
}

func TestPidsByTheirBeginning(t *testing.T) {
	m := newMachine(t)
	for _, pid := range []int{12, 123, 124, 212} {
		m.process(pid, "dunlin", "S")
	}
	m.process(125, "other", "S")
	m.check("ldm=12*", "12:user defined signal 2 123:user defined signal 2 124:user defined signal 2")
	m.check("term=*", "12:terminated 123:terminated 124:terminated 212:terminated")
	m.check("term=9*", "", "no dunlin process with a pid like 9*")
}

func TestPidNumbers(t *testing.T) {
	m := newMachine(t)
	m.check("reload=99", "99:hangup") // named exactly: whatever it is called
	m.fail[99] = syscall.ESRCH
	m.check("reload=99", "99:hangup", `"reload"`, "99", "no such process")
	m.fail[99] = syscall.EPERM
	m.check("reload=99", "99:hangup", "99", "not permitted")
	for _, bad := range []string{"0", "00", "99999999999999999999", "4294967297", "1x", "-1", "-", " 5"} {
		m.check("stop="+bad, "", "invalid pid")
	}
}

func TestPidFiles(t *testing.T) {
	m := newMachine(t)
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a := write("a.pid", "41")
	write("b.pid", "42\n")
	m.check("reload="+a, "41:hangup")
	m.check("reload="+filepath.Join(dir, "*.pid"), "41:hangup 42:hangup")
	m.fail[41] = syscall.ESRCH
	m.check("reload="+filepath.Join(dir, "*.pid"), "41:hangup 42:hangup", "41", "no such process")

	bad := write("c.pid", "-1")
	m.check("reload="+bad, "", bad, `invalid pid "-1"`)
	m.check("reload="+filepath.Join(dir, "*.pid"), "", bad)
	m.check("reload="+filepath.Join(dir, "*.none"), "", "no pid file matches")
	m.check("reload="+filepath.Join(dir, "[*"), "", "syntax error in pattern")
	m.check("reload="+filepath.Join(dir, "none"), "", "no such file")
	m.check("reload="+dir, "", "is a directory")
}

func TestARealProcessIsFoundByItsName(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc here")
	}
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("no sleep here")
	}
	const name = "dunlin-test-of-a-long-name"
	path := filepath.Join(t.TempDir(), name)
	program, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, program, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	s := &Sender{Program: name}
	if err := s.Send("term"); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("process ended with %v, want SIGTERM", err)
	}
	if err := s.Send("term"); err == nil || !strings.Contains(err.Error(), "no "+name+" process") {
		t.Errorf("after it ended: %v", err)
	}
}

func FuzzSignalRequest(f *testing.F) {
	f.Add("reload=12")
	f.Add("stop=-1")
	f.Add("ldm=*")
	f.Fuzz(func(t *testing.T, request string) {
		proc := t.TempDir()
		s := &Sender{Program: "dunlin", Proc: proc, Kill: func(pid int, _ syscall.Signal) error {
			if pid <= 0 {
				t.Errorf("%q would signal %d, a group", request, pid)
			}
			return nil
		}}
		_ = s.Send(request)
		_, _, _ = parseStat(request)
	})
}

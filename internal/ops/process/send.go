package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// commands are the words of --signal.
var commands = map[string]syscall.Signal{
	"ldm":    syscall.SIGUSR2,
	"stop":   syscall.SIGKILL,
	"quit":   syscall.SIGINT,
	"term":   syscall.SIGTERM,
	"reopen": syscall.SIGUSR1,
	"reload": syscall.SIGHUP,
}

const commandWords = "ldm, stop, quit, term, reopen or reload"

// Sender finds running servers and sends them signals.
type Sender struct {
	// Program is the name that a server's process has. Its first 15 bytes
	// count: more the kernel does not keep.
	Program string
	// Proc is where processes are listed; "" = /proc.
	Proc string
	// Kill sends; nil = syscall.Kill.
	Kill func(pid int, s syscall.Signal) error
}

// Send carries out "command" or "command=whom": the command is ldm, stop,
// quit, term, reopen or reload; whom is a pid, the beginning of pids ("12*";
// "*" is every running server), a pid file, or a pattern of pid files
// ("/run/dunlin/*.pid"). Without whom there must be exactly one running
// server. An error names each process or file it is about.
func (s *Sender) Send(request string) error {
	word, whom, _ := strings.Cut(request, "=")
	sig, ok := commands[word]
	if !ok {
		return fmt.Errorf("unknown signal %q: expected %s", word, commandWords)
	}
	pids, err := s.resolve(word, whom)
	if err != nil {
		return err
	}
	kill := s.Kill
	if kill == nil {
		kill = syscall.Kill
	}
	var errs []error
	for _, pid := range pids {
		if err := kill(pid, sig); err != nil {
			if errors.Is(err, syscall.ESRCH) {
				err = errors.New("no such process")
			}
			errs = append(errs, fmt.Errorf("cannot send %q to process %d: %w", word, pid, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Sender) resolve(word, whom string) ([]int, error) {
	if whom == "" {
		return s.onlyOne(word)
	}
	if start, ok := strings.CutSuffix(whom, "*"); ok && isDigits(start) {
		return s.startingWith(whom, start)
	}
	if isDigits(whom) {
		pid, err := parsePID(whom)
		return []int{pid}, err
	}
	if strings.ContainsAny(whom, "*?[") {
		return readPIDFiles(whom)
	}
	pid, err := readPIDFile(whom)
	return []int{pid}, err
}

func (s *Sender) onlyOne(word string) ([]int, error) {
	pids, err := s.running()
	switch {
	case err != nil:
		return nil, fmt.Errorf("running %s processes cannot be found: %w; name one with --signal %s=<pid>", s.Program, err, word)
	case len(pids) == 0:
		return nil, fmt.Errorf("no %s process is running", s.Program)
	case len(pids) > 1:
		return nil, fmt.Errorf("multiple %s processes are running (%s): choose with --signal %s=<pid>, or all with --signal %s=*",
			s.Program, joinPIDs(pids), word, word)
	}
	return pids, nil
}

func (s *Sender) startingWith(whom, start string) ([]int, error) {
	pids, err := s.running()
	if err != nil {
		return nil, fmt.Errorf("running %s processes cannot be found: %w", s.Program, err)
	}
	pids = slices.DeleteFunc(pids, func(pid int) bool { return !strings.HasPrefix(strconv.Itoa(pid), start) })
	if len(pids) == 0 {
		return nil, fmt.Errorf("no %s process with a pid like %s is running", s.Program, whom)
	}
	return pids, nil
}

func joinPIDs(pids []int) string {
	var b strings.Builder
	for i, pid := range pids {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(pid))
	}
	return b.String()
}

// commMax is how much of a process's name the kernel keeps.
const commMax = 15

// running returns the pids of all processes called Program, but for this one
// and for the dead that nobody has waited for.
func (s *Sender) running() ([]int, error) {
	proc := s.Proc
	if proc == "" {
		proc = "/proc"
	}
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, err
	}
	name := s.Program[:min(len(s.Program), commMax)]
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		// A process that ends while we look is one that is not running.
		stat, err := os.ReadFile(filepath.Join(proc, e.Name(), "stat"))
		if err != nil {
			continue
		}
		if comm, state, ok := parseStat(string(stat)); ok && comm == name && state != 'Z' && state != 'X' {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, nil
}

// parseStat takes name and state from "pid (name) state ...". The name may
// hold spaces and parentheses itself.
func parseStat(s string) (comm string, state byte, ok bool) {
	open, end := strings.IndexByte(s, '('), strings.LastIndex(s, ") ")
	if open < 0 || end < open || len(s) < end+3 {
		return "", 0, false
	}
	return s[open+1 : end], s[end+2], true
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// parsePID accepts what can be one process. Zero and negative numbers mean
// process groups to the kernel, and must not get through.
func parsePID(s string) (int, error) {
	pid, err := strconv.ParseInt(s, 10, 32)
	if err != nil || pid <= 0 {
		return 0, fmt.Errorf("invalid pid %q", s)
	}
	return int(pid), nil
}

func readPIDFile(path string) (int, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("invalid pid %q: it is no number, and as a pid file: %w", path, err)
	}
	pid, err := parsePID(strings.TrimSpace(string(content)))
	if err != nil {
		return 0, fmt.Errorf("pid file %s: %w", path, err)
	}
	return pid, nil
}

func readPIDFiles(pattern string) ([]int, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no pid file matches %q", pattern)
	}
	var pids []int
	var errs []error
	for _, f := range files {
		pid, err := readPIDFile(f)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		pids = append(pids, pid)
	}
	// All or none: whoever writes a pattern means all of them.
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return pids, nil
}

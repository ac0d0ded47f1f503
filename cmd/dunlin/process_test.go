package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"dunlin/internal/ops/process"
)

// asProgram in the environment makes the test binary be the program.
const asProgram = "DUNLIN_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// patience is how long a test waits for what should take milliseconds.
const patience = 20 * time.Second

func command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Args[0] = program
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// once runs the program to its end.
func once(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// running is a server in a process of its own.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	dir   string // holds the ports file, and what the test puts there
	ports process.Ports
	ended chan struct{}

	mu     sync.Mutex
	lines  []string // of standard error, and of standard output
	more   chan struct{}
	looked int // lines that await has passed over
}

// start runs the program with a free port, and waits until it is there.
func start(t *testing.T, dir string, args ...string) *running {
	t.Helper()
	r := launch(t, dir, append([]string{"-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", dir}, args...)...)
	path := filepath.Join(dir, fmt.Sprintf("dunlin_%d.ports", r.cmd.Process.Pid))
	r.until("the ports file", func() bool {
		content, err := os.ReadFile(path)
		return err == nil && json.Unmarshal(content, &r.ports) == nil
	})
	return r
}

func launch(t *testing.T, dir string, args ...string) *running {
	t.Helper()
	r := &running{t: t, dir: dir, cmd: command(args...), ended: make(chan struct{}), more: make(chan struct{}, 1)}
	stderr, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.cmd.Stdout = r.cmd.Stderr // a server prints nothing there; dev everything
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			r.mu.Lock()
			r.lines = append(r.lines, s.Text())
			r.mu.Unlock()
			select {
			case r.more <- struct{}{}:
			default:
			}
		}
		_ = r.cmd.Wait() // the exit code is looked at by exit
	}()
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.ended
		if t.Failed() {
			t.Logf("log of the server:\n%s", strings.Join(r.log(), "\n"))
		}
	})
	return r
}

// until waits for a condition that nothing announces.
func (r *running) until(what string, condition func() bool) {
	r.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			r.t.Fatalf("no sign of %s", what)
		case <-r.ended:
			r.t.Fatalf("the server ended before there was %s", what)
		}
	}
}

// await waits for a line of the log that holds text, after the last awaited.
func (r *running) await(text string) string {
	r.t.Helper()
	deadline := time.After(patience)
	for ended := false; ; {
		r.mu.Lock()
		for r.looked < len(r.lines) {
			line := r.lines[r.looked]
			r.looked++
			if strings.Contains(line, text) {
				r.mu.Unlock()
				return line
			}
		}
		r.mu.Unlock()
		if ended {
			r.t.Fatalf("the log ended without %q", text)
		}
		select {
		case <-r.more:
		case <-r.ended:
			ended = true
		case <-deadline:
			r.t.Fatalf("the log does not say %q", text)
		}
	}
}

// log is what there is of it so far.
func (r *running) log() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}

func (r *running) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// exit waits for the end and returns the exit code.
func (r *running) exit() int {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(patience):
		r.t.Fatal("the server does not end")
	}
	return r.cmd.ProcessState.ExitCode()
}

// client is a raw connection that has said CONNECT.
type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func (r *running) dial() *client {
	r.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.ports.NATS[0], "nats://"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	c := &client{r.t, conn, bufio.NewReader(conn)}
	c.await("INFO ")
	c.send("CONNECT {\"verbose\":false,\"protocol\":1}\r\n")
	c.ping()
	return c
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) ping() {
	c.t.Helper()
	c.send("PING\r\n")
	c.await("PONG")
}

func (c *client) await(text string) {
	c.t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("waiting for %q: %v", text, err)
		}
		if strings.Contains(line, text) {
			return
		}
	}
}

// awaitEnd waits until the server has closed the connection.
func (c *client) awaitEnd() {
	c.t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.t.Fatal(err)
	}
	_, err := io.Copy(io.Discard, c.r)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatal("the server does not close the connection")
	}
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

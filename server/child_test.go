package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"dunlin/internal/testkit"
	"dunlin/server"
)

// Some tests need a server in a process of its own: it has other limits, or
// only its own memory is to be measured. The test binary runs itself for that,
// told by this variable what to do.
const childVariable = "DUNLIN_TEST_CHILD"

// childOrder is what a child process is to do.
type childOrder struct {
	Files   uint64 // RLIMIT_NOFILE; 0 leaves it
	Options server.Options
}

func TestMain(m *testing.M) {
	order := os.Getenv(childVariable)
	if order == "" {
		goleak.VerifyTestMain(m)
		return
	}
	if err := serveAsChild(order); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serveAsChild runs a server until standard input ends. It prints its address,
// and for every line of input the memory in use after a garbage collection.
func serveAsChild(order string) error {
	var o childOrder
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		return err
	}
	if o.Files > 0 {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: o.Files, Max: o.Files}); err != nil {
			return err
		}
	}
	s, err := server.New(&o.Options, server.WithLogger(slog.New(slog.NewTextHandler(os.Stderr, nil))))
	if err != nil {
		return err
	}
	if err := s.Start(); err != nil {
		return err
	}
	defer s.Shutdown()
	fmt.Println(s.Addr())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var m runtime.MemStats
		for range 3 { // twice empties the pools
			runtime.GC()
		}
		runtime.ReadMemStats(&m)
		fmt.Println(m.HeapInuse + m.StackInuse)
	}
	return nil
}

// child is a server in a process of its own.
type child struct {
	t    testing.TB
	addr string
	in   io.WriteCloser
	out  *bufio.Reader

	mu  sync.Mutex
	log []string
}

func startChild(t testing.TB, o childOrder) *child {
	t.Helper()
	o.Options = *testkit.Local(&o.Options)
	order, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(order))
	c := &child{t: t}
	if c.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { c.read(log) })
	t.Cleanup(func() {
		_ = c.in.Close() // this ends it
		reading.Wait()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the child process: %v; its log:\n%s", err, strings.Join(c.log[max(0, len(c.log)-20):], "\n"))
		}
	})
	c.addr = c.line()
	return c
}

func (c *child) read(log io.Reader) {
	for s := bufio.NewScanner(log); s.Scan(); {
		c.mu.Lock()
		c.log = append(c.log, s.Text())
		c.mu.Unlock()
	}
}

// logged counts the lines of log that hold text.
func (c *child) logged(text string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, line := range c.log {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

func (c *child) line() string {
	c.t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.t.Fatalf("the child process says no more: %v", err)
	}
	return strings.TrimSpace(line)
}

// memory is what the child's heap and stacks take, in bytes.
func (c *child) memory() (n int64) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, "memory\n"); err != nil {
		c.t.Fatal(err)
	}
	if _, err := fmt.Sscan(c.line(), &n); err != nil {
		c.t.Fatal(err)
	}
	return n
}

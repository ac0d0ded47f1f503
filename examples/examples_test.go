// Package examples tests the example programs as their users run them: built,
// started, stopped with Ctrl-C.
package examples

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a program under test. Its output is standard output and error
// together.
type process struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	lines chan string

	mu   sync.Mutex
	seen []string
}

// bin is a folder with the programs in it, built once.
var bin string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "dunlin-examples")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("go", "build", "-o", dir, "./cmd/dunlin", "./examples/publisher", "./examples/subscriber", "./examples/embed")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n%s", cmd, err, out)
		return 1
	}
	bin = dir
	return m.Run()
}

func start(t *testing.T, env []string, path string, args ...string) *process {
	t.Helper()
	// A program that says nothing more is killed; then its output ends and
	// whoever waits for a line is told so.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	p := &process{t: t, name: filepath.Base(path), cmd: exec.CommandContext(ctx, path, args...), lines: make(chan string, 1024)}
	p.cmd.Env = append(os.Environ(), append([]string{"NATS_URL="}, env...)...)
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = in, in
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.mu.Lock()
			p.seen = append(p.seen, s.Text())
			p.mu.Unlock()
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		cancel()
		_ = p.cmd.Wait() // fails if stop has waited already
		out.Close()
	})
	return p
}

// await reads on until a line matches and returns the groups of the match.
func (p *process) await(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	for line := range p.lines {
		if m := re.FindStringSubmatch(line); m != nil {
			return m
		}
	}
	p.t.Fatalf("%s ended without a line like %q:\n%s", p.name, pattern, p.output())
	return nil
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.seen, "\n")
}

// stop sends Ctrl-C and wants an orderly end.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		p.t.Fatal(err)
	}
	for range p.lines { // to its end
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("%s ended with %v:\n%s", p.name, err, p.output())
	}
}

func TestPublisherAndSubscriber(t *testing.T) {
	server := start(t, nil, filepath.Join(bin, "dunlin"), "-a", "127.0.0.1", "-p", "-1")
	url := "nats://" + server.await(`Listening for client connections on (\S+)`)[1]

	subscriber := start(t, []string{"NATS_URL=" + url}, filepath.Join(bin, "subscriber"))
	subscriber.await(`Waiting for messages on updates`)
	publisher := start(t, nil, filepath.Join(bin, "publisher"), url)
	publisher.await(`Publisher connected to ` + url)
	began := time.Now()
	for _, want := range []string{"Hello NATS #0", "Hello NATS #1", "Hello NATS #2"} {
		publisher.await(`Published: ` + want + `$`)
		subscriber.await(`Received message: ` + want + ` on subject updates$`)
	}
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("three messages took %v; they are to be 500 ms apart", took)
	}
	publisher.stop()
	subscriber.stop()
	server.stop()
}

// Whether or not something listens on the default port here, the programs say
// that they mean that port.
func TestDefaultURL(t *testing.T) {
	for _, name := range []string{"publisher", "subscriber"} {
		start(t, nil, filepath.Join(bin, name)).await(`connect(ed|ing) to nats://127\.0\.0\.1:4222`)
	}
}

func TestNoServer(t *testing.T) {
	p := start(t, nil, filepath.Join(bin, "publisher"), "nats://127.0.0.1:1")
	p.await(`connecting to nats://127\.0\.0\.1:1: nats: no servers available`)
	if err := p.cmd.Wait(); err == nil {
		t.Error("exit code 0 without a server")
	}
}

func TestEmbed(t *testing.T) {
	p := start(t, nil, filepath.Join(bin, "embed"))
	p.await(`^Server listens at nats://127\.0\.0\.1:\d+$`)
	p.await(`^Hello Ada$`)
	p.await(`^Hello Grace$`)
	for line := range p.lines {
		t.Errorf("unexpected: %s", line)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

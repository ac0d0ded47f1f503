package netlab

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Ports are the same on every host.
const (
	clientPort  = 4222
	routePort   = 6222
	monitorPort = 8222
	profilePort = 6060
)

// Node is a server on its host.
type Node struct {
	t      testing.TB
	host   *Host
	bin    string
	conf   string
	cmd    *exec.Cmd
	ended  chan struct{}
	output *logBuffer
}

// logBuffer keeps what a server writes.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// configure writes the configuration of node i of a cluster with routes to seeds.
func configure(t testing.TB, h *Host, i int, seeds []string, more string) string {
	t.Helper()
	var routes []string
	for _, s := range seeds {
		routes = append(routes, fmt.Sprintf("%q", "nats-route://"+s))
	}
	text := fmt.Sprintf(`server_name: N%d
listen: "%s:%d"
http: "%s:%d"
prof_port: %d
ping_interval: "1s"
ping_max: 2
write_deadline: "2s"
lame_duck_duration: "30s"
lame_duck_grace_period: "1s"
cluster {
  name: lab
  listen: "%s:%d"
  ping_interval: "1s"
  ping_max: 2
  %s
  routes: [%s]
}
`, i, h.IP, clientPort, h.IP, monitorPort, profilePort, h.IP, routePort, more, strings.Join(routes, ", "))
	path := filepath.Join(t.TempDir(), "server.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Start runs the server.
func (n *Node) Start() {
	n.t.Helper()
	n.output = &logBuffer{}
	n.cmd = exec.Command("ip", "netns", "exec", n.host.name, n.bin, "-c", n.conf)
	n.cmd.Stdout, n.cmd.Stderr = n.output, n.output
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	cmd, ended := n.cmd, make(chan struct{})
	n.ended = ended
	go func() {
		_ = cmd.Wait() // how it ended is in the log
		close(ended)
	}()
}

// Signal sends sig. "ip netns exec" becomes the server, so the process is it.
func (n *Node) Signal(sig syscall.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(sig); err != nil {
		n.t.Fatalf("%s: %v\n%s", sig, err, n.output)
	}
}

// Kill ends the server without a word.
func (n *Node) Kill() {
	n.t.Helper()
	n.Signal(syscall.SIGKILL)
	<-n.ended
}

// Stop ends the server as an operator does.
func (n *Node) Stop() {
	n.t.Helper()
	n.Signal(syscall.SIGTERM)
	<-n.ended
}

// Running reports whether the process is there.
func (n *Node) Running() bool {
	select {
	case <-n.ended:
		return false
	default:
		return true
	}
}

// PID of the server.
func (n *Node) PID() int { return n.cmd.Process.Pid }

// ClientURL is where clients reach it.
func (n *Node) ClientURL() string { return fmt.Sprintf("nats://%s:%d", n.host.IP, clientPort) }

// Name of the server.
func (n *Node) Name() string {
	return "N" + n.host.name[strings.LastIndexByte(n.host.name, 'n')+1:]
}

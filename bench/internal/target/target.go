// Package target obtains the server programs and runs them, one process a run.
//
// Owns: installing nats-server, building dunlin, configuration files, starting,
// pinning, readiness, stopping, log tails. Does not own: what is measured and
// the load. Concurrency: one owner a Process; the only goroutine waits for the
// child to end. Invariant: a process that was started is stopped, or has ended,
// when Stop returns.
package target

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"dunlin/bench/internal/procfs"
)

// NATSVersion is the nats-server that everything is compared with.
const NATSVersion = "2.15.2"

// Program is a server binary.
type Program struct {
	Name    string `json:"name"` // nats-server or dunlin
	Path    string `json:"-"`
	Version string `json:"version"` // as the binary prints it
}

// Source says where programs come from. The zero value installs and builds.
type Source struct {
	Cache      string // folder for binaries; "" = dunlin-bench in the user's cache folder
	Checkout   string // of dunlin; "" = found upwards from the working directory
	NATSServer string // use this nats-server instead of installing it
	Dunlin     string // use this dunlin instead of building it
}

// Get returns the named program, installing or building it if needed.
func (s Source) Get(name string) (Program, error) {
	p := Program{Name: name}
	var err error
	switch name {
	case "nats-server":
		p.Path, err = s.natsServer()
	case "dunlin":
		p.Path, err = s.dunlin()
	default:
		return p, fmt.Errorf("server %q is not known: say nats-server or dunlin", name)
	}
	if err != nil {
		return p, err
	}
	out, err := exec.Command(p.Path, "--version").Output()
	if err != nil {
		return p, fmt.Errorf("%s --version: %w", p.Path, err)
	}
	p.Version, _, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
	return p, nil
}

func (s Source) cache() (string, error) {
	dir := s.Cache
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no cache folder (name one with -cache): %w", err)
		}
		dir = filepath.Join(base, "dunlin-bench")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

func (s Source) natsServer() (string, error) {
	if s.NATSServer != "" {
		return s.NATSServer, nil
	}
	dir, err := s.cache()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(dir, "nats-server-"+NATSVersion)
	path := filepath.Join(dir, "nats-server")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	cmd := exec.Command("go", "install", "github.com/nats-io/nats-server/v2@v"+NATSVersion)
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
	cmd.Dir = os.TempDir() // outside any module
	return path, runTool(cmd)
}

func (s Source) dunlin() (string, error) {
	if s.Dunlin != "" {
		return s.Dunlin, nil
	}
	root := s.Checkout
	if root == "" {
		var err error
		if root, err = findCheckout(); err != nil {
			return "", err
		}
	}
	dir, err := s.cache()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "dunlin")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/dunlin")
	cmd.Dir = root
	return path, runTool(cmd)
}

// findCheckout goes up to the folder whose go.mod says "module dunlin".
func findCheckout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil {
			if first, _, _ := strings.Cut(string(mod), "\n"); strings.TrimSpace(first) == "module dunlin" {
				return dir, nil
			}
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no checkout of dunlin above the working directory: run inside it, or name a binary with -dunlin")
		}
		dir = up
	}
}

func runTool(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// Revision is the checkout's commit, with a mark if files differ from it; "" if
// git cannot say.
func (s Source) Revision() string {
	root := s.Checkout
	if root == "" {
		root, _ = findCheckout()
	}
	out, err := exec.Command("git", "-C", root, "describe", "--always", "--dirty", "--exclude=*").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// Setting is the state of a server that a run asks for.
type Setting struct {
	Core        int  // pinned to this core; -1 = not pinned
	Processors  int  // how many goroutines run at a time; 0 = what the server chooses
	Permissions bool // a user with permissions, which every connection is
	TLS         bool
	Profile     bool // open the profiling port
	// Compression of the routes of a cluster, as the configuration names it; "" =
	// the server's default.
	Compression string
}

// User is the user of servers with Permissions.
const (
	User     = "bench"
	Password = "bench-password"
)

// Process is one running server.
type Process struct {
	Addr    string // of the client port
	PID     int
	Profile string // base address of the profiling port; "" = none
	CertPEM []byte // what a TLS client has to trust

	program Program
	conf    string
	core    int
	procs   int       // Setting.Processors
	cmd     *exec.Cmd // nil while it does not run
	dir     string
	done    chan struct{}
	err     error
}

const (
	startTimeout = 15 * time.Second
	stopTimeout  = 5 * time.Second
)

// Start runs the program with its own folder for configuration and log.
func (p Program) Start(set Setting) (*Process, error) { return p.start(set, nil) }

func (p Program) start(set Setting, m *membership) (*Process, error) {
	dir, err := os.MkdirTemp("", "dunlin-bench-")
	if err != nil {
		return nil, err
	}
	s := &Process{dir: dir, program: p, core: set.Core, procs: set.Processors}
	err = s.prepare(set, m)
	if err == nil {
		err = s.launch()
	}
	if err != nil {
		log := s.LogTail()
		s.Stop()
		return nil, fmt.Errorf("starting %s: %w%s", p.Name, err, log)
	}
	return s, nil
}

// prepare writes the configuration.
func (s *Process) prepare(set Setting, m *membership) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	s.conf, err = s.configure(port, set, m)
	return err
}

// launch runs the process and waits until it greets. Its log is appended to.
func (s *Process) launch() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.Command(s.program.Path, "-c", s.conf)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.Env = cleanEnv(os.Environ())
	if s.procs > 0 {
		s.cmd.Env = append(s.cmd.Env, fmt.Sprintf("GOMAXPROCS=%d", s.procs))
	}
	// An unpinned server gets all cores by name: the generator, whose affinity it
	// would inherit, may be pinned.
	cores := strconv.Itoa(s.core)
	if s.core < 0 {
		cores = "0-" + strconv.Itoa(procfs.Cores()-1)
	}
	s.cmd.Args = append([]string{"taskset", "-c", cores}, s.cmd.Args...)
	if s.cmd.Path, err = exec.LookPath("taskset"); err != nil {
		s.cmd = nil
		return fmt.Errorf("pinning needs taskset (util-linux): %w", err)
	}
	// A generator that is killed must not leave servers behind.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return err
	}
	s.PID = s.cmd.Process.Pid
	cmd, done := s.cmd, make(chan struct{})
	s.done = done
	go func() { // ends with the child, which Stop ends
		s.err = cmd.Wait()
		close(done)
	}()
	return s.ready()
}

// cleanEnv leaves out what would tune one server's runtime.
func cleanEnv(env []string) []string {
	var out []string
	for _, e := range env {
		key, _, _ := strings.Cut(e, "=")
		switch key {
		case "GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GODEBUG":
		default:
			out = append(out, e)
		}
	}
	return out
}

// Ports for servers are below those that the kernel gives to whoever dials, on
// Linux and elsewhere: a port of its own choice was now and then taken by a route of
// the cluster that had just been started.
const (
	portsFrom = 15000
	portsTo   = 30000
)

// tried is the number of ports that were looked at; so none is given twice in a row.
var tried atomic.Uint32

var firstPort = rand.Uint32N(portsTo - portsFrom)

// freePort finds a port nobody listens on. Another program could take it before
// the server does; the server then fails to start and says so.
func freePort() (int, error) {
	const tries = 100
	var err error
	for range tries {
		port := portsFrom + (firstPort+tried.Add(1))%(portsTo-portsFrom)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port)))); err == nil {
			return int(port), l.Close()
		}
	}
	return 0, fmt.Errorf("no free port found in %d tries, last: %w", tries, err)
}

// ready waits until the client port greets.
func (s *Process) ready() error {
	deadline := time.Now().Add(startTimeout)
	for {
		select {
		case <-s.done:
			return fmt.Errorf("it ended at once: %v", s.err)
		default:
		}
		conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
		if err == nil {
			conn.SetReadDeadline(time.Now().Add(time.Second))
			var b [5]byte
			_, err = conn.Read(b[:])
			conn.Close()
			if err == nil {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no greeting at %s within %v: %w", s.Addr, startTimeout, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Stop ends the process and removes its folder. Safe to call twice.
func (s *Process) Stop() {
	if s.cmd != nil {
		s.cmd.Process.Signal(unix.SIGTERM)
		select {
		case <-s.done:
		case <-time.After(stopTimeout):
			s.cmd.Process.Kill()
			<-s.done
		}
		s.cmd = nil
	}
	os.RemoveAll(s.dir)
}

// LogTail is the end of what the server printed, for an error message.
func (s *Process) LogTail() string {
	const tail = 2000
	b, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil || len(b) == 0 {
		return ""
	}
	b = b[max(0, len(b)-tail):]
	return "\nits log ends:\n" + string(bytes.TrimSpace(b))
}

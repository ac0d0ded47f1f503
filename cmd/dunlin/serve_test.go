package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestStartServesAndAnInterruptEndsItInOrder(t *testing.T) {
	dir := t.TempDir()
	pid := filepath.Join(dir, "pid")
	r := start(t, dir, "-P", pid, "-m", "-1", "--profile", "-1", "-n", "first")
	for _, want := range []string{
		"[INF] Starting dunlin", "Version:  0.1.0 (NATS 2.15.2)", "Git: ", "Name:     first", "ID:       N",
		"Listening for client connections on 127.0.0.1:", "Server is ready",
	} {
		r.await(want)
	}
	if got := content(t, pid); got != fmt.Sprint(r.cmd.Process.Pid) {
		t.Errorf("pid file has %q, want %d", got, r.cmd.Process.Pid)
	}
	for name, urls := range map[string][]string{"monitoring": r.ports.Monitoring, "profile": r.ports.Profile} {
		if len(urls) != 1 || !strings.HasPrefix(urls[0], "http://127.0.0.1:") {
			t.Errorf("ports file has %v for %s", urls, name)
		}
	}
	answer, err := http.Get(r.ports.Monitoring[0] + "/varz")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("/varz answers %s", answer.Status)
	}
	c := r.dial()
	r.signal(syscall.SIGINT)
	r.await(`Trapped "interrupt" signal`)
	r.await("Initiating Shutdown...")
	r.await("Server Exiting..")
	c.awaitEnd()
	if code := r.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestTermEndsInOrder(t *testing.T) {
	r := start(t, t.TempDir())
	r.signal(syscall.SIGTERM)
	if code := r.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestLameDuckIgnoresTermAndEndsOnInterrupt(t *testing.T) {
	dir := t.TempDir()
	conf := write(t, filepath.Join(dir, "d.conf"), "lame_duck_grace_period: 30s\nlame_duck_duration: 60s\n")
	r := start(t, dir, "-c", conf)
	c := r.dial()
	r.signal(syscall.SIGUSR2)
	c.await(`"ldm":true`)
	r.await("Entering lame duck mode")
	r.signal(syscall.SIGTERM)
	r.await(`Trapped "terminated" signal`)
	c.ping() // still served
	if _, err := net.Dial("tcp", c.RemoteAddr().String()); err == nil {
		t.Error("a new client was accepted")
	}
	r.signal(syscall.SIGINT)
	c.awaitEnd()
	if code := r.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestLameDuckEndsByItself(t *testing.T) {
	dir := t.TempDir()
	conf := write(t, filepath.Join(dir, "d.conf"), "lame_duck_grace_period: 1ms\n")
	r := start(t, dir, "-c", conf)
	r.signal(syscall.SIGUSR2)
	r.await("Server Exiting..")
	if code := r.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestReloadTakesChangesIntoUse(t *testing.T) {
	dir := t.TempDir()
	conf := write(t, filepath.Join(dir, "d.conf"), "debug: false\n")
	r := start(t, dir, "-c", conf)
	r.await("Using configuration file: " + conf + " (sha256:")
	c := r.dial()

	log, pid := filepath.Join(dir, "d.log"), filepath.Join(dir, "pid")
	write(t, conf, fmt.Sprintf("debug: true\nlogfile: %q\npid_file: %q\nleafnodes { remotes [ { url: \"nats://127.0.0.1:1\" } ] }\n", log, pid))
	r.signal(syscall.SIGHUP)
	r.until("a log in the new file", func() bool {
		b, err := os.ReadFile(log)
		return err == nil && strings.Contains(string(b), "leafnodes has no effect") && exists(pid)
	})
	c.ping()
	r.dial()
	r.until("a debug line", func() bool { return strings.Contains(content(t, log), "[DBG]") })
	if got := content(t, pid); got != fmt.Sprint(r.cmd.Process.Pid) {
		t.Errorf("pid file has %q", got)
	}
	r.signal(syscall.SIGTERM)
	if code := r.exit(); code != 0 || exists(pid) {
		t.Errorf("exit code %d, pid file left: %v", code, exists(pid))
	}
}

// TestReloadRefusesWhatIsNotServed: what nats-server's reload refuses to change
// of an area that is not served is refused too, with the rest of the file.
func TestReloadRefusesWhatIsNotServed(t *testing.T) {
	dir := t.TempDir()
	conf := write(t, filepath.Join(dir, "d.conf"), "debug: false\n")
	r := start(t, dir, "-c", conf)
	r.await("Server is ready")
	for key, text := range map[string]string{
		"gateway":   "gateway { name: x, port: -1 }",
		"websocket": "websocket { port: -1, no_tls: true }",
		"mqtt":      "mqtt { port: -1 }",
		"resolver":  "resolver: MEMORY",
		"leafnodes": "leafnodes { port: -1 }",
	} {
		write(t, conf, "debug: true\n"+text+"\n")
		r.signal(syscall.SIGHUP)
		r.await("Failed to reload server configuration: " + key + " cannot be changed while the server runs: restart it")
	}
	write(t, conf, "debug: true\ndefault_sentinel: \"eyJ0\"\n")
	r.signal(syscall.SIGHUP)
	r.await("Failed to reload server configuration: " + conf + ":2:19: default_sentinel is a user JWT")
	write(t, conf, "max_payload: 2MB\nstore_dir: \"/nowhere\"\n")
	r.signal(syscall.SIGHUP)
	r.await("Reloaded server configuration")
}

func TestABadReloadIsRefusedWhole(t *testing.T) {
	dir := t.TempDir()
	conf := write(t, filepath.Join(dir, "d.conf"), "debug: false\n")
	r := start(t, dir, "-c", conf)
	log := filepath.Join(dir, "d.log")
	for _, bad := range []struct {
		conf string
		want []string
	}{
		{"debug: true\nfoo: 1\nmax_payload: \"x\"\n", []string{conf + ":2:1: ", conf + ":3:14: "}},
		{"debug: true\nlame_duck_duration: 3m\n", []string{"lame_duck_duration"}},
		{fmt.Sprintf("debug: true\nlogfile: %q\nserver_name: other\n", log), []string{"server_name"}},
		{fmt.Sprintf("debug: true\nlogfile: %q\n", filepath.Join(dir, "none", "d.log")), []string{"cannot open log file"}},
	} {
		write(t, conf, bad.conf)
		r.signal(syscall.SIGHUP)
		for _, want := range bad.want {
			line := r.await("[ERR] Failed to reload server configuration: ")
			if !strings.Contains(line, want) {
				t.Errorf("the log says %q, want %q in it", line, want)
			}
		}
		r.dial()
	}
	write(t, conf, "debug: true\n")
	r.signal(syscall.SIGHUP)
	r.await("Reloaded server configuration")
	for _, line := range r.log() {
		if strings.Contains(line, "[DBG]") && strings.Contains(line, "lient connection created") {
			t.Errorf("a refused reload switched debug on: %s", line)
		}
	}
}

func TestReloadWithoutAFileSaysWhy(t *testing.T) {
	r := start(t, t.TempDir())
	r.signal(syscall.SIGHUP)
	r.await("[ERR] Failed to reload server configuration: the server was started without a configuration file")
	r.dial()
}

func TestFlagsWinOverTheFileAfterAReloadToo(t *testing.T) {
	dir := t.TempDir()
	conf := write(t, filepath.Join(dir, "d.conf"), "port: 1\ndebug: false\nmax_payload: 1000\n")
	r := start(t, dir, "-c", conf, "-D")
	r.await("[DBG]   Go build: ")
	write(t, conf, "port: 1\ndebug: false\nmax_payload: 2000\n")
	r.signal(syscall.SIGHUP)
	r.await("Reloaded: max_payload")
	r.dial()
	r.await("[DBG]")
}

func TestLogFileIsReopened(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "d.log")
	r := start(t, dir, "-l", log)
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	r.signal(syscall.SIGUSR1)
	r.until("a new log file", func() bool {
		b, err := os.ReadFile(log)
		return err == nil && strings.Contains(string(b), "[INF] File log re-opened")
	})
	if got := content(t, log+".1"); !strings.Contains(got, "Server is ready") || !strings.Contains(got, `Trapped "user defined signal 1" signal`) {
		t.Errorf("old log file has %q", got)
	}
}

func TestSignalsThroughTheProgram(t *testing.T) {
	dir := t.TempDir()
	pid := filepath.Join(dir, "server.pid")
	r := start(t, dir, "-P", pid)
	if _, stderr, code := once(t, "--signal", "reopen="+pid); code != 0 || stderr != "" {
		t.Errorf("reopen by pid file: %q, exit code %d", stderr, code)
	}
	r.await(`Trapped "user defined signal 1" signal`)
	r.await("nothing to reopen")
	if _, stderr, code := once(t, "-sl", "quit="+filepath.Join(dir, "*.pid")); code != 0 || stderr != "" {
		t.Errorf("quit by pattern: %q, exit code %d", stderr, code)
	}
	if code := r.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	_, stderr, code := once(t, "--signal", fmt.Sprintf("reload=%d", r.cmd.Process.Pid))
	if want := fmt.Sprintf("dunlin: cannot send \"reload\" to process %d: no such process\n", r.cmd.Process.Pid); code != 1 || stderr != want {
		t.Errorf("reload of a dead server: %q, exit code %d; want %q", stderr, code, want)
	}
}

func TestWhatPreventsAStartIsTheLastLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := fmt.Sprint(taken.Addr().(*net.TCPAddr).Port)
	dir := t.TempDir()
	pid := filepath.Join(dir, "pid")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-p", port, "-P", pid}, "address already in use"},
		{[]string{"-p", "-1", "-m", port}, "address already in use"},
		{[]string{"-p", "-1", "-P", filepath.Join(dir, "none", "pid")}, "[FTL] cannot write the pid file: open "},
		{[]string{"-p", "-1", "-l", filepath.Join(dir, "none", "log")}, "dunlin: cannot open log file: open "},
		{[]string{"-p", "-1", "-r", "nonsense"}, "dunlin: remote syslog \"nonsense\": expected udp://host:port"},
	} {
		_, stderr, code := once(t, append(c.args, "-a", "127.0.0.1")...)
		lines := strings.Split(strings.TrimSpace(stderr), "\n")
		if last := lines[len(lines)-1]; code != 1 || !strings.Contains(last, c.want) {
			t.Errorf("%v: exit code %d, last line %q; want %q", c.args, code, last, c.want)
		}
	}
	if exists(pid) {
		t.Error("the pid file of a server that did not start is there")
	}
}

func TestAPortsFileThatCannotBeWrittenDoesNotPreventAStart(t *testing.T) {
	dir := t.TempDir()
	r := launch(t, dir, "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", filepath.Join(dir, "none"))
	r.await("[ERR] cannot write the ports file: ")
	r.signal(syscall.SIGINT)
	if code := r.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestWarnings(t *testing.T) {
	dir := t.TempDir()
	conf := write(t, filepath.Join(dir, "d.conf"), "jetstream: enabled\nleafnodes { port: 7422 }\nauthorization { user: a, password: b }\n")
	r := start(t, dir, "-c", conf)
	r.await("[WRN] " + conf + ":1:1: jetstream has no effect")
	r.await("[WRN] " + conf + ":2:1: leafnodes has no effect")
	r.await("[WRN] Plaintext passwords detected, use nkeys or bcrypt")
}

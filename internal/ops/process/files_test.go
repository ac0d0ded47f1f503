package process

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestPidFile(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "1.pid"), filepath.Join(dir, "2.pid")
	var f Files
	if err := f.WritePID(first); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(first)
	if err != nil || string(content) != strconv.Itoa(os.Getpid()) {
		t.Errorf("pid file has %q, %v", content, err)
	}
	if info, err := os.Stat(first); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	if err := f.WritePID(second); err != nil { // a reload that moves it
		t.Fatal(err)
	}
	if exists(first) || !exists(second) {
		t.Error("the pid file was not moved")
	}
	if err := f.WritePID(filepath.Join(dir, "no", "such", "dir")); err == nil || !exists(second) {
		t.Errorf("a path that cannot be written: %v; old one there: %v", err, exists(second))
	}
	if err := f.Remove(); err != nil || exists(second) {
		t.Errorf("Remove: %v; still there: %v", err, exists(second))
	}
	if err := f.Remove(); err != nil {
		t.Errorf("second Remove: %v", err)
	}
}

func TestAPidFileOfASuccessorIsNotRemoved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	var f Files
	if err := f.WritePID(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Remove(); err != nil || !exists(path) {
		t.Errorf("Remove: %v; there: %v", err, exists(path))
	}
}

func TestPortsFile(t *testing.T) {
	dir := t.TempDir()
	ports := Ports{
		NATS:       URLs("nats", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 14448}),
		Monitoring: URLs("https", &net.TCPAddr{IP: net.IPv6loopback, Port: 14449}),
		Profile:    URLs("http", nil),
	}
	var f Files
	if err := f.WritePorts(dir, &ports); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, fmt.Sprintf("%s_%d.ports", filepath.Base(os.Args[0]), os.Getpid()))
	content, err := os.ReadFile(path)
	if want := `{"nats":["nats://127.0.0.1:14448"],"monitoring":["https://[::1]:14449"]}`; err != nil || string(content) != want {
		t.Errorf("ports file has %s, %v; want %s", content, err, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v; want 0644", info.Mode(), err)
	}
	other := t.TempDir()
	if err := f.WritePorts(other, &ports); err != nil || exists(path) {
		t.Errorf("moved: %v; old one there: %v", err, exists(path))
	}
	if err := f.WritePorts(filepath.Join(dir, "none"), &ports); err == nil {
		t.Error("a directory that is not there was accepted")
	}
	if err := f.Remove(); err != nil {
		t.Error(err)
	}
	for _, d := range []string{dir, other} {
		if left, err := os.ReadDir(d); err != nil || len(left) != 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

func TestAListenerOnAllAddressesHasAURLOfEach(t *testing.T) {
	ln, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	urls := URLs("nats", ln.Addr())
	if len(urls) == 0 || urls[0] != fmt.Sprintf("nats://127.0.0.1:%d", port) {
		t.Errorf("URLs %v; want the loopback first", urls)
	}
	for _, u := range URLs("nats", &net.TCPAddr{IP: net.IPv4zero, Port: 1}) {
		if strings.Contains(u, "[") {
			t.Errorf("a listener on IPv4 only cannot be reached at %s", u)
		}
	}
}

func TestPortsRoundTrip(t *testing.T) {
	in := Ports{[]string{"a"}, []string{"b"}, []string{"c"}, []string{"d"}, []string{"e"}, []string{"f"}}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out Ports
	if err := json.Unmarshal(b, &out); err != nil || !reflect.DeepEqual(in, out) {
		t.Errorf("%s came back as %+v, %v", b, out, err)
	}
}

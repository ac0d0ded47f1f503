package netlab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Lab is a bridge with a host for each server.
type Lab struct {
	t      testing.TB
	prefix string // of the names of devices and namespaces
	net    string // "10.x.y."
	hosts  []*Host
}

// Host is a network namespace with one address.
type Host struct {
	lab  *Lab
	name string
	IP   string
}

// Possible reports why a lab cannot be set up here, nil if it can.
func Possible() error {
	if os.Getuid() != 0 {
		return errors.New("network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return errors.New("the command ip is missing: install iproute2")
	}
	name := fmt.Sprintf("dunlinprobe%d", os.Getpid())
	if err := run("ip", "netns", "add", name); err != nil {
		return err
	}
	return run("ip", "netns", "del", name)
}

func run(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// labs are told apart by a number, so that what an interrupted run left behind
// is not in the way of the next.
var labs int

// NewLab makes a bridge with n hosts. Everything is taken down with the test.
func NewLab(t testing.TB, n int) *Lab {
	t.Helper()
	labs++
	pid := os.Getpid()
	l := &Lab{t: t, prefix: fmt.Sprintf("dl%x%d", pid&0xffff, labs%10), net: fmt.Sprintf("10.%d.%d.", 64+pid%128, (pid/128+labs)%250)}
	l.must("ip", "link", "add", l.prefix+"b", "type", "bridge")
	t.Cleanup(l.down)
	l.must("ip", "addr", "add", l.net+"254/24", "dev", l.prefix+"b")
	l.must("ip", "link", "set", l.prefix+"b", "up")
	for i := range n {
		l.add(i)
	}
	return l
}

// Outside is the address of the bridge, where clients and links are.
func (l *Lab) Outside() string { return l.net + "254" }

// Host is the host of server i.
func (l *Lab) Host(i int) *Host { return l.hosts[i] }

func (l *Lab) must(name string, args ...string) {
	l.t.Helper()
	if err := run(name, args...); err != nil {
		l.t.Fatal(err)
	}
}

func (l *Lab) add(i int) {
	l.t.Helper()
	h := &Host{lab: l, name: fmt.Sprintf("%sn%d", l.prefix, i), IP: fmt.Sprintf("%s%d", l.net, i+1)}
	outer, inner := fmt.Sprintf("%so%d", l.prefix, i), fmt.Sprintf("%si%d", l.prefix, i)
	l.must("ip", "netns", "add", h.name)
	l.hosts = append(l.hosts, h)
	l.must("ip", "link", "add", outer, "type", "veth", "peer", "name", inner)
	l.must("ip", "link", "set", inner, "netns", h.name)
	l.must("ip", "link", "set", outer, "master", l.prefix+"b", "up")
	h.must("ip", "link", "set", "lo", "up")
	h.must("ip", "addr", "add", h.IP+"/24", "dev", inner)
	h.must("ip", "link", "set", inner, "up")
}

func (l *Lab) down() {
	for _, h := range l.hosts {
		if err := run("ip", "netns", "del", h.name); err != nil {
			l.t.Error(err)
		}
	}
	if err := run("ip", "link", "del", l.prefix+"b"); err != nil {
		l.t.Error(err)
	}
}

// must runs a command within the namespace.
func (h *Host) must(name string, args ...string) {
	h.lab.t.Helper()
	h.lab.must("ip", append([]string{"netns", "exec", h.name, name}, args...)...)
}

// Mute drops what goes from h to other, which is heard as before.
func (h *Host) Mute(other *Host) {
	h.lab.t.Helper()
	h.must("ip", "route", "replace", "blackhole", other.IP+"/32")
}

// Unmute undoes Mute.
func (h *Host) Unmute(other *Host) {
	h.lab.t.Helper()
	h.must("ip", "route", "del", "blackhole", other.IP+"/32")
}

// Cut separates a from b, both ways; what it returns joins them again.
func (l *Lab) Cut(a, b []int) (heal func()) {
	l.t.Helper()
	each := func(do func(x, y *Host)) {
		for _, i := range a {
			for _, j := range b {
				do(l.hosts[i], l.hosts[j])
				do(l.hosts[j], l.hosts[i])
			}
		}
	}
	each((*Host).Mute)
	return func() { each((*Host).Unmute) }
}

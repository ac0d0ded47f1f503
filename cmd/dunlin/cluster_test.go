package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// joins starts a server that is in a cluster by its command line.
func joins(t *testing.T, args ...string) *running {
	t.Helper()
	r := start(t, t.TempDir(), append([]string{"--cluster_name", "c", "--cluster", "nats://127.0.0.1:-1"}, args...)...)
	if len(r.ports.Cluster) != 1 || !strings.HasPrefix(r.ports.Cluster[0], "nats://127.0.0.1:") {
		t.Fatalf("the ports file says %v of the cluster", r.ports.Cluster)
	}
	r.await("  Cluster:  c")
	return r
}

// hearsFrom waits until what is published there is heard here.
func (r *running) hearsFrom(other *running, subject string) {
	r.t.Helper()
	c, p := r.dial(), other.dial()
	c.send("SUB " + subject + " 1\r\n")
	c.ping()
	r.until(subject, func() bool {
		p.send("PUB " + subject + " 2\r\nhi\r\n")
		p.ping()
		return c.hears("MSG " + subject + " 1 2")
	})
}

func TestClusterByFlags(t *testing.T) {
	a := joins(t)
	b := joins(t, "--routes", a.ports.Cluster[0])
	b.hearsFrom(a, "from.a")
	a.hearsFrom(b, "from.b")

	// A third one by its file, whose routes the command line replaces.
	conf := write(t, filepath.Join(t.TempDir(), "d.conf"),
		"cluster { name: other, listen: \"127.0.0.1:-1\", routes: [\"nats://127.0.0.1:1\"], authorization { user: u, password: p } }\n")
	third := joins(t, "-c", conf, "--routes", b.ports.Cluster[0])
	third.hearsFrom(a, "from.a.again") // learnt from b
	for _, r := range []*running{a, b, third} {
		for _, line := range r.log() {
			if strings.Contains(line, "[ERR]") {
				t.Error(line)
			}
		}
	}
}

func TestReloadOfACluster(t *testing.T) {
	other := joins(t)
	dir := t.TempDir()
	text := func(name, routes string) string {
		return fmt.Sprintf("cluster {\n  name: %s\n  listen: \"127.0.0.1:-1\"\n  routes: [%s]\n}\n", name, routes)
	}
	conf := write(t, filepath.Join(dir, "d.conf"), text("c", ""))
	r := start(t, dir, "-c", conf)
	r.await("Server is ready")

	write(t, conf, text("d", ""))
	r.signal(syscall.SIGHUP)
	r.await(`[ERR] Failed to reload server configuration: cluster.name`)

	write(t, conf, text("c", "\"/nowhere\", \"nats://u:hunter2@"+strings.TrimPrefix(other.ports.Cluster[0], "nats://")+"\""))
	r.signal(syscall.SIGHUP)
	r.await("Reloaded: cluster.routes (from [] to [nats://u:xxxxx@")
	r.await("[WRN] " + conf + ":4:12: an entry of cluster.routes has no host and is left out")
	r.hearsFrom(other, "from.the.other")
	other.hearsFrom(r, "from.this")
	for _, line := range r.log() {
		if strings.Contains(line, "hunter2") {
			t.Errorf("a password in the log: %s", line)
		}
	}
}

func TestClusterWithoutAListenerIsToldOf(t *testing.T) {
	conf := write(t, filepath.Join(t.TempDir(), "d.conf"), "cluster { name: c, routes: [\"nats://127.0.0.1:1\"] }\n")
	const want = ":1:9: cluster has routes, but no listen or port"
	stdout, stderr, code := once(t, "-t", "-c", conf)
	if code != 0 || !strings.Contains(stdout, "is valid") || !strings.HasPrefix(stderr, "dunlin: note: "+conf+want) {
		t.Errorf("%q, %q, exit code %d", stdout, stderr, code)
	}
	r := start(t, t.TempDir(), "-c", conf)
	r.await("[INF] " + conf + want)
	r.await("Server is ready")
	if len(r.ports.Cluster) != 0 {
		t.Errorf("it listens on %v", r.ports.Cluster)
	}
}

func TestClusterThatCannotBe(t *testing.T) {
	conf := write(t, filepath.Join(t.TempDir(), "d.conf"), "port: -1\ncluster {\n  port: -1\n  pool_size: -1\n  accounts: [A]\n  compression: fastest\n}\n")
	for _, args := range [][]string{{"-c", conf}, {"-t", "-c", conf}} {
		_, stderr, code := once(t, args...)
		lines := strings.Split(strings.TrimSpace(stderr), "\n")
		if code != 1 || len(lines) != 2 || !strings.HasPrefix(lines[0], "dunlin: "+conf+":4:14: cluster.pool_size is -1") ||
			!strings.HasPrefix(lines[1], "dunlin: "+conf+":6:16: cluster.compression is \"fastest\"") {
			t.Errorf("%v: exit code %d\n%s", args, code, stderr)
		}
	}
	for flags, want := range map[string]string{
		"--routes nats://127.0.0.1:1":                             "dunlin: --routes: ",
		"--cluster 127.0.0.1:6222":                                "dunlin: --cluster: ",
		"--cluster nats://127.0.0.1:70000":                        "dunlin: --cluster: cluster.port is 70000",
		"--cluster nats://127.0.0.1:-1 --cluster_advertise a:b:c": "dunlin: --cluster_advertise: ",
	} {
		stdout, stderr, code := once(t, append([]string{"-a", "127.0.0.1", "-p", "-1"}, strings.Fields(flags)...)...)
		if code != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, want) {
			t.Errorf("%s: %q, exit code %d; want one line with %q", flags, stderr, code, want)
		}
	}
}

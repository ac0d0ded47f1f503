package conformance

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// leaveOut skips a test for want of a tool, and says so on the scoreboard: what
// was not run must not look tested. CONFORMANCE_STRICT makes it a failure.
func leaveOut(t *testing.T, client, what, why string) {
	t.Helper()
	if strict(os.Getenv("CONFORMANCE_STRICT"), client) {
		t.Fatalf("%s: %s", what, why)
	}
	board.skipped(what, why)
	t.Skipf("%s: %s", what, why)
}

// strict says whether a client must run: those that are named must, all of them
// if none is.
func strict(setting, client string) bool {
	named := strings.Fields(setting)
	if !slices.Contains(named, "node") && !slices.Contains(named, "c") {
		return len(named) > 0
	}
	return slices.Contains(named, client)
}

func TestStrict(t *testing.T) {
	for _, c := range []struct {
		setting string
		node, c bool
	}{{"", false, false}, {"1", true, true}, {"node", true, false}, {"c", false, true}, {"node c", true, true}} {
		if strict(c.setting, "node") != c.node || strict(c.setting, "c") != c.c {
			t.Errorf("%q: node %v, c %v", c.setting, strict(c.setting, "node"), strict(c.setting, "c"))
		}
	}
}

var smokeSummary = regexp.MustCompile(`(?m)^([1-9]\d*) passed, 0 failed$`)

// smoke runs a client program that prints its own cases.
func smoke(t *testing.T, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil || !smokeSummary.Match(out) {
		t.Errorf("%s: %v\n%s", name, err, out)
		return
	}
	t.Logf("%s", strings.TrimSpace(string(out)))
}

func TestNodeClient(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		leaveOut(t, "node", "Node client", "no node here")
	}
	if _, err := os.Stat("clients/node/node_modules/@nats-io/transport-node"); err != nil {
		leaveOut(t, "node", "Node client", "its package is not installed, run make -C conformance setup")
	}
	smoke(t, node, "clients/node/smoke.mjs", serve(t, "").url())
}

func TestCClient(t *testing.T) {
	t.Parallel()
	cc, err := exec.LookPath("cc")
	if err != nil {
		leaveOut(t, "c", "C client", "no C compiler here")
	}
	probe := exec.Command(cc, "-E", "-")
	probe.Stdin = strings.NewReader("#include <nats/nats.h>\n")
	if probe.Run() != nil {
		leaveOut(t, "c", "C client", "libnats-dev is not installed, run make -C conformance setup")
	}
	program := filepath.Join(t.TempDir(), "smoke")
	if out, err := exec.Command(cc, "-O1", "-Wall", "-Wextra", "-o", program, "clients/c/smoke.c", "-lnats").CombinedOutput(); err != nil {
		t.Fatalf("compile the C client: %v\n%s", err, out)
	}
	smoke(t, program, serve(t, "").url())
}

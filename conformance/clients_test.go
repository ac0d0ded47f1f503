package conformance

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// leaveOut skips a test for want of a tool, and says so on the scoreboard: what
// was not run must not look tested. CONFORMANCE_STRICT makes it a failure.
func leaveOut(t *testing.T, what, why string) {
	t.Helper()
	if os.Getenv("CONFORMANCE_STRICT") != "" {
		t.Fatalf("%s: %s", what, why)
	}
	board.skipped(what, why)
	t.Skipf("%s: %s", what, why)
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
		leaveOut(t, "Node client", "no node here")
	}
	if _, err := os.Stat("clients/node/node_modules/@nats-io/transport-node"); err != nil {
		leaveOut(t, "Node client", "its package is not installed, run make -C conformance setup")
	}
	smoke(t, node, "clients/node/smoke.mjs", serve(t, "").url())
}

func TestCClient(t *testing.T) {
	t.Parallel()
	cc, err := exec.LookPath("cc")
	if err != nil {
		leaveOut(t, "C client", "no C compiler here")
	}
	probe := exec.Command(cc, "-E", "-")
	probe.Stdin = strings.NewReader("#include <nats/nats.h>\n")
	if probe.Run() != nil {
		leaveOut(t, "C client", "libnats-dev is not installed, run make -C conformance setup")
	}
	program := filepath.Join(t.TempDir(), "smoke")
	if out, err := exec.Command(cc, "-O1", "-Wall", "-Wextra", "-o", program, "clients/c/smoke.c", "-lnats").CombinedOutput(); err != nil {
		t.Fatalf("compile the C client: %v\n%s", err, out)
	}
	smoke(t, program, serve(t, "").url())
}

package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"dunlin/conformance/target"

	"github.com/nats-io/nats.go"
)

var cli = sync.OnceValues(func() (target.Binary, error) { return target.CLI(context.Background()) })

// anyStatus is for commands that end with an error against every server: nats
// reply, when its count is reached.
const anyStatus = -1

// natsCLI runs the command line tool against a server; its status must be the
// wanted one.
func natsCLI(t *testing.T, s *served, status int, args ...string) string {
	t.Helper()
	tool, err := cli()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool.Path, append([]string{"--no-context", "-s", s.url()}, args...)...)
	cmd.Env = append(cmd.Environ(), "HOME="+t.TempDir(), "XDG_CONFIG_HOME="+t.TempDir(), "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	errors.As(err, &exit)
	switch {
	case status == anyStatus && (err == nil || exit != nil):
	case err == nil && status != 0:
		t.Errorf("nats %s: exit 0, want %d\n%s", strings.Join(args, " "), status, out)
	case exit != nil && exit.ExitCode() != status, err != nil && exit == nil:
		t.Errorf("nats %s: %v, want exit %d\n%s", strings.Join(args, " "), err, status, out)
	}
	return string(out)
}

// says checks that a text holds each of the parts.
func says(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in:\n%s", part, text)
		}
	}
}

// interested waits until somebody listens to a subject. It looks at the
// monitoring page: a probe would be a message that the tools count.
func interested(t *testing.T, s *served, subject string) {
	t.Helper()
	url := fmt.Sprintf("http://127.0.0.1:%d/subsz?subs=1&acc=$G&test=%s", s.HTTP, subject)
	eventually(t, "a subscriber of "+subject, func() bool {
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		var page struct {
			Total int `json:"total"`
		}
		return json.NewDecoder(resp.Body).Decode(&page) == nil && page.Total > 0
	})
}

func TestCLIPublishAndSubscribe(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	done := make(chan string, 1)
	go func() { done <- natsCLI(t, s, 0, "sub", "--count=1", "updates.>") }()
	interested(t, s, "updates.x")
	out := natsCLI(t, s, 0, "pub", "updates.one", "hello world", "-H", "Colour:red")
	says(t, out, "updates.one")
	received := receive(t, done, "the end of nats sub")
	says(t, received, "updates.one", "hello world", "Colour: red")
}

func TestCLIRequestAndReply(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	done := make(chan string, 1)
	go func() {
		done <- natsCLI(t, s, anyStatus, "reply", "--count=1", "svc.>", "answer {{Count}} to {{Request}}")
	}()
	interested(t, s, "svc.x")
	out := natsCLI(t, s, 0, "request", "svc.ask", "question")
	says(t, out, "to question")
	says(t, receive(t, done, "the end of nats reply"), "svc.ask")
}

func TestCLIRequestWithoutResponder(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	out := natsCLI(t, s, 0, "request", "nobody", "x")
	says(t, strings.ToLower(out), "no responders")
}

func TestCLIBench(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	says(t, natsCLI(t, s, 0, "bench", "pub", "b", "--msgs=20000", "--size=64", "--no-progress", "--clients=2"), "msgs/sec")
	done := make(chan string, 1)
	go func() {
		done <- natsCLI(t, s, 0, "bench", "sub", "b", "--msgs=20000", "--size=64", "--no-progress")
	}()
	interested(t, s, "b")
	natsCLI(t, s, 0, "bench", "pub", "b", "--msgs=20000", "--size=64", "--no-progress")
	says(t, receive(t, done, "the end of bench sub"), "msgs/sec")
}

func TestCLIBenchRequest(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	_, err := dial(t, s).Subscribe("bs", func(m *nats.Msg) { _ = m.Respond(m.Data) })
	must(t, err)
	interested(t, s, "bs")
	says(t, natsCLI(t, s, 0, "bench", "service", "request", "bs", "--msgs=500", "--no-progress"), "msgs/sec")
}

func TestCLIServerCheckConnection(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	says(t, natsCLI(t, s, 0, "server", "check", "connection"), "OK")
	stopped := serve(t, "")
	stopped.Stop()
	says(t, natsCLI(t, stopped, 2, "server", "check", "connection"), "CRITICAL")
}

func TestCLIRoundTripTime(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	says(t, natsCLI(t, s, 0, "rtt", "5"), "127.0.0.1")
}

func TestCLICredentials(t *testing.T) {
	t.Parallel()
	s := serve(t, `authorization { user: u, password: p }`)
	natsCLI(t, s, 0, "--user=u", "--password=p", "pub", "a", "x")
	says(t, natsCLI(t, s, 1, "--user=u", "--password=no", "pub", "a", "x"), "Authorization Violation")
}

func TestCLIAccountInfo(t *testing.T) {
	t.Parallel()
	s := serve(t, "max_payload: 2048")
	says(t, natsCLI(t, s, 0, "account", "info"), "2.0 KiB", "2.15.2")
}

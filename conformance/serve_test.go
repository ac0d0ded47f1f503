package conformance

import (
	"context"
	"fmt"
	"testing"
	"time"

	"dunlin/conformance/target"
)

// served is a server that a test of a client talks to.
type served struct {
	*target.Server
	t      *testing.T
	config target.Config
	binary target.Binary
}

// serve starts the server under test with a configuration; ports are added.
func serve(t *testing.T, config string) *served {
	t.Helper()
	port, err := target.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	http, err := target.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, binary: mustBinary(t), config: target.Config{
		Dir: t.TempDir(), Port: port, HTTP: http,
		Text: fmt.Sprintf("server_name: S1\nlisten: \"127.0.0.1:%d\"\nhttp: \"127.0.0.1:%d\"\n%s\n", port, http, config),
	}}
	s.start()
	t.Cleanup(func() {
		s.Stop()
		if crash := target.Crashed(s.Log()); crash != "" {
			t.Errorf("the server crashed: %s\n%s", crash, s.Log())
		}
	})
	return s
}

// start runs the process, again on the same ports if it ran before.
func (s *served) start() {
	s.t.Helper()
	server, err := s.binary.Start(context.Background(), s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Server = server
}

func (s *served) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.Port) }

// soon bounds every wait of the client tests.
const soon = 8 * time.Second

// receive takes the next value of a channel, or fails.
func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	patience := time.NewTimer(soon)
	defer patience.Stop()
	select {
	case v := <-c:
		return v
	case <-patience.C:
		t.Fatalf("%s did not come within %s", what, soon)
		panic("unreachable")
	}
}

// eventually polls a condition until it holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	patience := time.NewTimer(soon)
	defer patience.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-patience.C:
			t.Fatalf("%s: not within %s", what, soon)
		case <-tick.C:
		}
	}
}

package server_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"dunlin/internal/core/perm"
	"dunlin/internal/ops/config"
	"dunlin/internal/testkit"
	"dunlin/server"
)

// TestLogNamesTheClient: what the log says of a client after its login names who it
// is and what it did wrong, as nats-server's does, and never more than a line of it.
func TestLogNamesTheClient(t *testing.T) {
	testkit.NothingLeft(t)
	opts := withUsers(withAccounts(&server.Options{}, "A"), "a/A")
	opts.Auth.Users[0].Permissions = &perm.Permissions{Publish: &perm.Subjects{Allow: []string{"x"}}, Subscribe: &perm.Subjects{Allow: []string{"x"}}}
	s := testkit.StartLogging(t, opts, slog.LevelDebug)
	const label = ` - "v1.0:go:nm" - "A/user:a" - `
	c := testkit.Join(t, s.Address(), as("a")+`,"name":"nm","lang":"go","version":"1.0"`)
	c.Send("PUB y 0\r\n\r\nSUB y q 4\r\nSUB z 5\r\nPUB x _R_.y 0\r\n\r\n")
	c.Send("CONNEC {\"pass\":\"secret\"}\r\n")
	c.Rest()
	for _, line := range []string{
		`Publish Violation - Subject "y"`, `Subscription Violation - Subject "y", Queue: "q", SID 4`, `Subscription Violation - Subject "z", SID 5`,
		`Publish Violation - Reply "_R_.y"`, `protocol: Unknown Protocol Operation: "CONNEC"`, `Client connection closed: Protocol Violation`,
	} {
		s.Log.Wait(t, label+line)
	}
	peer := testkit.Join(t, s.Address(), as("a"))
	peer.Send("-ERR 'foo'\r\n")
	peer.Rest()
	s.Log.Wait(t, ` - "A/user:a" - protocol: the peer sent -ERR: "-ERR 'foo'"`)
	stranger := testkit.Dial(t, s.Address())
	stranger.Send("CONNECT {%s,%s}\r\n", testkit.Plain, as("zz"))
	stranger.Rest()
	s.Log.Wait(t, ` - authentication error - User "zz"`)
	if n := s.Log.Count("secret"); n > 0 {
		t.Errorf("the log tells a secret %d times", n)
	}
	if n := s.Log.Count("authentication error: authentication error"); n > 0 {
		t.Errorf("%d doubled lines", n)
	}
}

// TestLogOfReloadHasTheDigest: so that it can be compared with what -t says of the file.
func TestLogOfReloadHasTheDigest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "d.conf")
	if err := os.WriteFile(file, []byte("listen: \"127.0.0.1:-1\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	opts, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	s := testkit.StartLogging(t, opts, slog.LevelInfo)
	if err := s.ReloadOptions(opts); err != nil {
		t.Fatal(err)
	}
	s.Log.Wait(t, "Reloaded server configuration ("+opts.ConfigDigest+")")
}

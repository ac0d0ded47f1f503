package server_test

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"dunlin/internal/core/mapping"
	"dunlin/internal/core/perm"
	"dunlin/internal/engine/authn"
	"dunlin/internal/ops/config"
	"dunlin/internal/testkit"
	"dunlin/server"
)

// reload changes a copy of opts and puts it in force; it returns the copy.
func reload(t *testing.T, s *testkit.Server, opts *server.Options, change func(o *server.Options)) *server.Options {
	t.Helper()
	next := testkit.Local(opts)
	change(next)
	if err := s.ReloadOptions(next); err != nil {
		t.Fatalf("reload: %v", err)
	}
	return next
}

func wantRest(t *testing.T, c *testkit.Client, want ...string) {
	t.Helper()
	if got := c.Rest(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("closed after %q, want %q", got, want)
	}
}

// TestReloadOfUsers follows the recorded session: a user that is gone is
// closed without a word, a new password is told, narrowed permissions take
// subscriptions away, max_connections takes the oldest away.
func TestReloadOfUsers(t *testing.T) {
	testkit.NothingLeft(t)
	opts := withUsers(&server.Options{}, "a", "b", "c")
	s := testkit.Start(t, opts)
	a, b, c := testkit.Join(t, s.Address(), as("a")), testkit.Join(t, s.Address(), as("b")), testkit.Join(t, s.Address(), as("c"))
	a.Send("SUB x.1 1\r\nSUB y.1 2\r\nSUB x.> 3\r\nPUB x.2 1\r\n1\r\n")
	a.Want("MSG x.2 3 1", "1")
	a.Sync()

	opts = reload(t, s, opts, func(o *server.Options) {
		o.Auth.Users = []*authn.User{user("a"), user("c")}
		o.Auth.Users[0].Permissions = &perm.Permissions{
			Subscribe: &perm.Subjects{Deny: []string{"x.1"}}, Publish: &perm.Subjects{Deny: []string{"x.2"}},
		}
		o.MaxPayload = 2048
	})
	wantRest(t, b)
	a.Want(`-ERR 'Permissions Violation for Subscription to "x.1" (sid "1")'`)
	a.Send("PUB x.1 1\r\n1\r\nPUB y.1 1\r\n2\r\nPUB x.2 1\r\n3\r\nPUB x.3 1\r\n4\r\n")
	a.Want("MSG y.1 2 1", "2", `-ERR 'Permissions Violation for Publish to "x.2"'`, "MSG x.3 3 1", "4")
	c.Send("PUB x.1 1\r\n5\r\n") // to x.>, which may not deliver x.1 any more
	c.Sync()
	if got := a.Sync(); len(got) > 0 {
		t.Errorf("a got %q", got)
	}
	again := testkit.Dial(t, s.Address())
	again.Send("CONNECT {%s}\r\n", as("b"))
	wantRest(t, again, "-ERR 'Authorization Violation'")

	opts = reload(t, s, opts, func(o *server.Options) { o.Auth.Users[0].Password = "other" })
	wantRest(t, a, "-ERR 'Authorization Violation'")
	if got := c.Sync(); len(got) > 0 {
		t.Errorf("c got %q", got)
	}
	second := testkit.Join(t, s.Address(), as("c"))
	reload(t, s, opts, func(o *server.Options) { o.MaxConn = 1 })
	wantRest(t, c, "-ERR 'maximum connections exceeded'")
	second.Send("PUB y 2049\r\n")
	wantRest(t, second, "-ERR 'Maximum Payload Violation'")
}

// TestBadReloadChangesNothing: one mistake anywhere, and nothing else of the
// same configuration is taken over either.
func TestBadReloadChangesNothing(t *testing.T) {
	testkit.NothingLeft(t)
	ca := testkit.NewAuthority(t)
	opts := withTLS(withUsers(withAccounts(&server.Options{HTTPHost: "127.0.0.1", HTTPPort: -1}, "A"), "a/A", "b"), ca.Issue("one"))
	opts.AllowNonTLS = true
	s := testkit.Start(t, opts)
	a := testkit.Join(t, s.Address(), as("a"))
	a.Send("SUB old 1\r\n")
	a.Sync()
	before := s.Text(t, "/varz?fixed")
	for name, bad := range map[string]func(o *server.Options){
		"restart needed": func(o *server.Options) { o.Port = 4999 },
		"no such file":   func(o *server.Options) { o.TLS.CertFile = "nowhere.pem" },
		"no key":         func(o *server.Options) { o.TLS.KeyFile = o.TLS.CertFile },
		"pin":            func(o *server.Options) { o.TLS.PinnedCerts = []string{"zz"} },
		"bad nkey":       func(o *server.Options) { o.Auth.Users = append(o.Auth.Users, &authn.User{Nkey: "UNOKEY"}) },
		"bad account":    func(o *server.Options) { o.Auth.Users[1].Account = "NONE" },
		"bad permission": func(o *server.Options) {
			o.Auth.Users[1].Permissions = &perm.Permissions{Publish: &perm.Subjects{Allow: []string{"a..b"}}}
		},
		"bad mapping": func(o *server.Options) {
			o.Mappings = []mapping.Rule{{Source: "a.*", Destinations: []mapping.Destination{{Subject: "b.$7", Weight: 100}}}}
		},
		"bad mapping of an account": func(o *server.Options) {
			o.Accounts[0].Mappings = []mapping.Rule{{Source: "a..", Destinations: []mapping.Destination{{Subject: "b", Weight: 100}}}}
		},
		"payload over pending": func(o *server.Options) { o.MaxPayload = 128 << 20 },
	} {
		next := testkit.Local(opts)
		// All of these would be seen if they were taken over.
		next.MaxPayload, next.MaxConn, next.Tags = 64, 1, []string{"new"}
		next.Auth.Users[0].Password = "other"
		next.Accounts[0].MaxPayload = 32
		bad(next)
		if err := s.ReloadOptions(next); err == nil {
			t.Errorf("%s: the reload succeeded", name)
		}
	}
	a.Send("PUB old 100\r\n%s\r\n", strings.Repeat("x", 100))
	a.Want("MSG old 1 100", strings.Repeat("x", 100))
	c := testkit.Join(t, s.Address(), as("a"))
	if size := c.Field("max_payload"); size != float64(1<<20) {
		t.Errorf("max_payload %v", size)
	}
	if after := s.Text(t, "/varz?fixed"); !strings.Contains(before, `"max_payload": 1048576`) || strings.Contains(after, `"new"`) {
		t.Errorf("monitoring shows the new configuration:\n%s", after)
	}
	if n := s.Log.Count("Reloaded"); n > 0 {
		t.Errorf("%d lines of log say that something was reloaded", n)
	}
}

func TestReloadOfCertificate(t *testing.T) {
	testkit.NothingLeft(t)
	ca := testkit.NewAuthority(t)
	opts := withTLS(&server.Options{HTTPHost: "127.0.0.1", HTTPSPort: -1}, ca.Issue("server"))
	opts.TLS.CAFile, opts.TLS.Verify = ca.File, true
	s := testkit.Start(t, opts)
	me := ca.Client(ca.Issue("client"))
	serial := func() int64 {
		c := testkit.Dial(t, s.Address())
		c.Secure(me)
		c.Login("")
		return c.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	// A browser or a scraper has no certificate of its own: monitoring does not
	// ask for one.
	webSerial := func() int64 {
		hc := http.Client{Transport: &http.Transport{TLSClientConfig: ca.Client(), DisableKeepAlives: true}, Timeout: testkit.Patience}
		res, err := hc.Get("https://" + s.MonitorAddr().String() + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		return res.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	old := testkit.Dial(t, s.Address())
	old.Secure(me)
	old.Login("")
	first, web := serial(), webSerial()
	if first != web {
		t.Errorf("certificate %d for clients, %d for monitoring", first, web)
	}
	ca.Issue("server") // the same files
	reload(t, s, opts, func(*server.Options) {})
	if second := serial(); second <= first {
		t.Errorf("certificate %d after the reload, %d before", second, first)
	}
	if second := webSerial(); second <= web {
		t.Errorf("monitoring: certificate %d after the reload, %d before", second, web)
	}
	old.Send("SUB a 1\r\nPUB a 2\r\nhi\r\n")
	old.Want("MSG a 1 2", "hi")

	// Half of a replacement is refused, and the server goes on with what it has.
	if err := os.WriteFile(filepath.Join(filepath.Dir(opts.TLS.CertFile), "server.pem"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	now := serial()
	if err := s.ReloadOptions(testkit.Local(opts)); err == nil {
		t.Error("a broken certificate was taken")
	}
	if serial() != now {
		t.Error("the certificate changed")
	}
}

func TestReloadOfAccounts(t *testing.T) {
	testkit.NothingLeft(t)
	opts := withUsers(withAccounts(&server.Options{}, "A", "B"), "a/A", "b/B", "g")
	s := testkit.Start(t, opts)
	a, b, g := testkit.Join(t, s.Address(), as("a")), testkit.Join(t, s.Address(), as("b")), testkit.Join(t, s.Address(), as("g"))
	for _, c := range []*testkit.Client{a, b, g} {
		c.Send("SUB > 1\r\n")
		c.Sync()
	}
	// B goes and C comes; A gets a mapping and a limit; g moves into A.
	opts = reload(t, s, opts, func(o *server.Options) {
		o.Accounts = []*config.Account{{Name: "A", MaxPayload: 100, MaxSubscriptions: 2, MaxConnections: 2, Mappings: []mapping.Rule{
			{Source: "old", Destinations: []mapping.Destination{{Subject: "new", Weight: 100}}},
		}}, {Name: "C"}}
		o.Auth.Users = []*authn.User{user("a/A"), user("c/C"), user("g/A")}
	})
	wantRest(t, b)
	g.Rest()
	c := testkit.Join(t, s.Address(), as("c"))
	c.Send("SUB > 1\r\n")
	c.Sync()
	a.Send("PUB old 1\r\n1\r\n")
	a.Want("MSG new 1 1", "1")
	a.Send("SUB x 2\r\nSUB y 3\r\n")
	a.Want("-ERR 'maximum subscriptions exceeded'")
	if got := c.Sync(); len(got) > 0 {
		t.Errorf("C heard %q of A", got)
	}
	g = testkit.Join(t, s.Address(), as("g"))
	g.Send("PUB new 1\r\n2\r\n")
	a.Want("MSG new 1 1", "2")
	third := testkit.Dial(t, s.Address())
	third.Send("CONNECT {%s,%s}\r\n", testkit.Plain, as("a"))
	wantRest(t, third, "-ERR 'maximum account active connections exceeded'")
	a.Send("PUB new 101\r\n")
	wantRest(t, a, "-ERR 'Maximum Payload Violation'")

	// And back: B is there again, empty.
	reload(t, s, opts, func(o *server.Options) {
		o.Accounts, o.Auth.Users = nil, nil
		withUsers(withAccounts(o, "A", "B"), "a/A", "b/B", "g")
	})
	wantRest(t, c)
	b = testkit.Join(t, s.Address(), as("b"))
	b.Send("PUB nobody answer 1\r\n1\r\nSUB answer 1\r\nPUB nobody answer 1\r\n2\r\n")
	b.Want("HMSG answer 1 38 38", "NATS/1.0 503", "Nats-Subject: nobody", "", "")
}

// TestReloadsUnderTraffic reloads while clients come, talk and go: nothing is
// lost, and the race detector looks on.
func TestReloadsUnderTraffic(t *testing.T) {
	testkit.NothingLeft(t)
	opts := withUsers(withAccounts(&server.Options{}, "A"), "a/A", "b")
	s := testkit.StartLogging(t, opts, 12)
	sub, pub := testkit.Join(t, s.Address(), as("a")), testkit.Join(t, s.Address(), as("a"))
	sub.Send("SUB n.* 1\r\n")
	sub.Sync()
	stop := make(chan struct{})
	var busy sync.WaitGroup
	busy.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			next := testkit.Local(opts)
			next.MaxPayload = int32(1<<20 + i%7)
			next.Trace = i%2 == 0
			next.Accounts[0].Mappings = []mapping.Rule{{Source: "m", Destinations: []mapping.Destination{{Subject: "n.m", Weight: 100}}}}
			if i%3 == 0 {
				next.Accounts = append(next.Accounts, &config.Account{Name: "T"})
				next.Auth.Users = append(next.Auth.Users, user("t/T"))
			}
			next.Auth.Users[0].Permissions = &perm.Permissions{Publish: &perm.Subjects{Deny: []string{"never"}}}
			if err := s.ReloadOptions(next); err != nil {
				t.Error(err)
				return
			}
		}
	})
	const rounds, each = 100, 20
	for range rounds {
		for range each {
			pub.Send("PUB n.a 1\r\n.\r\n")
		}
		for range each {
			sub.Want("MSG n.a 1 1", ".")
		}
		testkit.Join(t, s.Address(), as("b")).Close()
	}
	close(stop)
	busy.Wait()
	if got := sub.Sync(); len(got) > 0 {
		t.Errorf("more than was sent: %q", got)
	}
}

// TestLoginsDuringReload: a client that logs in while its user is being
// removed does not stay.
func TestLoginsDuringReload(t *testing.T) {
	testkit.NothingLeft(t)
	with := withUsers(&server.Options{}, "a", "b")
	// A check that takes a while, so that the reload comes in its middle.
	hash, err := bcrypt.GenerateFromPassword([]byte("a"), bcrypt.MinCost+3)
	if err != nil {
		t.Fatal(err)
	}
	with.Auth.Users[0].Password = string(hash)
	without := withUsers(&server.Options{}, "b")
	s := testkit.Start(t, with)
	for range 20 {
		const many = 10
		var dialed []*testkit.Client
		for range many {
			dialed = append(dialed, testkit.Dial(t, s.Address()))
		}
		var all sync.WaitGroup
		for _, c := range dialed {
			all.Go(func() { _ = c.TrySend([]byte("CONNECT {" + testkit.Plain + "," + as("a") + "}\r\nPING\r\n")) })
		}
		all.Go(func() { reload(t, s, without, func(*server.Options) {}) })
		all.Wait()
		for _, c := range dialed {
			c.Rest()
		}
		reload(t, s, with, func(*server.Options) {})
	}
}

// TestReloadOfAuthTimeout: those who connect from now on meet the new time-out.
func TestReloadOfAuthTimeout(t *testing.T) {
	testkit.NothingLeft(t)
	opts := withUsers(&server.Options{}, "a")
	opts.Auth.Timeout = time.Hour
	s := testkit.Start(t, opts)
	reload(t, s, opts, func(o *server.Options) { o.Auth.Timeout = 50 * time.Millisecond })
	wantRest(t, testkit.Dial(t, s.Address()), "-ERR 'Authentication Timeout'")
}

// TestReloadLowersMaxSubs: who has more subscriptions than a reload leaves its
// account goes; who has as many stays, which nats-server does not let it. The
// closed connection is remembered with all that it had.
func TestReloadLowersMaxSubs(t *testing.T) {
	testkit.NothingLeft(t)
	opts := withUsers(withAccounts(&server.Options{}, "A"), "a/A", "b/A")
	opts.HTTPPort = -1
	s := testkit.Start(t, opts)
	const many = 300
	a, b := testkit.Join(t, s.Address(), as("a")), testkit.Join(t, s.Address(), as("b"))
	for n := range many {
		a.Send("SUB x.%d %d\r\n", n, n)
	}
	b.Send("SUB x 1\r\nSUB y 2\r\n")
	a.Sync()
	b.Sync()
	reload(t, s, opts, func(o *server.Options) { o.Accounts = []*config.Account{{Name: "A", MaxSubscriptions: 2}} })
	wantRest(t, a, "-ERR 'maximum subscriptions exceeded'")
	b.Send("SUB z 3\r\n")
	b.Want("-ERR 'maximum subscriptions exceeded'")
	b.Send("UNSUB 1\r\nSUB z 3\r\n")
	b.Sync()

	var page struct {
		Connections []struct {
			Reason        string
			Subscriptions int
			List          []string `json:"subscriptions_list"`
		}
	}
	testkit.Eventually(t, "the closed connection is listed", func() bool {
		s.Page(t, "/connz?state=closed&subs=1", &page)
		return len(page.Connections) == 1
	})
	if c := page.Connections[0]; c.Reason != "Maximum Subscriptions Exceeded" || c.Subscriptions != many || len(c.List) != 256 {
		t.Errorf("closed for %q with %d subscriptions, %d listed", c.Reason, c.Subscriptions, len(c.List))
	}
}

package server_test

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"dunlin/internal/testkit"
	"dunlin/server"
)

// TestLameDuck: INFO is pushed to clients that understand it, nobody new comes
// in, those that are there go on talking through the grace period, and are then
// closed one by one.
func TestLameDuck(t *testing.T) {
	testkit.NothingLeft(t)
	const grace, over, many = 300 * time.Millisecond, 600 * time.Millisecond, 12
	s := testkit.Start(t, &server.Options{LameDuckGracePeriod: grace, LameDuckDuration: grace + over, HTTPHost: "127.0.0.1", HTTPPort: -1})
	var clients []*testkit.Client
	for range many {
		clients = append(clients, testkit.Join(t, s.Address(), ""))
	}
	silent := testkit.Join(t, s.Address(), `"protocol":0`)
	early := testkit.Dial(t, s.Address()) // has not even sent CONNECT
	inside, err := nats.Connect("", nats.InProcessServer(s), nats.NoReconnect())
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	addr := s.Address()
	done := make(chan struct{})
	start := time.Now()
	go func() { defer close(done); s.LameDuckShutdown() }()

	for _, c := range clients {
		c.ReadInfo()
		if c.Field("ldm") != true {
			t.Errorf("INFO without ldm: %s", c.Info)
		}
	}
	if !s.LameDuck() {
		t.Error("LameDuck is false")
	}
	if nc, err := net.Dial("tcp", addr); err == nil {
		t.Error("a new client was accepted")
		_ = nc.Close()
	}
	if _, err := s.InProcessConn(); err == nil {
		t.Error("a new client was accepted within the process")
	}
	if err := s.ReloadOptions(testkit.Local(nil)); err == nil {
		t.Error("a server in lame duck mode was reloaded")
	}
	early.Send("CONNECT {%s}\r\nPING\r\n", testkit.Plain)
	early.Want("PONG")
	early.ReadInfo()
	if early.Field("ldm") != true {
		t.Errorf("INFO without ldm for one that logs in late: %s", early.Info)
	}
	clients[0].Send("SUB still 1\r\n")
	clients[0].Sync()
	silent.Send("PUB still 5\r\nworks\r\n")
	clients[0].Want("MSG still 1 5", "works")
	if got := silent.Sync(); len(got) > 0 {
		t.Errorf("a client of protocol 0 was sent %q", got)
	}

	ends := timesOfEnd(t, clients, start)
	<-done
	first, last := ends[0], ends[0]
	for _, e := range ends {
		first, last = min(first, e), max(last, e)
	}
	// Between two clients lies at least half of an even step.
	if least := over / (many + 3) / 2 * (many - 4); first < grace || last-first < least {
		t.Errorf("closed from %v to %v after the beginning; the grace period is %v, the rest should take %v or more", first, last, grace, least)
	}
	if s.ReadyForConnections(0) || s.NumClients() > 0 {
		t.Error("the server is not at its end")
	}
	for _, line := range []string{"Entering lame duck mode, stop accepting new clients", "Closing existing clients", "Server Exiting.."} {
		if n := s.Log.Count(line); n != 1 {
			t.Errorf("%d lines of log say %q", n, line)
		}
	}
}

// timesOfEnd waits until every client is closed, without a word, and tells how
// long after start that was.
func timesOfEnd(t *testing.T, clients []*testkit.Client, start time.Time) []time.Duration {
	t.Helper()
	ends := make([]time.Duration, len(clients))
	var all sync.WaitGroup
	for i, c := range clients {
		all.Go(func() {
			if rest := c.Rest(); len(rest) > 0 {
				t.Errorf("last words %q", rest)
			}
			ends[i] = time.Since(start)
		})
	}
	all.Wait()
	return ends
}

// TestShutdownDuringLameDuck does not wait for the rest of it.
func TestShutdownDuringLameDuck(t *testing.T) {
	for name, opts := range map[string]*server.Options{
		"grace":   {LameDuckGracePeriod: time.Hour, LameDuckDuration: 2 * time.Hour},
		"closing": {LameDuckGracePeriod: time.Millisecond, LameDuckDuration: 2 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			testkit.NothingLeft(t)
			opts.HTTPHost, opts.HTTPPort = "127.0.0.1", -1
			s := testkit.Start(t, opts)
			clients := []*testkit.Client{}
			for range 3 {
				clients = append(clients, testkit.Join(t, s.Address(), ""))
			}
			done := make(chan struct{})
			go func() { defer close(done); s.LameDuckShutdown() }()
			if name == "grace" {
				clients[2].ReadInfo()
				if text := s.Fault(t, "/healthz"); !strings.Contains(text, "lame duck") {
					t.Errorf("health: %s", text)
				}
			} else {
				s.Log.Wait(t, "Closing existing clients")
				testkit.Eventually(t, "one is closed", func() bool { return s.NumClients() == 2 })
			}
			s.Shutdown()
			<-done
			for _, c := range clients {
				c.Rest()
			}
		})
	}
}

// TestLameDuckMovesOfficialClients: nats.go hears of it and moves to another
// server.
func TestLameDuckMovesOfficialClients(t *testing.T) {
	testkit.NothingLeft(t)
	old := testkit.Start(t, &server.Options{LameDuckGracePeriod: 50 * time.Millisecond, LameDuckDuration: 100 * time.Millisecond})
	other := testkit.Start(t, nil)
	heard := make(chan struct{})
	nc, err := nats.Connect(old.ClientURL()+","+other.ClientURL(), nats.DontRandomize(), nats.ReconnectWait(time.Millisecond),
		nats.LameDuckModeHandler(func(*nats.Conn) { close(heard) }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	sub, err := nc.SubscribeSync("a")
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	old.LameDuckShutdown()
	<-heard
	testkit.Eventually(t, "the client is at the other server", func() bool { return nc.ConnectedUrl() == other.ClientURL() })
	testkit.Join(t, other.Address(), "").Send("PUB a 2\r\nhi\r\n")
	testkit.Eventually(t, "the subscription has moved", func() bool {
		pub := testkit.Join(t, other.Address(), "")
		defer func() { _ = pub.Close() }()
		pub.Send("PUB a 2\r\nhi\r\n")
		pub.Sync()
		_, err := sub.NextMsg(100 * time.Millisecond)
		return err == nil
	})
}

package server_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"dunlin/internal/testkit"
	"dunlin/server"
	"github.com/nats-io/nats.go"
)

// TestTwoHundredServers starts and stops servers in one process, some at a
// time, each with clients in the middle of something.
func TestTwoHundredServers(t *testing.T) {
	testkit.NothingLeft(t)
	const all, together = 200, 10
	var ports []string
	for range all / together {
		var batch []*server.Server
		for range together {
			s, _ := testkit.New(t, &server.Options{HTTPHost: "127.0.0.1", HTTPPort: -1}, 0)
			if err := s.Start(); err != nil {
				t.Fatal(err)
			}
			batch = append(batch, s)
			ports = append(ports, s.Addr().String(), s.MonitorAddr().String())
			c := testkit.Join(t, s.Addr().String(), "")
			c.Send("SUB foo 1\r\nPUB foo 2\r\nhi\r\nPUB foo 100\r\nhalf a payl")
			c.Want("MSG foo 1 2", "hi")
			testkit.Dial(t, s.Addr().String()).Send("CONNECT {")
			if s.NumClients() != 2 {
				t.Fatalf("%d clients", s.NumClients())
			}
		}
		for _, s := range batch {
			s.Shutdown()
			if n := s.NumClients(); n != 0 {
				t.Fatalf("%d clients after Shutdown", n)
			}
			if s.Addr() != nil || s.MonitorAddr() != nil {
				t.Fatal("an address is left after Shutdown")
			}
		}
	}
	for _, p := range ports {
		if !testkit.PortFree(p) {
			t.Errorf("%s is still taken", p)
		}
	}
}

// TestStartFails takes one of the ports away and expects that nothing of the
// others is left.
func TestStartFails(t *testing.T) {
	for _, which := range []string{"client", "monitor", "profile"} {
		t.Run(which, func(t *testing.T) {
			testkit.NothingLeft(t)
			taken, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = taken.Close() }()
			port := taken.Addr().(*net.TCPAddr).Port
			opts := &server.Options{Host: "127.0.0.1", Port: -1, HTTPPort: -1, ProfPort: -1}
			switch which {
			case "client":
				opts.Port = port
			case "monitor":
				opts.HTTPPort = port
			default:
				opts.ProfPort = port
			}
			s, _ := testkit.New(t, opts, 0)
			err = s.Start()
			if err == nil || !strings.Contains(err.Error(), fmt.Sprint(port)) {
				t.Fatalf("Start: %v, want an error that names port %d", err, port)
			}
			if s.ReadyForConnections(0) {
				t.Error("ready, although it did not start")
			}
			if s.Addr() != nil || s.MonitorAddr() != nil || s.ProfileAddr() != nil {
				t.Error("something still listens")
			}
			s.WaitForShutdown() // it has been shut down: this returns
			if err := s.Start(); err == nil {
				t.Error("a second Start succeeded")
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	testkit.NothingLeft(t)
	for name, opts := range map[string]*server.Options{
		"port":    {Port: 70000},
		"payload": {MaxPayload: 1 << 30, MaxPending: 1 << 20},
		"advert":  {ClientAdvertise: "a:b:c"},
	} {
		if s, err := server.New(opts); err == nil || s != nil {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}

func TestShutdownByMany(t *testing.T) {
	testkit.NothingLeft(t)
	s := testkit.Start(t, nil)
	for range 20 {
		testkit.Join(t, s.Address(), "")
	}
	var all sync.WaitGroup
	for range 16 {
		all.Go(s.Shutdown)
		all.Go(s.WaitForShutdown)
		all.Go(s.LameDuckShutdown)
		all.Go(func() { s.ReadyForConnections(time.Millisecond) })
	}
	all.Wait()
	if n := s.NumClients(); n != 0 {
		t.Errorf("%d clients left", n)
	}
	s.Shutdown()
	if n := s.Log.Count("Server Exiting.."); n != 1 {
		t.Errorf("the server ended %d times", n)
	}
	if _, err := s.InProcessConn(); err == nil {
		t.Error("a connection to a server that is gone")
	}
	if err := s.ReloadOptions(testkit.Local(nil)); err == nil {
		t.Error("a server that is gone was reloaded")
	}
}

// TestShutdownDuringStart: whoever comes first, nothing is left.
func TestShutdownDuringStart(t *testing.T) {
	testkit.NothingLeft(t)
	for i := range 100 {
		opts := &server.Options{HTTPHost: "127.0.0.1", HTTPPort: -1, ProfPort: -1}
		opts.LameDuckDuration, opts.LameDuckGracePeriod = time.Millisecond, time.Microsecond
		if i%2 == 1 {
			opts.Cluster.Host, opts.Cluster.Port = "127.0.0.1", -1
		}
		s, _ := testkit.New(t, opts, 0)
		var both sync.WaitGroup
		both.Go(func() { _ = s.Start() })
		both.Go(s.Shutdown)
		if i%3 == 0 {
			both.Go(s.LameDuckShutdown)
		}
		both.Wait()
		s.WaitForShutdown()
		if s.Addr() != nil || s.MonitorAddr() != nil || s.ProfileAddr() != nil {
			t.Fatal("something still listens")
		}
	}
}

func TestShutdownWithoutStart(t *testing.T) {
	testkit.NothingLeft(t)
	s, log := testkit.New(t, nil, 0)
	if s.ReadyForConnections(5 * time.Millisecond) {
		t.Error("ready before Start")
	}
	if _, err := s.InProcessConn(); err == nil {
		t.Error("a connection before Start")
	}
	s.Shutdown()
	s.WaitForShutdown()
	if err := s.Start(); err == nil {
		t.Error("started after Shutdown")
	}
	if n := len(log.Lines()); n != 0 {
		t.Errorf("%d lines of log of a server that never ran", n)
	}
}

func TestReadyAndURL(t *testing.T) {
	testkit.NothingLeft(t)
	s, _ := testkit.New(t, nil, 0)
	ready := make(chan bool)
	go func() { ready <- s.ReadyForConnections(testkit.Patience) }()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	if !<-ready {
		t.Error("not ready")
	}
	if want := "nats://" + s.Addr().String(); s.ClientURL() != want {
		t.Errorf("URL %s, want %s", s.ClientURL(), want)
	}
	if err := s.Start(); err == nil {
		t.Error("a second Start succeeded")
	}
	everywhere := testkit.Start(t, &server.Options{Host: "0.0.0.0"})
	if u := everywhere.ClientURL(); !strings.HasPrefix(u, "nats://127.0.0.1:") {
		t.Errorf("URL %s of a server on every address", u)
	}
	nc, err := nats.Connect(everywhere.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

func TestInProcess(t *testing.T) {
	testkit.NothingLeft(t)
	pair := testkit.NewAuthority(t).Issue("server")
	for name, opts := range map[string]*server.Options{
		"listening":     {},
		"not listening": {DontListen: true},
		"tls outside":   withTLS(&server.Options{}, pair),
	} {
		t.Run(name, func(t *testing.T) {
			testkit.NothingLeft(t)
			s := testkit.Start(t, opts)
			if !s.ReadyForConnections(testkit.Patience) {
				t.Fatal("not ready")
			}
			if (s.Addr() == nil) != opts.DontListen {
				t.Errorf("address %v", s.Addr())
			}
			var ncs []*nats.Conn
			for range 2 {
				nc, err := nats.Connect("", nats.InProcessServer(s))
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				ncs = append(ncs, nc)
			}
			if _, err := ncs[0].Subscribe("echo", func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
				t.Fatal(err)
			}
			if err := ncs[0].Flush(); err != nil {
				t.Fatal(err)
			}
			large := make([]byte, 300_000)
			for i := range 200 {
				data := fmt.Appendf(nil, "message %d", i)
				if i%50 == 0 {
					data = large
				}
				m, err := ncs[1].Request("echo", data, testkit.Patience)
				if err != nil || len(m.Data) != len(data) {
					t.Fatalf("request %d: %v, %v", i, m, err)
				}
			}
			s.Shutdown()
			testkit.Eventually(t, "the client notices the shutdown", func() bool { return !ncs[0].IsConnected() })
		})
	}
}

// TestOptionsAreCopied: who made the server may go on using the options.
func TestOptionsAreCopied(t *testing.T) {
	opts := testkit.Local(&server.Options{ServerName: "first", Tags: []string{"a"}, HTTPHost: "127.0.0.1", HTTPPort: -1})
	s := testkit.Start(t, opts)
	opts.ServerName, opts.Tags[0], opts.MaxPayload = "second", "b", 1
	c := testkit.Join(t, s.Address(), "")
	if name, size := c.Field("server_name"), c.Field("max_payload"); name != "first" || size != float64(1<<20) {
		t.Errorf("INFO of %v with %v", name, size)
	}
	if text := s.Text(t, "/varz"); !strings.Contains(text, `"a"`) {
		t.Error("the tag has changed")
	}
}

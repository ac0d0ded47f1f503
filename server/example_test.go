package server_test

import (
	"fmt"
	"log"
	"time"

	"github.com/nats-io/nats.go"

	"dunlin/server"
)

// A server on any free port, and a client of the official library.
func Example() {
	s, err := server.New(&server.Options{Host: "127.0.0.1", Port: -1})
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Start(); err != nil {
		log.Fatal(err)
	}
	defer s.Shutdown()
	if !s.ReadyForConnections(5 * time.Second) {
		log.Fatal("the server does not accept clients")
	}
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	sub, err := nc.SubscribeSync("greetings")
	if err != nil {
		log.Fatal(err)
	}
	if err := nc.Publish("greetings", []byte("hello")); err != nil {
		log.Fatal(err)
	}
	m, err := sub.NextMsg(5 * time.Second)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(m.Data))
	// Output: hello
}

// A client in the same process needs no socket; with DontListen there is none.
func ExampleServer_InProcessConn() {
	s, err := server.New(&server.Options{DontListen: true})
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Start(); err != nil {
		log.Fatal(err)
	}
	defer s.Shutdown()
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		log.Fatal(err)
	}
	defer nc.Close()
	fmt.Println(nc.IsConnected(), s.Addr() == nil)
	// Output: true true
}

// A reload takes the whole of new options, or nothing of them.
func ExampleServer_ReloadOptions() {
	opts := &server.Options{Host: "127.0.0.1", Port: -1}
	s, err := server.New(opts)
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Start(); err != nil {
		log.Fatal(err)
	}
	defer s.Shutdown()
	next := opts.Clone()
	next.MaxPayload = 4096
	fmt.Println(s.ReloadOptions(next))
	next.Port = 4333
	fmt.Println(s.ReloadOptions(next))
	// Output:
	// <nil>
	// port cannot be changed while the server runs: restart it
}

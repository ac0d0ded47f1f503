// Command embed runs a Dunlin server inside a Go program: it starts one on a
// free port, lets two clients of the official library talk through it, one of
// them without a socket, and shuts it down.
package main

import (
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/nats-io/nats.go"

	"dunlin/server"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	// Port -1 is any free port; without it the server takes 4222. A field that
	// is not set has the default that the configuration file's key has.
	s, err := server.New(&server.Options{Host: "127.0.0.1", Port: -1})
	if err != nil {
		return err
	}
	if err := s.Start(); err != nil {
		return err
	}
	// Shutdown closes all connections and returns when nothing of the server is
	// left, no goroutine and no port. A program that only serves would now call
	// s.WaitForShutdown and leave Shutdown to its signal handler.
	defer s.Shutdown()
	if !s.ReadyForConnections(5 * time.Second) {
		return errors.New("the server does not accept connections")
	}
	fmt.Println("Server listens at", s.ClientURL())

	// A client of the same process needs no socket.
	service, err := nats.Connect("", nats.InProcessServer(s), nats.Name("service"))
	if err != nil {
		return fmt.Errorf("connecting within the process: %w", err)
	}
	defer service.Close()
	// Any other connects as to any server.
	client, err := nats.Connect(s.ClientURL(), nats.Name("client"))
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", s.ClientURL(), err)
	}
	defer client.Close()
	return talk(service, client)
}

func talk(service, client *nats.Conn) error {
	if _, err := service.Subscribe("greet.*", func(m *nats.Msg) {
		if err := m.Respond([]byte("Hello " + m.Subject[len("greet."):])); err != nil {
			log.Printf("answering %s: %v", m.Subject, err)
		}
	}); err != nil {
		return fmt.Errorf("subscribing to greet.*: %w", err)
	}
	if err := service.Flush(); err != nil {
		return fmt.Errorf("subscribing to greet.*: %w", err)
	}
	for _, name := range []string{"Ada", "Grace"} {
		answer, err := client.Request("greet."+name, nil, 2*time.Second)
		if err != nil {
			return fmt.Errorf("asking greet.%s: %w", name, err)
		}
		fmt.Println(string(answer.Data))
	}
	return nil
}

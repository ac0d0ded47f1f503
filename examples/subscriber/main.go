// Command subscriber prints every message that is published to the subject
// updates, until Ctrl-C.
//
// It connects to nats://127.0.0.1:4222, or to the URL that its argument or the
// environment variable NATS_URL names.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, serverURL()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, url string) error {
	closed := make(chan struct{})
	nc, err := nats.Connect(url,
		nats.Name("example subscriber"),
		nats.DrainTimeout(5*time.Second),
		nats.ClosedHandler(func(*nats.Conn) { close(closed) }),
	)
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", url, err)
	}
	defer nc.Close()
	log.Printf("Subscriber connected to %s", nc.ConnectedUrl())

	if _, err := nc.Subscribe("updates", func(m *nats.Msg) {
		log.Printf("Received message: %s on subject %s", m.Data, m.Subject)
	}); err != nil {
		return fmt.Errorf("subscribing to updates: %w", err)
	}
	// The server has the subscription once it has answered what came after it.
	if err := nc.Flush(); err != nil {
		return fmt.Errorf("subscribing to updates: %w", err)
	}
	log.Print("Waiting for messages on updates")

	select {
	case <-ctx.Done():
	case <-closed:
		return fmt.Errorf("connection closed: %w", nc.LastError())
	}
	// Drain takes the subscription back, handles what had already arrived, and
	// closes the connection.
	if err := nc.Drain(); err != nil {
		return fmt.Errorf("draining: %w", err)
	}
	<-closed
	return nil
}

func serverURL() string {
	if len(os.Args) > 1 {
		return os.Args[1]
	}
	if url := os.Getenv("NATS_URL"); url != "" {
		return url
	}
	return nats.DefaultURL
}

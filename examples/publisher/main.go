// Command publisher sends "Hello NATS #0", "Hello NATS #1", … to the subject
// updates, one every 500 milliseconds, until Ctrl-C.
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
	nc, err := nats.Connect(url, nats.Name("example publisher"))
	if err != nil {
		return fmt.Errorf("connecting to %s: %w", url, err)
	}
	defer nc.Close()
	log.Printf("Publisher connected to %s", nc.ConnectedUrl())

	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		message := fmt.Sprintf("Hello NATS #%d", n)
		// Publish only hands the message to the client's buffer. An error here
		// means that this connection will not send any more.
		if err := nc.Publish("updates", []byte(message)); err != nil {
			return fmt.Errorf("publishing %q: %w", message, err)
		}
		log.Printf("Published: %s", message)
		select {
		case <-tick.C:
		case <-ctx.Done():
			// What is still buffered goes out before the connection closes.
			return nc.Flush()
		}
	}
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

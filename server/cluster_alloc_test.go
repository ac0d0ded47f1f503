//go:build !race

package server_test

import (
	"log/slog"
	"strings"
	"testing"

	"dunlin/internal/testkit"
)

// TestNoAllocationPerRoutedMessage counts the allocations of two servers and
// the route between them.
func TestNoAllocationPerRoutedMessage(t *testing.T) {
	const msgs = 200_000
	body := strings.Repeat("x", 128)
	for _, c := range []struct{ name, subscribe, send, deliver string }{
		{"plain", "SUB hot 1\r\n", "PUB hot 128\r\n" + body + "\r\n", "MSG hot 1 128\r\n" + body + "\r\n"},
		{"reply", "SUB hot 1\r\n", "PUB hot answer.here 128\r\n" + body + "\r\n", "MSG hot 1 answer.here 128\r\n" + body + "\r\n"},
		{"header", "SUB hot 1\r\n", "HPUB hot 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", "HMSG hot 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"},
		{"queue", "SUB hot q 1\r\n", "PUB hot 128\r\n" + body + "\r\n", "MSG hot 1 128\r\n" + body + "\r\n"},
		{"queue and reply", "SUB hot q 1\r\n", "PUB hot r 128\r\n" + body + "\r\n", "MSG hot 1 r 128\r\n" + body + "\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := formLogging(t, 2, slog.LevelError, nil)
			n.settled(t, defaultRoutes)
			sub := testkit.Join(t, n[1].Address(), "")
			sub.Send("%s", c.subscribe)
			sub.Sync()
			knows(t, n[0], 1)
			f := newFlow(t, testkit.Join(t, n[0].Address(), ""), []*testkit.Client{sub}, c.send, c.deliver)
			f.run(msgs / 10)
			got := f.run(msgs)
			t.Logf("%.5f allocations a message", got)
			if got > 0.01 {
				t.Errorf("%.4f allocations a message", got)
			}
		})
	}
}

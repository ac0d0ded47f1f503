//go:build !race

package server_test

import (
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"dunlin/internal/core/perm"
	"dunlin/internal/testkit"
	"dunlin/server"
)

// TestNoAllocationPerMessage sends 200,000 messages through the whole server,
// sockets included, and counts the allocations of the process. The two ends
// write buffers made before and read into one buffer, so they have none.
func TestNoAllocationPerMessage(t *testing.T) {
	const msgs = 200_000
	body := strings.Repeat("x", 128)
	users := func(p *perm.Permissions) *server.Options {
		o := withUsers(&server.Options{}, "a")
		o.Auth.Users[0].Permissions = p
		return o
	}
	one := "PUB hot 128\r\n" + body + "\r\n"
	for _, c := range []struct {
		name      string
		opts      *server.Options
		login     string
		subscribe string
		many      int // subscribers
		send      string
		deliver   string
	}{
		{"publish only", nil, "", "SUB other 1\r\n", 1, one, ""},
		{"1 to 1", nil, "", "SUB hot 1\r\n", 1, one, "MSG hot 1 128\r\n" + body + "\r\n"},
		{"1 to 10", nil, "", "SUB hot 1\r\n", 10, one, "MSG hot 1 128\r\n" + body + "\r\n"},
		{"wildcard", nil, "", "SUB h*.> 1\r\nSUB *.x 2\r\n", 1, "PUB a.x 128\r\n" + body + "\r\n", "MSG a.x 2 128\r\n" + body + "\r\n"},
		{"queue of one", nil, "", "SUB hot q 1\r\n", 1, one, "MSG hot 1 128\r\n" + body + "\r\n"},
		{"header", nil, "", "SUB hot 1\r\n", 1, "HPUB hot 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", "HMSG hot 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"},
		{"16 KiB", nil, "", "SUB hot 1\r\n", 1, "PUB hot 16384\r\n" + strings.Repeat(body, 128) + "\r\n", "MSG hot 1 16384\r\n" + strings.Repeat(body, 128) + "\r\n"},
		{"permissions", users(&perm.Permissions{
			Publish: &perm.Subjects{Allow: []string{"hot", "warm.>"}, Deny: []string{"cold"}}, Subscribe: &perm.Subjects{Allow: []string{">"}, Deny: []string{"secret.*"}},
		}), as("a"), "SUB > 1\r\n", 1, one, "MSG hot 1 128\r\n" + body + "\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := testkit.StartLogging(t, c.opts, slog.LevelError)
			pub := testkit.Join(t, s.Address(), c.login)
			var subs []*testkit.Client
			for range c.many {
				sub := testkit.Join(t, s.Address(), c.login)
				sub.Send("%s", c.subscribe)
				sub.Sync()
				subs = append(subs, sub)
			}
			count := msgs
			if len(c.send) > 1000 {
				count /= 10
			}
			f := newFlow(t, pub, subs, c.send, c.deliver)
			f.run(count / 10) // warm: pools and caches are full then
			got := f.run(count)
			t.Logf("%.5f allocations a message", got)
			if got > 0.01 {
				t.Errorf("%.4f allocations a message", got)
			}
		})
	}
}

// TestNoAllocationPerRequest: one request at a time, answered by another
// client.
func TestNoAllocationPerRequest(t *testing.T) {
	s := testkit.StartLogging(t, nil, slog.LevelError)
	asks, answers := testkit.Join(t, s.Address(), ""), testkit.Join(t, s.Address(), "")
	answers.Send("SUB service 1\r\n")
	answers.Sync()
	asks.Send("SUB inbox.* 1\r\n")
	asks.Sync()
	const rounds = 20_000
	question, answer := []byte("PUB service inbox.7 5\r\nhello\r\n"), []byte("PUB inbox.7 5\r\nworld\r\n")
	done := make(chan error, 1)
	go func() {
		buf := make([]byte, len("MSG service 1 inbox.7 5\r\nhello\r\n"))
		for range rounds + rounds/10 {
			if _, err := readFull(answers.Conn, buf); err != nil {
				done <- err
				return
			}
			if _, err := answers.Write(answer); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	buf := make([]byte, len("MSG inbox.7 1 5\r\nworld\r\n"))
	for _, c := range []*testkit.Client{asks, answers} {
		if err := c.SetDeadline(time.Now().Add(3 * testkit.Patience)); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(n int) {
		for range n {
			if _, err := asks.Write(question); err != nil {
				t.Fatal(err)
			}
			if _, err := readFull(asks.Conn, buf); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask(rounds / 10)
	got := mallocs(func() { ask(rounds) }) / rounds
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got > 0.01 {
		t.Errorf("%.4f allocations a round trip", got)
	}
}

func mallocs(what func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	what()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs)
}

func readFull(c net.Conn, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = c.Read(p[n:])
		n += m
	}
	return n, err
}

// flow is a publisher and its subscribers, who count bytes and keep nothing.
type flow struct {
	t       *testing.T
	pub     *testkit.Client
	subs    []*testkit.Client
	batch   []byte // of so many messages
	per     int
	deliver int // bytes of a delivery
	ready   []chan int
	done    chan error
}

func newFlow(t *testing.T, pub *testkit.Client, subs []*testkit.Client, send, deliver string) *flow {
	f := &flow{t: t, pub: pub, subs: subs, deliver: len(deliver), done: make(chan error, len(subs))}
	f.per = max(1, 64<<10/len(send))
	f.batch = []byte(strings.Repeat(send, f.per))
	for _, sub := range subs {
		ready := make(chan int, 1)
		f.ready = append(f.ready, ready)
		go f.read(sub, ready)
		t.Cleanup(func() { close(ready) })
	}
	return f
}

func (f *flow) read(sub *testkit.Client, ready chan int) {
	buf := make([]byte, 256<<10)
	for left := range ready {
		var err error
		for left > 0 && err == nil {
			var n int
			if n, err = sub.Read(buf); n > left {
				err = fmt.Errorf("%d bytes too many", n-left)
			}
			left -= n
		}
		f.done <- err
	}
}

// run sends at least n messages and returns the allocations for each.
func (f *flow) run(n int) float64 {
	f.t.Helper()
	batches := (n + f.per - 1) / f.per
	deadline := time.Now().Add(3 * testkit.Patience)
	for _, c := range append([]*testkit.Client{f.pub}, f.subs...) {
		if err := c.SetDeadline(deadline); err != nil {
			f.t.Fatal(err)
		}
	}
	pong := make([]byte, len("PONG\r\n"))
	ping := []byte("PING\r\n")
	const window = 8 // batches on their way; a slow reader is not the point here
	got := mallocs(func() {
		for batches > 0 {
			now := min(batches, window)
			batches -= now
			for _, r := range f.ready {
				r <- now * f.per * f.deliver
			}
			for range now {
				if _, err := f.pub.Write(f.batch); err != nil {
					f.t.Fatal(err)
				}
			}
			if _, err := f.pub.Write(ping); err != nil {
				f.t.Fatal(err)
			}
			if _, err := readFull(f.pub.Conn, pong); err != nil || string(pong) != "PONG\r\n" {
				f.t.Fatalf("%q %v", pong, err)
			}
			for range f.ready {
				if err := <-f.done; err != nil {
					f.t.Fatal(err)
				}
			}
		}
	})
	return got / float64((n+f.per-1)/f.per*f.per)
}

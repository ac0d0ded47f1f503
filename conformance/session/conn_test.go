//go:build linux

package session

import (
	"net"
	"strings"
	"testing"
	"time"

	"dunlin/conformance/transcript"
)

// pair is a connection as steps see it, and the other end as a server has it.
func pair(t *testing.T, answers bool) (*conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := &conn{name: "A", socket: socket, stream: socket, answers: answers, change: make(chan struct{}, 1), done: make(chan struct{})}
	c.startReading()
	t.Cleanup(func() {
		c.end()
		_ = server.Close()
	})
	return c, server
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func lines(events []transcript.Event) string {
	return strings.Join(transcript.NewNormaliser(nil).Render(events), "\n")
}

func TestTakeStopsAtTheEvent(t *testing.T) {
	c, server := pair(t, true)
	write(t, server, "+OK\r\nPONG\r\nMSG a 1 1\r\nx\r\n")
	events, ok := c.take(5*time.Second, isPong)
	if !ok || lines(events) != "+OK\nPONG" {
		t.Errorf("first: %v %q", ok, lines(events))
	}
	events, ok = c.take(5*time.Second, transcript.Event.IsMsg)
	if !ok || lines(events) != `MSG a 1 1 "x"` {
		t.Errorf("second: %v %q", ok, lines(events))
	}
	write(t, server, "-ERR 'x'\r\n")
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	events, ok = c.take(5*time.Second, transcript.Event.IsClosed)
	if !ok || lines(events) != "-ERR 'x'\n<closed>" {
		t.Errorf("close: %v %q", ok, lines(events))
	}
	if events, ok = c.take(time.Millisecond, isPong); ok || len(events) != 0 {
		t.Errorf("nothing more: %v %q", ok, lines(events))
	}
}

func TestServerPingsAreAnswered(t *testing.T) {
	c, server := pair(t, true)
	write(t, server, "PING\r\nPONG\r\n")
	answer := make([]byte, 6)
	if _, err := server.Read(answer); err != nil || string(answer) != "PONG\r\n" {
		t.Errorf("answer %q, %v", answer, err)
	}
	if events, _ := c.take(5*time.Second, isPong); lines(events) != "PONG" {
		t.Errorf("a PING shows: %q", lines(events))
	}
}

func TestServerPingsAreShownWhenAsked(t *testing.T) {
	c, server := pair(t, false)
	write(t, server, "PING\r\n")
	if events, ok := c.take(5*time.Second, func(e transcript.Event) bool { return e.Line == "PING" }); !ok {
		t.Errorf("got %q", lines(events))
	}
}

func TestPauseStopsReading(t *testing.T) {
	c, server := pair(t, true)
	write(t, server, "PONG\r\n")
	if _, ok := c.take(5*time.Second, isPong); !ok {
		t.Fatal("no PONG")
	}
	c.pause()
	_ = server.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	chunk := []byte("MSG a 1 65536\r\n" + strings.Repeat("x", 65536) + "\r\n")
	var err error
	for range 2000 { // more than the kernel takes
		if _, err = server.Write(chunk); err != nil {
			break
		}
	}
	if err == nil {
		t.Fatal("a paused connection took 128 MiB")
	}
	c.resume()
	_ = server.Close()
	events, ok := c.take(5*time.Second, transcript.Event.IsClosed)
	if !ok || lines(events) != "<closed>" {
		t.Errorf("after resume deliveries must be dropped: %q", lines(events))
	}
}

func TestUntilReadWaitsForThePeer(t *testing.T) {
	c, server := pair(t, true)
	c.send([]byte("hello"))
	began := time.Now()
	untilRead(c.socket, 100*time.Millisecond)
	if time.Since(began) < 100*time.Millisecond && tableForm(c.socket.LocalAddr()) != "" {
		t.Error("did not wait although the peer read nothing")
	}
	if _, err := server.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	untilRead(c.socket, 10*time.Second)
	if time.Since(began) > 5*time.Second {
		t.Error("waited although the peer has read everything")
	}
}

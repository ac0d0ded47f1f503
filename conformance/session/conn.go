package session

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"dunlin/conformance/transcript"
)

// conn is one connection to the server. Its reader goroutine appends to
// events; steps take from them.
type conn struct {
	name    string
	socket  net.Conn // the TCP connection
	stream  net.Conn // the same, or TLS over it
	opened  time.Time
	answers bool // PINGs of the server are answered and left out

	client uint64 // id the server gave, 0 if unknown
	nonce  string // of the INFO

	write   sync.Mutex // the reader answers PINGs
	midline bool       // what was sent last is not the end of a line
	owed    int        // PONGs held back until it is

	mu      sync.Mutex
	events  []transcript.Event
	dropMsg bool
	change  chan struct{} // has a token after each change of events

	hold    sync.Mutex // held while reading is paused
	paused  bool
	done    chan struct{} // closed when the reader has ended
	started bool
}

const writeWithin = 10 * time.Second

func (c *conn) send(data []byte) {
	c.write.Lock()
	defer c.write.Unlock()
	// A server that closed the connection makes writes fail; that shows in
	// what is read.
	_ = c.stream.SetWriteDeadline(time.Now().Add(writeWithin))
	_, _ = c.stream.Write(data)
	c.midline = !bytes.HasSuffix(data, []byte("\n"))
	if !c.midline && c.owed > 0 {
		_, _ = c.stream.Write(bytes.Repeat(pong, c.owed))
		c.owed = 0
	}
}

var pong = []byte("PONG\r\n")

// answer sends a PONG, but never into the middle of what the script sends.
func (c *conn) answer() {
	c.write.Lock()
	held := c.midline
	if held {
		c.owed++
	}
	c.write.Unlock()
	if !held {
		c.send(pong)
	}
}

func (c *conn) push(e transcript.Event) {
	c.mu.Lock()
	// A delivery that a close cut off depends on the sizes of kernel buffers.
	if !c.dropMsg || !e.IsMsg() && !(e.Raw && strings.HasPrefix(e.Line, "MSG ")) {
		c.events = append(c.events, e)
	}
	c.mu.Unlock()
	select {
	case c.change <- struct{}{}:
	default:
	}
}

// read runs until the stream ends.
func (c *conn) read() {
	defer close(c.done)
	br := bufio.NewReaderSize(pausable{c}, 64<<10)
	for {
		e, err := transcript.Read(br)
		if err != nil {
			c.push(transcript.Closed())
			return
		}
		if c.answers && e.Line == "PING" {
			c.answer()
			continue
		}
		if systemLine.MatchString(e.Line) {
			continue
		}
		c.learn(e)
		c.push(e)
	}
}

func (c *conn) startReading() {
	c.started = true
	go c.read()
}

// pausable reads the stream, but not while the connection is paused.
type pausable struct{ c *conn }

func (p pausable) Read(b []byte) (int, error) {
	for {
		p.c.hold.Lock()
		//lint:ignore SA2001 an empty critical section waits for the end of a pause
		p.c.hold.Unlock()
		n, err := p.c.stream.Read(b)
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			continue
		}
		return n, err
	}
}

// pause makes the reader leave the socket alone. Only called when nothing is
// expected, so that no TLS record is cut.
func (c *conn) pause() {
	if !c.paused {
		c.paused = true
		c.hold.Lock()
		_ = c.socket.SetReadDeadline(time.Now())
	}
}

func (c *conn) resume() {
	c.mu.Lock()
	c.dropMsg = true
	c.mu.Unlock()
	c.unpause()
}

func (c *conn) unpause() {
	if c.paused {
		c.paused = false
		_ = c.socket.SetReadDeadline(time.Time{})
		c.hold.Unlock()
	}
}

// end closes from our side and waits for the reader.
func (c *conn) end() {
	_ = c.socket.Close()
	c.unpause()
	if c.started {
		<-c.done
	}
}

// take removes events up to and including the first for which stop is true.
// Without one by the deadline it removes all, and reports false.
func (c *conn) take(within time.Duration, stop func(transcript.Event) bool) ([]transcript.Event, bool) {
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	seen := 0
	for {
		c.mu.Lock()
		for ; seen < len(c.events); seen++ {
			if stop(c.events[seen]) {
				taken := c.events[: seen+1 : seen+1]
				c.events = c.events[seen+1:]
				c.mu.Unlock()
				return taken, true
			}
		}
		c.mu.Unlock()
		select {
		case <-c.change:
		case <-deadline.C:
			c.mu.Lock()
			defer c.mu.Unlock()
			taken := c.events
			c.events = nil
			return taken, false
		}
	}
}

// learn remembers what later steps need of an INFO.
func (c *conn) learn(e transcript.Event) {
	if e.Op() != "INFO" {
		return
	}
	var info struct {
		ClientID uint64 `json:"client_id"`
		Nonce    string `json:"nonce"`
	}
	// What is no JSON shows in the transcript.
	if json.Unmarshal([]byte(strings.TrimPrefix(e.Line, "INFO ")), &info) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if info.ClientID != 0 {
		c.client = info.ClientID
	}
	if info.Nonce != "" {
		c.nonce = info.Nonce
	}
}

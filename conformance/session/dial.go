package session

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"dunlin/conformance/script"
	"dunlin/conformance/transcript"
)

// infoMax bounds the first line of a server.
const infoMax = 1 << 20

// open dials and takes what comes first. The events are what the script sees
// of it: the INFO, or a refusal.
func (r *run) open(s script.Step, name string) (*conn, []transcript.Event) {
	c := r.newConn(s, name)
	socket, err := r.dial(s)
	if err != nil {
		return c, []transcript.Event{{Note: "connect refused"}}
	}
	c.socket, c.stream, c.opened = socket, socket, time.Now()
	r.conns[name] = c
	if prefix := s.Options["prefix"]; prefix != "" {
		c.send([]byte(prefix))
	}
	if s.Has("raw") {
		c.startReading()
		return c, nil
	}
	var events []transcript.Event
	first := transcript.Event{}
	if !s.Has("tlsfirst") {
		if first = r.firstLine(c); first.Op() != "INFO" {
			return c, r.rest(c, first)
		}
		events = append(events, first)
	}
	if s.Has("tls") || s.Has("tlsfirst") {
		if err := r.upgrade(s, c); err != nil {
			_ = c.socket.Close()
			c.push(transcript.Closed())
			return c, append(events, transcript.Event{Note: "tls handshake failed"})
		}
	}
	if s.Has("tlsfirst") {
		if first = r.firstLine(c); first.Op() != "INFO" {
			return c, append(events, r.rest(c, first)...)
		}
		events = append(events, first)
	}
	if !s.Has("bare") { // else the caller begins, when it has changed the stream
		c.startReading()
	}
	return c, events
}

// newConn takes the place of a connection of the same name.
func (r *run) newConn(s script.Step, name string) *conn {
	if old := r.conns[name]; old != nil {
		old.end()
	}
	delete(r.conns, name)
	return &conn{name: name, answers: !s.Has("nopong"), change: make(chan struct{}, 1), done: make(chan struct{})}
}

// rest takes all up to the close after a first line that is no INFO.
func (r *run) rest(c *conn, first transcript.Event) []transcript.Event {
	events := []transcript.Event{first}
	if first.IsClosed() {
		c.push(first)
		return events
	}
	if first.Note != "" {
		c.startReading()
		return events
	}
	c.startReading()
	more, _ := c.take(r.patience, transcript.Event.IsClosed)
	c.push(transcript.Closed())
	return append(events, more...)
}

func (r *run) dial(s script.Step) (net.Conn, error) {
	d := net.Dialer{Timeout: r.patience}
	if size, err := strconv.Atoi(s.Options["rcvbuf"]); err == nil {
		d.Control = func(_, _ string, raw syscall.RawConn) error { return receiveBuffer(raw, size) }
	}
	// The health page may say ok a moment before the client port is open.
	var socket net.Conn
	var err error
	at := "port"
	if s.Has("at") {
		at = s.Options["at"]
	}
	r.poll(func() bool {
		socket, err = d.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", r.ports[at]))
		return !errors.Is(err, syscall.ECONNREFUSED)
	})
	return socket, err
}

// firstLine reads byte by byte, because a TLS handshake may follow the line.
func (r *run) firstLine(c *conn) transcript.Event {
	_ = c.stream.SetReadDeadline(time.Now().Add(r.patience))
	defer func() { _ = c.stream.SetReadDeadline(time.Time{}) }()
	var line []byte
	b := make([]byte, 1)
	for len(line) < infoMax {
		if _, err := c.stream.Read(b); err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				r.patience = afterTimeout
				return transcript.Event{Note: "gave up waiting for INFO"}
			}
			if len(line) > 0 {
				c.push(transcript.Closed())
				return transcript.Event{Line: string(line), Raw: true}
			}
			return transcript.Closed()
		}
		if b[0] == '\n' {
			break
		}
		line = append(line, b[0])
	}
	for len(line) > 0 && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	e := transcript.Event{Line: string(line)}
	c.learn(e)
	return e
}

var curves = map[string]tls.CurveID{"P256": tls.CurveP256, "P384": tls.CurveP384, "P521": tls.CurveP521, "X25519": tls.X25519}

func (r *run) upgrade(s script.Step, c *conn) error {
	conf := &tls.Config{RootCAs: r.env.PKI.Pool, ServerName: "127.0.0.1", InsecureSkipVerify: s.Has("noverify"), MinVersion: tls.VersionTLS12}
	switch s.Options["maxtls"] {
	case "1.2":
		conf.MaxVersion = tls.VersionTLS12
	case "1.1":
		conf.MinVersion, conf.MaxVersion = tls.VersionTLS11, tls.VersionTLS11
	}
	if name := s.Options["cert"]; name != "" {
		pair, err := r.env.PKI.Pair(name)
		if err != nil {
			r.fail(s, "%w", err)
			return err
		}
		// The server names its authorities; Go would then hold back a
		// certificate of another one, and there would be nothing to refuse.
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	if id, ok := curves[s.Options["curve"]]; ok {
		conf.CurvePreferences = []tls.CurveID{id}
	}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if suite.Name == s.Options["suite"] {
			conf.CipherSuites = []uint16{suite.ID}
		}
	}
	t := tls.Client(c.socket, conf)
	_ = t.SetDeadline(time.Now().Add(r.patience))
	defer func() { _ = t.SetDeadline(time.Time{}) }()
	if err := t.Handshake(); err != nil {
		return err
	}
	c.stream = t
	return nil
}

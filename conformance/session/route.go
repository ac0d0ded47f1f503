package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"

	"dunlin/conformance/script"
	"dunlin/conformance/transcript"
)

// systemLine is what a server sends for its own services in the system account.
// Which of them there are is not a matter of the route protocol. Neither is that
// nats-server takes the API of streams back from an account that has none.
var systemLine = regexp.MustCompile(`^RS- \S+ \$JS\.API\.>$|^(?:RS[+-]|[LR]S[+-] \S+|RMSG|HMSG|LMSG(?: \S+)?) \$SYS(?:[. ]|$)`)

// listen opens the port at which the script plays a server that is dialed, if
// its configuration speaks of it.
func (r *run) listen() error {
	if !strings.Contains(r.script.Config, "@peer@") {
		return nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", r.values["peer"]))
	if err != nil {
		return fmt.Errorf("listen for routes: %w", err)
	}
	r.listener = l
	return nil
}

// peer dials the route port and speaks first as a server does.
func (r *run) peer(s script.Step) {
	for _, name := range s.Conns {
		s.Options["at"], s.Options["bare"] = "cluster", ""
		c, events := r.open(s, name)
		if r.failed != nil {
			return
		}
		if len(events) == 0 || events[len(events)-1].Op() != "INFO" {
			r.record(c, events)
			continue
		}
		if s.Has("show") {
			r.record(c, events)
		}
		r.greet(s, c)
	}
}

// accept takes a connection that the server dialed.
func (r *run) accept(s script.Step) {
	if r.listener == nil {
		r.fail(s, "the configuration has no route to @peer@")
		return
	}
	for _, name := range s.Conns {
		c := r.newConn(s, name)
		if l, ok := r.listener.(*net.TCPListener); ok {
			_ = l.SetDeadline(time.Now().Add(r.patience))
		}
		socket, err := r.listener.Accept()
		if err != nil {
			r.timedOut(c, "a connection of the server")
			continue
		}
		c.socket, c.stream, c.opened = socket, socket, time.Now()
		r.conns[name] = c
		if s.Has("mute") {
			c.startReading()
			continue
		}
		info, err := r.routeInfo(s, c)
		if err != nil {
			r.fail(s, "%w", err)
			return
		}
		c.send([]byte(info))
		c.startReading()
	}
}

// greet sends CONNECT, INFO and PING, and takes what comes up to the PONG. With
// option s2 all after the INFO is compressed, both ways.
func (r *run) greet(s script.Step, c *conn) {
	connect, err := r.routeConnect(s, c)
	if err != nil {
		r.fail(s, "%w", err)
		return
	}
	info, err := r.routeInfo(s, c)
	if err != nil {
		r.fail(s, "%w", err)
		return
	}
	c.send([]byte(connect + info))
	var before []transcript.Event
	if s.Has("s2") {
		c.stream = newS2(c.socket)
		c.startReading()
		// Only when the server has switched may compressed bytes follow.
		before, _ = c.take(r.patience, func(e transcript.Event) bool { return e.Op() == "INFO" || e.IsClosed() })
		c.send([]byte(info))
	} else {
		c.startReading()
	}
	c.send([]byte("PING\r\n"))
	events, ok := r.untilPong(c)
	events = append(before, events...)
	if s.Has("show") || !ok {
		r.record(c, events)
		return
	}
	if slices.ContainsFunc(events, func(e transcript.Event) bool { return e.Raw || e.Op() == "-ERR" }) {
		r.record(c, events)
	}
}

// peerName is the server that a connection plays; several connections may play one.
func peerName(s script.Step, c *conn) string {
	if name := s.Options["name"]; name != "" {
		return name
	}
	return c.name
}

// peerID is the id of a server played by the script: plainly not a real one.
func peerID(name string) string { return "NPEER" + strings.ToUpper(name) }

func peerCluster(s script.Step) string {
	if s.Has("cluster") {
		return s.Options["cluster"]
	}
	return "C"
}

func (r *run) routeConnect(s script.Step, c *conn) (string, error) {
	fields := map[string]any{
		"echo": true, "verbose": false, "pedantic": false, "tls_required": s.Has("tlsfirst"), "headers": true,
		"name": peerID(peerName(s, c)), "cluster": peerCluster(s), "lnoc": true, "ln": true,
	}
	if s.Has("user") {
		fields["user"], fields["pass"] = s.Options["user"], s.Options["pass"]
	}
	if s.Has("dynamic") {
		fields["cluster_dynamic"] = true
	}
	text, err := json.Marshal(fields)
	return "CONNECT " + string(text) + "\r\n", err
}

func (r *run) routeInfo(s script.Step, c *conn) (string, error) {
	name := peerName(s, c)
	fields := map[string]any{
		"server_id": peerID(name), "server_name": name, "version": "2.15.2", "proto": 3, "go": "go1.26", "host": "127.0.0.1", "port": 4,
		"headers": true, "max_payload": 1 << 20, "cluster": peerCluster(s), "lnoc": true, "lnocu": true, "ln": true,
	}
	var wrong error
	number := func(option, field string) {
		if s.Has(option) {
			n, err := strconv.Atoi(s.Options[option])
			wrong = errors.Join(wrong, err)
			fields[field] = n
		}
	}
	number("pool", "route_pool_size")
	number("idx", "route_pool_idx")
	for option, field := range map[string]string{"account": "route_account", "compression": "compression", "ip": "ip"} {
		if s.Has(option) {
			fields[field] = s.Options[option]
		}
	}
	if s.Has("dynamic") {
		fields["cluster_dynamic"] = true
	}
	if urls := list(s.Options["urls"]); len(urls) > 0 {
		fields["connect_urls"] = urls
	}
	if s.JSON != "" {
		text, err := r.expand(s.JSON)
		wrong = errors.Join(wrong, err, json.Unmarshal([]byte(text), &fields))
	}
	text, err := json.Marshal(fields)
	if err := errors.Join(wrong, err); err != nil {
		return "", fmt.Errorf("fields of INFO: %w", err)
	}
	return "INFO " + string(text) + "\r\n", nil
}

// s2Conn is a connection whose bytes are S2 streams, flushed with every write.
type s2Conn struct {
	net.Conn
	r *s2.Reader
	w *s2.Writer
}

func newS2(c net.Conn) net.Conn {
	return &s2Conn{Conn: c, r: s2.NewReader(c, s2.ReaderMaxBlockSize(4<<20)), w: s2.NewWriter(c, s2.WriterConcurrency(1))}
}

func (c *s2Conn) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("S2: %w", err)
	}
	return n, err
}

func (c *s2Conn) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if err == nil {
		err = c.w.Flush()
	}
	return n, err
}

// logged waits for a line of the server's log, and notes what the expression
// holds of the last one that matches.
func (r *run) logged(s script.Step) {
	pattern, err := regexp.Compile("(?m)" + s.Words[0])
	if err != nil {
		r.fail(s, "%w", err)
		return
	}
	var found []string
	if !r.poll(func() bool {
		all := pattern.FindAllStringSubmatch(r.server.Log(), -1)
		if len(all) > 0 {
			found = all[len(all)-1]
		}
		return found != nil
	}) {
		r.note("<the log never contained %s>", s.Words[0])
		return
	}
	for _, text := range found[min(1, len(found)-1):] {
		r.note("<logged: %s>", text)
	}
}

package session

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"dunlin/conformance/script"
	"dunlin/conformance/transcript"
)

var steps = map[script.Verb]func(*run, script.Step){
	script.Send: (*run).send, script.SendRaw: (*run).send,
	script.Open: (*run).openAll, script.Join: (*run).join, script.Connect: (*run).connect,
	script.Sync: (*run).sync, script.Wait: (*run).wait, script.Closed: (*run).closed,
	script.Close: (*run).closeAll, script.Pause: (*run).pause, script.Resume: (*run).pause,
	script.Group: (*run).group, script.Tally: (*run).tally, script.Flood: (*run).flood,
	script.HTTP: (*run).http, script.Until: (*run).until, script.Reason: (*run).reason,
	script.Signal: (*run).signal, script.Exit: (*run).exit, script.Refused: (*run).refused,
	script.Peer: (*run).peer, script.Accept: (*run).accept, script.Logged: (*run).logged,
	script.Reload: (*run).reload, script.ReloadRefused: (*run).reload, script.StartRefused: (*run).exit,
}

func (r *run) step(s script.Step) {
	r.echo(s)
	do := steps[s.Verb]
	if do == nil {
		r.fail(s, "no such step")
		return
	}
	do(r, s)
}

func (r *run) send(s script.Step) {
	for _, c := range r.named(s) {
		text, err := r.expand(s.Text)
		if err == nil {
			text, err = script.Unescape(text)
		}
		if err != nil {
			r.fail(s, "%w", err)
			return
		}
		c.send([]byte(text))
		if s.Verb == script.SendRaw {
			untilRead(c.socket, r.patience)
		}
	}
}

func (r *run) openAll(s script.Step) {
	for _, name := range s.Conns {
		c, events := r.open(s, name)
		r.record(c, events)
	}
}

// join is open and connect in silence; only what is out of the ordinary shows.
func (r *run) join(s script.Step) {
	for _, name := range s.Conns {
		c, events := r.open(s, name)
		if len(events) == 0 || events[len(events)-1].Op() != "INFO" {
			r.record(c, events)
			continue
		}
		events = r.handshake(s, c)
		if slices.ContainsFunc(events, func(e transcript.Event) bool {
			return e.IsClosed() || e.Note != "" || e.Raw || e.Op() == "-ERR"
		}) {
			r.record(c, events)
		}
	}
}

func (r *run) connect(s script.Step) {
	for _, c := range r.named(s) {
		r.record(c, r.handshake(s, c))
	}
}

// handshake sends CONNECT, and two PINGs one after the other: an INFO may
// follow the first PONG, and the second shows that it has come.
func (r *run) handshake(s script.Step, c *conn) []transcript.Event {
	line, err := r.connectLine(s, c)
	if err != nil {
		r.fail(s, "%w", err)
		return nil
	}
	c.send([]byte(line + "PING\r\n"))
	first, ok := r.untilPong(c)
	if !ok {
		return first
	}
	c.send([]byte("PING\r\n"))
	second, ok := r.untilPong(c)
	if ok {
		second = second[:len(second)-1]
	}
	return append(first, second...)
}

func isPong(e transcript.Event) bool { return e.Line == "PONG" }

// untilPong takes events up to a PONG or the close; false if there was no PONG.
func (r *run) untilPong(c *conn) ([]transcript.Event, bool) {
	events, ok := c.take(r.patience, func(e transcript.Event) bool { return isPong(e) || e.IsClosed() })
	if !ok {
		r.patience = afterTimeout
		return append(events, transcript.Event{Note: "gave up waiting for PONG"}), false
	}
	last := events[len(events)-1]
	if last.IsClosed() {
		c.push(last) // later steps see it too
	}
	return events, !last.IsClosed()
}

func (r *run) syncOne(c *conn) []transcript.Event {
	c.send([]byte("PING\r\n"))
	events, ok := r.untilPong(c)
	if ok {
		events = events[:len(events)-1]
	}
	return events
}

func (r *run) sync(s script.Step) {
	for _, c := range r.named(s) {
		r.record(c, r.syncOne(c))
	}
}

func (r *run) wait(s script.Step) {
	for _, c := range r.named(s) {
		events, ok := c.take(r.patience, func(e transcript.Event) bool { return e.Contains(s.Words[0]) || e.IsClosed() })
		r.record(c, events)
		switch {
		case !ok:
			r.timedOut(c, strconv.Quote(s.Words[0]))
		case events[len(events)-1].IsClosed():
			c.push(transcript.Closed())
		}
	}
}

func (r *run) closed(s script.Step) {
	for _, c := range r.named(s) {
		events, ok := c.take(r.patience, transcript.Event.IsClosed)
		if !ok {
			r.record(c, events)
			r.timedOut(c, "the close")
			continue
		}
		if note := window(s, time.Since(c.opened)); note != "" {
			events[len(events)-1].Note = note
		}
		r.record(c, events)
		c.push(transcript.Closed())
	}
}

// window compares the age of a connection at its close with the options after
// and before; "" if none is given.
func window(s script.Step, age time.Duration) string {
	after, err1 := time.ParseDuration(s.Options["after"])
	before, err2 := time.ParseDuration(s.Options["before"])
	switch {
	case err1 != nil && err2 != nil:
		return ""
	case err1 == nil && age < after:
		return fmt.Sprintf("closed too early, after %s", age.Round(10*time.Millisecond))
	case err2 == nil && age > before:
		return fmt.Sprintf("closed too late, after %s", age.Round(10*time.Millisecond))
	}
	return "closed in time"
}

func (r *run) closeAll(s script.Step) {
	for _, c := range r.named(s) {
		c.end()
		delete(r.conns, c.name)
	}
}

func (r *run) pause(s script.Step) {
	for _, c := range r.named(s) {
		if s.Verb == script.Pause {
			c.pause()
		} else {
			c.resume()
		}
	}
}

// group shows what several connections got together, where the protocol does
// not say which of them gets what.
func (r *run) group(s script.Step) {
	var lines []string
	for _, c := range r.named(s) {
		lines = append(lines, r.norm.Render(r.syncOne(c))...)
	}
	slices.Sort(lines)
	for _, line := range lines {
		r.note("one of %s: %s", strings.Join(s.Conns, ", "), line)
	}
}

func (r *run) tally(s script.Step) {
	round, err := strconv.Atoi(s.Options["round"])
	if err != nil || round < 1 {
		r.fail(s, "round must be a number of percent")
		return
	}
	counts := map[string]int{}
	total := 0
	for _, c := range r.named(s) {
		var others []transcript.Event
		for _, e := range r.syncOne(c) {
			if !e.IsMsg() {
				others = append(others, e)
				continue
			}
			key := map[string]string{"subject": e.Subject(), "sid": e.Sid(), "conn": c.name}[s.Options["by"]]
			counts[key]++
			total++
		}
		r.record(c, others)
	}
	r.note("<%d deliveries>", total)
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		percent := 100 * float64(counts[key]) / float64(total)
		r.note("<%s: about %d %%>", key, int(math.Round(percent/float64(round)))*round)
	}
}

func (r *run) flood(s script.Step) {
	size, err1 := strconv.Atoi(s.Options["size"])
	count, err2 := strconv.Atoi(s.Options["count"])
	if err := errors.Join(err1, err2); err != nil {
		r.fail(s, "%w", err)
		return
	}
	one := fmt.Sprintf("PUB %s %s %d\r\n%s\r\n", s.Options["subject"], s.Options["reply"], size, strings.Repeat("z", size))
	batch := max(1, min(count, 64<<10/len(one)))
	for _, c := range r.named(s) {
		for sent := 0; sent < count; sent += batch {
			c.send(bytes.Repeat([]byte(one), min(batch, count-sent)))
		}
	}
}

var signals = map[string]syscall.Signal{
	"hup": syscall.SIGHUP, "usr1": syscall.SIGUSR1, "usr2": syscall.SIGUSR2,
	"term": syscall.SIGTERM, "int": syscall.SIGINT, "kill": syscall.SIGKILL,
}

func (r *run) signal(s script.Step) {
	sig, ok := signals[s.Words[0]]
	if !ok {
		r.fail(s, "no signal %q", s.Words[0])
		return
	}
	if err := r.server.Signal(sig); err != nil {
		r.note("<%v>", err)
	}
}

func (r *run) exit(s script.Step) {
	patience := time.NewTimer(r.patience)
	defer patience.Stop()
	select {
	case <-r.server.Ended():
		r.note("<server: %s>", r.server.Status())
	case <-patience.C:
		r.note("<server: still runs>")
	}
}

package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"dunlin/conformance/pki"
	"dunlin/conformance/script"
	"dunlin/conformance/target"
	"dunlin/conformance/transcript"
)

// Env is what conversations of one test run share.
type Env struct {
	Binary   target.Binary
	PKI      *pki.Set
	Patience time.Duration // for each step; a few seconds
}

// Result is what a conversation left.
type Result struct {
	Lines []string // the transcript
	Log   string   // of the server
}

// afterTimeout is the patience of a script in which one step timed out
// already: it disagrees anyway, and must not hold up the suite.
const afterTimeout = 300 * time.Millisecond

// run is one conversation. It is owned by the goroutine that called Run.
type run struct {
	env      Env
	script   *script.Script
	dir      string
	values   map[string]string // of @name@
	server   *target.Server
	ports    map[string]int
	norm     *transcript.Normaliser
	conns    map[string]*conn
	patience time.Duration
	lines    []string
	listener net.Listener // for routes the server dials; nil if it has none
	failed   error        // the first thing that is wrong with script or machine
}

// Run starts the server in dir, goes through the script and stops the server.
// An error means that the conversation could not be held; disagreement of the
// server is in the lines.
func Run(ctx context.Context, env Env, s *script.Script, dir string) (Result, error) {
	r := &run{env: env, script: s, dir: dir, conns: map[string]*conn{}, ports: map[string]int{}, patience: env.Patience, values: map[string]string{"dir": dir, "certs": env.PKI.Dir}}
	named := map[int]string{}
	for _, name := range []string{"port", "http", "https", "cluster", "peer"} {
		port, err := target.FreePort()
		if err != nil {
			return Result{}, err
		}
		r.ports[name], named[port], r.values[name] = port, name, strconv.Itoa(port)
	}
	r.norm = transcript.NewNormaliser(named)
	for _, m := range s.Masks {
		r.norm.Mask(m.Pattern, m.Text)
	}
	if err := r.listen(); err != nil {
		return Result{}, err
	}
	if r.listener != nil {
		defer r.listener.Close()
	}
	if err := r.start(ctx); err != nil {
		return Result{}, err
	}
	defer r.server.Stop()
	for _, step := range s.Steps {
		if ctx.Err() != nil {
			return Result{}, ctx.Err()
		}
		r.step(step)
		if r.failed != nil {
			break
		}
	}
	for _, c := range r.conns {
		c.end()
	}
	r.server.Stop()
	return Result{Lines: r.lines, Log: r.server.Log()}, r.failed
}

func (r *run) start(ctx context.Context) error {
	text, err := r.config(r.script.Config)
	if err != nil {
		return err
	}
	c := target.Config{Dir: r.dir, Text: text, Port: r.ports["port"], HTTP: r.ports["http"], Silent: r.script.Steps[0].Verb == script.StartRefused}
	if r.script.NoHTTP {
		c.HTTP = 0
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return fmt.Errorf("folder of the server: %w", err)
	}
	r.server, err = r.env.Binary.Start(ctx, c)
	return err
}

// config completes what a script says with what every server here needs.
func (r *run) config(text string) (string, error) {
	head := fmt.Sprintf("server_name: S1\nlisten: \"127.0.0.1:%d\"\n", r.ports["port"])
	if !r.script.NoHTTP {
		head += fmt.Sprintf("http: \"127.0.0.1:%d\"\n", r.ports["http"])
	}
	body, err := r.expand(text)
	return head + body, err
}

var placeholder = regexp.MustCompile(`@([a-z]+)(?::([^@\s]*))?@`)

// expand replaces @name@ and @name:argument@. Unknown names stay: an @ may
// be part of a subject.
func (r *run) expand(text string) (string, error) {
	var failed error
	out := placeholder.ReplaceAllStringFunc(text, func(m string) string {
		parts := placeholder.FindStringSubmatch(m)
		value, err := m, error(nil)
		switch parts[1] {
		case "nkey":
			value, err = pki.PublicUser(parts[2])
		case "bcrypt":
			value, err = pki.Bcrypt(parts[2])
		case "pin":
			value, err = r.env.PKI.Pin(parts[2])
		default:
			if known, ok := r.values[parts[1]]; ok {
				value = known
			}
		}
		failed = errors.Join(failed, err)
		return value
	})
	return out, failed
}

func (r *run) note(format string, args ...any) {
	r.lines = append(r.lines, "  "+r.norm.Text(fmt.Sprintf(format, args...)))
}

// record adds what a connection got to the transcript.
func (r *run) record(c *conn, events []transcript.Event) {
	for _, line := range r.norm.Render(events) {
		r.lines = append(r.lines, "  "+c.name+": "+line)
	}
}

// timedOut notes that a step gave up.
func (r *run) timedOut(c *conn, what string) {
	r.lines = append(r.lines, "  "+c.name+": <gave up waiting for "+what+">")
	r.patience = afterTimeout
}

func (r *run) fail(s script.Step, format string, args ...any) {
	if r.failed == nil {
		r.failed = fmt.Errorf("line %d, %s: %w", s.Line, s.Verb, fmt.Errorf(format, args...))
	}
}

// named gives the connections of a step.
func (r *run) named(s script.Step) []*conn {
	var cs []*conn
	for _, name := range s.Conns {
		c := r.conns[name]
		if c == nil {
			r.fail(s, "no connection %s is open", name)
			return nil
		}
		cs = append(cs, c)
	}
	return cs
}

// echo writes the step itself into the transcript, so that answers can be read
// beside what was asked.
func (r *run) echo(s script.Step) {
	for line := range strings.Lines(s.Source) {
		r.lines = append(r.lines, "["+strings.TrimRight(line, "\n")+"]")
	}
}

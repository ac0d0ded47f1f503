package session

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"

	"dunlin/conformance/script"
	"dunlin/conformance/transcript"
)

// pageMax bounds what is read of a monitoring page.
const pageMax = 16 << 20

type page struct {
	status int
	ctype  string
	header http.Header
	body   []byte
}

func (r *run) get(method, scheme, path string) (page, error) {
	client := &http.Client{Timeout: r.patience, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: r.env.PKI.Pool},
	}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequest(method, fmt.Sprintf("%s://127.0.0.1:%d%s", scheme, r.ports[scheme], path), nil)
	if err != nil {
		return page{}, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return page{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, pageMax))
	return page{status: resp.StatusCode, ctype: resp.Header.Get("Content-Type"), header: resp.Header, body: body}, err
}

func (r *run) http(s script.Step) {
	scheme := "http"
	if s.Has("scheme") {
		scheme = s.Options["scheme"]
	}
	p, err := r.get(s.Words[0], scheme, s.Words[1])
	if err != nil {
		r.note("<no answer: %v>", rootOf(err))
		return
	}
	r.note("%d %s", p.status, p.ctype)
	switch s.Words[2] {
	case "status":
	case "cors":
		r.note("Access-Control-Allow-Origin: %s", p.header.Get("Access-Control-Allow-Origin"))
	case "body":
		for line := range strings.Lines(string(p.body)) {
			r.note("| %s", strings.TrimRight(line, "\r\n"))
		}
	case "shape":
		lines, err := transcript.Shape(p.body, list(s.Options["keep"]), list(s.Options["drop"]))
		if err != nil {
			r.note("<%v>", err)
		}
		for _, line := range lines {
			r.note("| %s", line)
		}
	default:
		r.fail(s, "mode must be body, shape, cors or status")
	}
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// rootOf drops addresses, which differ from run to run.
func rootOf(err error) error {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}

// poll calls done until it is true, at most for the patience of the run.
func (r *run) poll(done func() bool) bool {
	deadline := time.NewTimer(r.patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if done() {
			return true
		}
		select {
		case <-deadline.C:
			r.patience = afterTimeout
			return false
		case <-tick.C:
		}
	}
}

func (r *run) until(s script.Step) {
	pattern, err := regexp.Compile(s.Words[1])
	if err != nil {
		r.fail(s, "%w", err)
		return
	}
	ok := r.poll(func() bool {
		p, err := r.get(http.MethodGet, "http", s.Words[0])
		return err == nil && pattern.Match(p.body)
	})
	if !ok {
		r.note("<%s never contained %s>", s.Words[0], s.Words[1])
	}
}

// reason looks the connections up among the closed ones.
func (r *run) reason(s script.Step) {
	for _, c := range r.named(s) {
		found := ""
		ok := r.poll(func() bool {
			found = r.closedReason(c)
			return found != ""
		})
		if !ok {
			r.note("%s: <not among the closed connections>", c.name)
			continue
		}
		r.note("%s: closed for %q", c.name, found)
	}
}

func (r *run) closedReason(c *conn) string {
	p, err := r.get(http.MethodGet, "http", "/connz?state=closed")
	if err != nil {
		return ""
	}
	var list struct {
		Connections []struct {
			Cid    uint64 `json:"cid"`
			Port   int    `json:"port"`
			Reason string `json:"reason"`
		} `json:"connections"`
	}
	if json.Unmarshal(p.body, &list) != nil {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	local, _ := c.socket.LocalAddr().(*net.TCPAddr)
	for _, e := range list.Connections {
		if c.client != 0 && e.Cid == c.client || c.client == 0 && local != nil && e.Port == local.Port {
			return e.Reason
		}
	}
	return ""
}

func (r *run) refused(script.Step) {
	ok := r.poll(func() bool {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", r.ports["port"]), r.patience)
		if err == nil {
			return c.Close() != nil
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	if !ok {
		r.note("<still accepts connections>")
	}
}

// reload changes the configuration file, signals, and waits for the server to
// say in /varz that it loaded it, or in its log that it will not.
func (r *run) reload(s script.Step) {
	loaded := r.loadTime()
	mark := len(r.server.Log())
	text, err := r.config(s.Text)
	if err == nil {
		err = r.server.WriteConfig(text)
	}
	if err == nil {
		err = r.server.Signal(syscall.SIGHUP)
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.fail(s, "%w", err)
		return
	}
	taken, refused, settled := false, false, 0
	r.poll(func() bool {
		// The load time may change before connections were told; the log line
		// comes last. A server that says it in other words gets a few polls.
		if loaded != "" && r.loadTime() != loaded {
			settled++
		}
		taken = settled > 0 && strings.Contains(r.server.Log()[mark:], "Reloaded server configuration") || settled > 20
		for line := range strings.Lines(r.server.Log()[mark:]) {
			refused = refused || strings.Contains(line, "[ERR]") && strings.Contains(strings.ToLower(line), "reload")
		}
		return taken || refused
	})
	switch {
	case refused:
		r.note("<reload refused>")
	case taken:
		r.note("<reload taken>")
	default:
		r.note("<reload neither taken nor refused>")
	}
}

func (r *run) loadTime() string {
	p, err := r.get(http.MethodGet, "http", "/varz")
	if err != nil {
		return ""
	}
	var varz struct {
		Loaded string `json:"config_load_time"`
	}
	if json.Unmarshal(p.body, &varz) != nil {
		return ""
	}
	return varz.Loaded
}

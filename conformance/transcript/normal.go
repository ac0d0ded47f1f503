package transcript

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// shownMax is how much of a payload a transcript shows in clear.
const shownMax = 160

// Normaliser masks what differs between two runs. One per conversation.
type Normaliser struct {
	ports   map[string]string // port number to name
	clients map[float64]int   // client id to order of appearance
	masks   []func(string) string
}

// NewNormaliser returns one that knows the ports in use, by number.
func NewNormaliser(ports map[int]string) *Normaliser {
	n := &Normaliser{ports: map[string]string{}, clients: map[float64]int{}}
	for port, name := range ports {
		n.ports[strconv.Itoa(port)] = name
	}
	return n
}

// Mask adds a replacement that the script asks for.
func (n *Normaliser) Mask(re *regexp.Regexp, text string) {
	n.masks = append(n.masks, func(s string) string { return re.ReplaceAllString(s, text) })
}

// Text applies port names and masks to a line of text.
func (n *Normaliser) Text(s string) string {
	for port, name := range n.ports {
		s = strings.ReplaceAll(s, ":"+port, ":<"+name+">")
	}
	for _, m := range n.masks {
		s = m(s)
	}
	return s
}

// Render gives the lines of what one connection got between two steps.
// Deliveries of one message to several subscriptions of the connection have no
// order in the protocol; such a run is sorted. So is a run of interest that a
// route announces: it comes out of a table.
func (n *Normaliser) Render(events []Event) []string {
	lines := make([]string, len(events))
	for i, e := range events {
		lines[i] = n.Line(e)
	}
	for from := 0; from < len(events); {
		to := from + 1
		for to < len(events) && sameMessage(events[from], events[to]) {
			to++
		}
		slices.Sort(lines[from:to])
		from = to
	}
	return lines
}

func sameMessage(a, b Event) bool {
	if interest(a) && a.Op() == b.Op() {
		return true
	}
	return a.IsMsg() && b.IsMsg() && a.Subject() == b.Subject() && a.Sid() != "" && string(a.Payload) == string(b.Payload)
}

func interest(e Event) bool {
	switch e.Op() {
	case "RS+", "RS-", "LS+", "LS-":
		return true
	}
	return false
}

// Line renders one event.
func (n *Normaliser) Line(e Event) string {
	switch {
	case e.Note != "":
		return "<" + e.Note + ">"
	case e.Raw:
		return "<bytes> " + n.Text(show([]byte(e.Line)))
	case e.Op() == "INFO":
		return "INFO " + n.Text(n.info(strings.TrimPrefix(e.Line, "INFO ")))
	case e.Op() == "CONNECT":
		return "CONNECT " + n.Text(n.connect(strings.TrimPrefix(e.Line, "CONNECT ")))
	case e.IsMsg():
		return n.Text(printable(e.Line) + " " + show(e.Payload))
	}
	return n.Text(printable(e.Line))
}

// printable escapes a line only where it must, to keep quotes readable.
func printable(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0 {
		if len(s) > 4*shownMax {
			return fmt.Sprintf("%s... (%d bytes)", s[:4*shownMax], len(s))
		}
		return s
	}
	return show([]byte(s))
}

func show(b []byte) string {
	if len(b) <= shownMax {
		return strconv.Quote(string(b))
	}
	sum := sha256.Sum256(b)
	return fmt.Sprintf("%s... (%d bytes, sha256 %x)", strconv.Quote(string(b[:32])), len(b), sum[:6])
}

var (
	serverID = regexp.MustCompile(`^N[A-Z2-7]{55}$`)
	curveKey = regexp.MustCompile(`^X[A-Z2-7]{55}$`)
	nonce    = regexp.MustCompile(`^[A-Za-z0-9_-]{11,}$`)
	hostPort = regexp.MustCompile(`^(.*):(\d+)$`)
)

// info masks an INFO object and sorts its keys. A field whose form is not the
// expected one is left as it is, so that it shows up as a difference.
func (n *Normaliser) info(text string) string {
	var fields map[string]any
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		return "<no JSON: " + err.Error() + "> " + show([]byte(text))
	}
	delete(fields, "dunlin")
	delete(fields, "dunlin_lanes")
	delete(fields, "git_commit")
	form := func(key string, re *regexp.Regexp) {
		if s, ok := fields[key].(string); ok && re.MatchString(s) {
			fields[key] = "<" + key + ">"
		}
	}
	form("server_id", serverID)
	form("xkey", curveKey)
	form("nonce", nonce)
	form("route_acc_add_reqid", nonce)
	if s, ok := fields["go"].(string); ok && strings.HasPrefix(s, "go1.") {
		fields["go"] = "<go>"
	}
	if id, ok := fields["client_id"].(float64); ok {
		if n.clients[id] == 0 {
			n.clients[id] = len(n.clients) + 1
		}
		fields["client_id"] = fmt.Sprintf("<client %d>", n.clients[id])
	}
	if port, ok := fields["port"].(float64); ok {
		if name := n.ports[strconv.Itoa(int(port))]; name != "" {
			fields["port"] = "<" + name + ">"
		}
	}
	for _, key := range []string{"connect_urls", "ws_connect_urls"} {
		if urls, ok := fields[key].([]any); ok {
			fields[key] = n.urls(urls)
		}
	}
	return sortedJSON(fields)
}

// connect masks the CONNECT of a server that dials, and sorts its keys.
func (n *Normaliser) connect(text string) string {
	var fields map[string]any
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		return "<no JSON: " + err.Error() + "> " + show([]byte(text))
	}
	if s, ok := fields["name"].(string); ok && serverID.MatchString(s) {
		fields["name"] = "<server_id>"
	}
	delete(fields, "dunlin_lanes")
	return sortedJSON(fields)
}

func sortedJSON(fields map[string]any) string {
	// json.Marshal would write < as an escape.
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(fields); err != nil {
		return "<cannot print: " + err.Error() + ">"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (n *Normaliser) urls(urls []any) []string {
	out := make([]string, 0, len(urls))
	for _, u := range urls {
		s := fmt.Sprint(u)
		if m := hostPort.FindStringSubmatch(s); m != nil && n.ports[m[2]] != "" {
			s = m[1] + ":<" + n.ports[m[2]] + ">"
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

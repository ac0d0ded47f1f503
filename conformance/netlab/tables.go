package netlab

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// interest is a set of "account subject queue".
type interest map[string]bool

type subDetail struct {
	Account string `json:"account"`
	Subject string `json:"subject"`
	Queue   string `json:"qgroup"`
	Sid     string `json:"sid"`
}

func (d subDetail) key() string {
	return strings.TrimSpace(d.Account + " " + d.Subject + " " + d.Queue)
}

// remoteKey is the same of what another server has told: its sid is
// "R account subject queue".
func (d subDetail) remoteKey() string { return strings.TrimPrefix(d.Sid, "R ") }

// ask reads a monitoring page.
func (n *Node) ask(path string, into any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d%s", n.host.IP, monitorPort, path), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// local is what clients of the server want. An error says that something is
// wanted twice: each of the lab's clients wants something else, so that is a
// connection that has ended.
func (n *Node) local() (interest, error) {
	var page struct {
		List []subDetail `json:"subscriptions_list"`
	}
	if err := n.ask("/subsz?subs=1&limit=1000000", &page); err != nil {
		return nil, err
	}
	out := interest{}
	for _, d := range page.List {
		if strings.HasPrefix(d.Subject, "$") {
			continue
		}
		if out[d.key()] {
			return nil, fmt.Errorf("%s still serves a client that is gone: %q is wanted twice", n.Name(), d.key())
		}
		out[d.key()] = true
	}
	return out, nil
}

// known is what the server believes that others want, by their names.
func (n *Node) known() (map[string]interest, error) {
	var page struct {
		Routes []struct {
			Name string      `json:"remote_name"`
			List []subDetail `json:"subscriptions_list_detail"`
		} `json:"routes"`
	}
	if err := n.ask("/routez?subs=detail", &page); err != nil {
		return nil, err
	}
	out := map[string]interest{}
	for _, r := range page.Routes {
		if out[r.Name] == nil {
			out[r.Name] = interest{}
		}
		for _, d := range r.List {
			if !strings.HasPrefix(d.Subject, "$") {
				out[r.Name][d.remoteKey()] = true
			}
		}
	}
	return out, nil
}

// settled reports whether every server knows what every other one wants; why
// says what is missing.
func settled(nodes []*Node) (why string) {
	locals := make([]interest, len(nodes))
	for i, n := range nodes {
		var err error
		if locals[i], err = n.local(); err != nil {
			return err.Error()
		}
	}
	for _, n := range nodes {
		known, err := n.known()
		if err != nil {
			return err.Error()
		}
		if len(known) != len(nodes)-1 {
			return fmt.Sprintf("%s has routes to %v", n.Name(), slices.Sorted(maps.Keys(known)))
		}
		for j, other := range nodes {
			if other == n {
				continue
			}
			if diff := difference(known[other.Name()], locals[j]); diff != "" {
				return fmt.Sprintf("%s about %s: %s", n.Name(), other.Name(), diff)
			}
		}
	}
	return ""
}

func difference(got, want interest) string {
	for key := range want {
		if !got[key] {
			return "does not know " + key
		}
	}
	for key := range got {
		if !want[key] {
			return "still believes in " + key
		}
	}
	return ""
}

package monitor

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"path"
	"strings"

	"dunlin/internal/proto/sysapi"
)

//go:embed index.html
var indexText string

var indexPage = template.Must(template.New("index").Parse(indexText))

// link is one row of the index page. More are queries worth knowing.
type link struct {
	Path, Title, About string
	More               []more
}

type more struct{ Query, Label string }

type linkGroup struct {
	Title string
	Links []link
}

func indexLinks(withMetrics bool) []linkGroup {
	server := linkGroup{"Server", []link{
		{"varz", "General", "What this server is, its settings and what it has done so far", nil},
		{"healthz", "Health", "For probes: ok with status 200, or what is wrong",
			[]more{{"details=true", "with details"}}},
	}}
	if withMetrics {
		server.Links = append(server.Links, link{"metrics", "Metrics", "The same figures for Prometheus", nil})
	}
	return []linkGroup{
		server,
		{"Clients", []link{
			{"connz", "Connections", "Who is connected, and what each sends and receives", []more{
				{"auth=true&subs=true", "with users and subscriptions"},
				{"sort=pending&limit=20", "slowest 20"},
				{"sort=bytes_to&limit=20", "top 20 by bytes"},
				{"state=closed&sort=stop&auth=true", "closed, with reasons"}}},
			{"subsz", "Subscriptions", "The interest table and how well its cache does",
				[]more{{"subs=1", "with the list"}}},
			{"accountz", "Accounts", "Tenants of this server; add ?acc=NAME for one of them", nil},
			{"accstatz", "Account statistics", "Connections, messages and bytes of each account",
				[]more{{"unused=1", "idle ones too"}}},
		}},
		{"Process", []link{
			{"debug/vars", "Memory", "Memory and garbage collection of the Go runtime", nil},
			{"stacksz", "Goroutines", "What every goroutine is doing right now", nil},
			{"ipqueuesz", "Queues", "Lengths of internal queues", nil},
		}},
		{"Cluster and streams", []link{
			{"routez", "Routes", "Servers of the same cluster", nil},
			{"gatewayz", "Gateways", "Other clusters", nil},
			{"leafz", "Leaf nodes", "Servers at the edge", nil},
			{"jsz", "JetStream", "Streams and consumers", nil},
			{"raftz", "Raft groups", "Replication", nil},
		}},
	}
}

func (h *Handler) index(w http.ResponseWriter, r *http.Request) {
	var v sysapi.Varz
	h.source.Varz(&v)
	name := v.Name
	if name == v.ID {
		name = "" // nobody named it; the id stands below
	}
	state, why := "ok", ""
	if err := h.source.Health(); err != nil {
		state, why = "not ready", err.Error()
	}
	var page bytes.Buffer
	err := indexPage.Execute(&page, map[string]any{
		"Name": name, "ID": v.ID, "Dunlin": v.Dunlin, "Version": v.Version,
		"State": state, "Why": why, "Groups": h.links, "Prefix": h.prefix(r.URL.Path),
	})
	if err != nil {
		h.log.Error("index page could not be made", "error", err)
		failure(w, http.StatusInternalServerError, err)
		return
	}
	head := w.Header()
	head.Set("Content-Type", "text/html; charset=utf-8")
	head.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
	h.write(w, page.Bytes())
}

// prefix leads from the index page to the endpoints by a relative path, so
// that links also work behind a proxy that puts its own path in front.
func (h *Handler) prefix(at string) string {
	if h.base == "" || strings.HasSuffix(at, "/") {
		return "./"
	}
	return "./" + path.Base(h.base) + "/"
}

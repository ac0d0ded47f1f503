package monitor

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync/atomic"
	"time"

	"dunlin/internal/proto/sysapi"
)

const (
	// heavyMax is how many answers that go over all connections, accounts,
	// subscriptions or goroutines are made at the same time.
	heavyMax = 4
	// heavyWait is how long one more of them waits for its turn.
	heavyWait = 5 * time.Second
)

// Config is what a Handler is made of.
type Config struct {
	Source Source
	// BasePath is put before every path; with or without slashes around it.
	BasePath string
	// Metrics answers /metrics; nil means there is none.
	Metrics http.Handler
	Logger  *slog.Logger
}

// Handler answers all monitoring endpoints, for as many clients at once as
// come. Make it with New.
type Handler struct {
	source Source
	log    *slog.Logger
	base   string // "" or "/x/y"
	usage  *Usage
	heavy  chan struct{}
	pacer  pacer
	links  []linkGroup

	// Fixed after New. Paths are matched as they stand: a base path is any
	// text, which http.ServeMux would read as a pattern.
	routes map[string]http.Handler
	counts map[string]*atomic.Uint64 // of the paths nats-server counts
}

// New makes the handler. It keeps nothing running.
func New(c Config) *Handler {
	h := &Handler{source: c.Source, log: c.Logger, base: cleanBase(c.BasePath), usage: NewUsage(),
		heavy: make(chan struct{}, heavyMax), links: indexLinks(c.Metrics != nil),
		routes: map[string]http.Handler{}, counts: map[string]*atomic.Uint64{}}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.counted("/", h.index)
	h.counted("/varz", h.varz)
	h.counted("/healthz", h.healthz)
	h.counted("/connz", h.limited(h.connz))
	h.counted("/subsz", h.limited(h.subsz))
	h.counted("/accountz", h.limited(h.accountz))
	h.counted("/accstatz", h.limited(h.accstatz))
	h.counted("/routez", h.limited(h.routez))
	h.counted("/gatewayz", h.gatewayz)
	h.counted("/leafz", h.leafz)
	h.counted("/jsz", h.jsz)
	h.routes[h.base+"/subscriptionsz"] = h.routes[h.base+"/subsz"] // counted as the same
	if h.base != "" {
		h.routes[h.base] = h.routes[h.base+"/"]
	}
	h.plain("/ipqueuesz", h.ipqueuesz)
	h.plain("/raftz", h.raftz)
	h.plain("/stacksz", h.limited(h.stacksz))
	h.plain("/debug/vars", h.debugVars)
	if c.Metrics != nil {
		h.routes[h.base+"/metrics"] = c.Metrics
	}
	return h
}

// cleanBase gives "mon", "/mon" and "/mon/" one form, and "" to "/".
func cleanBase(s string) string {
	if s = path.Clean("/" + s); s == "/" {
		return ""
	}
	return s
}

// plain answers a path below the base path.
func (h *Handler) plain(at string, f http.HandlerFunc) { h.routes[h.base+at] = f }

// counted is plain for a path whose requests stand in http_req_stats.
func (h *Handler) counted(at string, f http.HandlerFunc) {
	n := new(atomic.Uint64)
	h.counts[at] = n
	h.plain(at, func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		f(w, r)
	})
}

// ServeHTTP answers any method, as nats-server does; HEAD without a body.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f, ok := h.routes[r.URL.Path]; ok {
		f.ServeHTTP(w, r)
		return
	}
	if clean := path.Clean("/" + r.URL.Path); clean != r.URL.Path && !strings.HasSuffix(r.URL.Path, "/") {
		if _, ok := h.routes[clean]; ok {
			to := url.URL{Path: clean, RawQuery: r.URL.RawQuery}
			http.Redirect(w, r, to.String(), http.StatusTemporaryRedirect)
			return
		}
	}
	http.NotFound(w, r)
}

// limited lets heavyMax of the long answers be made at a time. A further one
// waits a little and is then told to come again.
func (h *Handler) limited(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case h.heavy <- struct{}{}:
		default:
			wait := time.NewTimer(heavyWait)
			defer wait.Stop()
			select {
			case h.heavy <- struct{}{}:
			case <-r.Context().Done():
				return
			case <-wait.C:
				w.Header().Set("Retry-After", "5")
				failure(w, http.StatusServiceUnavailable,
					errors.New("too many long monitoring requests are being answered; try again in a few seconds"))
				return
			}
		}
		defer func() { <-h.heavy }()
		f(w, r)
	}
}

// Varz is the whole of /varz: what the source tells and what the handler knows
// itself, the request counts and the process's use of the machine.
func (h *Handler) Varz() *sysapi.Varz {
	v := new(sysapi.Varz)
	h.source.Varz(v)
	v.Now = time.Now().UTC()
	v.Start, v.ConfigLoadTime = v.Start.UTC(), v.ConfigLoadTime.UTC()
	v.Uptime = sysapi.Age(v.Now.Sub(v.Start))
	h.usage.Fill(v)
	v.HTTPReqStats = sysapi.ReqStats{}
	for name, n := range h.counts {
		if n := n.Load(); n > 0 {
			v.HTTPReqStats[name] = n
		}
	}
	return v
}

func (h *Handler) varz(w http.ResponseWriter, _ *http.Request) { h.reply(w, http.StatusOK, h.Varz()) }

const indent = "  "

func (h *Handler) reply(w http.ResponseWriter, status int, v any) {
	b, err := json.MarshalIndent(v, "", indent)
	if err != nil {
		h.log.Error("monitoring answer could not be encoded", "error", err)
		failure(w, http.StatusInternalServerError, err)
		return
	}
	jsonHeader(w)
	w.WriteHeader(status)
	h.write(w, b)
}

func (h *Handler) write(w http.ResponseWriter, b []byte) {
	if _, err := w.Write(b); err != nil {
		h.log.Debug("monitoring answer not finished", "error", err)
	}
}

func jsonHeader(w http.ResponseWriter) {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Content-Type", "application/json")
}

// refuse answers a request whose parameters are wrong.
func refuse(w http.ResponseWriter, err error) { failure(w, http.StatusBadRequest, err) }

// failure answers with a plain text and without CORS, as nats-server does.
func failure(w http.ResponseWriter, status int, err error) {
	w.Header().Del("Access-Control-Allow-Origin")
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(err.Error())) // the client went away: nobody left to tell
}

package metrics

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"dunlin/internal/proto/sysapi"
)

const (
	accountsMaxDefault = 100
	scrapesMax         = 2
	scrapeTimeout      = 10 * time.Second
)

// Source is what is measured. The methods are those of the same name in
// ops/monitor.
type Source interface {
	// Varz fills in the server's settings and totals.
	Varz(v *sysapi.Varz)
	// Accounts lists the names of all accounts.
	Accounts() []string
	// AccountStat fills in the counts of one account; false if there is none.
	AccountStat(name string, s *sysapi.AccountStat) bool
	// Routes takes a snapshot of the connections to other servers.
	Routes() []sysapi.RouteInfo
	// ClosedByReason counts the connections that have closed, by the text of
	// sysapi.CloseReason.
	ClosedByReason() map[string]uint64
}

// Config is what a handler is made of.
type Config struct {
	Source Source
	// AccountsMax is how many accounts have series of their own; 0 means 100,
	// negative none.
	AccountsMax int
	Logger      *slog.Logger
}

// Handler answers scrapes in the text forms of Prometheus.
func Handler(c Config) http.Handler {
	if c.AccountsMax == 0 {
		c.AccountsMax = accountsMaxDefault
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCollector(c.Source, max(c.AccountsMax, 0)),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		MaxRequestsInFlight: scrapesMax, Timeout: scrapeTimeout,
		ErrorLog:      slog.NewLogLogger(c.Logger.Handler(), slog.LevelWarn),
		ErrorHandling: promhttp.ContinueOnError,
	})
}

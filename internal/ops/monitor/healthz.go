package monitor

import (
	"encoding/json"
	"net/http"

	"dunlin/internal/proto/sysapi"
)

func (h *Handler) healthz(w http.ResponseWriter, r *http.Request) {
	p := params{values: r.URL.Query()}
	for _, name := range []string{"js-enabled", "js-enabled-only", "js-server-only", "js-meta-only"} {
		p.flag(name)
	}
	details := p.flag("details")
	if p.err != nil {
		refuse(w, p.err)
		return
	}
	h.replyHealth(w, h.health(&p), details)
}

// health judges the server. Streams and consumers are looked for by a server
// that has JetStream; without it nats-server finds every name well, and so
// only the form of the question is checked.
func (h *Handler) health(p *params) sysapi.Healthz {
	bad := func(text string) sysapi.Healthz {
		return sysapi.Healthz{Status: sysapi.HealthError, StatusCode: http.StatusBadRequest,
			Errors: []sysapi.HealthFault{{Type: sysapi.HealthBadRequest, Error: text}}}
	}
	switch {
	case p.text("consumer") != "" && p.text("stream") == "":
		return bad(`"stream" must not be empty when checking consumer health`)
	case p.text("stream") != "" && p.text("account") == "":
		return bad(`"account" must not be empty when checking stream health`)
	}
	if err := h.source.Health(); err != nil {
		return sysapi.Healthz{Status: sysapi.HealthError, StatusCode: http.StatusInternalServerError,
			Errors: []sysapi.HealthFault{{Type: sysapi.HealthConnection, Error: err.Error()}}}
	}
	return sysapi.Healthz{Status: sysapi.HealthOK, StatusCode: http.StatusOK}
}

// replyHealth writes without indentation. Without details one error is told
// as a plain text.
func (h *Handler) replyHealth(w http.ResponseWriter, health sysapi.Healthz, details bool) {
	if !details && len(health.Errors) > 0 {
		health.Error, health.Errors = health.Errors[0].Error, nil
	}
	b, err := json.Marshal(health)
	if err != nil {
		failure(w, http.StatusInternalServerError, err)
		return
	}
	jsonHeader(w)
	w.WriteHeader(health.StatusCode)
	h.write(w, b)
}

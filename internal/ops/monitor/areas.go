package monitor

import (
	"errors"
	"net/http"
	"time"

	"dunlin/internal/proto/sysapi"
)

// The endpoints of areas this server does not serve yet answer as a
// nats-server does that has them switched off. Their parameters are checked
// all the same, so a script that works there works here.

// checked reads flags and refuses the request if one is wrong.
func checked(w http.ResponseWriter, r *http.Request, flags ...string) (ok bool) {
	p := params{values: r.URL.Query()}
	for _, name := range flags {
		p.flag(name)
	}
	if p.err != nil {
		refuse(w, p.err)
	}
	return p.err == nil
}

func (h *Handler) gatewayz(w http.ResponseWriter, r *http.Request) {
	p := params{values: r.URL.Query()}
	p.flagOrDetail("subs")
	if p.flag("accs"); p.err != nil {
		refuse(w, p.err)
		return
	}
	none := map[string]sysapi.Unserved{}
	h.reply(w, http.StatusOK, sysapi.Gatewayz{ID: h.source.ID(), Now: time.Now().UTC(), Outbound: none, Inbound: none})
}

func (h *Handler) leafz(w http.ResponseWriter, r *http.Request) {
	if checked(w, r, "subs") {
		h.reply(w, http.StatusOK, sysapi.Leafz{ID: h.source.ID(), Now: time.Now().UTC(), Leafs: []sysapi.Unserved{}})
	}
}

func (h *Handler) jsz(w http.ResponseWriter, r *http.Request) {
	p := params{values: r.URL.Query()}
	for _, name := range []string{"accounts", "streams", "consumers", "direct-consumers", "config"} {
		p.flag(name)
	}
	p.page()
	leaderOnly := p.flag("leader-only")
	p.flag("raft")
	p.flag("stream-leader-only")
	if leaderOnly {
		p.fail("filtered response: not leader")
	}
	if p.err != nil {
		refuse(w, p.err)
		return
	}
	h.reply(w, http.StatusOK, sysapi.Jsz{ID: h.source.ID(), Now: time.Now().UTC(), Disabled: true})
}

func (h *Handler) ipqueuesz(w http.ResponseWriter, r *http.Request) {
	if checked(w, r, "all") {
		// The queues nats-server lists are inside its own machinery.
		h.reply(w, http.StatusOK, map[string]sysapi.Unserved{})
	}
}

func (h *Handler) raftz(w http.ResponseWriter, _ *http.Request) {
	failure(w, http.StatusNotFound, errors.New("No Raft nodes registered")) //nolint:staticcheck // nats-server's text
}

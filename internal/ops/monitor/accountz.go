package monitor

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"dunlin/internal/proto/sysapi"
)

func (h *Handler) accountz(w http.ResponseWriter, r *http.Request) {
	out := sysapi.Accountz{ID: h.source.ID(), Now: time.Now().UTC(), SystemAccount: h.source.SystemAccount()}
	if name := r.URL.Query().Get("acc"); name != "" {
		info, ok := h.source.Account(name)
		if !ok {
			refuse(w, fmt.Errorf("Account %s does not exist", name)) //nolint:staticcheck // nats-server's text
			return
		}
		out.Account = &info
	} else {
		out.Accounts = h.source.Accounts()
		slices.Sort(out.Accounts)
	}
	h.reply(w, http.StatusOK, out)
}

func (h *Handler) accstatz(w http.ResponseWriter, r *http.Request) {
	p := params{values: r.URL.Query()}
	unused := p.flag("unused")
	if p.err != nil {
		refuse(w, p.err)
		return
	}
	out := h.stream(w, r)
	defer out.end()
	out.json.Object()
	out.json.Key("server_id")
	out.json.String(h.source.ID())
	out.json.Key("now")
	out.json.Time(time.Now())
	out.json.Key("account_statz")
	out.json.Array()
	names := h.source.Accounts()
	slices.Sort(names)
	for _, name := range names {
		var s sysapi.AccountStat
		if h.source.AccountStat(name, &s) && (unused || s.TotalConns > 0) {
			out.json.AccountStat(&s)
		}
		if err := out.step(); err != nil {
			h.gone(r, err)
			return
		}
	}
	out.json.EndArray()
	out.json.EndObject()
	if err := out.flush(); err != nil {
		h.gone(r, err)
	}
}

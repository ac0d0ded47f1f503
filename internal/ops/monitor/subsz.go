package monitor

import (
	"net/http"
	"time"

	"dunlin/internal/proto/subject"
	"dunlin/internal/proto/sysapi"
)

// subszQuery is what one request of /subsz asks for.
type subszQuery struct {
	page
	subs      bool
	acc, test string
}

func parseSubszQuery(p *params) (subszQuery, error) {
	q := subszQuery{subs: p.flag("subs"), page: p.page(), acc: p.text("acc"), test: p.text("test")}
	// nats-server looks at tokens only here: a subject with a space passes.
	if q.test != "" && (subject.HasEmptyToken(q.test) || !subject.IsLiteral(q.test)) {
		p.fail("invalid test subject, must be valid publish subject: %s", q.test)
	}
	return q, p.err
}

func (q *subszQuery) wants(s *Sub) bool { return q.test == "" || subject.Matches(q.test, s.Subject) }

// total counts what the query wants. It goes over all subscriptions before
// the list is written, because the count stands in front of the list; keeping
// what was found instead would hold as many as the query's limit says.
func (q *subszQuery) total(src Source, p *pace) (n int, err error) {
	for batch := range src.Subscriptions(q.acc) {
		for i := range batch {
			if q.wants(&batch[i]) {
				n++
			}
		}
		if err := p.step(); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func (h *Handler) subsz(w http.ResponseWriter, r *http.Request) {
	q, err := parseSubszQuery(&params{values: r.URL.Query()})
	if err != nil {
		refuse(w, err)
		return
	}
	out := h.stream(w, r)
	defer out.end()
	head := sysapi.Subsz{ID: h.source.ID(), Now: time.Now().UTC(), SublistStats: h.source.Sublist(q.acc),
		Offset: q.offset, Limit: q.limit}
	if q.subs {
		if head.Total, err = q.total(h.source, out.pace); err != nil {
			h.gone(r, err)
			return
		}
	}
	out.json.SubszHead(&head)
	if q.subs {
		if err := q.write(h.source, out); err != nil {
			h.gone(r, err)
			return
		}
	}
	out.json.EndObject()
	if err := out.flush(); err != nil {
		h.gone(r, err)
	}
}

func (q *subszQuery) write(src Source, out *stream) error {
	seen, written := 0, 0
	for batch := range src.Subscriptions(q.acc) {
		for i := range batch {
			if !q.wants(&batch[i]) {
				continue
			}
			if seen++; seen <= q.offset {
				continue
			}
			if written == q.limit {
				break
			}
			if written++; written == 1 {
				out.json.Key("subscriptions_list")
				out.json.Array()
			}
			d := subDetail(&batch[i])
			out.json.Sub(&d)
		}
		if err := out.step(); err != nil {
			return err
		}
		if written == q.limit {
			break
		}
	}
	if written > 0 {
		out.json.EndArray()
	}
	return nil
}

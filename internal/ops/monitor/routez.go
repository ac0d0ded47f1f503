package monitor

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"dunlin/internal/proto/sysapi"
)

// routez lists the connections to other servers. There are a few for each
// server of the cluster, so that they are taken at once; what they are
// interested in may be very much and is written while it is read.
func (h *Handler) routez(w http.ResponseWriter, r *http.Request) {
	p := params{values: r.URL.Query()}
	subs, detail := p.flagOrDetail("subs")
	if p.err != nil {
		refuse(w, p.err)
		return
	}
	var v sysapi.Varz
	h.source.Varz(&v)
	out := h.stream(w, r)
	defer out.end()
	routes := h.source.Routes()
	now := time.Now().UTC() // after the snapshot: nothing is younger than 0
	slices.SortFunc(routes, func(a, b sysapi.RouteInfo) int { return cmp.Compare(a.Rid, b.Rid) })
	head := sysapi.Routez{ID: v.ID, Name: v.Name, Now: now, NumRoutes: len(routes)}
	head.Import, head.Export = h.source.RoutePermissions()
	out.json.RoutezHead(&head)
	out.json.Array()
	for i := range routes {
		if err := h.writeRoute(out, &routes[i], subs, detail, now); err != nil {
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

func (h *Handler) writeRoute(out *stream, route *sysapi.RouteInfo, subs, detail bool, now time.Time) error {
	route.Uptime, route.Idle = sysapi.Age(now.Sub(route.Start)), sysapi.Age(now.Sub(route.LastActivity))
	out.json.RouteHead(route)
	if subs {
		list := subList{detail: detail}
		for batch := range h.source.RouteSubs(route.Rid) {
			if err := list.write(out, batch); err != nil {
				return err
			}
		}
		list.end(out)
	}
	out.json.RouteTail(route)
	return out.step()
}

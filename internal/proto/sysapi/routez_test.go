package sysapi

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawPermission(t *rapid.T, label string) *SubjectPermission {
	if !rapid.Bool().Draw(t, label) {
		return nil
	}
	return &SubjectPermission{Allow: rapid.SliceOfN(text(), 0, 2).Draw(t, "allow"), Deny: rapid.SliceOfN(text(), 0, 2).Draw(t, "deny")}
}

func drawRoute(t *rapid.T) RouteInfo {
	r := RouteInfo{
		Rid: rapid.Uint64().Draw(t, "rid"), RemoteID: text().Draw(t, "remote_id"), RemoteName: text().Draw(t, "name"),
		DidSolicit: rapid.Bool().Draw(t, "solicited"), IsConfigured: rapid.Bool().Draw(t, "configured"),
		IP: text().Draw(t, "ip"), Port: rapid.Int().Draw(t, "port"),
		Start: instant().Draw(t, "start").UTC(), LastActivity: instant().Draw(t, "last").UTC(),
		RTT:    RTT(rapid.Int64Range(-5, 5e9).Draw(t, "rtt")),
		Uptime: Age(rapid.Int64().Draw(t, "uptime")), Idle: Age(rapid.Int64().Draw(t, "idle")),
		Import: drawPermission(t, "import"), Export: drawPermission(t, "export"),
		PendingBytes: rapid.Int64().Draw(t, "pending"),
		InMsgs:       rapid.Int64().Draw(t, "in_msgs"), OutMsgs: rapid.Int64().Draw(t, "out_msgs"),
		InBytes: rapid.Int64().Draw(t, "in_bytes"), OutBytes: rapid.Int64().Draw(t, "out_bytes"),
		NumSubs: rapid.Uint32().Draw(t, "subs"),
		Account: text().Draw(t, "account"), Compression: text().Draw(t, "compression"),
	}
	if rapid.Bool().Draw(t, "pooled") {
		index := rapid.IntRange(0, 3).Draw(t, "index")
		r.PoolIndex = &index
	}
	for range rapid.IntRange(0, 2).Draw(t, "details") {
		r.SubsDetail = append(r.SubsDetail, drawSub(t))
	}
	return r
}

func TestWriterOfRoutez(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := struct {
			Routez
			Routes []RouteInfo `json:"routes"`
		}{Routez: Routez{ID: text().Draw(t, "id"), Name: text().Draw(t, "server"), Now: instant().Draw(t, "now").UTC(),
			Import: drawPermission(t, "imports"), Export: drawPermission(t, "exports"), NumRoutes: rapid.Int().Draw(t, "n")}, Routes: []RouteInfo{}}
		w := NewWriter(nil, "  ")
		w.RoutezHead(&want.Routez)
		w.Array()
		for range rapid.IntRange(0, 3).Draw(t, "routes") {
			r := drawRoute(t)
			want.Routes = append(want.Routes, r)
			w.RouteHead(&r)
			if len(r.SubsDetail) > 0 {
				w.Key("subscriptions_list_detail")
				w.Array()
				for i := range r.SubsDetail {
					w.Sub(&r.SubsDetail[i])
				}
				w.EndArray()
			}
			w.RouteTail(&r)
		}
		w.EndArray()
		w.EndObject()
		same(t, w.Buf, want)
	})
}

func TestWriterOfRoutesDoesNotAllocate(t *testing.T) {
	index := 1
	r := RouteInfo{Rid: 7, RemoteName: "b", IP: "127.0.0.1", Start: time.Now(), RTT: 1234567, Import: &SubjectPermission{Allow: []string{"a"}}, PoolIndex: &index}
	buf := make([]byte, 0, 4096)
	w := NewWriter(buf, "  ")
	if n := testing.AllocsPerRun(100, func() {
		*w = Writer{Buf: buf[:0], indent: "  "}
		w.RouteHead(&r)
		w.RouteTail(&r)
	}); n != 0 {
		t.Errorf("%v allocations a route, want 0", n)
	}
}

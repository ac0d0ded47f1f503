package server

import (
	"cmp"
	"iter"
	"net"
	"slices"
	"strconv"
	"time"

	"dunlin/internal/core/sublist"
	"dunlin/internal/ops/monitor"
	"dunlin/internal/peer/route"
	"dunlin/internal/proto/sysapi"
)

// Routes takes a snapshot of the routes.
func (s *source) Routes() []sysapi.RouteInfo {
	list := s.cluster.routes()
	out := make([]sysapi.RouteInfo, 0, len(list))
	now := time.Now()
	for _, r := range list {
		if r.Registration() != nil { // else it is just becoming one
			out = append(out, describeRoute(r, now))
		}
	}
	slices.SortFunc(out, func(a, b sysapi.RouteInfo) int { return cmp.Compare(a.Rid, b.Rid) })
	return out
}

func describeRoute(r *route.Conn, now time.Time) sysapi.RouteInfo {
	reg := r.Registration()
	d := r.Describe()
	out := sysapi.RouteInfo{
		Rid: r.ID(), RemoteID: reg.Peer.ID, RemoteName: reg.Peer.Name, DidSolicit: reg.Solicited, IsConfigured: reg.Configured,
		Start: d.Start, LastActivity: d.LastActivity, RTT: sysapi.RTT(d.RTT),
		Uptime: sysapi.Age(now.Sub(d.Start)), Idle: sysapi.Age(max(now.Sub(d.LastActivity), 0)),
		PendingBytes: d.Pending, InMsgs: d.In.Msgs, InBytes: d.In.Bytes, OutMsgs: d.Out.Msgs, OutBytes: d.Out.Bytes,
		NumSubs: uint32(d.Subs), Account: reg.Slot.Account, Compression: d.Compression,
	}
	if host, port, err := net.SplitHostPort(r.Address()); err == nil {
		out.IP = host
		if n, err := strconv.Atoi(port); err == nil {
			out.Port = n
		}
	}
	if reg.Peer.Pool > 0 && reg.Slot.Account == "" {
		index := reg.Slot.Index
		out.PoolIndex = &index
	}
	return out
}

// RouteSubs yields the interest that a route has told of.
func (s *source) RouteSubs(id uint64) iter.Seq[[]monitor.Sub] {
	return func(yield func([]monitor.Sub) bool) {
		for _, r := range s.cluster.routes() {
			if r.ID() == id {
				routeBatches(r, yield)
				return
			}
		}
	}
}

// routeSid names interest of another server as nats-server does. A route that
// carries a single account leaves it out.
func routeSid(account string, pinned bool, sub *sublist.Sub) string {
	sid := "R " + sub.Subject()
	if !pinned {
		sid = "R " + account + " " + sub.Subject()
	}
	if queue := sub.Queue(); queue != "" {
		sid += " " + queue
	}
	return sid
}

func routeBatches(r *route.Conn, yield func([]monitor.Sub) bool) {
	buf := make([]monitor.Sub, 0, monitor.BatchMax)
	going := true
	pinned := false
	if reg := r.Registration(); reg != nil {
		pinned = reg.Slot.Account != ""
	}
	r.Subs(func(account string, sub *sublist.Sub) bool {
		one := snapshotSub(account, sub)
		one.ConnID, one.Sid = r.ID(), routeSid(account, pinned, sub)
		buf = append(buf, one)
		if len(buf) == monitor.BatchMax {
			going = yield(buf)
			buf = buf[:0]
		}
		return going
	})
	if going && len(buf) > 0 {
		yield(buf)
	}
}

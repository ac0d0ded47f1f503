package metrics

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"dunlin/internal/proto/sysapi"
)

// remotesMax is how many servers of the cluster have series of their own.
const remotesMax = 64

// remote is what is shown of one other server: all its connections together.
// Which connection carries what changes with the size of the pool and after
// each reconnect; a series for each would come and go and add up without end.
type remote struct {
	name                 string
	conns, subs, pending int64
	rtt                  time.Duration // of the slowest connection
	counts               counts        // slow is not used
	here                 bool          // connected in this scrape
}

// remotes sums what connections count up by server. A connection's counters
// begin at 0 and go with it, the sums of a server must not, so the growth since
// the last scrape is added up; what a connection moved between the last scrape
// and its end is not in its server's sums. It is in the server's totals.
type remotes struct {
	own   map[string]*remote
	other remote // those without series of their own
	seen  map[uint64]counts
}

func newRemotes() remotes {
	return remotes{own: map[string]*remote{}, other: remote{name: other}, seen: map[uint64]counts{}}
}

// scrape adds a snapshot and returns the rows to show, sorted by name, with
// other at the end if there is or was anything in it. A server that has gone
// keeps its row, with no connections, until its place is needed.
func (m *remotes) scrape(routes []sysapi.RouteInfo) []*remote {
	slices.SortFunc(routes, func(a, b sysapi.RouteInfo) int { return cmp.Compare(a.Rid, b.Rid) })
	for _, r := range m.own {
		r.reset()
	}
	m.other.reset()
	for i := range routes {
		if r := m.own[remoteName(&routes[i])]; r != nil {
			r.here = true
		}
	}
	seen := make(map[uint64]counts, len(routes))
	for i := range routes {
		route := &routes[i]
		now := counts{inMsgs: route.InMsgs, outMsgs: route.OutMsgs, inBytes: route.InBytes, outBytes: route.OutBytes}
		r := m.place(remoteName(route))
		r.here = true
		r.conns++
		r.subs += int64(route.NumSubs)
		r.pending += route.PendingBytes
		r.rtt = max(r.rtt, time.Duration(route.RTT))
		r.counts.add(now.since(m.seen[route.Rid]))
		seen[route.Rid] = now
	}
	m.seen = seen
	rows := slices.SortedFunc(maps.Values(m.own), func(a, b *remote) int { return cmp.Compare(a.name, b.name) })
	if m.other.here || m.other.counts != (counts{}) {
		rows = append(rows, &m.other)
	}
	return rows
}

func (r *remote) reset() { r.conns, r.subs, r.pending, r.rtt, r.here = 0, 0, 0, 0, false }

// place finds the row of a server, makes one if there is room, or takes the
// place of one that has gone, whose sums go to other.
func (m *remotes) place(name string) *remote {
	if r := m.own[name]; r != nil {
		return r
	}
	if name == "" || name == other {
		return &m.other
	}
	if len(m.own) >= remotesMax {
		gone := ""
		for _, r := range m.own {
			if !r.here && (gone == "" || r.name < gone) {
				gone = r.name
			}
		}
		if gone == "" {
			return &m.other
		}
		m.other.counts.add(m.own[gone].counts)
		delete(m.own, gone)
	}
	r := &remote{name: name}
	m.own[name] = r
	return r
}

// remoteName is what a server calls itself, made fit to be a label.
func remoteName(r *sysapi.RouteInfo) string { return label(cmp.Or(r.RemoteName, r.RemoteID)) }

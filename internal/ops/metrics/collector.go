package metrics

import (
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"dunlin/internal/proto/sysapi"
)

// figure is one series of the server as a whole.
type figure struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(v *sysapi.Varz) float64
}

// seconds of nanoseconds, as Prometheus counts time.
func seconds(nanos int64) float64 { return time.Duration(nanos).Seconds() }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("dunlin_"+name, help, labels, nil)
}

func gauge(name, help string, of func(v *sysapi.Varz) float64) figure {
	return figure{desc(name, help), prometheus.GaugeValue, of}
}

func counter(name, help string, of func(v *sysapi.Varz) float64) figure {
	return figure{desc(name+"_total", help), prometheus.CounterValue, of}
}

func figures() []figure {
	return []figure{
		gauge("start_time_seconds", "When the server started, in seconds since 1970.",
			func(v *sysapi.Varz) float64 { return float64(v.Start.UnixMilli()) / 1000 }),
		gauge("config_load_time_seconds", "When the configuration was last loaded, in seconds since 1970.",
			func(v *sysapi.Varz) float64 { return float64(v.ConfigLoadTime.UnixMilli()) / 1000 }),
		gauge("max_connections", "How many client connections are allowed.",
			func(v *sysapi.Varz) float64 { return float64(v.MaxConnections) }),
		gauge("max_payload_bytes", "How large a message may be.",
			func(v *sysapi.Varz) float64 { return float64(v.MaxPayload) }),
		gauge("max_pending_bytes", "How much may wait for one client before it is cut off.",
			func(v *sysapi.Varz) float64 { return float64(v.MaxPending) }),
		gauge("write_deadline_seconds", "How long one write to a client may take.",
			func(v *sysapi.Varz) float64 { return seconds(v.WriteDeadlineNanos) }),

		gauge("connections", "Client connections that are open.",
			func(v *sysapi.Varz) float64 { return float64(v.Connections) }),
		counter("accepted_connections", "Client connections accepted since the start.",
			func(v *sysapi.Varz) float64 { return float64(v.TotalConnections) }),
		gauge("leafnodes", "Leaf node connections that are open.",
			func(v *sysapi.Varz) float64 { return float64(v.Leafs) }),
		gauge("routes", "Route connections that are open.",
			func(v *sysapi.Varz) float64 { return float64(v.Routes) }),
		gauge("remotes", "Servers of the cluster that are connected.",
			func(v *sysapi.Varz) float64 { return float64(v.Remotes) }),
		gauge("subscriptions", "Subscriptions of all accounts.",
			func(v *sysapi.Varz) float64 { return float64(v.Subscriptions) }),

		counter("in_messages", "Messages received, from clients and servers.",
			func(v *sysapi.Varz) float64 { return float64(v.InMsgs) }),
		counter("in_bytes", "Bytes of messages received, from clients and servers.",
			func(v *sysapi.Varz) float64 { return float64(v.InBytes) }),
		counter("out_messages", "Messages sent, to clients and servers.",
			func(v *sysapi.Varz) float64 { return float64(v.OutMsgs) }),
		counter("out_bytes", "Bytes of messages sent, to clients and servers.",
			func(v *sysapi.Varz) float64 { return float64(v.OutBytes) }),
		counter("client_in_messages", "Messages received from clients.",
			func(v *sysapi.Varz) float64 { return float64(v.InClientMsgs) }),
		counter("client_in_bytes", "Bytes of messages received from clients.",
			func(v *sysapi.Varz) float64 { return float64(v.InClientBytes) }),
		counter("client_out_messages", "Messages sent to clients.",
			func(v *sysapi.Varz) float64 { return float64(v.OutClientMsgs) }),
		counter("client_out_bytes", "Bytes of messages sent to clients.",
			func(v *sysapi.Varz) float64 { return float64(v.OutClientBytes) }),
		counter("stalled_clients", "Times a client was held back because others read too slowly.",
			func(v *sysapi.Varz) float64 { return float64(v.StalledClients) }),
	}
}

// collector reads the source once a scrape.
type collector struct {
	source  Source
	figures []figure

	info, slow, stale, closed, certificate         *prometheus.Desc
	accounts, accConns, accLeafs, accSubs, accSlow *prometheus.Desc
	accMsgs, accBytes                              *prometheus.Desc
	rteConns, rteSubs, rtePending, rteRTT          *prometheus.Desc
	rteMsgs, rteBytes                              *prometheus.Desc

	mu     sync.Mutex // one scrape at a time
	chosen chooser
	routes remotes
}

func newCollector(source Source, accountsMax int) *collector {
	return &collector{
		source:  source,
		figures: figures(),
		info: desc("info", "Always 1; which server this is and what it runs.",
			"version", "nats_version", "server_name", "server_id"),
		slow:        desc("slow_consumers_total", "Connections cut off because they read too slowly.", "kind"),
		stale:       desc("stale_connections_total", "Connections cut off because pings were not answered.", "kind"),
		closed:      desc("closed_connections_total", "Connections that have ended, by the reason.", "reason"),
		certificate: desc("tls_certificate_not_after_seconds", "When the server's certificate ends, in seconds since 1970."),
		accounts:    desc("accounts", "Accounts of this server."),
		accConns:    desc("account_connections", "Client connections that are open.", "account"),
		accLeafs:    desc("account_leafnodes", "Leaf node connections that are open.", "account"),
		accSubs:     desc("account_subscriptions", "Subscriptions.", "account"),
		accSlow:     desc("account_slow_consumers_total", "Connections cut off because they read too slowly.", "account"),
		accMsgs:     desc("account_messages_total", "Messages; direction is seen from the server.", "account", "direction"),
		accBytes:    desc("account_bytes_total", "Bytes of messages; direction is seen from the server.", "account", "direction"),
		rteConns:    desc("route_connections", "Connections to another server of the cluster.", "remote"),
		rteSubs:     desc("route_subscriptions", "Interest that another server has told.", "remote"),
		rtePending:  desc("route_pending_bytes", "Bytes that wait to be sent to another server.", "remote"),
		rteRTT:      desc("route_rtt_seconds", "Round trip time of the slowest connection to another server.", "remote"),
		rteMsgs:     desc("route_messages_total", "Messages between servers; direction is seen from this one.", "remote", "direction"),
		rteBytes:    desc("route_bytes_total", "Bytes of messages between servers; direction is seen from this one.", "remote", "direction"),
		chosen:      newChooser(accountsMax),
		routes:      newRemotes(),
	}
}

// Describe sends nothing, which tells the registry that what Collect sends is
// only known then: the accounts differ from one scrape to the next.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the source and sends everything.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	var v sysapi.Varz
	c.source.Varz(&v)
	for i := range c.figures {
		f := &c.figures[i]
		send(f.desc, f.kind, f.of(&v))
	}
	send(c.info, prometheus.GaugeValue, 1, label(v.Dunlin), label(v.Version), label(v.Name), label(v.ID))
	if !v.TLSCertNotAfter.IsZero() {
		send(c.certificate, prometheus.GaugeValue, float64(v.TLSCertNotAfter.Unix()))
	}
	for _, by := range []struct {
		desc *prometheus.Desc
		n    *sysapi.KindStats
	}{{c.slow, &v.SlowConsumerStats}, {c.stale, &v.StaleStats}} {
		send(by.desc, prometheus.CounterValue, float64(by.n.Clients), "client")
		send(by.desc, prometheus.CounterValue, float64(by.n.Routes), "route")
		send(by.desc, prometheus.CounterValue, float64(by.n.Gateways), "gateway")
		send(by.desc, prometheus.CounterValue, float64(by.n.Leafs), "leafnode")
	}
	for reason, n := range c.source.ClosedByReason() {
		send(c.closed, prometheus.CounterValue, float64(n), label(reason))
	}
	for _, r := range c.routes.scrape(c.source.Routes()) {
		send(c.rteConns, prometheus.GaugeValue, float64(r.conns), r.name)
		send(c.rteSubs, prometheus.GaugeValue, float64(r.subs), r.name)
		send(c.rtePending, prometheus.GaugeValue, float64(r.pending), r.name)
		send(c.rteMsgs, prometheus.CounterValue, float64(r.counts.inMsgs), r.name, "in")
		send(c.rteMsgs, prometheus.CounterValue, float64(r.counts.outMsgs), r.name, "out")
		send(c.rteBytes, prometheus.CounterValue, float64(r.counts.inBytes), r.name, "in")
		send(c.rteBytes, prometheus.CounterValue, float64(r.counts.outBytes), r.name, "out")
		if r.rtt > 0 {
			send(c.rteRTT, prometheus.GaugeValue, r.rtt.Seconds(), r.name)
		}
	}
	rows, accounts := c.chosen.scrape(c.source)
	send(c.accounts, prometheus.GaugeValue, float64(accounts))
	for _, r := range rows {
		send(c.accConns, prometheus.GaugeValue, float64(r.conns), r.name)
		send(c.accLeafs, prometheus.GaugeValue, float64(r.leafs), r.name)
		send(c.accSubs, prometheus.GaugeValue, float64(r.subs), r.name)
		send(c.accSlow, prometheus.CounterValue, float64(r.slow), r.name)
		send(c.accMsgs, prometheus.CounterValue, float64(r.inMsgs), r.name, "in")
		send(c.accMsgs, prometheus.CounterValue, float64(r.outMsgs), r.name, "out")
		send(c.accBytes, prometheus.CounterValue, float64(r.inBytes), r.name, "in")
		send(c.accBytes, prometheus.CounterValue, float64(r.outBytes), r.name, "out")
	}
}

// labelMax bounds a label's value.
const labelMax = 256

// label makes a text fit to be a label's value: valid UTF-8, not too long.
func label(s string) string {
	if len(s) > labelMax {
		s = s[:labelMax]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

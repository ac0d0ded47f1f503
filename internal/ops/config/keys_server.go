package config

import (
	"fmt"
	"strings"
	"time"

	"dunlin/internal/proto/conflang"
)

func opt(f func(o *Options) any) func(any) any {
	return func(ctx any) any { return f(ctx.(*Options)) }
}

func setOpt(f func(r *reader, o *Options, v *conflang.Value)) func(*reader, any, *conflang.Entry) {
	return func(r *reader, ctx any, e *conflang.Entry) { f(r, ctx.(*Options), e.Value) }
}

// top is the table of the top level. It is a variable of several parts only
// because files have a limit.
var top = schema{title: "the configuration", keys: concat(
	listenerKeys, monitorKeys, logKeys, limitKeys, timingKeys, frontDoorKeys, tenantKeys, []*key{clusterKey}, laterKeys,
)}

func concat(parts ...[]*key) []*key {
	var all []*key
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

var listenerKeys = []*key{
	{name: "listen", takes: tHostPort | tInt, def: "0.0.0.0:4222", doc: "Address and port for clients; a port alone listens on every address.",
		set: setOpt(func(_ *reader, o *Options, v *conflang.Value) { setHostPort(v, &o.Host, &o.Port) })},
	{name: "host", alias: []string{"net"}, takes: tStr, def: "0.0.0.0", doc: "Address to listen on for clients.", bind: opt(func(o *Options) any { return &o.Host })},
	{name: "port", takes: tInt, def: "4222", doc: "Port for clients; -1 takes any free port.", bind: opt(func(o *Options) any { return &o.Port })},
	{name: "client_advertise", takes: tStr, reload: true, doc: "Address that clients are told instead of the one listened on.", bind: opt(func(o *Options) any { return &o.ClientAdvertise })},
	{name: "server_name", takes: tStr, def: "the server id", doc: "Name of this server, unique among all that are connected.", bind: opt(func(o *Options) any { return &o.ServerName }),
		check: func(v *conflang.Value) string {
			if strings.ContainsAny(v.Str, " \t\r\n") {
				return "the name holds blanks; expected one word"
			}
			return ""
		}},
	{name: "server_tags", takes: tStrOrs, reload: true, doc: "Words that describe this server, for placement and filters.", bind: opt(func(o *Options) any { return &o.Tags })},
	{name: "server_metadata", takes: tMap, reload: true, doc: "Names and values that describe this server in monitoring.", set: setOpt(setMetadata), inner: &schema{title: "server_metadata", free: &key{name: "<name>", takes: tStr, doc: "Any name and value."}}},
	{name: "feature_flags", takes: tMap, doc: "Switches for behaviour that is being introduced.", set: setOpt(setFeatureFlags), inner: &schema{title: "feature_flags", free: &key{name: "<flag>", takes: tBool, doc: "One switch; unknown ones are kept and reported."}}},
	{name: "proxy_protocol", takes: tBool, def: "false", doc: "Clients come through a proxy that sends a PROXY protocol header (v1 or v2).", bind: opt(func(o *Options) any { return &o.ProxyProtocol })},
	{name: "no_header_support", takes: tBool, def: "false", doc: "Refuse message headers.", bind: opt(func(o *Options) any { return &o.NoHeaderSupport })},
	{name: "disable_sublist_cache", alias: []string{"no_sublist_cache"}, takes: tBool, def: "false", doc: "Do not remember which subscriptions match a subject.", bind: opt(func(o *Options) any { return &o.DisableSublistCache })},
	{name: "no_fast_producer_stall", takes: tBool, def: "false", reload: true, doc: "Drop messages for a consumer that lags instead of slowing its producers down.", bind: opt(func(o *Options) any { return &o.NoFastProducerStall })},
}

var monitorKeys = []*key{
	{name: "http", takes: tHostPort | tInt, doc: "Address and port of the monitoring pages.", set: setOpt(func(_ *reader, o *Options, v *conflang.Value) { setHostPort(v, &o.HTTPHost, &o.HTTPPort) })},
	{name: "http_port", alias: []string{"monitor_port"}, takes: tInt, doc: "Port of the monitoring pages.", bind: opt(func(o *Options) any { return &o.HTTPPort })},
	{name: "https", takes: tHostPort | tInt, doc: "Address and port of the monitoring pages over TLS, with the certificate of the tls block.", set: setOpt(func(_ *reader, o *Options, v *conflang.Value) { setHostPort(v, &o.HTTPHost, &o.HTTPSPort) })},
	{name: "https_port", takes: tInt, doc: "Port of the monitoring pages over TLS.", bind: opt(func(o *Options) any { return &o.HTTPSPort })},
	{name: "http_base_path", takes: tStr, doc: "Path in front of every monitoring page.", bind: opt(func(o *Options) any { return &o.HTTPBasePath })},
	{name: "prof_port", takes: tInt, doc: "Port of the Go profiler; 0 is off.", bind: opt(func(o *Options) any { return &o.ProfPort })},
	{name: "prof_block_rate", takes: tInt, def: "0", reload: true, doc: "Sampling of blocking events for the profiler, in nanoseconds blocked for each sample.", bind: opt(func(o *Options) any { return &o.ProfBlockRate })},
}

var logKeys = []*key{
	{name: "debug", takes: tBool, def: "false", reload: true, doc: "Log what helps to understand the server.", bind: opt(func(o *Options) any { return &o.Debug })},
	{name: "trace", takes: tBool, def: "false", reload: true, doc: "Log every protocol operation.", bind: opt(func(o *Options) any { return &o.Trace })},
	{name: "trace_verbose", takes: tBool, def: "false", reload: true, doc: "Like trace, the system account included.", set: setOpt(func(_ *reader, o *Options, v *conflang.Value) {
		o.TraceVerbose = v.Bool
		o.Trace = o.Trace || v.Bool
	})},
	{name: "trace_headers", takes: tBool, def: "false", reload: true, doc: "Like trace, with the headers of messages only and not their bodies.", set: setOpt(func(_ *reader, o *Options, v *conflang.Value) {
		o.TraceHeaders = v.Bool
		o.Trace = o.Trace || v.Bool
	})},
	{name: "logtime", takes: tBool, def: "true", reload: true, doc: "Begin each line of the log with the time.", bind: opt(func(o *Options) any { return &o.LogTime })},
	{name: "logtime_utc", takes: tBool, def: "false", reload: true, doc: "Times in the log are in UTC.", bind: opt(func(o *Options) any { return &o.LogTimeUTC })},
	{name: "logfile", alias: []string{"log_file"}, takes: tStr, reload: true, doc: "File that the log goes to.", bind: opt(func(o *Options) any { return &o.LogFile })},
	{name: "logfile_size_limit", alias: []string{"log_size_limit"}, takes: tInt, def: "0", doc: "Size at which the log file is rotated; 0 never rotates.", bind: opt(func(o *Options) any { return &o.LogSizeLimit })},
	{name: "logfile_max_num", alias: []string{"log_max_num"}, takes: tInt, def: "0", doc: "How many log files are kept, the current one included; 0 keeps all.", bind: opt(func(o *Options) any { return &o.LogMaxFiles })},
	{name: "log_format", takes: tStr, words: []string{"text", "json"}, def: "text", doc: "Form of the log: lines for people, or one JSON object a line. A key of Dunlin's own.", set: setOpt(func(_ *reader, o *Options, v *conflang.Value) { o.LogFormat = strings.ToLower(v.Str) })},
	{name: "syslog", takes: tBool, def: "false", reload: true, doc: "Log to the local syslog.", bind: opt(func(o *Options) any { return &o.Syslog })},
	{name: "remote_syslog", takes: tStr, reload: true, doc: "Address of a syslog server, such as udp://localhost:514.", bind: opt(func(o *Options) any { return &o.RemoteSyslog })},
	{name: "max_traced_msg_len", takes: tInt, def: "0", reload: true, doc: "Bytes of a message that a trace shows; 0 shows all.", bind: opt(func(o *Options) any { return &o.MaxTracedMsgLen })},
	{name: "pidfile", alias: []string{"pid_file"}, takes: tStr, reload: true, doc: "File that the process id is written to.", bind: opt(func(o *Options) any { return &o.PidFile })},
	{name: "ports_file_dir", takes: tStr, reload: true, doc: "Directory for a JSON file that lists the ports in use.", bind: opt(func(o *Options) any { return &o.PortsFileDir })},
}

var limitKeys = []*key{
	{name: "max_connections", alias: []string{"max_conn"}, takes: tInt, def: "65536", reload: true, doc: "Most client connections at a time; -1 is no limit.", bind: opt(func(o *Options) any { return &o.MaxConn })},
	{name: "max_subscriptions", alias: []string{"max_subs"}, takes: tInt, def: "no limit", doc: "Most subscriptions of one connection.", bind: opt(func(o *Options) any { return &o.MaxSubs })},
	{name: "max_sub_tokens", alias: []string{"max_subscription_tokens"}, takes: tInt, def: "no limit", doc: "Most tokens in a subject that is subscribed to.", check: between(1, 255), bind: opt(func(o *Options) any { return &o.MaxSubTokens })},
	{name: "max_control_line", takes: tInt, def: "4KB", reload: true, doc: "Longest protocol line of a client.", bind: opt(func(o *Options) any { return &o.MaxControlLine })},
	{name: "max_payload", takes: tInt, def: "1MB", reload: true, doc: "Largest message, headers included.", bind: opt(func(o *Options) any { return &o.MaxPayload })},
	{name: "max_pending", takes: tInt, def: "64MB", doc: "Most bytes that wait for one client before it is closed as a slow consumer.", bind: opt(func(o *Options) any { return &o.MaxPending })},
	{name: "max_closed_clients", takes: tInt, def: "10000", doc: "How many closed connections monitoring remembers.", check: between(0, 10_000_000), bind: opt(func(o *Options) any { return &o.MaxClosedClients })},
	{name: "connect_error_reports", takes: tInt, def: "3600", reload: true, doc: "Of so many failed attempts to connect to another server one is logged.", bind: opt(func(o *Options) any { return &o.ConnectErrorReports })},
	{name: "reconnect_error_reports", takes: tInt, def: "1", reload: true, doc: "Of so many failed attempts to connect again one is logged.", bind: opt(func(o *Options) any { return &o.ReconnectErrorReports })},
}

var timingKeys = []*key{
	{name: "ping_interval", takes: tDuration, def: "2m", reload: true, doc: "Time between two PINGs to an idle connection.", bind: opt(func(o *Options) any { return &o.PingInterval })},
	{name: "ping_max", takes: tInt, def: "2", reload: true, doc: "PINGs without an answer after which a connection is closed as stale.", bind: opt(func(o *Options) any { return &o.MaxPingsOut })},
	{name: "write_deadline", takes: tDuration, def: "10s", reload: true, doc: "Longest time that a write to a connection may take.", bind: opt(func(o *Options) any { return &o.WriteDeadline })},
	{name: "write_timeout", takes: tStr, words: writeTimeouts, def: "default", doc: "What happens at the write deadline: close the connection, or retry; the default closes clients.", check: exactWord(writeTimeouts), bind: opt(func(o *Options) any { return &o.WriteTimeout })},
	{name: "lame_duck_duration", takes: tDuration, def: "2m", doc: "Time over which clients are closed in lame duck mode, at least 30 seconds.", check: atLeast(30 * time.Second), bind: opt(func(o *Options) any { return &o.LameDuckDuration })},
	{name: "lame_duck_grace_period", takes: tDuration, def: "10s", doc: "Time between announcing lame duck mode and closing the first client.", check: atLeast(0), bind: opt(func(o *Options) any { return &o.LameDuckGracePeriod })},
}

var writeTimeouts = []string{"default", "close", "retry"}

// exactWord refuses another spelling of a word, as nats-server does here.
func exactWord(words []string) func(*conflang.Value) string {
	return func(v *conflang.Value) string {
		for _, w := range words {
			if v.Str == w {
				return ""
			}
		}
		return fmt.Sprintf("%q is not known; expected one of %s", v.Str, strings.Join(words, ", "))
	}
}

func between(low, high int64) func(*conflang.Value) string {
	return func(v *conflang.Value) string {
		if v.Kind == conflang.Int && (v.Int < low || v.Int > high) {
			return fmt.Sprintf("%d is out of range; expected %d to %d", v.Int, low, high)
		}
		return ""
	}
}

func atLeast(low time.Duration) func(*conflang.Value) string {
	return func(v *conflang.Value) string {
		if d := duration(v); d < low {
			return fmt.Sprintf("%s is too short; expected at least %s", d, low)
		}
		return ""
	}
}

func setHostPort(v *conflang.Value, host *string, port *int) {
	h, p, _ := hostPort(v) // wrong has refused what is no address
	if v.Kind == conflang.String {
		*host = h
	}
	*port = p
}

func setMetadata(_ *reader, o *Options, v *conflang.Value) {
	o.Metadata = make(map[string]string, v.Map.Len())
	for _, e := range v.Map.Entries() {
		o.Metadata[e.Key] = e.Value.Str
	}
}

func setFeatureFlags(_ *reader, o *Options, v *conflang.Value) {
	o.FeatureFlags = make(map[string]bool, v.Map.Len())
	for _, e := range v.Map.Entries() {
		o.FeatureFlags[e.Key] = e.Value.Bool
	}
}

package config

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"dunlin/internal/proto/conflang"
)

// The keys in this file belong to areas that this version does not serve.
// They are checked as closely as nats-server -t checks them, so that a file
// that it refuses is refused here, too, and stored nowhere.

var onOffWords = []string{"enabled", "enable", "disabled", "disable"}

func listenerKeysOf(what string, more ...*key) []*key {
	return append([]*key{
		{name: "listen", takes: tHostPort | tInt, doc: "Address and port for " + what + "."},
		{name: "host", alias: []string{"net"}, takes: tStr, def: "0.0.0.0", doc: "Address for " + what + "."},
		{name: "port", takes: tInt, doc: "Port for " + what + "."},
	}, more...)
}

func tlsKeyOf(inner *schema, what string) *key {
	return &key{name: "tls", takes: tMap, doc: "TLS for " + what + ".", inner: inner, open: openTLS, close: closeTLS}
}

// Rows that stand in more than one block, with a rule of their own in one.

func withReload(k *key) *key {
	own := *k
	own.reload = true
	return &own
}

func withRestart(k *key) *key {
	own := *k
	own.restart = true
	return &own
}

func withLasting(k *key) *key {
	own := *k
	own.reload, own.lasting = true, true
	return &own
}

var writeKeys = []*key{
	{name: "write_deadline", takes: tDuration, def: "10s", doc: "Longest time that a write may take."},
	{name: "write_timeout", takes: tStr, words: writeTimeouts, def: "default", check: exactWord(writeTimeouts), doc: "What happens at the write deadline; the default retries."},
}

var compressionKey = &key{name: "compression", takes: tBool | tStr | tMap, doc: "Compression: off, accept, s2_fast, s2_better, s2_best, s2_uncompressed or s2_auto.", inner: &schema{title: "compression", keys: []*key{
	{name: "mode", takes: tStr, doc: "The mode."},
	{name: "rtt_thresholds", alias: []string{"thresholds", "rtts"}, takes: tStrs, doc: "Round trip times at which s2_auto changes the level.", check: checkDurations},
}}}

func checkDurations(v *conflang.Value) string {
	for _, s := range strs(v) {
		if _, err := time.ParseDuration(s); err != nil {
			return fmt.Sprintf("%q is not a duration; expected a number with a unit, such as \"10ms\"", s)
		}
	}
	return ""
}

func checkURLs(v *conflang.Value) string {
	for _, s := range strs(v) {
		u, err := url.Parse(strings.TrimSpace(s))
		if err != nil || u.Host == "" && u.Opaque == "" && u.Path == "" {
			return "an entry is not a URL; expected the form nats://user:password@host:port"
		}
	}
	return ""
}

var gatewayKeys = schema{title: "gateway", keys: append(listenerKeysOf("gateways",
	&key{name: "name", takes: tStr, check: clusterName, doc: "Name of this cluster."},
	linkAuthorization("gateways"),
	withLasting(tlsKeyOf(&linkTLSKeys, "gateways")),
	&key{name: "advertise", takes: tStr, doc: "Address that other clusters are told."},
	&key{name: "connect_retries", takes: tInt, def: "0", doc: "Attempts to connect to a gateway learnt from others."},
	&key{name: "connect_backoff", takes: tBool, def: "false", doc: "Wait longer after each failed attempt."},
	&key{name: "reject_unknown_cluster", alias: []string{"reject_unknown"}, takes: tBool, def: "false", doc: "Refuse clusters that are not in gateways."},
	&key{name: "gateways", takes: tArray, doc: "The other clusters.", inner: &schema{title: "gateway.gateways", keys: []*key{
		{name: "name", takes: tStr, doc: "Name of the cluster."},
		{name: "url", takes: tStr, check: checkURLs, doc: "URL of one of its servers."},
		{name: "urls", takes: tStrs, check: checkURLs, doc: "URLs of its servers."},
		tlsKeyOf(&linkTLSKeys, "this gateway"),
	}}},
), writeKeys...)}

var leafKeys = schema{title: "leafnodes", keys: append(listenerKeysOf("leaf nodes",
	leafAuthorization,
	&key{name: "remotes", reload: true, takes: tArray, doc: "Servers that this one connects to as a leaf node.", inner: &leafRemoteKeys},
	&key{name: "reconnect", alias: []string{"reconnect_delay", "reconnect_interval"}, takes: tDuration, def: "1s", doc: "Wait before connecting again."},
	withLasting(tlsKeyOf(&linkTLSKeys, "leaf nodes")),
	&key{name: "advertise", takes: tStr, doc: "Address that leaf nodes are told."},
	&key{name: "no_advertise", takes: tBool, def: "false", doc: "Do not tell leaf nodes the addresses of other servers."},
	&key{name: "min_version", takes: tStr, check: checkLeafVersion, doc: "Oldest version of a leaf node, at least 2.8.0."},
	withReload(compressionKey),
	&key{name: "isolate_leafnode_interest", alias: []string{"isolate"}, takes: tBool, def: "false", doc: "Do not tell leaf nodes each other's interest."},
	&key{name: "dial_timeout", takes: tDuration, def: "1s", doc: "Time to connect."},
), writeKeys...)}

func checkLeafVersion(v *conflang.Value) string {
	var major, minor, patch int
	if n, err := fmt.Sscanf(v.Str+".", "%d.%d.%d.", &major, &minor, &patch); err != nil || n != 3 {
		return fmt.Sprintf("%q is no version; expected the form 2.8.0", v.Str)
	}
	if major < 2 || major == 2 && minor < 8 {
		return v.Str + " is too old; expected at least 2.8.0"
	}
	return ""
}

var leafRemoteKeys = schema{title: "leafnodes.remotes", keys: []*key{
	{name: "urls", alias: []string{"url"}, takes: tStrOrs, check: checkURLs, doc: "URLs to connect to."},
	{name: "account", alias: []string{"local"}, takes: tStr, def: "$G", doc: "Account here that is joined."},
	{name: "credentials", alias: []string{"creds"}, takes: tStr, doc: "File with user JWT and seed."},
	{name: "nkey", alias: []string{"seed"}, takes: tStr, secret: true, check: validSeed, doc: "Seed to authenticate with."},
	tlsKeyOf(&linkTLSKeys, "this remote"),
	{name: "hub", takes: tBool, def: "false", doc: "This side is the hub."},
	{name: "deny_imports", alias: []string{"deny_import"}, takes: tStrOrs, doc: "Subjects that do not come in."},
	{name: "deny_exports", alias: []string{"deny_export"}, takes: tStrOrs, doc: "Subjects that do not go out."},
	{name: "ws_compression", alias: []string{"websocket_compression"}, takes: tBool, def: "false", doc: "Compress over WebSocket."},
	{name: "ws_no_masking", alias: []string{"websocket_no_masking"}, takes: tBool, def: "false", doc: "Do not mask over WebSocket."},
	{name: "jetstream_cluster_migrate", alias: []string{"js_cluster_migrate"}, takes: tBool | tMap, doc: "Give up leadership when the connection is lost.", inner: &schema{title: "jetstream_cluster_migrate", keys: []*key{
		{name: "leader_migrate_delay", alias: []string{"delay"}, takes: tDuration, doc: "Wait before doing so."},
	}}},
	{name: "first_info_timeout", takes: tDuration, def: "1s", doc: "Time for the first INFO."},
	{name: "dial_timeout", takes: tDuration, def: "1s", doc: "Time to connect."},
	compressionKey,
	{name: "proxy", takes: tMap, doc: "HTTP proxy to connect through.", inner: &schema{title: "proxy", keys: []*key{
		{name: "url", takes: tStr, check: checkProxyURL, doc: "URL of the proxy, http or https."},
		{name: "username", takes: tStr, doc: "User at the proxy."},
		{name: "password", takes: tStr, secret: true, doc: "Password at the proxy."},
		{name: "timeout", takes: tDuration, doc: "Time to connect."},
		tlsKeyOf(&linkTLSKeys, "the proxy"),
	}}},
	{name: "disabled", takes: tBool, def: "false", doc: "Do not connect."},
	{name: "no_randomize", alias: []string{"dont_randomize"}, takes: tBool, def: "false", doc: "Try the URLs in order."},
	{name: "ignore_discovered_servers", takes: tBool, def: "false", doc: "Connect to the URLs given only."},
	{name: "isolate_leafnode_interest", alias: []string{"isolate"}, takes: tBool, def: "false", doc: "Do not tell this hub the interest of other leaf nodes."},
	{name: "request_isolation", takes: tBool, def: "false", doc: "Ask the hub for isolation."},
}}

func validSeed(v *conflang.Value) string {
	if _, err := nkeys.FromSeed([]byte(v.Str)); err != nil {
		return "not a valid nkey seed; expected SU..."
	}
	return ""
}

func checkProxyURL(v *conflang.Value) string {
	u, err := url.Parse(v.Str)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "not a proxy URL; expected http://host:port or https://host:port"
	}
	return ""
}

var websocketKeys = schema{title: "websocket", keys: append(listenerKeysOf("WebSocket clients",
	&key{name: "advertise", takes: tStr, doc: "Address that clients are told."},
	&key{name: "no_tls", takes: tBool, def: "false", doc: "Serve without TLS."},
	withLasting(tlsKeyOf(&tlsKeys, "WebSocket clients")),
	&key{name: "same_origin", takes: tBool, def: "false", doc: "The origin must be this server."},
	&key{name: "allowed_origins", alias: []string{"allowed_origin"}, takes: tStrOrs, doc: "Origins that are let in."},
	&key{name: "compression", takes: tBool, def: "false", doc: "Offer compression."},
	&key{name: "handshake_timeout", takes: tInt | tDur, def: "2s", doc: "Time for the upgrade."},
	&key{name: "jwt_cookie", takes: tStr, doc: "Cookie with a user JWT."},
	&key{name: "user_cookie", takes: tStr, doc: "Cookie with the user name."},
	&key{name: "pass_cookie", takes: tStr, doc: "Cookie with the password."},
	&key{name: "token_cookie", takes: tStr, doc: "Cookie with the token."},
	&key{name: "headers", takes: tMap, doc: "Headers of the answer to the upgrade.", inner: &schema{title: "websocket.headers", free: &key{name: "<header>", takes: tStr, doc: "Any header."}}},
	&key{name: "ping_interval", takes: tDuration, doc: "Time between two PINGs."},
), listenerAuthKeys...)}

var mqttKeys = schema{title: "mqtt", keys: append(listenerKeysOf("MQTT clients",
	withReload(tlsKeyOf(&tlsKeys, "MQTT clients")),
	&key{name: "ack_wait", reload: true, takes: tDuration, def: "30s", doc: "Wait before a message is sent again."},
	&key{name: "js_api_timeout", takes: tDuration, def: "5s", doc: "Time for answers of JetStream."},
	&key{name: "max_ack_pending", reload: true, takes: tInt, def: "1024", check: between(0, 65535), doc: "Messages without acknowledgement."},
	&key{name: "js_domain", takes: tStr, doc: "JetStream domain."},
	&key{name: "stream_replicas", reload: true, takes: tInt, doc: "Replicas of streams."},
	&key{name: "consumer_replicas", reload: true, takes: tInt, doc: "Has no effect any more.", advise: func(*conflang.Value) string { return "has no effect any more; remove it" }},
	&key{name: "consumer_memory_storage", reload: true, takes: tBool, def: "false", doc: "Keep consumers in memory."},
	&key{name: "consumer_inactive_threshold", reload: true, alias: []string{"consumer_auto_cleanup"}, takes: tDuration, doc: "Time after which an unused consumer is removed."},
	&key{name: "reject_qos2_publish", takes: tBool, def: "false", doc: "Refuse publications with QoS 2."},
	&key{name: "downgrade_qos2_subscribe", takes: tBool, def: "false", doc: "Give QoS 1 for QoS 2."},
), listenerAuthKeys...)}

var ciphers = []string{"chacha", "chachapoly", "aes"}

func secretKey(name, doc string, alias ...string) *key {
	return &key{name: name, alias: alias, takes: tStr, secret: true, doc: doc}
}

var jetStreamKeys = schema{title: "jetstream", keys: []*key{
	{name: "store_dir", sometimes: "while JetStream is off", alias: []string{"storedir", "store"}, takes: tStr, doc: "Directory of the stored streams."},
	{name: "max_memory_store", sometimes: "only from one size to a larger one", alias: []string{"max_mem_store", "max_mem", "max_memory"}, takes: tInt, def: "75% of memory", doc: "Most memory for streams."},
	{name: "max_file_store", sometimes: "only from one size to a larger one", alias: []string{"max_file"}, takes: tInt, def: "75% of free disk", doc: "Most disk for streams."},
	{name: "domain", restart: true, takes: tStr, doc: "Name of this JetStream among several."},
	{name: "enabled", alias: []string{"enable"}, takes: tBool, def: "true", doc: "Switches JetStream on or off."},
	{name: "strict", restart: true, takes: tBool, def: "true", doc: "Refuse unknown fields in requests."},
	withRestart(secretKey("key", "Encryption key of the stored data.", "ek", "encryption_key")),
	withRestart(secretKey("prev_key", "Key before the last change.", "prev_ek", "prev_encryption_key")),
	{name: "cipher", restart: true, takes: tStr, words: ciphers, doc: "Cipher of the stored data."},
	{name: "extension_hint", restart: true, takes: tStr, doc: "Whether a leaf node extends the hub's JetStream."},
	{name: "unique_tag", restart: true, takes: tStr, doc: "Replicas of a stream go to servers whose tags with this prefix differ."},
	{name: "max_outstanding_catchup", restart: true, takes: tInt, doc: "Most bytes on the way to a replica that catches up."},
	{name: "max_buffered_size", restart: true, takes: tInt, doc: "Most bytes waiting to be stored in one stream."},
	{name: "max_buffered_msgs", restart: true, takes: tInt, doc: "Most messages waiting to be stored in one stream."},
	{name: "request_queue_limit", restart: true, takes: tInt, doc: "Most API requests that wait."},
	{name: "info_queue_limit", restart: true, takes: tInt, doc: "Most info requests that wait."},
	{name: "sync_interval", restart: true, alias: []string{"sync"}, takes: tDuration, words: []string{"always"}, def: "2m", doc: "How often data is synced to disk, or always."},
	{name: "meta_compact", takes: tInt, check: between(1, 1<<40), doc: "Entries after which the meta log is compacted."},
	{name: "meta_compact_size", takes: tInt, check: between(1, 1<<50), doc: "Bytes after which the meta log is compacted."},
	{name: "meta_compact_sync", takes: tBool, doc: "Compact in the foreground."},
	{name: "max_concurrent_io", restart: true, takes: tInt, def: "4096", doc: "File operations at a time."},
	{name: "limits", takes: tMap, doc: "Limits for what users may ask for.", inner: &schema{title: "jetstream.limits", keys: []*key{
		{name: "max_ack_pending", takes: tInt, doc: "Most messages without acknowledgement of a consumer."},
		{name: "max_ha_assets", takes: tInt, doc: "Most streams and consumers with replicas."},
		{name: "max_request_batch", takes: tInt, doc: "Most messages of one pull."},
		{name: "duplicate_window", takes: tDuration, doc: "Longest time in which duplicates are found."},
		{name: "default_max_consumers", takes: tInt, def: "1000", doc: "Consumers of a stream that sets no limit."},
		{name: "batch", takes: tMap, doc: "Limits of batch publishing.", inner: &schema{title: "jetstream.limits.batch", keys: []*key{
			{name: "max_inflight_per_stream", takes: tInt, doc: "Open batches of a stream."},
			{name: "max_inflight_total", takes: tInt, doc: "Open batches of the server."},
			{name: "max_msgs", takes: tInt, doc: "Messages of a batch."},
			{name: "timeout", takes: tDuration, doc: "Time after which an open batch is given up."},
		}}},
	}}},
	{name: "tpm", restart: true, takes: tMap, doc: "Keys sealed by a trusted platform module.", inner: &schema{title: "jetstream.tpm", keys: []*key{
		{name: "keys_file", takes: tStr, doc: "File with the sealed keys."},
		secretKey("encryption_password", "Password of the keys file."),
		secretKey("srk_password", "Password of the storage root key."),
		{name: "pcr", takes: tInt, doc: "Platform register."},
		{name: "cipher", takes: tStr, words: ciphers, doc: "Cipher of the stored data."},
	}}},
}}

var accountJetStreamKeys = schema{title: "an account's jetstream", keys: []*key{
	{name: "max_memory", alias: []string{"max_mem", "mem"}, takes: tInt, doc: "Most memory."},
	{name: "max_file", alias: []string{"max_disk", "max_store"}, takes: tInt, doc: "Most disk."},
	{name: "max_streams", takes: tInt, doc: "Most streams."},
	{name: "max_consumers", takes: tInt, doc: "Most consumers."},
	{name: "max_bytes_required", alias: []string{"max_stream_bytes"}, takes: tBool, def: "false", doc: "Streams must have a limit in bytes."},
	{name: "memory_max_stream_bytes", alias: []string{"mem_max_stream_bytes"}, takes: tInt, doc: "Largest stream in memory."},
	{name: "disk_max_stream_bytes", alias: []string{"store_max_stream_bytes"}, takes: tInt, doc: "Largest stream on disk."},
	{name: "max_ack_pending", takes: tInt, doc: "Most messages without acknowledgement of a consumer."},
	{name: "cluster_traffic", takes: tStr, words: []string{"system", "owner"}, doc: "Account that replication runs in."},
}}

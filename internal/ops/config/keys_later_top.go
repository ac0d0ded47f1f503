package config

import (
	"strings"

	"github.com/nats-io/nkeys"

	"dunlin/internal/proto/conflang"
)

var laterKeys = []*key{
	{name: "gateway", takes: tMap, later: laterGateway, doc: "Other clusters.", inner: &gatewayKeys},
	{name: "leafnodes", alias: []string{"leaf"}, takes: tMap, later: laterLeaf, doc: "Servers at the edge.", inner: &leafKeys},
	{name: "websocket", alias: []string{"ws"}, takes: tMap, later: laterWebsocket, doc: "Clients over WebSocket.", inner: &websocketKeys},
	{name: "mqtt", takes: tMap, later: laterMQTT, doc: "Clients that speak MQTT.", inner: &mqttKeys},
	{name: "jetstream", takes: tBool | tStr | tMap, words: onOffWords, later: laterJetStream, reload: true, doc: "Stored streams.", inner: &jetStreamKeys,
		set: setOpt(func(_ *reader, o *Options, v *conflang.Value) {
			o.JetStream = !switchedOff(v) || v.Kind == conflang.Object && v.Map.Len() == 0
			if v.Kind == conflang.Object {
				if e := v.Map.GetFold("store_dir", "storedir", "store"); e != nil {
					o.StoreDir = e.Value.Str
				}
				for i, names := range [2][]string{{"max_memory_store", "max_mem_store", "max_mem", "max_memory"}, {"max_file_store", "max_file"}} {
					if e := v.Map.GetFold(names...); e != nil {
						o.jetStreamMax[i] = e.Value.Int
					}
				}
			}
		})},
	{name: "store_dir", alias: []string{"storedir"}, takes: tStr, later: laterJetStream, reload: true, sometimes: "while JetStream is off", doc: "Directory of the stored streams.", bind: opt(func(o *Options) any { return &o.StoreDir })},
	{name: "default_js_domain", takes: tMap, later: laterJetStream, doc: "JetStream domain of each account.", inner: &schema{title: "default_js_domain", free: &key{name: "<account>", takes: tStr, doc: "Domain of the account."}}},
	{name: "operator", alias: []string{"operators", "roots", "root"}, takes: tStr | tStrs, later: laterJWT, doc: "Operator JWTs, or files that hold them.", check: checkOperators},
	{name: "trusted_keys", alias: []string{"trusted"}, takes: tStrOrs, later: laterJWT, doc: "Public nkeys of operators.", check: checkTrustedKeys},
	{name: "resolver", alias: []string{"account_resolver", "accounts_resolver"}, takes: tStr | tMap, later: laterJWT, reload: true, lasting: true, doc: "Where account JWTs come from: MEMORY, URL(...), or a map.", check: checkResolver, inner: &schema{title: "resolver", keys: []*key{
		{name: "type", takes: tStr, words: []string{"full", "cache", "mem", "memory"}, doc: "Kind of resolver."},
		{name: "dir", takes: tStr, doc: "Directory of the JWTs."},
		{name: "limit", takes: tInt, doc: "Most JWTs."},
		{name: "ttl", takes: tDur, doc: "How long a JWT is kept."},
		{name: "allow_delete", takes: tBool, def: "false", doc: "Accounts may be deleted."},
		{name: "hard_delete", takes: tBool, def: "false", doc: "Deleted accounts leave no file."},
		{name: "interval", takes: tDuration, doc: "How often servers compare their JWTs."},
		{name: "timeout", takes: tDuration, def: "1.9s", doc: "Time to fetch a JWT."},
		{name: "url", takes: tAny, doc: "Is not looked at."},
		{name: "delete", takes: tAny, doc: "Is not looked at."},
	}}},
	{name: "resolver_tls", takes: tMap, later: laterJWT, reload: true, doc: "TLS towards a URL resolver.", inner: &linkTLSKeys, open: openTLS, close: closeTLS},
	{name: "resolver_preload", takes: tMap, later: laterJWT, reload: true, doc: "Account JWTs by account.", inner: &schema{title: "resolver_preload", free: &key{name: "<account>", takes: tStr, doc: "JWT of the account.", secret: true, check: checkAccountJWT}}},
	{name: "resolver_pinned_accounts", takes: tStrOrs, later: laterJWT, reload: true, doc: "Accounts that are always fetched."},
	{name: "default_sentinel", takes: tStr, later: laterJWT, secret: true, reload: true, doc: "User JWT of connections that give none."},
	{name: "ocsp", takes: tBool | tMap, later: laterOCSP, reload: true, doc: "Staple OCSP answers to the server's certificate.", inner: &schema{title: "ocsp", keys: []*key{
		{name: "mode", takes: tStr, words: []string{"auto", "always", "never", "must"}, def: "auto", doc: "When to staple."},
		{name: "urls", takes: tStrs, doc: "Responders."},
		{name: "url", takes: tStr, doc: "Responder."},
	}}},
	{name: "ocsp_cache", takes: tBool | tMap, later: laterOCSP, reload: true, doc: "Remember OCSP answers.", inner: &schema{title: "ocsp_cache", keys: []*key{
		{name: "type", takes: tStr, words: []string{"local", "none"}, def: "local", doc: "Kind of cache."},
		{name: "local_store", takes: tStr, doc: "Directory of the cache."},
		{name: "preserve_revoked", takes: tBool, def: "false", doc: "Never forget that a certificate was revoked."},
		{name: "save_interval", takes: tInt | tFloat | tDur, def: "5m", doc: "How often the cache is written."},
	}}},
}

func checkTrustedKeys(v *conflang.Value) string {
	for _, s := range strs(v) {
		if !nkeys.IsValidPublicOperatorKey(s) {
			return "an entry is not a valid nkey; expected public operator nkeys (O...)"
		}
	}
	return ""
}

func checkResolver(v *conflang.Value) string {
	if v.Kind != conflang.String {
		return checkResolverMap(v.Map)
	}
	word := strings.ToUpper(strings.TrimSpace(v.Str))
	if word == "MEM" || word == "MEMORY" || strings.HasPrefix(word, "URL(") && strings.HasSuffix(word, ")") {
		return ""
	}
	return "not a resolver; expected MEMORY, URL(\"...\") or a map with type and dir"
}

func checkResolverMap(m *conflang.Map) string {
	kind := m.GetFold("type")
	if kind == nil {
		return "the map has no type; expected full, cache or mem"
	}
	on := func(name string) bool {
		e := m.GetFold(name)
		return e != nil && e.Value.Kind == conflang.Bool && e.Value.Bool
	}
	switch {
	case strings.EqualFold(kind.Value.Str, "full") && m.GetFold("ttl") != nil:
		return "ttl is for type cache only; expected none with type full"
	case on("hard_delete") && !on("allow_delete") && !on("delete"):
		return "hard_delete has no effect without allow_delete; expected both"
	}
	return ""
}

package sysapi

import (
	"encoding/json"
	"strconv"
	"time"
)

// Writer appends indented JSON to Buf. It exists beside encoding/json because
// a list of every connection or subscription must be written piece by piece:
// the caller takes Buf away whenever it is long enough and goes on. One
// element costs no allocation unless a text needs escaping.
//
// It does not check that calls make sense; ConnHead and the like do.
type Writer struct {
	Buf    []byte
	indent string
	depth  int
	more   bool // the open object or array has an element already
	keyed  bool // a key was just written, so a value follows on its line
}

// NewWriter writes with the given indentation for each level.
func NewWriter(buf []byte, indent string) *Writer {
	return &Writer{Buf: buf, indent: indent}
}

// element begins a value: after a key on the same line, else on a new line,
// after a comma unless it is the first.
func (w *Writer) element() {
	if w.keyed {
		w.keyed = false
		return
	}
	if w.depth == 0 {
		return
	}
	if w.more {
		w.Buf = append(w.Buf, ',')
	}
	w.more = true
	w.newline()
}

func (w *Writer) newline() {
	w.Buf = append(w.Buf, '\n')
	for range w.depth {
		w.Buf = append(w.Buf, w.indent...)
	}
}

func (w *Writer) open(c byte) {
	w.element()
	w.Buf = append(w.Buf, c)
	w.depth++
	w.more = false
}

func (w *Writer) close(c byte) {
	w.depth--
	if w.more {
		w.newline()
	}
	w.Buf = append(w.Buf, c)
	w.more = true
}

// Object begins an object, EndObject ends it.
func (w *Writer) Object() { w.open('{') }

// EndObject ends the object that was begun last.
func (w *Writer) EndObject() { w.close('}') }

// Array begins an array, EndArray ends it.
func (w *Writer) Array() { w.open('[') }

// EndArray ends the array that was begun last.
func (w *Writer) EndArray() { w.close(']') }

// Key writes the name of the value that follows. It must need no escaping.
func (w *Writer) Key(name string) {
	w.element()
	w.Buf = append(w.Buf, '"')
	w.Buf = append(w.Buf, name...)
	w.Buf = append(w.Buf, `": `...)
	w.keyed = true
}

// Null writes null.
func (w *Writer) Null() { w.element(); w.Buf = append(w.Buf, "null"...) }

// Int writes a number.
func (w *Writer) Int(v int64) { w.element(); w.Buf = strconv.AppendInt(w.Buf, v, 10) }

// Uint writes a number.
func (w *Writer) Uint(v uint64) { w.element(); w.Buf = strconv.AppendUint(w.Buf, v, 10) }

// Bool writes true or false.
func (w *Writer) Bool(v bool) { w.element(); w.Buf = strconv.AppendBool(w.Buf, v) }

// Float writes a number as encoding/json does; NaN and infinities, which JSON
// cannot hold, become 0.
func (w *Writer) Float(v float64) {
	w.element()
	b, err := json.Marshal(v)
	if err != nil {
		b = []byte{'0'}
	}
	w.Buf = append(w.Buf, b...)
}

// Time writes a time in UTC with nanoseconds.
func (w *Writer) Time(t time.Time) {
	w.element()
	w.Buf = append(w.Buf, '"')
	w.Buf = t.UTC().AppendFormat(w.Buf, time.RFC3339Nano)
	w.Buf = append(w.Buf, '"')
}

// String writes a text; invalid UTF-8 becomes U+FFFD.
func (w *Writer) String(s string) {
	w.element()
	if plain(s) {
		w.Buf = append(w.Buf, '"')
		w.Buf = append(w.Buf, s...)
		w.Buf = append(w.Buf, '"')
		return
	}
	b, err := json.Marshal(s)
	if err != nil { // cannot happen for a string
		b = []byte(`""`)
	}
	w.Buf = append(w.Buf, b...)
}

// Value writes v by encoding/json, indented to fit in.
func (w *Writer) Value(v any) error {
	prefix := ""
	for range w.depth {
		prefix += w.indent
	}
	b, err := json.MarshalIndent(v, prefix, w.indent)
	if err != nil {
		return err
	}
	w.element()
	w.Buf = append(w.Buf, b...)
	return nil
}

// plain tells that encoding/json would write s as it stands.
func plain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x20, c >= 0x80, c == '"', c == '\\', c == '<', c == '>', c == '&':
			return false
		}
	}
	return true
}

// The optional forms write nothing for a zero value.

func (w *Writer) optString(key, s string) {
	if s != "" {
		w.Key(key)
		w.String(s)
	}
}

func (w *Writer) optInt(key string, v int64) {
	if v != 0 {
		w.Key(key)
		w.Int(v)
	}
}

func (w *Writer) optStrings(key string, list []string) {
	if len(list) == 0 {
		return
	}
	w.Key(key)
	w.Array()
	for _, s := range list {
		w.String(s)
	}
	w.EndArray()
}

// times writes the three texts that connections of every kind have.
func (w *Writer) times(rtt RTT, uptime, idle Age) {
	w.quoted("rtt")
	w.Buf, _ = rtt.AppendText(w.Buf) // cannot fail, as the next two
	w.Buf = append(w.Buf, '"')
	w.quoted("uptime")
	w.Buf, _ = uptime.AppendText(w.Buf)
	w.Buf = append(w.Buf, '"')
	w.quoted("idle")
	w.Buf, _ = idle.AppendText(w.Buf)
	w.Buf = append(w.Buf, '"')
}

// quoted writes a key and the opening quote of its text.
func (w *Writer) quoted(key string) {
	w.Key(key)
	w.element()
	w.Buf = append(w.Buf, '"')
}

func (w *Writer) keyInt(key string, v int64)      { w.Key(key); w.Int(v) }
func (w *Writer) keyUint(key string, v uint64)    { w.Key(key); w.Uint(v) }
func (w *Writer) keyBool(key string, v bool)      { w.Key(key); w.Bool(v) }
func (w *Writer) keyString(key, s string)         { w.Key(key); w.String(s) }
func (w *Writer) keyTime(key string, t time.Time) { w.Key(key); w.Time(t) }
func (w *Writer) keyFloat(key string, v float64)  { w.Key(key); w.Float(v) }

// ConnzHead begins the answer of /connz up to and without its list, which is
// written under the key "connections"; EndObject ends the answer.
func (w *Writer) ConnzHead(c *Connz) {
	w.Object()
	w.keyString("server_id", c.ID)
	w.keyTime("now", c.Now)
	w.keyInt("num_connections", int64(c.NumConns))
	w.keyInt("total", int64(c.Total))
	w.keyInt("offset", int64(c.Offset))
	w.keyInt("limit", int64(c.Limit))
	w.Key("connections")
}

// ConnHead begins one connection and writes what stands before its
// subscriptions. Subs and SubsDetail of c are not looked at: the caller writes
// such a list itself, then calls ConnTail.
func (w *Writer) ConnHead(c *ConnInfo) {
	w.Object()
	w.keyUint("cid", c.Cid)
	w.optString("kind", c.Kind)
	w.optString("type", c.Type)
	w.keyString("ip", c.IP)
	w.keyInt("port", int64(c.Port))
	w.keyTime("start", c.Start)
	w.keyTime("last_activity", c.LastActivity)
	if c.Stop != nil {
		w.keyTime("stop", *c.Stop)
	}
	w.optString("reason", c.Reason)
	w.times(c.RTT, c.Uptime, c.Idle)
	w.keyInt("pending_bytes", c.PendingBytes)
	w.keyInt("in_msgs", c.InMsgs)
	w.keyInt("out_msgs", c.OutMsgs)
	w.keyInt("in_bytes", c.InBytes)
	w.keyInt("out_bytes", c.OutBytes)
	w.optInt("stalls", c.Stalls)
	w.keyUint("subscriptions", uint64(c.NumSubs))
	w.optString("name", c.Name)
	w.optString("lang", c.Lang)
	w.optString("version", c.Version)
	w.optString("tls_version", c.TLSVersion)
	w.optString("tls_cipher_suite", c.TLSCipher)
	if len(c.TLSPeerCerts) > 0 {
		w.Key("tls_peer_certs")
		w.peerCerts(c.TLSPeerCerts)
	}
	if c.TLSFirst {
		w.Key("tls_first")
		w.Bool(true)
	}
	w.optString("authorized_user", c.AuthorizedUser)
	w.optString("account", c.Account)
}

// ConnTail writes what stands behind the subscriptions and ends the connection.
func (w *Writer) ConnTail(c *ConnInfo) {
	w.optString("jwt", c.JWT)
	w.optString("issuer_key", c.IssuerKey)
	w.optString("name_tag", c.NameTag)
	w.optStrings("tags", c.Tags)
	w.optString("mqtt_client", c.MQTTClient)
	w.EndObject()
}

func (w *Writer) peerCerts(certs []TLSPeerCert) {
	w.Array()
	for i := range certs {
		w.Object()
		w.optString("subject", certs[i].Subject)
		w.optString("spki_sha256", certs[i].SubjectPKISha256)
		w.optString("cert_sha256", certs[i].CertSha256)
		w.EndObject()
	}
	w.EndArray()
}

// RoutezHead begins the answer of /routez up to and without its list, which is
// written under the key "routes"; EndObject ends the answer.
func (w *Writer) RoutezHead(r *Routez) {
	w.Object()
	w.keyString("server_id", r.ID)
	w.keyString("server_name", r.Name)
	w.keyTime("now", r.Now)
	w.optPermission("import", r.Import)
	w.optPermission("export", r.Export)
	w.keyInt("num_routes", int64(r.NumRoutes))
	w.Key("routes")
}

// RouteHead begins one route and writes what stands before its subscriptions.
// Subs and SubsDetail are not looked at, as in ConnHead.
func (w *Writer) RouteHead(r *RouteInfo) {
	w.Object()
	w.keyUint("rid", r.Rid)
	w.keyString("remote_id", r.RemoteID)
	w.keyString("remote_name", r.RemoteName)
	w.keyBool("did_solicit", r.DidSolicit)
	w.keyBool("is_configured", r.IsConfigured)
	w.keyString("ip", r.IP)
	w.keyInt("port", int64(r.Port))
	w.keyTime("start", r.Start)
	w.keyTime("last_activity", r.LastActivity)
	w.times(r.RTT, r.Uptime, r.Idle)
	w.optPermission("import", r.Import)
	w.optPermission("export", r.Export)
	w.keyInt("pending_size", r.PendingBytes)
	w.keyInt("in_msgs", r.InMsgs)
	w.keyInt("out_msgs", r.OutMsgs)
	w.keyInt("in_bytes", r.InBytes)
	w.keyInt("out_bytes", r.OutBytes)
	w.keyUint("subscriptions", uint64(r.NumSubs))
}

// RouteTail writes what stands behind the subscriptions and ends the route.
func (w *Writer) RouteTail(r *RouteInfo) {
	w.optString("account", r.Account)
	w.optString("compression", r.Compression)
	if r.PoolIndex != nil {
		w.keyInt("pool_index", int64(*r.PoolIndex))
	}
	w.EndObject()
}

func (w *Writer) optPermission(key string, p *SubjectPermission) {
	if p == nil {
		return
	}
	w.Key(key)
	w.Object()
	w.optStrings("allow", p.Allow)
	w.optStrings("deny", p.Deny)
	w.EndObject()
}

// Sub writes one subscription.
func (w *Writer) Sub(s *SubDetail) {
	w.Object()
	w.optString("account", s.Account)
	w.optString("account_tag", s.AccountTag)
	w.keyString("subject", s.Subject)
	w.optString("qgroup", s.Queue)
	w.keyString("sid", s.Sid)
	w.keyInt("msgs", s.Msgs)
	w.optInt("max", s.Max)
	w.keyUint("cid", s.Cid)
	w.EndObject()
}

// SubszHead begins the answer of /subsz up to and without its list, which
// stands under the key "subscriptions_list" if it is not empty; EndObject ends
// the answer.
func (w *Writer) SubszHead(s *Subsz) {
	w.Object()
	w.keyString("server_id", s.ID)
	w.keyTime("now", s.Now)
	w.keyUint("num_subscriptions", uint64(s.NumSubs))
	w.keyUint("num_cache", uint64(s.NumCache))
	w.keyUint("num_inserts", s.NumInserts)
	w.keyUint("num_removes", s.NumRemoves)
	w.keyUint("num_matches", s.NumMatches)
	w.keyFloat("cache_hit_rate", s.CacheHitRate)
	w.keyUint("max_fanout", uint64(s.MaxFanout))
	w.keyFloat("avg_fanout", s.AvgFanout)
	w.keyInt("total", int64(s.Total))
	w.keyInt("offset", int64(s.Offset))
	w.keyInt("limit", int64(s.Limit))
}

// AccountStat writes one account of /accstatz.
func (w *Writer) AccountStat(a *AccountStat) {
	w.Object()
	w.keyString("acc", a.Account)
	w.keyString("name", a.Name)
	w.keyInt("conns", int64(a.Conns))
	w.keyInt("leafnodes", int64(a.LeafNodes))
	w.keyInt("total_conns", int64(a.TotalConns))
	w.keyUint("num_subscriptions", uint64(a.NumSubs))
	w.Key("sent")
	w.dataStats(&a.Sent)
	w.Key("received")
	w.dataStats(&a.Received)
	w.keyInt("slow_consumers", a.SlowConsumers)
	w.EndObject()
}

func (w *Writer) dataStats(d *DataStats) {
	w.Object()
	w.keyInt("msgs", d.Msgs)
	w.keyInt("bytes", d.Bytes)
	for _, by := range [...]struct {
		key string
		n   *MsgBytes
	}{{"gateways", &d.Gateways}, {"routes", &d.Routes}, {"leafs", &d.Leafs}} {
		w.Key(by.key)
		w.Object()
		w.keyInt("msgs", by.n.Msgs)
		w.keyInt("bytes", by.n.Bytes)
		w.EndObject()
	}
	w.EndObject()
}

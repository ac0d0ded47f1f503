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

// quoted writes a key and the opening quote of its text.
func (w *Writer) quoted(key string) {
	w.Key(key)
	w.element()
	w.Buf = append(w.Buf, '"')
}

func (w *Writer) keyInt(key string, v int64)      { w.Key(key); w.Int(v) }
func (w *Writer) keyUint(key string, v uint64)    { w.Key(key); w.Uint(v) }
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
	w.quoted("rtt")
	w.Buf, _ = c.RTT.AppendText(w.Buf) // cannot fail, as the next two
	w.Buf = append(w.Buf, '"')
	w.quoted("uptime")
	w.Buf, _ = c.Uptime.AppendText(w.Buf)
	w.Buf = append(w.Buf, '"')
	w.quoted("idle")
	w.Buf, _ = c.Idle.AppendText(w.Buf)
	w.Buf = append(w.Buf, '"')
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
	if len(c.Tags) > 0 {
		w.Key("tags")
		w.Array()
		for _, t := range c.Tags {
			w.String(t)
		}
		w.EndArray()
	}
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

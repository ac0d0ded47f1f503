package sysapi

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAge(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{-time.Second, "0s"},
		{999 * time.Millisecond, "0s"},
		{8*time.Second + 400*time.Millisecond, "8s"},
		{time.Minute, "1m0s"},
		{2*time.Hour + 5*time.Second, "2h0m5s"},
		{73*time.Hour + time.Second, "3d1h0m1s"},
		{(365*24 + 48) * time.Hour, "1y2d0h0m0s"},
	} {
		if got := Age(c.d).String(); got != c.want {
			t.Errorf("Age(%v) = %q, want %q", c.d, got, c.want)
		}
		var back Age
		if err := back.UnmarshalText([]byte(c.want)); err != nil || back != Age(max(c.d, 0).Truncate(time.Second)) {
			t.Errorf("%q reads as %v, %v", c.want, back, err)
		}
	}
	var a Age
	for _, bad := range []string{"", "s", "1", "1x", "1s1m", "1m2", "-1s", "1.5s", "99999999999s"} {
		if err := a.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was read as %v", bad, a)
		}
	}
}

func TestRTT(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0s"}, {-5, "0s"}, {999, "0s"}, {324987, "324µs"}, {2510242, "2.510242ms"}, {2000500, "2.0005ms"},
		{7000000, "7ms"}, {1500 * time.Millisecond, "1.5s"},
	} {
		if got := RTT(c.d).String(); got != c.want {
			t.Errorf("RTT(%d) = %q, want %q", c.d, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) { // from a millisecond on it is the text Go writes
		d := time.Duration(rapid.Int64Range(1e6, 1e12).Draw(t, "d"))
		var back RTT
		if got := RTT(d).String(); got != d.String() || back.UnmarshalText([]byte(got)) != nil || time.Duration(back) != d {
			t.Fatalf("RTT(%d) = %q, Go writes %q, read back %v", d, got, d, back)
		}
	})
}

func TestCloseReasonsAreAllNamed(t *testing.T) {
	seen := map[string]CloseReason{}
	for r := ClientClosed; r < closeReasons; r++ {
		text := r.String()
		if text == "" {
			t.Errorf("reason %d has no text", r)
		}
		if was, twice := seen[text]; twice {
			t.Errorf("reasons %d and %d are both %q", was, r, text)
		}
		seen[text] = r
	}
	if NotClosed.String() != "" || closeReasons.String() != "Unknown State" {
		t.Errorf("NotClosed = %q, out of range = %q", NotClosed, closeReasons)
	}
	if len(seen) != 37 {
		t.Errorf("%d reasons, nats-server has 37", len(seen))
	}
}

// text draws strings in which everything that needs care in JSON is common.
func text() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`[a-z.*]{0,8}`),
		rapid.String(),
		rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]byte("a<>&\"\\\x00\x1f\x7f\x80\xff\n\t")), 0, 6),
			func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{"\u2028", "\u2029", "é", "\xe2\x80"}),
	)
}

func instant() *rapid.Generator[time.Time] {
	return rapid.Map(rapid.Int64Range(0, 4e18), func(n int64) time.Time { return time.Unix(0, n) })
}

func drawSub(t *rapid.T) SubDetail {
	return SubDetail{
		Account: text().Draw(t, "account"), AccountTag: text().Draw(t, "tag"),
		Subject: text().Draw(t, "subject"), Queue: text().Draw(t, "queue"), Sid: text().Draw(t, "sid"),
		Msgs: rapid.Int64().Draw(t, "msgs"), Max: rapid.Int64Range(0, 2).Draw(t, "max"),
		Cid: rapid.Uint64().Draw(t, "cid"),
	}
}

func drawConn(t *rapid.T) ConnInfo {
	c := ConnInfo{
		Cid: rapid.Uint64().Draw(t, "cid"), Kind: text().Draw(t, "kind"), Type: text().Draw(t, "type"),
		IP: text().Draw(t, "ip"), Port: rapid.Int().Draw(t, "port"),
		Start: instant().Draw(t, "start").UTC(), LastActivity: instant().Draw(t, "last").UTC(),
		Reason: text().Draw(t, "reason"), RTT: RTT(rapid.Int64Range(-5, 5e9).Draw(t, "rtt")),
		Uptime: Age(rapid.Int64().Draw(t, "uptime")), Idle: Age(rapid.Int64().Draw(t, "idle")),
		PendingBytes: rapid.Int64().Draw(t, "pending"),
		InMsgs:       rapid.Int64().Draw(t, "in_msgs"), OutMsgs: rapid.Int64().Draw(t, "out_msgs"),
		InBytes: rapid.Int64().Draw(t, "in_bytes"), OutBytes: rapid.Int64().Draw(t, "out_bytes"),
		Stalls: rapid.Int64Range(0, 2).Draw(t, "stalls"), NumSubs: rapid.Uint32().Draw(t, "subs"),
		Name: text().Draw(t, "name"), Lang: text().Draw(t, "lang"), Version: text().Draw(t, "version"),
		TLSVersion: text().Draw(t, "tls_version"), TLSCipher: text().Draw(t, "cipher"),
		TLSFirst:       rapid.Bool().Draw(t, "first"),
		AuthorizedUser: text().Draw(t, "user"), Account: text().Draw(t, "account"),
		JWT: text().Draw(t, "jwt"), IssuerKey: text().Draw(t, "issuer"), NameTag: text().Draw(t, "name_tag"),
		Tags:       rapid.SliceOfN(text(), 0, 3).Draw(t, "tags"),
		MQTTClient: text().Draw(t, "mqtt"),
	}
	if rapid.Bool().Draw(t, "stopped") {
		stop := instant().Draw(t, "stop").UTC()
		c.Stop = &stop
	}
	for range rapid.IntRange(0, 2).Draw(t, "certs") {
		c.TLSPeerCerts = append(c.TLSPeerCerts, TLSPeerCert{
			Subject: text().Draw(t, "cn"), SubjectPKISha256: text().Draw(t, "spki"), CertSha256: text().Draw(t, "sha")})
	}
	c.Subs = rapid.SliceOfN(text(), 0, 3).Draw(t, "list")
	for range rapid.IntRange(0, 3).Draw(t, "details") {
		c.SubsDetail = append(c.SubsDetail, drawSub(t))
	}
	return c
}

func writeConn(w *Writer, c *ConnInfo) {
	w.ConnHead(c)
	if len(c.Subs) > 0 {
		w.Key("subscriptions_list")
		w.Array()
		for _, s := range c.Subs {
			w.String(s)
		}
		w.EndArray()
	}
	if len(c.SubsDetail) > 0 {
		w.Key("subscriptions_list_detail")
		w.Array()
		for i := range c.SubsDetail {
			w.Sub(&c.SubsDetail[i])
		}
		w.EndArray()
	}
	w.ConnTail(c)
}

// TestWriterWritesWhatEncodingJSONWrites compares the piecewise encoding with
// the struct tags, which are the definition of the shapes.
func TestWriterWritesWhatEncodingJSONWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type connz struct {
			ID       string     `json:"server_id"`
			Now      time.Time  `json:"now"`
			NumConns int        `json:"num_connections"`
			Total    int        `json:"total"`
			Offset   int        `json:"offset"`
			Limit    int        `json:"limit"`
			Conns    []ConnInfo `json:"connections"`
		}
		want := connz{ID: text().Draw(t, "id"), Now: instant().Draw(t, "now").UTC(), Conns: []ConnInfo{},
			NumConns: rapid.Int().Draw(t, "n"), Total: 7, Offset: rapid.Int().Draw(t, "offset"), Limit: 1024}
		w := NewWriter(nil, "  ")
		w.ConnzHead(&Connz{ID: want.ID, Now: want.Now, NumConns: want.NumConns, Total: want.Total,
			Offset: want.Offset, Limit: want.Limit})
		w.Array()
		for range rapid.IntRange(0, 3).Draw(t, "conns") {
			c := drawConn(t)
			want.Conns = append(want.Conns, c)
			writeConn(w, &c)
		}
		w.EndArray()
		w.EndObject()
		same(t, w.Buf, want)
	})
}

func TestWriterOfSubszAndAccounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		head := Subsz{ID: text().Draw(t, "id"), Now: instant().Draw(t, "now").UTC(),
			SublistStats: SublistStats{NumSubs: rapid.Uint32().Draw(t, "subs"), NumCache: 4,
				NumInserts: rapid.Uint64().Draw(t, "inserts"), NumRemoves: 3, NumMatches: 9,
				CacheHitRate: rapid.Float64Range(0, 1).Draw(t, "rate"), MaxFanout: 5,
				AvgFanout: rapid.Float64().Draw(t, "fanout")},
			Total: rapid.Int().Draw(t, "total"), Offset: 1, Limit: 2}
		want := struct {
			Subsz
			Subs []SubDetail `json:"subscriptions_list,omitempty"`
		}{Subsz: head}
		w := NewWriter(nil, "  ")
		w.SubszHead(&head)
		for i := range rapid.IntRange(0, 3).Draw(t, "n") {
			if i == 0 {
				w.Key("subscriptions_list")
				w.Array()
			}
			s := drawSub(t)
			want.Subs = append(want.Subs, s)
			w.Sub(&s)
		}
		if len(want.Subs) > 0 {
			w.EndArray()
		}
		w.EndObject()
		same(t, w.Buf, want)

		stat := AccountStat{Account: text().Draw(t, "acc"), Name: "n", Conns: 1, LeafNodes: 2, TotalConns: 3,
			NumSubs: 4, Sent: DataStats{MsgBytes: MsgBytes{5, 6}, Gateways: MsgBytes{7, 8}, Routes: MsgBytes{9, 10},
				Leafs: MsgBytes{11, 12}}, Received: DataStats{MsgBytes: MsgBytes{13, 14}}, SlowConsumers: 15}
		w = NewWriter(nil, "   ")
		w.Array()
		w.AccountStat(&stat)
		if err := w.Value(&stat); err != nil {
			t.Fatal(err)
		}
		w.EndArray()
		b, err := json.MarshalIndent([]AccountStat{stat, stat}, "", "   ")
		if err != nil {
			t.Fatal(err)
		}
		if string(w.Buf) != string(b) {
			t.Fatalf("got\n%s\nwant\n%s", w.Buf, b)
		}
	})
}

func same(t *rapid.T, got []byte, want any) {
	b, err := json.MarshalIndent(want, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(b) {
		t.Fatalf("got\n%s\nwant\n%s", got, b)
	}
}

func TestWriterDoesNotAllocateForPlainText(t *testing.T) {
	c := ConnInfo{Cid: 7, Kind: KindClient, IP: "127.0.0.1", Port: 4, Start: time.Now(), LastActivity: time.Now(),
		RTT: 1234567, Uptime: 5e9, Name: strings.Repeat("n", 20), Subs: []string{"a.b"}}
	buf := make([]byte, 0, 4096)
	w := NewWriter(buf, "  ")
	if n := testing.AllocsPerRun(100, func() {
		*w = Writer{Buf: buf[:0], indent: "  "}
		writeConn(w, &c)
	}); n != 0 {
		t.Errorf("%v allocations a connection, want 0", n)
	}
}

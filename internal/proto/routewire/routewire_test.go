package routewire

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"dunlin/internal/proto/wire"
)

func newParser(own bool) *Parser {
	return &Parser{MaxControlLine: 1024, MaxPayload: 1 << 20, Own: own}
}

// describe is one operation as text.
func describe(p *Parser, op Op) string {
	switch op {
	case OpMsg:
		m := &p.Msg
		return fmt.Sprintf("msg origin=%s acc=%s subj=%s reply=%s queues=%s hdr=%d body=%q tail=%q", p.Origin, p.Account,
			m.Subject, m.Reply, bytes.Join(p.Queues, []byte(",")), m.Header, m.Body, m.Tail)
	case OpInterest, OpNoInterest:
		return fmt.Sprintf("interest %v origin=%s acc=%s subj=%s queue=%s weight=%d", op == OpInterest, p.Origin, p.Account, p.Subject, p.Queue, p.Weight)
	case OpInfo, OpConnect, OpErr:
		return fmt.Sprintf("op %d arg=%s", op, p.Arg)
	}
	return fmt.Sprint("op ", op)
}

// parse feeds input in pieces as chunk says and describes what comes out.
func parse(p *Parser, input []byte, chunk func() int) (out []string) {
	var buf []byte
	for len(input) > 0 {
		n := min(max(chunk(), 1), len(input))
		buf, input = append(buf, input[:n]...), input[n:]
		for len(buf) > 0 && len(buf) >= p.Need {
			op, n, err := p.Next(buf)
			if err != nil {
				return append(out, "error "+err.Error())
			}
			if n == 0 {
				break
			}
			if op != OpNone {
				out = append(out, describe(p, op))
			}
			buf = append([]byte(nil), buf[n:]...) // so that what is kept shows
		}
	}
	return out
}

// operations are inputs and what they say.
var operations = []struct {
	in   string
	own  bool
	leaf bool
	want string
}{
	{in: "RS+ A foo\r\n", want: "interest true origin= acc=A subj=foo queue= weight=1"},
	{in: "RS+ A foo q 3\r\n", want: "interest true origin= acc=A subj=foo queue=q weight=3"},
	{in: "RS- A foo q\r\n", want: "interest false origin= acc=A subj=foo queue=q weight=1"},
	{in: "RS- A foo\r\n", want: "interest false origin= acc=A subj=foo queue= weight=1"},
	{in: "rs+ foo q 3\r\n", own: true, want: "interest true origin= acc= subj=foo queue=q weight=3"},
	{in: "LS+ C A foo\r\n", want: "interest true origin=C acc=A subj=foo queue= weight=1"},
	{in: "LS+ _ A foo q 2\r\n", want: "interest true origin=_ acc=A subj=foo queue=q weight=2"},
	{in: "LS- C A foo\r\n", leaf: true, want: "interest false origin=C acc=A subj=foo queue= weight=1"},
	{in: "LS- A foo\r\n", want: "interest false origin= acc=A subj=foo queue= weight=1"},
	{in: "RMSG A foo 2\r\nhi\r\n", want: `msg origin= acc=A subj=foo reply= queues= hdr=0 body="hi" tail="2\r\nhi\r\n"`},
	{in: "RMSG foo 2\r\nhi\r\n", own: true, want: `msg origin= acc= subj=foo reply= queues= hdr=0 body="hi" tail="2\r\nhi\r\n"`},
	{in: "RMSG A foo rep 2\r\nhi\r\n", want: `msg origin= acc=A subj=foo reply=rep queues= hdr=0 body="hi" tail="rep 2\r\nhi\r\n"`},
	{in: "RMSG A foo + rep q1 q2 2\r\nhi\r\n", want: `msg origin= acc=A subj=foo reply=rep queues=q1,q2 hdr=0 body="hi" tail="rep 2\r\nhi\r\n"`},
	{in: "RMSG A foo | q1 q2 2\r\nhi\r\n", want: `msg origin= acc=A subj=foo reply= queues=q1,q2 hdr=0 body="hi" tail="2\r\nhi\r\n"`},
	{in: "RMSG A foo + rep 2\r\nhi\r\n", want: `msg origin= acc=A subj=foo reply=rep queues= hdr=0 body="hi" tail="rep 2\r\nhi\r\n"`},
	{in: "HMSG A foo rep 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", want: `msg origin= acc=A subj=foo reply=rep queues= hdr=12 body="NATS/1.0\r\n\r\nhi" tail="rep 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"`},
	{in: "HMSG A foo | q 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", want: `msg origin= acc=A subj=foo reply= queues=q hdr=12 body="NATS/1.0\r\n\r\nhi" tail="12 14\r\nNATS/1.0\r\n\r\nhi\r\n"`},
	{in: "LMSG C A foo rep 0 2\r\nhi\r\n", want: `msg origin=C acc=A subj=foo reply=rep queues= hdr=0 body="hi" tail="rep 2\r\nhi\r\n"`},
	{in: "RMSG  A\tfoo  2\nhi\r\n", want: `msg origin= acc=A subj=foo reply= queues= hdr=0 body="hi" tail="2\r\nhi\r\n"`},
	{in: "RMSG A foo 0\r\n\r\n", want: `msg origin= acc=A subj=foo reply= queues= hdr=0 body="" tail="0\r\n\r\n"`},
	{in: "INFO {\"a\":1} \r\n", want: `op 6 arg={"a":1}`},
	{in: "CONNECT {}\r\n", want: "op 7 arg={}"},
	{in: "-ERR 'bye bye'\r\n", want: "op 9 arg=bye bye"},
	{in: "A- $G\r\nPING\r\n", want: "op 4"},
	{in: "PONG\r\n", want: "op 5"},
	{in: "+OK\r\n", want: "op 8"},

	{in: "RS+\r\n", want: "error " + wire.ErrUnknownOp.Error()},
	{in: "RMSG\r\n", want: "error " + wire.ErrUnknownOp.Error()},
	{in: "-ERR\r\n", want: "error " + wire.ErrUnknownOp.Error()},
	{in: "A-\r\n", want: "error " + wire.ErrUnknownOp.Error()},
	{in: "RS+ \r\n", want: "error " + ErrInterestArgs.Error()},
	{in: "PUB foo 2\r\nhi\r\nHPUB foo rep 3 5\r\nabcde\r\nSUB foo 1\r\nPING\r\n", want: "op 10; op 10; op 10; op 4"},
	{in: "PUB foo\r\n", want: "error " + ErrClientOp.Error()},
	{in: "UNSUB 1\r\n", want: "error " + ErrClientOp.Error()},
	{in: "RS+ $G\r\n", want: "error " + ErrInterestArgs.Error()},
	{in: "RS+ $G a b\r\n", want: "error " + ErrInterestArgs.Error()},
	{in: "RS+ $G a b c\r\n", want: "interest true origin= acc=$G subj=a queue=b weight=1"},
	{in: "RS+ $G a b -1\r\n", want: "interest true origin= acc=$G subj=a queue=b weight=1"},
	{in: "RS+ $G a b c d\r\n", want: "error " + ErrInterestArgs.Error()},
	{in: "LS+ $G leaf.sub\r\n", want: "error " + ErrInterestArgs.Error()},
	{in: "LS+\r\n", want: "error " + wire.ErrUnknownOp.Error()},
	{in: "RMSG $G foo\r\n", want: "error " + ErrMsgArgs.Error()},
	{in: "RMSG $G foo x\r\n", want: "error " + ErrMsgSize.Error()},
	{in: "RMSG $G foo -1\r\n", want: "error " + ErrMsgSize.Error()},
	{in: "RMSG $G foo 99999999999999999999\r\n", want: "error " + ErrMsgSize.Error()},
	{in: "RMSG $G foo | 1\r\nx\r\n", want: `msg origin= acc=$G subj=foo reply=| queues= hdr=0 body="x" tail="| 1\r\nx\r\n"`},
	{in: "RMSG $G foo + 1\r\nx\r\n", want: `msg origin= acc=$G subj=foo reply=+ queues= hdr=0 body="x" tail="+ 1\r\nx\r\n"`},
	{in: "RMSG $G foo + + q 1\r\nx\r\n", want: `msg origin= acc=$G subj=foo reply=+ queues=q hdr=0 body="x" tail="+ 1\r\nx\r\n"`},
	{in: "HMSG A foo + rep quite-a-long-name q2 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", want: `msg origin= acc=A subj=foo reply=rep queues=quite-a-long-name,q2 hdr=12 body="NATS/1.0\r\n\r\nhi" tail="rep 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"`},
	{in: "RMSG A foo + a.reply.longer.than.the.queues q 1 \r\nx\r\n", want: `msg origin= acc=A subj=foo reply=a.reply.longer.than.the.queues queues=q hdr=0 body="x" tail="a.reply.longer.than.the.queues 1\r\nx\r\n"`},
	{in: "RMSG A foo\trep\t1\r\nx\r\n", want: `msg origin= acc=A subj=foo reply=rep queues= hdr=0 body="x" tail="rep 1\r\nx\r\n"`},
	{in: "LMSG C A foo + rep q 0 2\r\nhi\r\n", want: `msg origin=C acc=A subj=foo reply=rep queues=q hdr=0 body="hi" tail="rep 2\r\nhi\r\n"`},
	{in: "QMSG $G foo 0 1\r\nx\r\n", want: "error " + ErrMsgArgs.Error()},
	{in: "QMSG $G foo 12 12\r\nNATS/1.0\r\n\r\n\r\n", want: "error " + ErrMsgArgs.Error()},
	{in: "RMSG $G foo a b 1\r\n", want: "error " + ErrMsgArgs.Error()},
	{in: "HMSG $G foo 3 2\r\n", want: "error " + ErrMsgSize.Error()},
	{in: "RMSG $G foo 999999999\r\n", want: "error " + wire.ErrMaxPayload.Error()},
	{in: "RMSG $G foo 2\r\nhixx", want: "error " + wire.ErrUnknownOp.Error()},
	{in: "FOO\r\n", want: "error " + wire.ErrUnknownOp.Error()},
	{in: "GET / HTTP/1.1", want: "error " + wire.ErrUnknownOp.Error()},
	{in: "MSG foo 1 2\r\nhi\r\n", want: "error " + wire.ErrUnknownOp.Error()},
	{in: "\x16\x03\x01", want: "error " + wire.ErrUnknownOp.Error()},
	{in: "RS+ A " + strings.Repeat("x", 2000), want: "error " + wire.ErrControlLine.Error()},
	{in: "RS+ A " + strings.Repeat("x", 2000) + "\r\n", want: "error " + wire.ErrControlLine.Error()},
}

func TestOperations(t *testing.T) {
	for _, c := range operations {
		p := newParser(c.own)
		p.LeafOrigin = c.leaf
		got := strings.Join(parse(p, []byte(c.in), func() int { return len(c.in) }), "; ")
		if got != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.in, got, c.want)
		}
	}
}

// TestAgain: a line that comes again says the same, and one that differs does
// not.
func TestAgain(t *testing.T) {
	input := strings.Repeat("RMSG ACC some.subject 2\r\nhi\r\n", 3) + "RMSG ACC some.subject 3\r\nhey\r\n" +
		"HMSG ACC some.subject 12 14\r\nNATS/1.0\r\n\r\nab\r\nHMSG ACC some.subject 12 14\r\nNATS/1.0\r\n\r\ncd\r\n" +
		"RMSG ACC some.subject rep 2\r\nhi\r\nRMSG ACC some.subject 3\r\nend\r\n"
	got := parse(newParser(false), []byte(input), func() int { return len(input) })
	if len(got) != 8 || got[0] != got[2] || !strings.Contains(got[3], `"hey"`) || !strings.Contains(got[5], "cd") ||
		!strings.Contains(got[6], "reply=rep") || !strings.Contains(got[7], "acc=ACC subj=some.subject reply= queues= hdr=0 body=\"end\"") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
}

func TestInfoAndConnect(t *testing.T) {
	info := &Info{
		ServerID: "N1", ServerName: "S1", Version: "2.15.2", Proto: 3, Host: "h", Port: 1, Headers: true, MaxPayload: 5, IP: "nats-route://h:1/",
		Cluster: "C", ConnectURLs: []string{"a:1"}, Compression: "off", LNOC: true, LNOCU: true, LN: true, PoolSize: 3, Account: "$SYS",
	}
	line := string(AppendInfo(nil, info))
	want := `INFO {"server_id":"N1","server_name":"S1","version":"2.15.2","proto":3,"go":"","host":"h","port":1,"headers":true,"max_payload":5,"ip":"nats-route://h:1/","cluster":"C","connect_urls":["a:1"],"compression":"off","lnoc":true,"lnocu":true,"ln":true,"route_pool_size":3,"route_account":"$SYS"}` + " \r\n"
	if line != want {
		t.Errorf("INFO\n got %s\nwant %s", line, want)
	}
	p := newParser(false)
	if op, _, err := p.Next([]byte(line)); op != OpInfo || err != nil {
		t.Fatal(op, err)
	}
	back, err := ParseInfo(p.Arg)
	if err != nil || back.ServerID != "N1" || back.Account != "$SYS" || back.ConnectURLs[0] != "a:1" {
		t.Errorf("%+v, %v", back, err)
	}
	line = string(AppendConnect(nil, &Connect{Echo: true, Headers: true, Name: "N1", Cluster: "C", LNOC: true, LN: true}))
	if want := `CONNECT {"echo":true,"verbose":false,"pedantic":false,"tls_required":false,"headers":true,"name":"N1","cluster":"C","lnoc":true,"ln":true}` + "\r\n"; line != want {
		t.Errorf("CONNECT\n got %s\nwant %s", line, want)
	}
	var we *wire.Error
	for _, bad := range []string{"", "{", "[]", `{"server_id":5}`, `{"port":"x"}`} {
		if _, err := ParseInfo([]byte(bad)); !errors.As(err, &we) {
			t.Errorf("INFO %q: %v", bad, err)
		}
	}
	if _, err := ParseConnect([]byte(`{"echo":7}`)); !errors.As(err, &we) {
		t.Errorf("CONNECT: %v", err)
	}
}

func TestInterestIsReadBack(t *testing.T) {
	for _, own := range []bool{false, true} {
		acc := "ACC"
		if own {
			acc = ""
		}
		var line []byte
		line = AppendInterest(line, acc, "a.>", "", 1)
		line = AppendInterest(line, acc, "b", "q", 12)
		line = AppendNoInterest(line, acc, "b", "q")
		line = AppendNoInterest(line, acc, "a.>", "")
		if limit := 4 * InterestSize(acc, "a.>", "q"); len(line) > limit {
			t.Errorf("%d bytes, more than %d", len(line), limit)
		}
		got := strings.Join(parse(newParser(own), line, func() int { return 3 }), "\n")
		want := strings.ReplaceAll("interest true origin= acc=% subj=a.> queue= weight=1\ninterest true origin= acc=% subj=b queue=q weight=12\n"+
			"interest false origin= acc=% subj=b queue=q weight=1\ninterest false origin= acc=% subj=a.> queue= weight=1", "%", acc)
		if got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

// TestMessagesAreReadBack: what is written is read as it was, whoever reads it.
func TestMessagesAreReadBack(t *testing.T) {
	for _, acc := range []string{"", "ACC"} {
		for _, reply := range []string{"", "rep", "+", "|", "a.longer.reply"} {
			for _, header := range []string{"", "NATS/1.0\r\n\r\n"} {
				for _, queues := range [][]string{nil, {"q"}, {"q", "another.queue"}, {"+"}} {
					var m wire.Msg
					m.Compose(nil, []byte("subj"), []byte(reply), []byte(header), []byte("body"))
					line := AppendMsg(nil, acc, &m, queues)
					if size := MsgSize(acc, &m, queues); size < len(line) || size > len(line)+16 {
						t.Errorf("%q: size %d of %d", line, size, len(line))
					}
					text := string(line)
					p := newParser(acc == "")
					op, n, err := p.Next(line)
					if op != OpMsg || n != len(line) || err != nil {
						t.Fatalf("%q: %v %d %v", text, op, n, err)
					}
					got := fmt.Sprintf("%s %s %s %s %q %q", p.Account, p.Msg.Subject, p.Msg.Reply, bytes.Join(p.Queues, []byte(",")), p.Msg.Body, p.Msg.Tail)
					want := fmt.Sprintf("%s %s %s %s %q %q", acc, "subj", reply, strings.Join(queues, ","), header+"body", m.Tail)
					if got != want || p.Msg.Copied || p.Alone {
						t.Errorf("%q:\n got %s\nwant %s", text, got, want)
					}
					if len(queues) == 0 {
						continue
					}
					line = AppendGroups(nil, acc, &m, queues)
					if size := MsgSize(acc, &m, queues); size < len(line) {
						t.Errorf("%q: size %d", line, size)
					}
					text = string(line)
					op, n, err = p.Next(line)
					got = fmt.Sprintf("%s %s %s %s %q %q", p.Account, p.Msg.Subject, p.Msg.Reply, bytes.Join(p.Queues, []byte(",")), p.Msg.Body, p.Msg.Tail)
					if op != OpMsg || n != len(line) || err != nil || !p.Alone || got != want {
						t.Errorf("%q:\n got %s\nwant %s", text, got, want)
					}
				}
			}
		}
	}
}

// FuzzParser: however the bytes are cut, the same comes out, and nothing
// panics.
func FuzzParser(f *testing.F) {
	for _, s := range []string{
		"RS+ A foo\r\nRS+ A foo q 3\r\nRS- A foo q\r\nLS+ C A x\r\nLS- A x\r\n",
		"RMSG A foo 2\r\nhi\r\nRMSG A foo 2\r\nhi\r\nRMSG A foo + rep q1 q2 2\r\nhi\r\nHMSG A foo 12 14\r\nNATS/1.0\r\n\r\nhi\r\nLMSG C A f 0 1\r\nx\r\n",
		"INFO {}\r\nCONNECT {}\r\nPING\r\nPONG\r\n+OK\r\n-ERR 'x'\r\nA+ x\r\n", "RMSG  A\tfoo 0\n\r\n", "QMSG A foo + r q 0 1\r\nx\r\n", "FOO\r\n", "rmsg a b | c 1\r\nx\r\n",
	} {
		f.Add([]byte(s), uint16(3), false)
		f.Add([]byte(s), uint16(1), true)
	}
	f.Fuzz(func(t *testing.T, input []byte, chunk uint16, own bool) {
		whole := newParser(own)
		whole.LeafOrigin = chunk%2 == 0
		cut := newParser(own)
		cut.LeafOrigin = chunk%2 == 0
		a := parse(whole, input, func() int { return len(input) })
		b := parse(cut, input, func() int { return int(chunk)%40 + 1 })
		// A mistake is seen sooner or later, by how much is there; what was before it
		// is the same.
		n := min(len(a), len(b))
		for i := range n {
			if a[i] != b[i] && !(strings.HasPrefix(a[i], "error") && strings.HasPrefix(b[i], "error")) {
				t.Fatalf("operation %d: %s, cut %s", i, a[i], b[i])
			}
		}
		if len(a) != len(b) {
			t.Fatalf("%d operations, cut %d:\n%q\n%q", len(a), len(b), a, b)
		}
	})
}

// FuzzInfo: what is read from INFO and CONNECT can be written and read again.
func FuzzInfo(f *testing.F) {
	f.Add([]byte(`{"server_id":"N1","connect_urls":["a:1"],"import":{"allow":["a"]},"route_pool_idx":2}`))
	f.Add([]byte(`{"name":"x","lang":"go","gateway":"g"}`))
	f.Fuzz(func(t *testing.T, arg []byte) {
		if info, err := ParseInfo(arg); err == nil {
			line := AppendInfo(nil, info)
			if _, err := ParseInfo(line[5 : len(line)-2]); err != nil || bytes.Count(line, []byte("\n")) != 1 {
				t.Fatalf("%q: %v", line, err)
			}
		}
		if c, err := ParseConnect(arg); err == nil {
			line := AppendConnect(nil, c)
			if _, err := ParseConnect(line[8 : len(line)-2]); err != nil || bytes.Count(line, []byte("\n")) != 1 {
				t.Fatalf("%q: %v", line, err)
			}
		}
	})
}

func BenchmarkParser(b *testing.B) {
	body := strings.Repeat("x", 128)
	for name, in := range map[string]string{
		"RMSG again":           strings.Repeat("RMSG $G bench.flow.001 128\r\n"+body+"\r\n", 2),
		"RMSG other":           "RMSG $G bench.flow.001 128\r\n" + body + "\r\nRMSG $G bench.flow.002 128\r\n" + body + "\r\n",
		"RMSG reply and queue": strings.Repeat("RMSG $G bench.flow.001 + _INBOX.abcdefgh.12345678 workers 128\r\n"+body+"\r\n", 2),
		"RMSG queue":           strings.Repeat("RMSG $G bench.flow.001 | workers 128\r\n"+body+"\r\n", 2),
		"RS+":                  "RS+ $G some.subject.0001\r\nRS+ $G some.subject.0002\r\n",
	} {
		b.Run(name, func(b *testing.B) {
			p := newParser(false)
			b.ReportAllocs()
			buf := make([]byte, len(in))
			for i := 0; i < b.N; i += 2 {
				copy(buf, in) // lines are rewritten
				for rest := buf; len(rest) > 0; {
					_, n, err := p.Next(rest)
					if err != nil || n == 0 {
						b.Fatal(n, err)
					}
					rest = rest[n:]
				}
			}
		})
	}
}

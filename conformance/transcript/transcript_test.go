package transcript

import (
	"bufio"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
)

func readAll(t testing.TB, r io.Reader) []Event {
	t.Helper()
	br := bufio.NewReaderSize(r, 16)
	var events []Event
	for {
		e, err := Read(br)
		if err != nil {
			return append(events, Closed())
		}
		events = append(events, e)
	}
}

const stream = "INFO {\"a\":1} \r\nPONG\r\nMSG a.b 1 r 7\r\nPI\r\nNG!\r\nHMSG h 2 12 14\r\nNATS/1.0\r\n\r\nhi\r\n-ERR 'x'\r\nrest"

func TestReadIsIndependentOfChunks(t *testing.T) {
	whole := NewNormaliser(nil).Render(readAll(t, strings.NewReader(stream)))
	bytewise := NewNormaliser(nil).Render(readAll(t, iotest.OneByteReader(strings.NewReader(stream))))
	if d := Diff(whole, bytewise); d != "" {
		t.Error(d)
	}
	want := []string{`INFO {"a":1}`, "PONG", `MSG a.b 1 r 7 "PI\r\nNG!"`, `HMSG h 2 12 14 "NATS/1.0\r\n\r\nhi"`, "-ERR 'x'", `<bytes> "rest"`, "<closed>"}
	if d := Diff(want, whole); d != "" {
		t.Error(d)
	}
}

func TestReadOfBrokenPayloads(t *testing.T) {
	for in, want := range map[string]string{
		"MSG a 1 5\r\nhello??":      `<bytes> "MSG a 1 5 (payload not followed by CRLF)"`,
		"MSG a 1 5\r\nhe":           `<bytes> "MSG a 1 5 (cut off after 2 bytes)"`,
		"MSG a 1 x\r\n":             `<bytes> "MSG a 1 x"`,
		"MSG a 1 -5\r\n":            `<bytes> "MSG a 1 -5"`,
		"MSG a 1 99999999999\r\n":   `<bytes> "MSG a 1 99999999999"`,
		"MSG\r\n":                   `<bytes> "MSG"`,
		"+OK extra \x01 bytes\r\n":  `"+OK extra \x01 bytes"`,
		"MSG a 1 0\r\n\r\nPONG\r\n": `MSG a 1 0 ""`,
	} {
		if got := NewNormaliser(nil).Render(readAll(t, strings.NewReader(in)))[0]; got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

func TestInfoIsMasked(t *testing.T) {
	n := NewNormaliser(map[int]string{4222: "port"})
	id := "N" + strings.Repeat("A", 55)
	line := func(cid string) Event {
		return Event{Line: `INFO {"server_id":"` + id + `","go":"go1.26","client_id":` + cid + `,"port":4222,"dunlin":"0.1","git_commit":"x","nonce":"abcdefghijkl","connect_urls":["127.0.0.1:4222"],"xkey":"short"} `}
	}
	want := `INFO {"client_id":"<client 1>","connect_urls":["127.0.0.1:<port>"],"go":"<go>","nonce":"<nonce>","port":"<port>","server_id":"<server_id>","xkey":"short"}`
	if got := n.Line(line("7")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := n.Line(line("9")); !strings.Contains(got, "<client 2>") {
		t.Errorf("second client: %s", got)
	}
	if got := n.Line(line("7")); !strings.Contains(got, "<client 1>") {
		t.Errorf("first client again: %s", got)
	}
}

func TestRenderSortsOneMessageOnly(t *testing.T) {
	e := func(line, payload string) Event { return Event{Line: line, Payload: []byte(payload)} }
	got := NewNormaliser(nil).Render([]Event{
		e("MSG a 2 1", "x"), e("MSG a 1 1", "x"), e("MSG a 1 1", "y"), {Line: "PONG"}, e("MSG b 3 1", "x"), e("MSG a 1 1", "x"),
	})
	want := []string{`MSG a 1 1 "x"`, `MSG a 2 1 "x"`, `MSG a 1 1 "y"`, "PONG", `MSG b 3 1 "x"`, `MSG a 1 1 "x"`}
	if d := Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestMasksAndLongPayloads(t *testing.T) {
	n := NewNormaliser(nil)
	n.Mask(regexp.MustCompile(`rnd\.\d+`), "rnd.N")
	if got := n.Line(Event{Line: "MSG rnd.42 1 200", Payload: []byte(strings.Repeat("x", 200))}); !strings.HasPrefix(got, "MSG rnd.N 1 200 ") || !strings.Contains(got, "(200 bytes, sha256 ") {
		t.Error(got)
	}
	if n.Line(Event{Line: "MSG a 1 200", Payload: []byte(strings.Repeat("x", 200))}) == n.Line(Event{Line: "MSG a 1 200", Payload: []byte(strings.Repeat("x", 199) + "y")}) {
		t.Error("long payloads that differ look the same")
	}
}

func TestShape(t *testing.T) {
	got, err := Shape([]byte(`{"a":1,"b":[{"c":"x"},{"c":null,"d":true}],"dunlin":"1","e":5,"f":{}}`), []string{"e"}, []string{"f"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{".: object", "a: number", "b: array", "b[]: object", "b[].c: null|string", "b[].d: bool", "e: 5"}
	if d := Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := Shape([]byte("no"), nil, nil); err == nil {
		t.Error("no error for a body that is no JSON")
	}
}

func TestGoldenRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x", "area.txt")
	g := Golden{"b": {"one", "two"}, "a": {"three"}}
	if err := g.Write(path, "1.2.3", []string{"b", "a"}); err != nil {
		t.Fatal(err)
	}
	back, err := ReadGolden(path)
	if err != nil || len(back) != 2 || Diff(back["b"], g["b"]) != "" || Diff(back["a"], g["a"]) != "" {
		t.Errorf("got %v, %v", back, err)
	}
	if none, err := ReadGolden(path + ".none"); err != nil || len(none) != 0 {
		t.Errorf("missing file: %v, %v", none, err)
	}
}

func TestDiff(t *testing.T) {
	if d := Diff([]string{"a", "b"}, []string{"a", "b"}); d != "" {
		t.Errorf("equal: %s", d)
	}
	d := Diff([]string{"1", "2", "3", "4", "5", "x", "6"}, []string{"1", "2", "3", "4", "5", "y", "6"})
	if d != "  ...\n  3\n  4\n  5\n- x\n+ y\n  6" {
		t.Errorf("got:\n%s", d)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(stream))
	f.Fuzz(func(t *testing.T, data []byte) {
		a := NewNormaliser(nil).Render(readAll(t, strings.NewReader(string(data))))
		b := NewNormaliser(nil).Render(readAll(t, iotest.HalfReader(strings.NewReader(string(data)))))
		if d := Diff(a, b); d != "" {
			t.Error(d)
		}
	})
}

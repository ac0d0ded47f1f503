package script

import (
	"strings"
	"testing"
)

func parseOne(t *testing.T, text string) *Script {
	t.Helper()
	f, err := Parse("area", "area.txt", text)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Scripts) != 1 {
		t.Fatalf("got %d scripts, want 1", len(f.Scripts))
	}
	return f.Scripts[0]
}

func TestParseJoinsNeighbouringSends(t *testing.T) {
	s := parseOne(t, "=== a: b\njoin A B\nA> PUB foo 2\nA> hi\nB> PING\nA>> PU\nA>> B\n")
	if len(s.Steps) != 5 {
		t.Fatalf("steps: %+v", s.Steps)
	}
	if got, _ := Unescape(s.Steps[1].Text); got != "PUB foo 2\r\nhi\r\n" {
		t.Errorf("joined send is %q", got)
	}
	if s.Steps[3].Verb != SendRaw || s.Steps[4].Text != "B" {
		t.Errorf("raw sends must stay apart: %+v", s.Steps[3:])
	}
}

func TestParseKeepsTrailingBlanksOfASend(t *testing.T) {
	s := parseOne(t, "=== a: b\nA> PUB foo 2 \t\n")
	if s.Steps[0].Text != "PUB foo 2 \t"+`\r\n` {
		t.Errorf("got %q", s.Steps[0].Text)
	}
}

func TestParseConfigAndCommon(t *testing.T) {
	s := parseOne(t, "common:\n  x: 1\n=== a: b\nconfig:\n  y {\n    z: 2\n  }\nmask [0-9]+ => N\nsync A\nreload:\n  y: 3\n")
	if s.Config != "x: 1\ny {\n  z: 2\n}\n" {
		t.Errorf("config %q", s.Config)
	}
	if s.Steps[1].Verb != Reload || s.Steps[1].Text != "x: 1\ny: 3\n" {
		t.Errorf("reload %+v", s.Steps[1])
	}
	if len(s.Masks) != 1 || s.Masks[0].Text != "N" {
		t.Errorf("masks %+v", s.Masks)
	}
}

func TestParseWordsAndOptions(t *testing.T) {
	s := parseOne(t, "=== a: b\n"+
		`open A B prefix="PROXY x\r\n" tls cert=c1`+"\n"+
		`join C {"user":"a b"}`+"\n"+
		"wait A PONG\n"+
		`http GET /connz?a=1 shape keep=x,y`+"\n")
	open := s.Steps[0]
	if len(open.Conns) != 2 || open.Options["prefix"] != "PROXY x\r\n" || !open.Has("tls") || open.Options["cert"] != "c1" {
		t.Errorf("open %+v", open)
	}
	if s.Steps[1].JSON != `{"user":"a b"}` {
		t.Errorf("json %q", s.Steps[1].JSON)
	}
	if w := s.Steps[2]; w.Words[0] != "PONG" || w.Conns[0] != "A" {
		t.Errorf("wait %+v", w)
	}
	if h := s.Steps[3]; h.Words[1] != "/connz?a=1" || h.Options["keep"] != "x,y" {
		t.Errorf("http %+v", h)
	}
}

func TestParseNamesEveryMistake(t *testing.T) {
	_, err := Parse("area", "f.txt", strings.Join([]string{
		"sync A",          // 1: before the first script
		"=== Bad Name: x", // 2
		"dance A",         // 3
		"sync",            // 4
		"  stray",         // 5
		`A> \q`,           // 6
		`open A "x`,       // 7
		"sync A quick=1",  // 8
		"=== empty: y",    // 9
	}, "\n"))
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"f.txt:1:", "f.txt:2:", "f.txt:3: unknown step", "f.txt:4: sync needs", "f.txt:5:", "f.txt:6: unknown escape", "f.txt:7: quote", "f.txt:8:", "has no steps"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		`a\r\n\t\\\x00\xff`: "a\r\n\t\\\x00\xff",
		`<<ab*3>>.<<x*2>>`:  "ababab.xx",
		`plain`:             "plain",
	} {
		if got, err := Unescape(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
	for _, bad := range []string{`\`, `\q`, `\xg0`, `\x1`, `<<x*99999999999>>`} {
		if got, err := Unescape(bad); err == nil {
			t.Errorf("%q: got %q, want an error", bad, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("common:\n  a: 1\n=== a: b\njoin A {\"x\":1}\nA> PUB\nwait A \"x\\r\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("area", "f", text)
		if err == nil && len(file.Scripts) == 0 {
			t.Fatal("no scripts and no error")
		}
	})
}

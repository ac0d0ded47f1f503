package logging

import (
	"bytes"
	"log/slog"
	"regexp"
	"testing"

	"dunlin/internal/base/loglevel"
)

func TestLinesWithAPrefix(t *testing.T) {
	var b bytes.Buffer
	log := To(&b, Prefixed{Prefix: "n1 | "})
	log.Info("Server is\nready", ConnKey, "127.0.0.1:1 - cid:2", "a", 1)
	log.Debug("not wanted")
	if want := regexp.MustCompile(`^n1 \| \d\d:\d\d:\d\d\.\d{3} \[INF\] 127\.0\.0\.1:1 - cid:2 - Server is\\nready a=1\n$`); !want.MatchString(b.String()) {
		t.Errorf("got %q", b.String())
	}
	b.Reset()
	log = To(&b, Prefixed{Prefix: "\x1b[36mn2\x1b[0m ", Colour: true, Debug: true})
	log.Debug("x")
	log.Log(t.Context(), loglevel.Trace, "not wanted")
	if want := regexp.MustCompile(`^\x1b\[36mn2\x1b\[0m [0-9:.]+ \[\x1b\[36mDBG\x1b\[0m\] x\n$`); !want.MatchString(b.String()) {
		t.Errorf("got %q", b.String())
	}
	b.Reset()
	To(&b, Prefixed{Prefix: "p ", Trace: true}).Log(t.Context(), loglevel.Trace, "t", slog.Int("n", 3))
	if want := regexp.MustCompile(`^p [0-9:.]+ \[TRC\] t n=3\n$`); !want.MatchString(b.String()) {
		t.Errorf("got %q", b.String())
	}
}

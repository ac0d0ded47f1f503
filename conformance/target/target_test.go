package target

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFreePortsDiffer(t *testing.T) {
	seen := map[int]bool{}
	for range 50 {
		port, err := FreePort()
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] || port < portMin || port >= portMax {
			t.Fatalf("port %d", port)
		}
		seen[port] = true
	}
}

// script makes a program that stands in for a server.
func program(t *testing.T, body string) Binary {
	t.Helper()
	path := filepath.Join(t.TempDir(), "server")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return Binary{Path: path, Name: "stand-in"}
}

func TestStartOfAServerThatEnds(t *testing.T) {
	_, err := program(t, "echo cannot listen >&2; exit 3").Start(t.Context(), Config{Dir: t.TempDir(), Port: 1})
	if err == nil || !strings.Contains(err.Error(), "cannot listen") || !strings.Contains(err.Error(), ErrEnded.Error()) {
		t.Errorf("got %v", err)
	}
}

func TestStatusOfAProcess(t *testing.T) {
	for body, want := range map[string]string{"exit 0": "exit 0", "exit 7": "exit 7", "kill -9 $$": "killed"} {
		s, err := program(t, body).Start(t.Context(), Config{Dir: t.TempDir(), Silent: true})
		if err != nil {
			t.Fatal(err)
		}
		<-s.Ended()
		if s.Status() != want {
			t.Errorf("%s: got %q, want %q", body, s.Status(), want)
		}
	}
}

func TestStopKillsADeafProcess(t *testing.T) {
	s, err := program(t, "trap '' TERM; while :; do :; done").Start(t.Context(), Config{Dir: t.TempDir(), Silent: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if s.Status() == "exit 0" {
		t.Errorf("status %q", s.Status())
	}
}

func TestCrashed(t *testing.T) {
	for log, want := range map[string]string{
		"[INF] fine\npanic: nil map\n\ngoroutine 1 [running]:": "panic: nil map",
		"WARNING: DATA RACE\n":                                 "WARNING: DATA RACE",
		"[INF] don't panic: all is well":                       "",
	} {
		if got := Crashed(log); got != want {
			t.Errorf("%q: got %q, want %q", log, got, want)
		}
	}
}

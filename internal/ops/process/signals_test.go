package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"dunlin/internal/base/task"
)

// server records what signals make it do. Reload answers with err, LameDuck
// and Shutdown last until released.
type server struct {
	mu       sync.Mutex
	did      []string
	err      error
	released chan struct{}
}

func (s *server) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.did = append(s.did, what)
}

func (s *server) seen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.did, " ")
}

func (s *server) Reload() error { s.note("reload"); return s.err }
func (s *server) LameDuck()     { s.note("lameduck"); <-s.released }
func (s *server) Shutdown()     { s.note("shutdown"); <-s.released }

// play feeds signals to a handler's loop, each when all before has settled,
// and returns what the server did and what was logged.
func play(t *testing.T, s *server, signals ...os.Signal) (did, log string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s.released = make(chan struct{})
		var out bytes.Buffer
		h := Handler{
			Target:    s,
			ReopenLog: func() error { s.note("reopen"); return s.err },
			Logger: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}})),
			Group: task.NewGroup("test"),
		}
		arrived := make(chan os.Signal)
		h.Group.Go("loop", func(ctx context.Context) { h.loop(ctx, arrived) })
		for _, sig := range signals {
			arrived <- sig
			synctest.Wait()
		}
		close(s.released)
		h.Group.Close()
		did, log = s.seen(), out.String()
	})
	return did, log
}

func TestWhatSignalsDo(t *testing.T) {
	const (
		hup, usr1, usr2 = syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2
		intr, term      = syscall.SIGINT, syscall.SIGTERM
	)
	for _, c := range []struct {
		signals []os.Signal
		did     string
	}{
		{[]os.Signal{hup, hup}, "reload reload"},
		{[]os.Signal{usr1}, "reopen"},
		{[]os.Signal{intr}, "shutdown"},
		{[]os.Signal{term}, "shutdown"},
		{[]os.Signal{term, intr, term}, "shutdown"},
		{[]os.Signal{usr2}, "lameduck"},
		{[]os.Signal{usr2, usr2, term}, "lameduck"},
		{[]os.Signal{usr2, hup, intr}, "lameduck reload shutdown"},
		{[]os.Signal{intr, usr2}, "shutdown"},
	} {
		did, log := play(t, &server{}, c.signals...)
		if did != c.did {
			t.Errorf("%v: server did %q, want %q", c.signals, did, c.did)
		}
		for _, s := range c.signals {
			if want := fmt.Sprintf(`level=INFO msg="Trapped \"%s\" signal"`, s); !strings.Contains(log, want) {
				t.Errorf("%v: log %q lacks %q", c.signals, log, want)
			}
		}
	}
}

func TestEveryMistakeOfAReloadHasItsLine(t *testing.T) {
	_, log := play(t, &server{err: errors.New("d.conf:1:2: one\nd.conf:3:4: two\n")}, syscall.SIGHUP)
	for _, want := range []string{
		`level=ERROR msg="Failed to reload server configuration: d.conf:1:2: one"`,
		`level=ERROR msg="Failed to reload server configuration: d.conf:3:4: two"`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("log %q lacks %q", log, want)
		}
	}
	if strings.Count(log, "level=ERROR") != 2 {
		t.Errorf("log %q", log)
	}
}

func TestALogThatCannotBeReopenedIsSaid(t *testing.T) {
	_, log := play(t, &server{err: errors.New("no way")}, syscall.SIGUSR1)
	if !strings.Contains(log, `level=ERROR msg="Cannot reopen the log: no way"`) {
		t.Errorf("log %q", log)
	}
}

func TestRealSignalsArrive(t *testing.T) {
	s := &server{released: make(chan struct{})}
	close(s.released)
	g := task.NewGroup("test")
	reopened := make(chan struct{})
	h := Handler{
		Target:    s,
		ReopenLog: func() error { close(reopened); return nil },
		Logger:    slog.New(slog.DiscardHandler),
		Group:     g,
	}
	h.Handle()
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	select {
	case <-reopened:
	case <-time.After(10 * time.Second):
		t.Error("the signal did not arrive")
	}
	g.Close()
	h.Handle() // a group that is closed: nothing starts, nothing leaks
	if g.Count() != 0 {
		t.Errorf("%d tasks left", g.Count())
	}
}

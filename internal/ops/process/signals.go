package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"dunlin/internal/base/task"
)

// Target is the server as far as signals need it.
type Target interface {
	// Reload reads the configuration again and takes it into use, or changes
	// nothing and says why.
	Reload() error
	// LameDuck sends the clients away over the configured time and shuts down.
	// It returns when that is done.
	LameDuck()
	// Shutdown ends the server and returns when it has ended.
	Shutdown()
}

// Handler says who acts on signals.
type Handler struct {
	Target Target
	// ReopenLog closes the log file and opens what its path names now.
	ReopenLog func() error
	Logger    *slog.Logger
	// Group runs the loop, and Shutdown and LameDuck beside it.
	Group *task.Group
}

// handled are the signals that mean something to a server.
var handled = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGHUP}

// Handle begins to act on the process's signals until the group is cancelled:
//
//	INT   shut down
//	TERM  shut down; nothing while in lame duck mode, which ends by itself
//	USR1  reopen the log file
//	USR2  lame duck mode
//	HUP   reload the configuration
func (h *Handler) Handle() {
	arrived := make(chan os.Signal, 16) // a burst beyond it repeats what is in it
	signal.Notify(arrived, handled...)
	started := h.Group.Go("signals", func(ctx context.Context) {
		defer signal.Stop(arrived)
		h.loop(ctx, arrived)
	})
	if !started {
		signal.Stop(arrived)
	}
}

func (h *Handler) loop(ctx context.Context, arrived <-chan os.Signal) {
	var lameDuck, ending bool
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-arrived:
			h.Logger.Info(fmt.Sprintf("Trapped %q signal", s.String()))
			switch s {
			case syscall.SIGTERM:
				if lameDuck {
					continue
				}
				h.once(&ending, "shutdown", h.Target.Shutdown)
			case syscall.SIGINT:
				h.once(&ending, "shutdown", h.Target.Shutdown)
			case syscall.SIGUSR2:
				if !ending {
					h.once(&lameDuck, "lame duck", h.Target.LameDuck)
				}
			case syscall.SIGUSR1:
				h.reopen()
			case syscall.SIGHUP:
				h.reload()
			}
		}
	}
}

// once starts what must not be started twice, beside the loop.
func (h *Handler) once(begun *bool, name string, fn func()) {
	if *begun {
		return
	}
	*begun = true
	h.Group.Go(name, func(context.Context) { fn() })
}

func (h *Handler) reopen() {
	if err := h.ReopenLog(); err != nil {
		h.Logger.Error("Cannot reopen the log: " + err.Error())
	}
}

// ErrNothingToReload is a Target's answer when there is no file to read again.
var ErrNothingToReload = errors.New("the server was started without a configuration file; start it with -c to reload")

func (h *Handler) reload() {
	err := h.Target.Reload()
	if err == nil {
		return
	}
	// A bad configuration has many mistakes, a line each; so has the log.
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			h.Logger.Error("Failed to reload server configuration: " + line)
		}
	}
}

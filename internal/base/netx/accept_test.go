package netx

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// listener accepts what its list says, then is closed.
type listener struct {
	net.Listener
	errs []error
}

func (l *listener) Accept() (net.Conn, error) {
	if len(l.errs) == 0 {
		return nil, net.ErrClosed
	}
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, err
}

func TestAcceptAllBacksOff(t *testing.T) {
	full := errors.New("no descriptor is left")
	for _, c := range []struct {
		name     string
		errs     []error
		pauses   []time.Duration
		admitted int
	}{
		{name: "closed at once"},
		{name: "connections", errs: []error{nil, nil}, admitted: 2},
		{name: "a success ends the pause", errs: []error{full, full, nil, full}, admitted: 1,
			pauses: []time.Duration{10 * time.Millisecond, 20 * time.Millisecond, 10 * time.Millisecond}},
		{name: "at most a second", errs: slices.Repeat([]error{full}, 9),
			pauses: []time.Duration{1e7, 2e7, 4e7, 8e7, 16e7, 32e7, 64e7, 1e9, 1e9}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var pauses []time.Duration
				var slept time.Duration
				admitted, began := 0, time.Now()
				AcceptAll(t.Context(), &listener{errs: c.errs}, func(net.Conn) { admitted++ }, func(err error, pause time.Duration) {
					if !errors.Is(err, full) {
						t.Errorf("told of %v", err)
					}
					pauses, slept = append(pauses, pause), slept+pause
				})
				if !slices.Equal(pauses, c.pauses) || admitted != c.admitted || time.Since(began) != slept {
					t.Errorf("pauses %v, %d admitted, %v passed", pauses, admitted, time.Since(began))
				}
			})
		})
	}
}

func TestAcceptAllEndsWhilePaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		AcceptAll(ctx, &listener{errs: []error{errors.New("x"), nil}}, func(net.Conn) { t.Error("accepted after the end") },
			func(error, time.Duration) { cancel() })
	})
}

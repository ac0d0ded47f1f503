package netx

import (
	"context"
	"errors"
	"net"
	"time"
)

// Accepting backs off between these when it fails, usually because no file
// descriptor is left.
const (
	acceptPauseMin = 10 * time.Millisecond
	acceptPauseMax = time.Second
)

// AcceptAll gives every connection that comes to l to admit, until l is closed or
// ctx ends. When accepting fails, failed is told why and how long it rests before
// it tries again.
func AcceptAll(ctx context.Context, l net.Listener, admit func(net.Conn), failed func(err error, pause time.Duration)) {
	pause := acceptPauseMin
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = acceptPauseMin
			paceRemote(nc)
			admit(nc)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			failed(err, pause)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
			pause = min(pause*2, acceptPauseMax)
		}
	}
}

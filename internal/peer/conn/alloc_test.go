//go:build !race

package conn_test

import (
	"bytes"
	"fmt"
	"sync/atomic"
	"testing"
)

// TestSendingDoesNotAllocate: append and flush on a live socket whose peer
// keeps up. TLS costs two small slices a flush, and one more on the peer's side;
// nothing a message.
func TestSendingDoesNotAllocate(t *testing.T) {
	for _, c := range []struct {
		kind     string
		messages int
		bound    float64
	}{{"tcp", 1, 0}, {"tcp", 20, 0}, {"tcp", 400, 0}, {"tls", 1, 3}, {"tls", 20, 3}} {
		t.Run(fmt.Sprint(c.kind, " ", c.messages), func(t *testing.T) {
			e, peer := open(t, c.kind, roomy)
			var target atomic.Int64
			gone, level := make(chan struct{}), make(chan struct{}, 1)
			go func() {
				defer close(gone)
				buf := make([]byte, 64<<10)
				for taken := int64(0); ; {
					n, err := peer.Read(buf)
					if err != nil {
						return
					}
					if before := taken; before < target.Load() {
						if taken += int64(n); taken >= target.Load() {
							level <- struct{}{}
						}
					}
				}
			}()
			msg := bytes.Repeat([]byte("m"), 150)
			n := testing.AllocsPerRun(100, func() {
				target.Add(int64(c.messages * len(msg)))
				for range c.messages {
					e.Lock()
					full, over := e.Commit(append(e.Reserve(len(msg)), msg...), len(msg))
					e.CountOut(1, int64(len(msg)))
					e.Promise()
					e.Unlock()
					if over {
						t.Error("over the bound")
					}
					if full {
						e.Flush()
					}
				}
				e.Flush()
				<-level // so that the socket is never full
			})
			if n > c.bound {
				t.Errorf("%v allocations for %d messages and a flush, want at most %v", n, c.messages, c.bound)
			}
			if err := e.Finish(); err != nil {
				t.Error(err)
			}
			within(t, "the peer's end", gone)
		})
	}
}

package conn_test

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
)

// sliced sends everything in pieces of n bytes.
type sliced struct {
	net.Conn
	n int
}

func (s sliced) Write(p []byte) (sent int, err error) {
	for len(p) > 0 && err == nil {
		var n int
		n, err = s.Conn.Write(p[:min(s.n, len(p))])
		sent, p = sent+n, p[n:]
	}
	return sent, err
}

// TestHandshakeInPieces: how the bytes of a handshake arrive does not matter,
// nor how many of them were read before it began.
func TestHandshakeInPieces(t *testing.T) {
	for _, piece := range []int{1, 4, 5, 6, 517, 1 << 20} {
		for _, prefix := range []int{0, 1, 5, 100} {
			a, b := net.Pipe()
			e := wrap(t, a, roomy)
			client := tls.Client(sliced{b, piece}, &tls.Config{InsecureSkipVerify: true})
			shaken := make(chan error, 1)
			go func() {
				first := make([]byte, prefix)
				if _, err := io.ReadFull(a, first); err != nil {
					shaken <- err
					return
				}
				shaken <- e.StartTLS(serverTLS(), patience, first)
			}()
			if err := client.Handshake(); err != nil {
				t.Fatalf("pieces of %d, %d read before: %v", piece, prefix, err)
			}
			if err := within(t, "the handshake", shaken); err != nil {
				t.Fatalf("pieces of %d, %d read before: %v", piece, prefix, err)
			}
			_ = b.Close()
		}
	}
}

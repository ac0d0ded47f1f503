package server_test

import (
	"io"
	"testing"
	"time"

	"dunlin/internal/base/tlsconf"
	"dunlin/internal/testkit"
	"dunlin/server"
)

// TestShutdownDuringTheFirstBytes: a client that says nothing, where TLS or clear text
// may come first, does not hold the server up.
func TestShutdownDuringTheFirstBytes(t *testing.T) {
	pair := testkit.NewAuthority(t).Issue("server")
	o := &server.Options{AllowNonTLS: true}
	o.TLS = &tlsconf.Options{Certs: []tlsconf.Pair{pair}, HandshakeFirst: true, HandshakeFirstFallback: time.Minute, Timeout: 2 * time.Minute}
	s, _ := testkit.New(t, o, 0)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	c := testkit.Open(t, s.Addr().String())
	testkit.Eventually(t, "the client is there", func() bool { return s.NumClients() == 1 })
	done := make(chan struct{})
	go func() { s.Shutdown(); close(done) }()
	select {
	case <-done:
	case <-time.After(testkit.Patience):
		t.Error("Shutdown waits for a client that says nothing")
		_ = c.Close()
		<-done
	}
}

// TestProxyHeaderByteByByte: a PROXY header that never ends is no way to hold a
// connection without logging in.
func TestProxyHeaderByteByByte(t *testing.T) {
	t.Parallel()
	s := testkit.Start(t, &server.Options{ProxyProtocol: true})
	c := testkit.Dial(t, s.Address())
	if _, err := io.WriteString(c, "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x1f\x00"); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for most := time.Now().Add(testkit.Patience); time.Now().Before(most); <-tick.C {
		if _, err := c.Write([]byte{0}); err != nil {
			return // it has been closed
		}
	}
	t.Error("still connected")
}

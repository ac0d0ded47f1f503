package monitor

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dunlin/internal/base/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// started serves h on a free port until the test ends.
func started(t *testing.T, h http.Handler, conf *tls.Config) (addr string, group *task.Group) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	group = task.NewGroup("test")
	t.Cleanup(group.Close)
	Serve(group, ln, h, conf, nil)
	return ln.Addr().String(), group
}

func fetch(t *testing.T, client *http.Client, url string) (*http.Response, string) {
	t.Helper()
	r, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

// raw sends a request as it stands and returns all that comes back.
func raw(t *testing.T, addr, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestOnTheWire checks the headers recorded from nats-server's monitoring port.
func TestOnTheWire(t *testing.T) {
	addr, _ := started(t, New(Config{Source: serverState(t, "plain")}), nil)
	ask := func(request string) (head, body string) {
		head, body, _ = strings.Cut(raw(t, addr, request+"Host: x\r\nConnection: close\r\n\r\n"), "\r\n\r\n")
		return head + "\r\n", body
	}
	has := func(what, head string, lines ...string) {
		t.Helper()
		for _, line := range lines {
			if !strings.Contains(head, line+"\r\n") {
				t.Errorf("%s has no %q:\n%s", what, line, head)
			}
		}
	}
	json, cors := "Content-Type: application/json", "Access-Control-Allow-Origin: *"
	head, body := ask("GET /healthz HTTP/1.1\r\n")
	has("/healthz", head, "HTTP/1.1 200 OK", json, cors, "Content-Length: 15")
	if body != `{"status":"ok"}` {
		t.Errorf("body %q", body)
	}
	head, body = ask("HEAD /varz HTTP/1.1\r\n")
	has("HEAD", head, "HTTP/1.1 200 OK", json, cors)
	if body != "" {
		t.Errorf("HEAD with a body of %d bytes", len(body))
	}
	head, _ = ask("GET /varz HTTP/1.1\r\nAccept-Encoding: gzip\r\nOrigin: http://example.com\r\n")
	has("/varz", head, json, cors)
	if strings.Contains(head, "Content-Encoding") {
		t.Error("compressed, which nats-server does not do")
	}
	head, _ = ask("GET /subsz?subs=1 HTTP/1.1\r\n")
	has("/subsz", head, json, cors, "Transfer-Encoding: chunked")
	head, body = ask("POST /healthz HTTP/1.1\r\nContent-Length: 0\r\n")
	has("POST", head, "HTTP/1.1 200 OK", "Content-Length: 15")
	_, _ = ask("OPTIONS /varz HTTP/1.1\r\n")
	head, body = ask("GET /nope HTTP/1.1\r\n")
	has("/nope", head, "HTTP/1.1 404 Not Found", "Content-Type: text/plain; charset=utf-8", "X-Content-Type-Options: nosniff", "Content-Length: 19")
	if body != "404 page not found\n" {
		t.Errorf("body %q", body)
	}
	head, body = ask("GET /connz?sort=bogus HTTP/1.1\r\n")
	has("bad sort", head, "HTTP/1.1 400 Bad Request", "Content-Type: text/plain; charset=utf-8", "Content-Length: 29")
	if strings.Contains(head, "nosniff") || strings.Contains(head, cors) || body != "invalid sorting option: bogus" {
		t.Errorf("bad sort: %s\n%q", head, body)
	}
	if old := raw(t, addr, "GET /healthz HTTP/1.0\r\n\r\n"); !strings.HasPrefix(old, "HTTP/1.0 200 OK") {
		t.Errorf("HTTP/1.0: %q", old)
	}
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TestHTTPS: settings that ask NATS clients for a certificate do not ask one
// of a browser, also when they are made for each connection.
func TestHTTPS(t *testing.T) {
	cert, pool := certificate(t)
	strict := &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
		VerifyConnection: func(tls.ConnectionState) error { return fmt.Errorf("not a NATS client") }}
	each := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return strict, nil }}
	for name, conf := range map[string]*tls.Config{"fixed": strict, "each": each} {
		addr, _ := started(t, New(Config{Source: serverState(t, "tls"), BasePath: "mon"}), conf)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
		r, body := fetch(t, &http.Client{Transport: transport}, "https://"+addr+"/mon/healthz")
		if r.StatusCode != 200 || body != `{"status":"ok"}` || r.Proto != "HTTP/1.1" {
			t.Errorf("%s: %s %d %q", name, r.Proto, r.StatusCode, body)
		}
		transport.CloseIdleConnections()
	}
	if strict.ClientAuth != tls.RequireAndVerifyClientCert || strict.VerifyConnection == nil {
		t.Error("the settings of the client port were changed")
	}
}

// TestTLSGarbage: what is no TLS ends that connection only.
func TestTLSGarbage(t *testing.T) {
	cert, pool := certificate(t)
	addr, _ := started(t, New(Config{Source: newFake()}), &tls.Config{Certificates: []tls.Certificate{cert}})
	_ = raw(t, addr, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"+strings.Repeat("\x00", 100))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	if r, _ := fetch(t, &http.Client{Transport: transport}, "https://"+addr+"/healthz"); r.StatusCode != 200 {
		t.Errorf("afterwards %d", r.StatusCode)
	}
}

func TestLongHeadersAreRefused(t *testing.T) {
	addr, _ := started(t, New(Config{Source: newFake()}), nil)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// The server may close while this is still being written.
	_, _ = io.WriteString(c, "GET /varz HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("y", 4*headerMax)+"\r\n\r\n")
	line, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && !strings.Contains(line, "431") {
		t.Errorf("answered %q", line)
	}
}

// TestCloseCutsOffAnswers: closing the group ends an answer that hangs in a
// client that does not read, idle connections, and the port.
func TestCloseCutsOffAnswers(t *testing.T) {
	began, ended := make(chan struct{}), make(chan error, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(began)
		for {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				ended <- err
				return
			}
		}
	})
	addr, group := started(t, h, nil)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-began
	group.Close()
	select {
	case <-ended:
	default:
		t.Error("Close returned while an answer was still being made")
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("the port is still open")
	}
}

func TestServeInAClosedGroup(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	group := task.NewGroup("test")
	group.Close()
	Serve(group, ln, http.NotFoundHandler(), nil, nil)
	if _, err := ln.Accept(); err == nil {
		t.Error("the port was left open")
	}
}

// TestConnectionsAreBounded: further connections wait, and come in as others
// end.
func TestConnectionsAreBounded(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := newBoundedListener(inner, 2)
	accepted := make(chan net.Conn)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	for range 3 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first, second := <-accepted, <-accepted
	if len(ln.places) != 2 {
		t.Errorf("%d places taken", len(ln.places))
	}
	select {
	case <-accepted:
		t.Error("a third connection was accepted")
	default:
	}
	first.Close()
	first.Close() // gives its place back once only
	third := <-accepted
	if len(ln.places) != 2 {
		t.Errorf("%d places taken", len(ln.places))
	}
	ln.Close()
	<-done
	second.Close()
	third.Close()
}

func TestProfilePort(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	group := task.NewGroup("test")
	defer group.Close()
	ServeProfile(group, ln, nil)
	base := "http://" + ln.Addr().String() + "/debug/pprof/"
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for path, want := range map[string]string{"": "goroutine", "goroutine?debug=1": "TestProfilePort", "cmdline": ""} {
		if r, body := fetch(t, client, base+path); r.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s = %d %.80q", path, r.StatusCode, body)
		}
	}
	// A profile longer than an ordinary answer may take is not refused.
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", base+"trace?seconds=0.01", nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil || r.StatusCode != 200 {
		t.Errorf("trace = %d, %v", r.StatusCode, err)
	}
	r.Body.Close()
	cancel()
}

package tlsconf

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// authority is a throw-away CA that writes its files below a test's directory.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	tmpl := template(name)
	tmpl.IsCA, tmpl.BasicConstraintsValid = true, true
	tmpl.KeyUsage = x509.KeyUsageCertSign
	a.key = newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = writePEM(t, filepath.Join(a.dir, name+".pem"), "CERTIFICATE", der)
	return a
}

func template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func writePEM(t *testing.T, path, kind string, der []byte) string {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// issue writes a certificate for the host name and its key.
func (a *authority) issue(t *testing.T, name string) Pair {
	t.Helper()
	tmpl := template(name)
	tmpl.DNSNames = []string{name}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return Pair{
		CertFile: writePEM(t, filepath.Join(a.dir, name+".pem"), "CERTIFICATE", der),
		KeyFile:  writePEM(t, filepath.Join(a.dir, name+".key"), "PRIVATE KEY", keyDER),
	}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func load(t *testing.T, p Pair) tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// connect gives both ends of a TCP connection. (net.Pipe will not do: without a
// buffer between them both ends of a handshake can be writing at once.)
func connect(t *testing.T) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// handshake runs both ends, then sends one byte to the client so that alerts
// and session tickets arrive. It gives both states and the first errors.
func handshake(t *testing.T, server, client *tls.Config) (ss, cs tls.ConnectionState, serr, cerr error) {
	t.Helper()
	a, b := connect(t)
	deadline := time.Now().Add(10 * time.Second)
	a.SetDeadline(deadline)
	b.SetDeadline(deadline)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		defer a.Close()
		c := tls.Server(a, server)
		if serr = c.Handshake(); serr != nil {
			return
		}
		ss = c.ConnectionState()
		_, serr = c.Write([]byte("x"))
	}()
	c := tls.Client(b, client)
	if cerr = c.Handshake(); cerr == nil {
		cs = c.ConnectionState()
		_, cerr = c.Read(make([]byte, 1))
	}
	b.Close()
	wg.Wait()
	return ss, cs, serr, cerr
}

func build(t *testing.T, o *Options) *tls.Config {
	t.Helper()
	cfg, err := Build(o)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestPlainListener(t *testing.T) {
	ca := newAuthority(t, "ca")
	p := ca.issue(t, "srv.test")
	cfg := build(t, &Options{CertFile: p.CertFile, KeyFile: p.KeyFile})
	client := &tls.Config{RootCAs: ca.pool(), ServerName: "srv.test", ClientSessionCache: tls.NewLRUClientSessionCache(2)}
	for i := range 2 {
		ss, _, serr, cerr := handshake(t, cfg, client)
		if serr != nil || cerr != nil {
			t.Fatal(serr, cerr)
		}
		if ss.Version != tls.VersionTLS13 || ss.DidResume != (i == 1) {
			t.Fatalf("handshake %d: version %x, resumed %v", i, ss.Version, ss.DidResume)
		}
		if ss.CurveID != tls.X25519MLKEM768 {
			t.Fatalf("handshake %d: curve %v, want the post-quantum default", i, ss.CurveID)
		}
	}
}

func TestVerify(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	p := ca.issue(t, "srv.test")
	good, bad := load(t, ca.issue(t, "client")), load(t, other.issue(t, "client"))
	for _, o := range []Options{{Verify: true}, {VerifyAndMap: true}, {CheckKnownURLs: true}} {
		o.CertFile, o.KeyFile, o.CAFile = p.CertFile, p.KeyFile, ca.file
		cfg := build(t, &o)
		client := &tls.Config{RootCAs: ca.pool(), ServerName: "srv.test"}
		if _, _, serr, _ := handshake(t, cfg, client); serr == nil {
			t.Fatalf("%+v: a client without a certificate was let in", o)
		}
		client.Certificates = []tls.Certificate{bad}
		if _, _, serr, _ := handshake(t, cfg, client); serr == nil {
			t.Fatalf("%+v: a client of another authority was let in", o)
		}
		client.Certificates = []tls.Certificate{good}
		if ss, _, serr, cerr := handshake(t, cfg, client); serr != nil || cerr != nil || len(ss.VerifiedChains) == 0 {
			t.Fatalf("%+v: %v, %v", o, serr, cerr)
		}
	}
}

func TestCertificateChosenBySNI(t *testing.T) {
	ca := newAuthority(t, "ca")
	cfg := build(t, &Options{Certs: []Pair{ca.issue(t, "one.test"), ca.issue(t, "two.test")}})
	for _, name := range []string{"one.test", "two.test"} {
		_, cs, serr, cerr := handshake(t, cfg, &tls.Config{RootCAs: ca.pool(), ServerName: name})
		if serr != nil || cerr != nil {
			t.Fatal(name, serr, cerr)
		}
		if got := cs.PeerCertificates[0].Subject.CommonName; got != name {
			t.Fatalf("asked for %s, got the certificate of %s", name, got)
		}
	}
}

func TestVersionsCiphersAndCurves(t *testing.T) {
	ca := newAuthority(t, "ca")
	p := ca.issue(t, "srv.test")
	id, insecure, ok := CipherByName("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384")
	if !ok || insecure {
		t.Fatal("a safe suite is unknown or called insecure")
	}
	curve, ok := CurveByName("CurveP384")
	if !ok {
		t.Fatal("CurveP384 is unknown")
	}
	cfg := build(t, &Options{CertFile: p.CertFile, KeyFile: p.KeyFile, Ciphers: []uint16{id}, CurvePreferences: []uint16{curve}})
	client := &tls.Config{RootCAs: ca.pool(), ServerName: "srv.test", MaxVersion: tls.VersionTLS12}
	ss, _, serr, cerr := handshake(t, cfg, client)
	if serr != nil || cerr != nil || ss.CipherSuite != id || ss.CurveID != tls.CurveP384 || ss.Version != tls.VersionTLS12 {
		t.Fatalf("%v, %v, %s, %v", serr, cerr, tls.CipherSuiteName(ss.CipherSuite), ss.CurveID)
	}
	v, _ := VersionByName("1.3")
	cfg = build(t, &Options{CertFile: p.CertFile, KeyFile: p.KeyFile, MinVersion: v})
	if _, _, serr, _ = handshake(t, cfg, client); serr == nil {
		t.Fatal("min_version 1.3 lets a 1.2 client in")
	}
	client.MinVersion, client.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	cfg = build(t, &Options{CertFile: p.CertFile, KeyFile: p.KeyFile})
	if _, _, serr, _ = handshake(t, cfg, client); serr == nil {
		t.Fatal("a 1.1 client is let in by default")
	}
}

func TestNames(t *testing.T) {
	for _, n := range CipherNames() {
		id, _, ok := CipherByName(n)
		if !ok || tls.CipherSuiteName(id) != n {
			t.Errorf("%s does not survive the way to its id and back", n)
		}
	}
	for _, n := range CurveNames() {
		if _, ok := CurveByName(n); !ok {
			t.Errorf("%s is listed and unknown", n)
		}
	}
	for _, n := range []string{"NOPE", "tls_aes_128_gcm_sha256", ""} {
		if _, _, ok := CipherByName(n); ok {
			t.Errorf("cipher %q is known", n)
		}
	}
	if _, ok := CurveByName("P256"); ok {
		t.Error("curve P256 is known; nats-server calls it CurveP256")
	}
	for _, n := range []string{"1.0", "1.1", "TLS1.2"} {
		if _, ok := VersionByName(n); ok {
			t.Errorf("version %q is known", n)
		}
	}
	if VersionName(tls.VersionTLS12) != "1.2" || VersionName(tls.VersionTLS13) != "1.3" {
		t.Error("VersionName does not print as monitoring does")
	}
	if _, insecure, _ := CipherByName("TLS_RSA_WITH_RC4_128_SHA"); !insecure {
		t.Error("RC4 is called safe")
	}
}

func TestBuildFaults(t *testing.T) {
	ca := newAuthority(t, "ca")
	p, q := ca.issue(t, "srv.test"), ca.issue(t, "other.test")
	missing := filepath.Join(ca.dir, "missing.pem")
	rc4, _, _ := CipherByName("TLS_RSA_WITH_RC4_128_SHA")
	cases := []struct {
		name string
		o    *Options
		want []string
	}{
		{"nil", nil, []string{"no options"}},
		{"nothing", &Options{}, []string{"no certificate", "cert_file"}},
		{"no key", &Options{CertFile: p.CertFile}, []string{p.CertFile, "key_file"}},
		{"no cert", &Options{KeyFile: p.KeyFile}, []string{p.KeyFile, "cert_file"}},
		{"missing cert", &Options{CertFile: missing, KeyFile: p.KeyFile}, []string{"cert_file", missing, "no such file"}},
		{"missing key", &Options{CertFile: p.CertFile, KeyFile: missing}, []string{"key_file", missing}},
		{"not a pair", &Options{CertFile: p.CertFile, KeyFile: q.KeyFile}, []string{p.CertFile, q.KeyFile, "belong together"}},
		{"both forms", &Options{CertFile: p.CertFile, KeyFile: p.KeyFile, Certs: []Pair{q}}, []string{"certs", "use one"}},
		{"bad CA", &Options{Certs: []Pair{p}, CAFile: p.KeyFile}, []string{"ca_file", p.KeyFile, "PEM"}},
		{"missing CA", &Options{Certs: []Pair{p}, CAFile: missing}, []string{"ca_file", missing}},
		{"insecure suite", &Options{Certs: []Pair{p}, Ciphers: []uint16{rc4}}, []string{"RC4", "allow_insecure_cipher_suites"}},
		{"unknown suite", &Options{Certs: []Pair{p}, Ciphers: []uint16{0xfafa}}, []string{"0xfafa"}},
		{"unknown curve", &Options{Certs: []Pair{p}, CurvePreferences: []uint16{1}}, []string{"CurveP256"}},
		{"old version", &Options{Certs: []Pair{p}, MinVersion: tls.VersionTLS11}, []string{"1.2"}},
		{"bad pin", &Options{Certs: []Pair{p}, PinnedCerts: []string{"abc"}}, []string{"pinned_certs", "abc"}},
		{"all at once", &Options{CertFile: missing, KeyFile: missing, CAFile: missing, PinnedCerts: []string{"abc"}}, []string{"cert_file", "ca_file", "pinned_certs"}},
	}
	for _, c := range cases {
		_, err := Build(c.o)
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: error %q does not mention %q", c.name, err, w)
			}
		}
	}
	if _, err := Build(&Options{Certs: []Pair{p}, Ciphers: []uint16{rc4}, AllowInsecureCiphers: true}); err != nil {
		t.Errorf("an insecure suite that is allowed: %v", err)
	}
}

func TestPins(t *testing.T) {
	ca := newAuthority(t, "ca")
	p := ca.issue(t, "srv.test")
	client := ca.issue(t, "client")
	cert := load(t, client)
	digest := sha256.Sum256(cert.Leaf.RawSubjectPublicKeyInfo)
	pin := hex.EncodeToString(digest[:])
	cfg := build(t, &Options{CertFile: p.CertFile, KeyFile: p.KeyFile, CAFile: ca.file, Verify: true})
	ss, _, serr, cerr := handshake(t, cfg, &tls.Config{RootCAs: ca.pool(), ServerName: "srv.test", Certificates: []tls.Certificate{cert}})
	if serr != nil || cerr != nil {
		t.Fatal(serr, cerr)
	}
	for _, c := range []struct {
		pins []string
		cs   *tls.ConnectionState
		ok   bool
	}{
		{nil, &ss, true}, {nil, nil, true},
		{[]string{pin}, &ss, true}, {[]string{strings.ToUpper(pin)}, &ss, true},
		{[]string{strings.Repeat("a", 64), pin}, &ss, true},
		{[]string{strings.Repeat("a", 64)}, &ss, false},
		{[]string{pin}, nil, false}, {[]string{pin}, &tls.ConnectionState{}, false},
	} {
		pins, err := ParsePins(c.pins)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckPinned(c.cs, pins); (err == nil) != c.ok || (err != nil && !errors.Is(err, ErrNotPinned)) {
			t.Errorf("pins %v: %v, want ok=%v", c.pins, err, c.ok)
		}
	}
	for _, bad := range []string{"", "zz", strings.Repeat("g", 64), strings.Repeat("a", 63), strings.Repeat("a", 66)} {
		if _, err := ParsePins([]string{bad}); err == nil {
			t.Errorf("pin %q is accepted", bad)
		}
	}
}

func TestRateLimiter(t *testing.T) {
	if NewRateLimiter(0) != nil || NewRateLimiter(-1) != nil || !(*RateLimiter)(nil).Allow(time.Time{}) {
		t.Fatal("no limit limits")
	}
	r := NewRateLimiter(2)
	start := time.Unix(100, 0)
	// Milliseconds after the start, as measured on nats-server: the second
	// begins with the first handshake after the last second has ended.
	for _, c := range []struct {
		at int
		ok bool
	}{{0, true}, {100, true}, {200, false}, {999, false}, {1060, true}, {1160, true}, {1260, false}, {2000, false}, {2059, false}, {2060, true}, {9000, true}, {9001, true}, {9002, false}} {
		if got := r.Allow(start.Add(time.Duration(c.at) * time.Millisecond)); got != c.ok {
			t.Fatalf("at %d ms: %v, want %v", c.at, got, c.ok)
		}
	}
}

func TestRateLimiterUnderConcurrency(t *testing.T) {
	r := NewRateLimiter(50)
	now := time.Unix(0, 0)
	var mu sync.Mutex
	var wg sync.WaitGroup
	passed := 0
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 100 {
				if r.Allow(now) {
					mu.Lock()
					passed++
					mu.Unlock()
				}
			}
		}()
	}
	wg.Wait()
	if passed != 50 {
		t.Fatalf("%d handshakes passed, want 50", passed)
	}
}

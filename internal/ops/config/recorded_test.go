package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The files in testdata/good and testdata/bad, and what is said of them here,
// are recordings of nats-server 2.15.2.

// startRefuses are the bad files that pass -t, and whether a start fails. Those
// of areas that are not served yet start with a warning.
var startRefuses = map[string]bool{
	"08-port-out-of-range.conf":                 true,
	"16-max-payload-too-big.conf":               true,
	"17-max-payload-over-pending.conf":          true,
	"26-no-auth-user-unknown.conf":              true,
	"34-system-account-unknown.conf":            true,
	"37-tls-verify-without-ca.conf":             false,
	"40-websocket-needs-tls.conf":               false,
	"41-websocket-cookie-without-operator.conf": false,
	"42-mqtt-without-jetstream.conf":            false,
	"43-mqtt-without-server-name.conf":          false,
	"46-gateway-name-differs.conf":              false,
	"47-gateway-no-name.conf":                   false,
	"48-gateway-remote-no-url.conf":             false,
	"49-jetstream-cluster-no-routes.conf":       false,
	"50-jetstream-cluster-no-server-name.conf":  false,
	"53-jetstream-domain-bad.conf":              false,
	"56-cluster-compression-bad.conf":           true,
	"57-pool-size-and-accounts.conf":            true,
	"58-leaf-remote-no-url.conf":                false,
	"59-leaf-remote-unknown-account.conf":       false,
	"61-leaf-and-gateway-need-system.conf":      false,
	"63-operator-with-accounts.conf":            false,
	"64-operator-no-resolver.conf":              false,
	"68-http-and-https.conf":                    true,
	"69-https-without-tls.conf":                 true,
	"73-auth-callout-user-missing.conf":         false,
	"76-duplicate-key-last-wins.conf":           false,
	"78-max-traced-neg.conf":                    false,
	"81-cluster-advertise-bad.conf":             true,
	"82-tab-and-garbage.conf":                   false,
}

// startsWithWarning are the bad files that -t refuses and a start takes.
var startsWithWarning = []string{
	"18-duration-as-number.conf", "79-ping-interval-number.conf",
	"88-mqtt-consumer-replicas.conf", "90-leaf-reconnect-number.conf",
}

// recordings copies a folder of testdata next to fresh certificates, and makes
// that the working directory.
func recordings(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", dir, "*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no recordings in %s: %v", dir, err)
	}
	to := t.TempDir()
	var confs []string
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(to, filepath.Base(name)), data)
		if strings.HasSuffix(name, ".conf") {
			confs = append(confs, filepath.Base(name))
		}
	}
	makeCertificates(t, filepath.Join(to, "certs"))
	t.Chdir(to)
	return confs
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// makeCertificates writes ca.pem and server.pem with server.key.
func makeCertificates(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "server"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pkcs, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "ca.pem"), cert)
	write(t, filepath.Join(dir, "server.pem"), cert)
	write(t, filepath.Join(dir, "server.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs}))
}

func TestGoodRecordings(t *testing.T) {
	t.Setenv("WIRE_PORT", "14222")
	t.Setenv("WIRE_PW", "secret")
	for _, name := range recordings(t, "good") {
		o, err := Check(name)
		if err != nil {
			t.Errorf("%s is valid, and was refused:\n%v", name, err)
			continue
		}
		if !strings.HasPrefix(o.ConfigDigest, "sha256:") || len(o.ConfigDigest) != 71 {
			t.Errorf("%s: digest %q", name, o.ConfigDigest)
		}
		o.SetDefaults()
		if err := o.Validate(); err != nil {
			t.Errorf("%s does not start:\n%v", name, err)
		}
	}
}

// TestBadRecordings compares the decisions, and keeps the messages in
// testdata/bad.golden.
func TestBadRecordings(t *testing.T) {
	golden, err := filepath.Abs("testdata/bad.golden")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, name := range recordings(t, "bad") {
		out.WriteString("== " + name + "\n")
		_, checkErr := Check(name)
		o, loadErr := Load(name)
		startErr := loadErr
		if loadErr == nil {
			o.SetDefaults()
			startErr = o.Validate()
		}
		refuses, passesCheck := startRefuses[name]
		if passesCheck != (checkErr == nil) {
			t.Errorf("%s: -t says %v", name, checkErr)
		}
		if !passesCheck {
			refuses = !slices.Contains(startsWithWarning, name)
		}
		if refuses != (startErr != nil) {
			t.Errorf("%s: a start says %v", name, startErr)
		}
		switch {
		case checkErr != nil:
			out.WriteString(checkErr.Error() + "\n")
		case startErr != nil:
			out.WriteString("start: " + startErr.Error() + "\n")
		default:
			for _, l := range o.LaterKeys {
				out.WriteString("starts: " + l.String() + "\n")
			}
		}
	}
	compareGolden(t, golden, out.String())
}

package target

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// permissions of the one user: what a service would have, several entries of
// each form, and denials that no subject of the rows meets.
const permissions = `{
  publish: {
    allow: ["bench.>", "m.*.*.*", "_INBOX.>", "orders.*.created", "audit.log"]
    deny: ["bench.secret.>", "$SYS.>", "bench.flow.*.admin"]
  }
  subscribe: {
    allow: ["bench.>", "bench.> workers", "m.>", "_INBOX.>", "orders.*.created"]
    deny: ["bench.secret.>", "$SYS.>", "audit.>"]
  }
}`

// configure writes the configuration file, in the language both servers read,
// and returns its path.
func (s *Process) configure(port int, set Setting, m *membership) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "listen: \"127.0.0.1:%d\"\n", port)
	m.configure(&b)
	if set.Profile {
		prof, err := freePort()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "prof_port: %d\n", prof)
		s.Profile = fmt.Sprintf("http://127.0.0.1:%d", prof)
	}
	if set.Permissions {
		fmt.Fprintf(&b, "authorization {\n users = [ { user: %q, password: %q, permissions: %s } ]\n}\n", User, Password, permissions)
	}
	if set.TLS {
		if err := s.certificate(); err != nil {
			return "", fmt.Errorf("making a certificate: %w", err)
		}
		fmt.Fprintf(&b, "tls {\n cert_file: %q\n key_file: %q\n timeout: 10\n}\n",
			filepath.Join(s.dir, "cert.pem"), filepath.Join(s.dir, "key.pem"))
	}
	path := filepath.Join(s.dir, "server.conf")
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}

// certificate makes a self-signed one for 127.0.0.1, good for a day.
func (s *Process) certificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	s.CertPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	if err := os.WriteFile(filepath.Join(s.dir, "cert.pem"), s.CertPEM, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "key.pem"), keyPEM, 0o600)
}

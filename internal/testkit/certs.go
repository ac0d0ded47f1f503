package testkit

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dunlin/internal/base/tlsconf"
)

// Authority signs certificates for a test.
type Authority struct {
	t      testing.TB
	dir    string
	cert   *x509.Certificate
	key    crypto.Signer
	serial int64
	// File holds the authority's certificate, in PEM.
	File string
}

// NewAuthority makes an authority whose files are in a directory of the test.
func NewAuthority(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t, dir: t.TempDir()}
	tmpl := &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority of a test"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	der, key := a.sign(tmpl)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, a.key = cert, key
	a.File = a.write("ca.pem", "CERTIFICATE", der)
	return a
}

// sign gives tmpl what every certificate has and signs it, with its own new
// key if there is no authority yet.
func (a *Authority) sign(tmpl *x509.Certificate) (der []byte, key crypto.Signer) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.serial++
	tmpl.SerialNumber = big.NewInt(a.serial)
	tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = tmpl, private
	}
	if der, err = x509.CreateCertificate(rand.Reader, tmpl, parent, private.Public(), signer); err != nil {
		a.t.Fatal(err)
	}
	return der, private
}

func (a *Authority) write(name, kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// Issue writes name.pem and name.key for a host and client called name, good
// for localhost. Called again with the same name it replaces the files.
func (a *Authority) Issue(name string) tlsconf.Pair {
	a.t.Helper()
	der, key := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost", name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tlsconf.Pair{CertFile: a.write(name+".pem", "CERTIFICATE", der), KeyFile: a.write(name+".key", "PRIVATE KEY", private)}
}

// Client is the configuration of a client that trusts the authority and shows
// the pair, if one is given.
func (a *Authority) Client(pair ...tlsconf.Pair) *tls.Config {
	a.t.Helper()
	cfg := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}
	cfg.RootCAs.AddCert(a.cert)
	for _, p := range pair {
		cert, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
		if err != nil {
			a.t.Fatal(err)
		}
		cfg.Certificates = append(cfg.Certificates, cert)
	}
	return cfg
}

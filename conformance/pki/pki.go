// Package pki makes the certificates and keys of one test run.
//
// Owns: a throw-away certificate authority, server and client certificates in
// PEM files, nkeys derived from names, bcrypt hashes.
// Does not own: who is offered which certificate (package session).
//
// Concurrency: a Set is immutable once made, except that hashes are computed
// on demand; it may be shared.
package pki

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nkeys"
	"golang.org/x/crypto/bcrypt"
)

// Set is a folder of certificates.
type Set struct {
	Dir  string
	Pool *x509.CertPool // the authority that clients trust
	pins map[string]string
}

// entry is one certificate to make.
type entry struct {
	name   string
	signer string // name of the authority
	rsa    bool
	tmpl   x509.Certificate
}

func subject(cn string, units ...string) pkix.Name {
	return pkix.Name{CommonName: cn, OrganizationalUnit: units, Organization: []string{"Conformance"}}
}

var (
	serverUse = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	clientUse = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	local     = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
)

// domainName is a subject with domain components before the common name.
func domainName() pkix.Name {
	dc := asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}
	return pkix.Name{CommonName: "dora", ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: dc, Value: "org"}, {Type: dc, Value: "example"}}}
}

func entries() []entry {
	ca := func(cn string) x509.Certificate {
		return x509.Certificate{Subject: subject(cn), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	}
	client := func(s pkix.Name) x509.Certificate {
		return x509.Certificate{Subject: s, ExtKeyUsage: clientUse}
	}
	server := x509.Certificate{Subject: subject("server"), ExtKeyUsage: serverUse, IPAddresses: local, DNSNames: []string{"localhost"}}
	second := x509.Certificate{Subject: subject("second"), ExtKeyUsage: serverUse, IPAddresses: local, DNSNames: []string{"second.example"}}
	email, dns, uri := client(subject("mail")), client(subject("dns")), client(subject("uri"))
	email.EmailAddresses = []string{"ann@example.com"}
	dns.DNSNames = []string{"bob.example.com"}
	uri.URIs = []*url.URL{{Scheme: "spiffe", Host: "example.com", Path: "/carl"}}
	both := server // for servers that dial servers
	both.ExtKeyUsage = append(append([]x509.ExtKeyUsage{}, serverUse...), clientUse...)
	expired := client(subject("late"))
	expired.NotAfter = time.Now().Add(-time.Hour)
	return []entry{
		{name: "ca", signer: "ca", tmpl: ca("authority")},
		{name: "otherca", signer: "otherca", tmpl: ca("other authority")},
		{name: "server", signer: "ca", tmpl: server},
		{name: "server-rsa", signer: "ca", rsa: true, tmpl: server},
		{name: "both", signer: "ca", tmpl: both},
		{name: "second", signer: "ca", tmpl: second},
		{name: "client", signer: "ca", tmpl: client(subject("alice", "unit"))},
		{name: "email", signer: "ca", tmpl: email},
		{name: "dns", signer: "ca", tmpl: dns},
		{name: "uri", signer: "ca", tmpl: uri},
		{name: "dc", signer: "ca", tmpl: client(domainName())},
		{name: "expired", signer: "ca", tmpl: expired},
		{name: "stranger", signer: "otherca", tmpl: client(subject("alice", "unit"))},
	}
}

// New makes all certificates in dir.
func New(dir string) (*Set, error) {
	s := &Set{Dir: dir, Pool: x509.NewCertPool(), pins: map[string]string{}}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make certificates: %w", err)
	}
	authorities := map[string]*x509.Certificate{}
	keys := map[string]any{}
	for i, e := range entries() {
		key, public, err := newKey(e.rsa)
		if err != nil {
			return nil, fmt.Errorf("make key %s: %w", e.name, err)
		}
		keys[e.name] = key
		e.tmpl.SerialNumber = big.NewInt(int64(i + 1))
		e.tmpl.NotBefore = time.Now().Add(-24 * time.Hour)
		if e.tmpl.NotAfter.IsZero() {
			e.tmpl.NotAfter = time.Now().Add(24 * time.Hour)
		}
		parent := authorities[e.signer]
		if parent == nil {
			parent = &e.tmpl
		}
		der, err := x509.CreateCertificate(rand.Reader, &e.tmpl, parent, public, keys[e.signer])
		if err != nil {
			return nil, fmt.Errorf("make certificate %s: %w", e.name, err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("read certificate %s: %w", e.name, err)
		}
		if cert.IsCA {
			authorities[e.name] = cert
		}
		if e.name == "ca" {
			s.Pool.AddCert(cert)
		}
		pin := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
		s.pins[e.name] = hex.EncodeToString(pin[:])
		if err := s.write(e.name, der, key); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func newKey(asRSA bool) (private, public any, err error) {
	if asRSA {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, nil, err
		}
		return k, &k.PublicKey, nil
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	return k, &k.PublicKey, nil
}

func (s *Set) write(name string, der []byte, key any) error {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("write key %s: %w", name, err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".pem": {Type: "CERTIFICATE", Bytes: der},
		name + ".key": {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(filepath.Join(s.Dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			return fmt.Errorf("write certificate: %w", err)
		}
	}
	return nil
}

// Pair is the certificate of that name with its key.
func (s *Set) Pair(name string) (tls.Certificate, error) {
	base := filepath.Join(s.Dir, name)
	pair, err := tls.LoadX509KeyPair(base+".pem", base+".key")
	if err != nil {
		return pair, fmt.Errorf("certificate %q: %w", name, err)
	}
	return pair, nil
}

// Pin is the lower-case hex SHA-256 of the certificate's public key info.
func (s *Set) Pin(name string) (string, error) {
	if pin, ok := s.pins[name]; ok {
		return pin, nil
	}
	return "", fmt.Errorf("no certificate %q to pin", name)
}

// User is the user nkey that belongs to a name; the same in every run.
func User(name string) (nkeys.KeyPair, error) {
	seed := sha256.Sum256([]byte("dunlin conformance " + name))
	encoded, err := nkeys.EncodeSeed(nkeys.PrefixByteUser, seed[:ed25519.SeedSize])
	if err != nil {
		return nil, fmt.Errorf("nkey %q: %w", name, err)
	}
	return nkeys.FromSeed(encoded)
}

// PublicUser is the public form of User(name).
func PublicUser(name string) (string, error) {
	kp, err := User(name)
	if err != nil {
		return "", err
	}
	return kp.PublicKey()
}

// Bcrypt hashes a password at the lowest cost, to keep scripts quick.
func Bcrypt(password string) (string, error) {
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	return string(h), err
}

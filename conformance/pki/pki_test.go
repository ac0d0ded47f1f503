package pki

import (
	"crypto/x509"
	"testing"
)

func TestSet(t *testing.T) {
	s, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, trusted := range map[string]bool{"server": true, "server-rsa": true, "client": true, "dc": true, "stranger": false, "expired": false} {
		pair, err := s.Pair(name)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		_, err = cert.Verify(x509.VerifyOptions{Roots: s.Pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		if (err == nil) != trusted {
			t.Errorf("%s: verification says %v, want trusted %v", name, err, trusted)
		}
	}
	if _, err := s.Pin("nobody"); err == nil {
		t.Error("pin of an unknown certificate")
	}
}

func TestUserIsStable(t *testing.T) {
	a, err := PublicUser("ann")
	if err != nil {
		t.Fatal(err)
	}
	again, _ := PublicUser("ann")
	other, _ := PublicUser("bob")
	if a != again || a == other || a[0] != 'U' {
		t.Errorf("got %s, %s, %s", a, again, other)
	}
}

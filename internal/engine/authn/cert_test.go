package authn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"
)

var oids = map[string]asn1.ObjectIdentifier{
	"C": {2, 5, 4, 6}, "ST": {2, 5, 4, 8}, "L": {2, 5, 4, 7}, "O": {2, 5, 4, 10}, "OU": {2, 5, 4, 11}, "CN": {2, 5, 4, 3},
	"DC": {0, 9, 2342, 19200300, 100, 1, 25}, "UID": {0, 9, 2342, 19200300, 100, 1, 1},
}

// certificate makes one with the RDNs in the order of the file (country
// first); '+' joins attributes of one RDN.
func certificate(t testing.TB, rdns []string, change func(*x509.Certificate)) *tls.ConnectionState {
	t.Helper()
	var seq pkix.RDNSequence
	for _, rdn := range rdns {
		var set pkix.RelativeDistinguishedNameSET
		for part := range strings.SplitSeq(rdn, "+") {
			kind, value, _ := strings.Cut(part, "=")
			set = append(set, pkix.AttributeTypeAndValue{Type: oids[kind], Value: value})
		}
		seq = append(seq, set)
	}
	raw, err := asn1.Marshal(seq)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), RawSubject: raw,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if change != nil {
		change(tmpl)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
}

func mapping(t testing.TB, users ...*User) *Authenticator {
	return mustNew(t, &Config{VerifyAndMap: true, Users: users})
}

func named(names ...string) []*User {
	var out []*User
	for _, n := range names {
		out = append(out, &User{Name: n})
	}
	return out
}

// Names that stand for a certificate and names that do not, as recorded from
// nats-server 2.15.2.
func TestCertificateNames(t *testing.T) {
	full := certificate(t, []string{"C=US", "ST=CA", "L=LA", "O=NATS", "OU=OU1", "CN=full"}, func(c *x509.Certificate) {
		c.EmailAddresses, c.DNSNames = []string{"e@x.com", "e2@x.com"}, []string{"d.x.com"}
		c.URIs = []*url.URL{{Scheme: "spiffe", Host: "x", Path: "/y"}}
	})
	dc := certificate(t, []string{"DC=com", "DC=example", "OU=Users", "CN=dcuser"}, nil)
	cn := certificate(t, []string{"CN=plain"}, nil)
	units := certificate(t, []string{"O=NATS", "OU=A", "OU=B", "CN=Jo, Doe"}, nil)
	multi := certificate(t, []string{"O=NATS", "OU=A+OU=B", "CN=m"}, nil)
	for _, c := range []struct {
		cert *tls.ConnectionState
		name string
		ok   bool
	}{
		{full, "e@x.com", true}, {full, "e2@x.com", true}, {full, "d.x.com", true}, {full, "spiffe://x/y", true},
		{full, "CN=full,OU=OU1,O=NATS,L=LA,ST=CA,C=US", true},
		{full, "O=NATS,CN=full,OU=OU1,C=US,ST=CA,L=LA", true},
		{full, "cn=full,ou=OU1,o=NATS,l=LA,st=CA,c=US", true},
		{full, "CN=full, OU=OU1, O=NATS, L=LA, ST=CA, C=US", true},
		{full, "CN=full,OU=OU1,O=NATS", false}, {full, "full", false},
		{dc, "CN=dcuser,OU=Users,DC=example,DC=com", true},
		{dc, "DC=com,DC=example,OU=Users,CN=dcuser", true},
		{dc, "CN=dcuser,DC=example,DC=com,OU=Users", true},
		{dc, "CN=dcuser,OU=Users,DC=com,DC=example", true},
		{dc, "cn=dcuser,ou=Users,dc=example,dc=com", true},
		{dc, "CN=dcuser,OU=Users", true}, // the subject's text leaves domain components out
		{dc, "OU=Users,CN=dcuser", false}, {dc, "dcuser", false},
		{cn, "CN=plain", true}, {cn, "cn=plain", true}, {cn, "CN=Plain", false}, {cn, "plain", false},
		{units, `CN=Jo\, Doe,OU=A+OU=B,O=NATS`, true}, // as Go writes the subject
		{units, `CN=Jo\, Doe,OU=B,OU=A,O=NATS`, true},
		{units, `O=NATS,OU=A,OU=B,CN=Jo\, Doe`, true},
		{units, `CN=Jo\, Doe,OU=A,OU=B,O=NATS`, true},
		{units, `O=NATS,OU=B,OU=A,CN=Jo\2C Doe`, true},
		{units, `CN=Jo\, Doe,OU=A+B,O=NATS`, false},
		{multi, "CN=m,OU=B+OU=A,O=NATS", true}, {multi, "CN=m,OU=A,OU=B,O=NATS", false},
	} {
		user, err := try(t, mapping(t, named(c.name)...), Request{TLS: c.cert})
		if (err == nil) != c.ok || (c.ok && user != c.name) {
			t.Errorf("%q for %v: %q, %v", c.name, c.cert.PeerCertificates[0].Subject, user, err)
		}
	}
	// Which name wins if several are users.
	order := []string{"e2@x.com", "d.x.com", "spiffe://x/y", "CN=full,OU=OU1,O=NATS,L=LA,ST=CA,C=US"}
	for i := range order {
		if user, err := try(t, mapping(t, named(order[i:]...)...), Request{TLS: full}); user != order[i] {
			t.Errorf("of %q: %q, %v", order[i:], user, err)
		}
	}
}

// A name in another order than the certificate's must not be a matter of luck.
func TestCertificateNamesInTwoOrders(t *testing.T) {
	users := named("CN=x,OU=a,OU=b", "CN=x,OU=b,OU=a")
	for _, c := range []struct {
		rdns []string
		want string
	}{
		{[]string{"OU=b", "OU=a", "CN=x"}, "CN=x,OU=a,OU=b"},
		{[]string{"OU=a", "OU=b", "CN=x"}, "CN=x,OU=b,OU=a"},
		{[]string{"OU=a", "CN=x", "OU=b"}, ""}, // could be either
	} {
		if user, err := try(t, mapping(t, users...), Request{TLS: certificate(t, c.rdns, nil)}); user != c.want {
			t.Errorf("%q: %q, %v; want %q", c.rdns, user, err, c.want)
		}
	}
}

func TestVerifyAndMap(t *testing.T) {
	plain, other := certificate(t, []string{"CN=plain"}, nil), certificate(t, []string{"CN=nobody"}, nil)
	a := mapping(t, &User{Name: "CN=plain", Password: "pw"}, &User{Name: "other"}, &User{Name: "third", Password: "pw"})
	runAttempts(t, a, []attempt{
		{"no password", Request{TLS: plain}, "", ErrAuthorization},
		{"the certificate decides, the password fits", Request{TLS: plain, User: "third", Password: "pw"}, "CN=plain", nil},
		{"the user of CONNECT does not", Request{TLS: plain, User: "other"}, "", ErrAuthorization},
		{"unknown certificate", Request{TLS: other}, "", ErrAuthorization},
		{"unknown certificate, good user", Request{TLS: other, User: "third", Password: "pw"}, "", ErrAuthorization},
		{"no TLS, good user", Request{User: "third", Password: "pw"}, "", ErrAuthorization},
		{"no certificate, good user", Request{TLS: &tls.ConnectionState{}, User: "third", Password: "pw"}, "", ErrAuthorization},
		{"user without a password and without certificate", Request{User: "other"}, "", ErrAuthorization},
	})
	a = mapping(t, &User{Name: "CN=plain"}, &User{Name: "ws", ConnectionTypes: []string{"WEBSOCKET"}})
	runAttempts(t, a, []attempt{
		{"certificate", Request{TLS: plain}, "CN=plain", nil},
		{"a password though none is set", Request{TLS: plain, Password: "x"}, "", ErrAuthorization},
		{"with a token", Request{TLS: plain, Token: "x"}, "CN=plain", nil},
		{"with an nkey where none is known", Request{TLS: plain, Nkey: "UA"}, "CN=plain", nil},
	})
	one, _ := a.Authenticate(context.Background(), &Request{TLS: plain})
	two, _ := a.Authenticate(context.Background(), &Request{TLS: plain})
	if one == nil || one != two {
		t.Error("two connections with one certificate do not share their identity")
	}
	a = mustNew(t, &Config{VerifyAndMap: true, NoAuthUser: "third", Users: []*User{{Name: "other"}, {Name: "third"}}})
	runAttempts(t, a, []attempt{{"no_auth_user does not make up for a certificate", Request{TLS: plain}, "", ErrAuthorization}})
	// Without a users list there is nothing to map to.
	runAttempts(t, mustNew(t, &Config{VerifyAndMap: true, Username: "CN=plain"}), []attempt{
		{"certificate only", Request{TLS: plain}, "", ErrAuthorization},
		{"by name", Request{TLS: plain, User: "CN=plain"}, "CN=plain", nil},
	})
	runAttempts(t, mustNew(t, &Config{VerifyAndMap: true, Token: "t"}), []attempt{
		{"certificate only", Request{TLS: plain}, "", ErrAuthorization},
		{"token", Request{TLS: plain, Token: "t"}, redacted, nil},
	})
	runAttempts(t, mustNew(t, &Config{VerifyAndMap: true}), []attempt{{"open", Request{TLS: plain, User: "x"}, "x", nil}})
}

func TestParseDNRefuses(t *testing.T) {
	for _, text := range []string{"", "a", "=", "=a", "CN=a,", "CN=a,b", "CN=a,,CN=b", `CN="a"`, `CN=a\`, "CN=#0401", "e@x.com"} {
		if dn, err := parseDN(text); err == nil {
			t.Errorf("%q is read as %+v", text, dn)
		}
	}
	a, err := parseDN(`CN= a b\ ,O=x\2b\2c`)
	b, err2 := parseDN(`cn=a b\20 , oid.2.5.4.10=x\+\,`)
	if err != nil || err2 != nil || a != b {
		t.Errorf("%+v, %v; %+v, %v", a, err, b, err2)
	}
}

// Any text is read or refused, and a name that is read matches itself only.
func FuzzParseDN(f *testing.F) {
	for _, s := range []string{"CN=a,O=b", `CN=Jo\, Doe,OU=A+OU=B`, "cn = a ; o=\\2c", "CN=", "=", `a=\`, "DC=a,DC=b,"} {
		f.Add(s, "CN=a")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, err := parseDN(a)
		y, err2 := parseDN(b)
		if err != nil || err2 != nil {
			return
		}
		if (x.ordered == y.ordered) && x.sorted != y.sorted {
			t.Fatalf("%q and %q are equal in order and not without", a, b)
		}
		joined, err := parseDN(a + "," + b)
		if err != nil || joined.ordered != x.ordered+","+y.ordered {
			t.Fatalf("%q and %q joined: %+v, %v", a, b, joined, err)
		}
	})
}

package authn

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// certIndex finds the user that a client certificate stands for.
type certIndex struct {
	byName    map[string]*user
	byOrdered map[string]*user // canonicalDN.ordered
	bySorted  map[string]*user // canonicalDN.sorted; nil where two users share it
}

// newCertIndex fails if two users write the same distinguished name.
func newCertIndex(byName map[string]*user) (*certIndex, error) {
	x := &certIndex{byName: byName, byOrdered: map[string]*user{}, bySorted: map[string]*user{}}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		u := byName[name]
		dn, err := parseDN(name)
		if err != nil {
			continue // an e-mail address, host name or URI
		}
		if other := x.byOrdered[dn.ordered]; other != nil {
			return nil, fmt.Errorf("users %q and %q name the same certificate; remove one", other.id.User, name)
		}
		x.byOrdered[dn.ordered] = u
		if _, taken := x.bySorted[dn.sorted]; taken {
			// Which of the two is meant by a third order nobody can say.
			u = nil
		}
		x.bySorted[dn.sorted] = u
	}
	return x, nil
}

// find looks the names of the peer's certificate up, in this order: e-mail
// addresses, DNS names, URIs, the distinguished name in any order of its parts,
// and the subject as text. It gives nil if none is a user's, with the subject for the log.
func (x *certIndex) find(cs *tls.ConnectionState) (u *user, subject string) {
	if cs == nil || len(cs.PeerCertificates) == 0 {
		return nil, ""
	}
	cert := cs.PeerCertificates[0]
	// Not Subject.String(), which adds the attributes it has no name for,
	// domain components among them, as hex.
	subject = cert.Subject.ToRDNSequence().String()
	for _, names := range [][]string{cert.EmailAddresses, cert.DNSNames, uris(cert)} {
		for _, n := range names {
			if u := x.byName[n]; u != nil {
				return u, subject
			}
		}
	}
	if dn, err := subjectDN(cert); err == nil {
		if u := x.byOrdered[dn.ordered]; u != nil {
			return u, subject
		}
		if u := x.bySorted[dn.sorted]; u != nil {
			return u, subject
		}
	}
	if u := x.byName[withDomain(cert, subject)]; u != nil {
		return u, subject
	}
	return x.byName[subject], subject
}

func uris(cert *x509.Certificate) []string {
	out := make([]string, 0, len(cert.URIs))
	for _, u := range cert.URIs {
		out = append(out, u.String())
	}
	return out
}

// withDomain appends the domain components, which the subject's text leaves
// out, from the last to the first.
func withDomain(cert *x509.Certificate, subject string) string {
	var dcs []string
	for _, tv := range cert.Subject.Names {
		if v, ok := tv.Value.(string); ok && isDomainComponent(tv) {
			dcs = append([]string{"DC=" + v}, dcs...)
		}
	}
	if len(dcs) == 0 {
		return subject
	}
	return strings.Join(append([]string{subject}, dcs...), ",")
}

func isDomainComponent(tv pkix.AttributeTypeAndValue) bool {
	return typeName(tv.Type.String()) == "DC"
}

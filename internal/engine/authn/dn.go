package authn

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
)

// A distinguished name is compared by a canonical text: attribute types in
// upper case by their short names, values as they are, the parts of one RDN
// sorted. Two texts are kept of each: in the order of the certificate, and with
// the RDNs sorted, since LDAP tools and configurations disagree about the
// order.
type canonicalDN struct{ ordered, sorted string }

// shortNames are the attribute types that have one (RFC 4514 and common use).
var shortNames = map[string]string{
	"2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "SERIALNUMBER", "2.5.4.6": "C", "2.5.4.7": "L",
	"2.5.4.8": "ST", "2.5.4.9": "STREET", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "TITLE",
	"2.5.4.17": "POSTALCODE", "2.5.4.42": "GIVENNAME",
	"0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.25": "DC",
	"1.2.840.113549.1.9.1": "EMAILADDRESS",
}

var errNotDN = errors.New("not a distinguished name")

// attribute is one type and value, already canonical.
type attribute struct{ kind, value string }

func canonical(rdns [][]attribute) canonicalDN {
	texts := make([]string, len(rdns))
	for i, rdn := range rdns {
		parts := make([]string, len(rdn))
		for j, a := range rdn {
			// Lengths keep values with separators in them apart.
			parts[j] = a.kind + "=" + hex.EncodeToString([]byte(a.value))
		}
		slices.Sort(parts)
		texts[i] = strings.Join(parts, "+")
	}
	c := canonicalDN{ordered: strings.Join(texts, ",")}
	slices.Sort(texts)
	c.sorted = strings.Join(texts, ",")
	return c
}

// subjectDN gives the canonical name of a certificate's subject, from last to
// first RDN as RFC 4514 writes it.
func subjectDN(cert *x509.Certificate) (canonicalDN, error) {
	var seq pkix.RDNSequence
	if rest, err := asn1.Unmarshal(cert.RawSubject, &seq); err != nil || len(rest) > 0 || len(seq) == 0 {
		return canonicalDN{}, errNotDN
	}
	rdns := make([][]attribute, 0, len(seq))
	for _, set := range slices.Backward(seq) {
		rdn := make([]attribute, 0, len(set))
		for _, tv := range set {
			value, ok := tv.Value.(string)
			if !ok {
				return canonicalDN{}, errNotDN
			}
			rdn = append(rdn, attribute{kind: typeName(tv.Type.String()), value: value})
		}
		rdns = append(rdns, rdn)
	}
	return canonical(rdns), nil
}

func typeName(name string) string {
	name = strings.ToUpper(strings.TrimSpace(name))
	name = strings.TrimPrefix(name, "OID.")
	if short, ok := shortNames[name]; ok {
		return short
	}
	switch name {
	case "S":
		return "ST"
	case "E", "EMAIL":
		return "EMAILADDRESS"
	}
	return name
}

// parseDN reads a name as a configuration writes it: RFC 4514, with blanks
// around the separators allowed.
func parseDN(text string) (canonicalDN, error) {
	var rdns [][]attribute
	var rdn []attribute
	for {
		kind, rest, ok := strings.Cut(text, "=")
		if kind = strings.TrimSpace(kind); !ok || kind == "" || strings.ContainsAny(kind, ",+;\\\"") {
			return canonicalDN{}, errNotDN
		}
		value, sep, rest, err := parseValue(rest)
		if err != nil {
			return canonicalDN{}, err
		}
		rdn = append(rdn, attribute{kind: typeName(kind), value: value})
		if sep != '+' {
			rdns = append(rdns, rdn)
			rdn = nil
		}
		if sep == 0 {
			return canonical(rdns), nil
		}
		text = rest
	}
}

// parseValue reads a value up to an unescaped separator (',', ';' or '+'), or
// to the end (sep 0). Blanks around it that are not escaped do not count.
func parseValue(s string) (value string, sep byte, rest string, err error) {
	s = strings.TrimLeft(s, " ")
	if strings.HasPrefix(s, "#") {
		return "", 0, "", errNotDN // BER in hex: no configuration writes it
	}
	var b strings.Builder
	solid := 0 // length of the value up to its last byte that is not a plain blank
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ',', ';', '+':
			return b.String()[:solid], c, s[i+1:], nil
		case '"':
			return "", 0, "", errNotDN
		case '\\':
			if i+1 == len(s) {
				return "", 0, "", errNotDN
			}
			if i+2 < len(s) {
				if raw, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
					b.Write(raw)
					solid = b.Len()
					i += 2
					continue
				}
			}
			i++
			b.WriteByte(s[i])
			solid = b.Len()
		default:
			b.WriteByte(c)
			if c != ' ' {
				solid = b.Len()
			}
		}
	}
	return b.String()[:solid], 0, "", nil
}

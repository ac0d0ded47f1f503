package tlsconf

import (
	"crypto/tls"
	"maps"
	"slices"
)

var (
	cipherByName = cipherNames()
	curveByName  = map[string]tls.CurveID{
		"X25519":             tls.X25519,
		"CurveP256":          tls.CurveP256,
		"CurveP384":          tls.CurveP384,
		"CurveP521":          tls.CurveP521,
		"X25519MLKEM768":     tls.X25519MLKEM768,
		"SecP256r1MLKEM768":  tls.SecP256r1MLKEM768,
		"SecP384r1MLKEM1024": tls.SecP384r1MLKEM1024,
	}
	versionByName = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
)

func cipherNames() map[string]*tls.CipherSuite {
	m := make(map[string]*tls.CipherSuite)
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		m[s.Name] = s
	}
	return m
}

// CipherByName finds a cipher suite by its IANA name, which is case-sensitive. insecure tells that
// it may only be used with allow_insecure_cipher_suites.
func CipherByName(name string) (id uint16, insecure, ok bool) {
	s := cipherByName[name]
	if s == nil {
		return 0, false, false
	}
	return s.ID, s.Insecure, true
}

// CurveByName finds a key exchange by the name that curve_preferences takes
// for it, such as CurveP256 or X25519MLKEM768. Case matters.
func CurveByName(name string) (id uint16, ok bool) {
	c, ok := curveByName[name]
	return uint16(c), ok
}

// VersionByName finds a protocol version by the name that min_version takes:
// "1.2" or "1.3". Older ones are not offered.
func VersionByName(name string) (id uint16, ok bool) {
	v, ok := versionByName[name]
	return v, ok
}

// CipherNames lists the suites a configuration may name, insecure ones last.
func CipherNames() []string {
	var out []string
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		out = append(out, s.Name)
	}
	return out
}

// CurveNames lists the key exchanges a configuration may name, sorted.
func CurveNames() []string { return slices.Sorted(maps.Keys(curveByName)) }

// VersionName gives a protocol version as monitoring shows it: "1.2", "1.3".
func VersionName(id uint16) string {
	for name, v := range versionByName {
		if v == id {
			return name
		}
	}
	return tls.VersionName(id)
}

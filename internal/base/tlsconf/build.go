package tlsconf

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// DefaultTimeout is how long a handshake may take if the configuration does
// not say.
const DefaultTimeout = 2 * time.Second

// Build makes the configuration of a listener from o. All faults are reported
// at once, each on a line that names the file and what is wrong with it.
//
// Pins and RateLimit are not part of a *tls.Config: the listener asks
// ParsePins and NewRateLimiter.
func Build(o *Options) (*tls.Config, error) {
	if o == nil {
		return nil, errors.New("tls: no options given")
	}
	var faults []error
	cfg := &tls.Config{
		Certificates: certificates(o, &faults),
		MinVersion:   minVersion(o, &faults),
		ClientAuth:   tls.NoClientCert,
	}
	cfg.CipherSuites = ciphers(o, &faults)
	cfg.CurvePreferences = curves(o, &faults)
	if o.CAFile != "" {
		cfg.ClientCAs = caPool(o.CAFile, &faults)
	}
	// Without a CA file the system's roots decide, as with nats-server.
	if o.Verify || o.VerifyAndMap || o.CheckKnownURLs {
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if _, err := ParsePins(o.PinnedCerts); err != nil {
		faults = append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return cfg, nil
}

func certificates(o *Options, faults *[]error) []tls.Certificate {
	pairs := o.Certs
	switch {
	case o.CertFile != "" || o.KeyFile != "":
		if len(pairs) > 0 {
			*faults = append(*faults, errors.New("tls: both cert_file and certs are given; use one of them"))
			return nil
		}
		pairs = []Pair{{CertFile: o.CertFile, KeyFile: o.KeyFile}}
	case len(pairs) == 0:
		*faults = append(*faults, errors.New("tls: no certificate; give cert_file and key_file, or a certs list"))
		return nil
	}
	out := make([]tls.Certificate, 0, len(pairs))
	for _, p := range pairs {
		c, err := loadPair(p)
		if err != nil {
			*faults = append(*faults, err)
			continue
		}
		out = append(out, c)
	}
	return out
}

func loadPair(p Pair) (tls.Certificate, error) {
	var none tls.Certificate
	switch {
	case p.CertFile == "":
		return none, fmt.Errorf("tls: key_file %q has no cert_file beside it; give both", p.KeyFile)
	case p.KeyFile == "":
		return none, fmt.Errorf("tls: cert_file %q has no key_file beside it; give both", p.CertFile)
	}
	cert, err := os.ReadFile(p.CertFile)
	if err != nil {
		return none, fmt.Errorf("tls: cert_file: %w; check the path and that the server may read it", err)
	}
	key, err := os.ReadFile(p.KeyFile)
	if err != nil {
		return none, fmt.Errorf("tls: key_file: %w; check the path and that the server may read it", err)
	}
	c, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return none, fmt.Errorf("tls: cert_file %q with key_file %q: %w; both must be PEM and belong together", p.CertFile, p.KeyFile, err)
	}
	return c, nil
}

func caPool(file string, faults *[]error) *x509.CertPool {
	pem, err := os.ReadFile(file)
	if err != nil {
		*faults = append(*faults, fmt.Errorf("tls: ca_file: %w; check the path and that the server may read it", err))
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		*faults = append(*faults, fmt.Errorf("tls: ca_file %q holds no certificate in PEM; give the certificates of the authorities to trust", file))
		return nil
	}
	return pool
}

func minVersion(o *Options, faults *[]error) uint16 {
	switch o.MinVersion {
	case 0:
		return tls.VersionTLS12
	case tls.VersionTLS12, tls.VersionTLS13:
		return o.MinVersion
	}
	*faults = append(*faults, fmt.Errorf("tls: min_version %s is not offered; use \"1.2\" or \"1.3\"", tls.VersionName(o.MinVersion)))
	return 0
}

// ciphers gives nil for "not said": the library then chooses, and keeps up
// with what is safe.
func ciphers(o *Options, faults *[]error) []uint16 {
	for _, id := range o.Ciphers {
		i := slices.IndexFunc(tls.InsecureCipherSuites(), func(s *tls.CipherSuite) bool { return s.ID == id })
		if i >= 0 && !o.AllowInsecureCiphers {
			*faults = append(*faults, fmt.Errorf("tls: cipher suite %s is insecure; take it out or set allow_insecure_cipher_suites: true", tls.CipherSuiteName(id)))
		}
		if i < 0 && !slices.ContainsFunc(tls.CipherSuites(), func(s *tls.CipherSuite) bool { return s.ID == id }) {
			*faults = append(*faults, fmt.Errorf("tls: cipher suite 0x%04x is unknown", id))
		}
	}
	return slices.Clone(o.Ciphers)
}

func curves(o *Options, faults *[]error) []tls.CurveID {
	var out []tls.CurveID
	for _, id := range o.CurvePreferences {
		known := false
		for _, c := range curveByName {
			known = known || c == tls.CurveID(id)
		}
		if !known {
			*faults = append(*faults, fmt.Errorf("tls: curve %d is unknown; the names are %v", id, CurveNames()))
			continue
		}
		out = append(out, tls.CurveID(id))
	}
	return out
}

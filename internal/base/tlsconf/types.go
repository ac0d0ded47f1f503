package tlsconf

import "time"

// Pair is one certificate with its key, as files in PEM.
type Pair struct{ CertFile, KeyFile string }

// Options is what a tls block of the configuration says.
type Options struct {
	CertFile, KeyFile, CAFile string
	Certs                     []Pair
	Insecure                  bool // outgoing connections do not check the peer (routes, leaf nodes)
	Verify                    bool
	VerifyAndMap              bool
	CheckKnownURLs            bool // verify_cert_and_check_known_urls
	Ciphers                   []uint16
	AllowInsecureCiphers      bool
	CurvePreferences          []uint16 // tls.CurveID values
	MinVersion                uint16   // tls.VersionTLS12, tls.VersionTLS13; 0 = 1.2
	Timeout                   time.Duration
	RateLimit                 int64    // connection_rate_limit: handshakes a second; 0 = no limit
	PinnedCerts               []string // lower-case hex of SHA-256 over SubjectPublicKeyInfo
	// HandshakeFirst: the TLS handshake comes before INFO. With a positive
	// HandshakeFirstFallback a client that is silent so long gets INFO in clear.
	HandshakeFirst         bool
	HandshakeFirstFallback time.Duration
}

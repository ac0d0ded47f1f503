package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"time"

	"dunlin/internal/base/tlsconf"
	"dunlin/internal/proto/conflang"
)

// tlsBlock is one tls block while it is read.
type tlsBlock struct {
	tlsconf.Options
	at       conflang.Pos
	badFiles bool // a pair in certs was refused already
}

func openTLS(_ *reader, _ any, at conflang.Pos, _ string) any { return &tlsBlock{at: at} }

// closeTLS checks a tls block of an area that does not use it yet.
func closeTLS(r *reader, _, child any, _ conflang.Pos) { r.checkTLS(child.(*tlsBlock)) }

var tlsKeys = schema{title: "tls", keys: tlsKeyList(false)}

// linkTLSKeys are those of routes and gateways, which also dial.
var linkTLSKeys = schema{title: "tls", section: "tls between servers", keys: tlsKeyList(true)}

func tlsKeyList(link bool) []*key {
	keys := []*key{
		{name: "cert_file", takes: tStr, doc: "Certificate with its chain, in PEM.", bind: in(func(t *tlsBlock) any { return &t.CertFile })},
		{name: "key_file", takes: tStr, doc: "Private key of the certificate, in PEM.", bind: in(func(t *tlsBlock) any { return &t.KeyFile })},
		{name: "ca_file", takes: tStr, doc: "Authorities that sign the certificates of the other side.", bind: in(func(t *tlsBlock) any { return &t.CAFile })},
		{name: "certs", takes: tArray, doc: "Several certificates, instead of cert_file; the one that fits the client's request is used.", inner: &schema{title: "tls.certs", keys: []*key{
			{name: "cert_file", takes: tStr, doc: "Certificate.", bind: in(func(p *tlsconf.Pair) any { return &p.CertFile })},
			{name: "key_file", takes: tStr, doc: "Its private key.", bind: in(func(p *tlsconf.Pair) any { return &p.KeyFile })},
		}},
			open: func(_ *reader, _ any, _ conflang.Pos, _ string) any { return new(tlsconf.Pair) },
			close: func(r *reader, ctx, child any, at conflang.Pos) {
				p, t := child.(*tlsconf.Pair), ctx.(*tlsBlock)
				if p.CertFile == "" || p.KeyFile == "" {
					r.fail(at, "an entry of tls.certs needs both cert_file and key_file")
					t.badFiles = true
				}
				t.Certs = append(t.Certs, *p)
			}},
		{name: "insecure", takes: tBool, def: "false", doc: "Do not check the certificate of servers that are dialled.", bind: in(func(t *tlsBlock) any { return &t.Insecure })},
		{name: "verify", takes: tBool, def: "false", doc: "The other side must show a certificate that ca_file signed.", bind: in(func(t *tlsBlock) any { return &t.Verify })},
		{name: "verify_and_map", takes: tBool, def: "false", doc: "Like verify, and the certificate names the user.", set: setIn(func(_ *reader, t *tlsBlock, v *conflang.Value) {
			t.VerifyAndMap = v.Bool
			t.Verify = t.Verify || v.Bool
		})},
		{name: "verify_cert_and_check_known_urls", takes: tBool, def: "false", doc: "Routes and gateways: the certificate must fit a configured address.", check: func(v *conflang.Value) string {
			if v.Bool && !link {
				return "is for routes and gateways only; expected verify or verify_and_map here"
			}
			return ""
		}, bind: in(func(t *tlsBlock) any { return &t.CheckKnownURLs })},
		{name: "cipher_suites", takes: tStrs, doc: "Cipher suites for TLS 1.2, in order of preference.", set: setIn(setCiphers)},
		{name: "allow_insecure_cipher_suites", takes: tBool, def: "false", doc: "Take cipher suites that are known to be weak.", bind: in(func(t *tlsBlock) any { return &t.AllowInsecureCiphers })},
		{name: "curve_preferences", takes: tStrs, doc: "Key exchanges, in order of preference.", set: setIn(setCurves)},
		{name: "min_version", takes: tStr, def: `"1.2"`, doc: "Oldest version of TLS that is taken.", check: checkVersion, set: setIn(func(_ *reader, t *tlsBlock, v *conflang.Value) { t.MinVersion, _ = tlsconf.VersionByName(v.Str) })},
		{name: "timeout", takes: tInt | tFloat | tDur, def: "2s", doc: "Time for the handshake; numbers are seconds.", set: setIn(func(_ *reader, t *tlsBlock, v *conflang.Value) { t.Timeout = duration(v) })},
		{name: "connection_rate_limit", takes: tInt, def: "no limit", doc: "Most handshakes a second.", bind: in(func(t *tlsBlock) any { return &t.RateLimit })},
		{name: "pinned_certs", takes: tStrs, doc: "SHA-256 over the public keys that are taken, in hex.", check: checkPins, set: setIn(func(_ *reader, t *tlsBlock, v *conflang.Value) {
			t.PinnedCerts = nil
			for _, s := range strs(v) {
				t.PinnedCerts = append(t.PinnedCerts, strings.ToLower(s))
			}
		})},
		{name: "handshake_first", alias: []string{"first", "immediate"}, takes: tBool | tStr, def: "false", doc: "The handshake comes before INFO; auto or a duration waits so long for a client that does not begin it, then sends INFO.", check: checkHandshakeFirst, set: setIn(setHandshakeFirst)},
		{name: "ocsp_peer", takes: tBool | tMap, later: laterOCSP, doc: "Ask by OCSP whether the other side's certificate was revoked.", inner: &schema{title: "tls.ocsp_peer", keys: []*key{
			{name: "verify", takes: tBool, def: "false", doc: "Check certificates."},
			{name: "ca_timeout", takes: tInt | tFloat | tDur, def: "2s", doc: "Time for an answer."},
			{name: "allowed_clockskew", takes: tInt | tFloat | tDur, def: "30s", doc: "Difference of clocks that is let through."},
			{name: "warn_only", takes: tBool, def: "false", doc: "Log and let through."},
			{name: "unknown_is_good", takes: tBool, def: "false", doc: "A certificate that the responder does not know is let through."},
			{name: "allow_when_ca_unreachable", takes: tBool, def: "false", doc: "Let through if there is no answer."},
			{name: "cache_ttl_when_next_update_unset", takes: tInt | tFloat | tDur, def: "1h", doc: "How long an answer without an end is remembered."},
		}}},
	}
	store := func(name string, t takes, doc string) *key {
		k := &key{name: name, takes: t, doc: doc, later: laterCertStore}
		if name == "cert_store" || name == "cert_match_by" {
			k.check = windowsOnly
		}
		return k
	}
	return append(keys,
		store("cert_store", tStr, "Store that holds the certificate."),
		store("cert_match_by", tStr, "What to look for: subject, issuer or thumbprint."),
		store("cert_match", tStr, "The text to look for."),
		store("cert_match_skip_invalid", tBool, "Pass over certificates that have expired."),
		store("ca_certs_match", tAny, "Authorities to take from the store."))
}

func windowsOnly(*conflang.Value) string {
	if runtime.GOOS == "windows" {
		return ""
	}
	return "the certificate store exists on Windows only; expected cert_file and key_file"
}

func checkVersion(v *conflang.Value) string {
	if _, ok := tlsconf.VersionByName(v.Str); !ok {
		return fmt.Sprintf("%q is not taken; expected \"1.2\" or \"1.3\"", v.Str)
	}
	return ""
}

func setCiphers(r *reader, t *tlsBlock, v *conflang.Value) {
	t.Ciphers = nil
	if len(v.Items) == 0 {
		r.fail(v.Pos, "tls.cipher_suites is empty; expected at least one name, or no such key")
	}
	for _, item := range v.Items {
		id, _, ok := tlsconf.CipherByName(item.Str)
		if !ok {
			r.fail(item.Pos, "cipher suite %q is not known; dunlin --help_tls lists them", item.Str)
			continue
		}
		t.Ciphers = append(t.Ciphers, id)
	}
}

func setCurves(r *reader, t *tlsBlock, v *conflang.Value) {
	t.CurvePreferences = nil
	if len(v.Items) == 0 {
		r.fail(v.Pos, "tls.curve_preferences is empty; expected at least one name, or no such key")
	}
	for _, item := range v.Items {
		id, ok := tlsconf.CurveByName(item.Str)
		if !ok {
			r.fail(item.Pos, "curve %q is not known; expected one of %s", item.Str, strings.Join(tlsconf.CurveNames(), ", "))
			continue
		}
		t.CurvePreferences = append(t.CurvePreferences, id)
	}
}

func checkPins(v *conflang.Value) string {
	for _, s := range strs(v) {
		if b, err := hex.DecodeString(s); err != nil || len(b) != 32 {
			return fmt.Sprintf("%q is no hash; expected 64 hexadecimal digits", s)
		}
	}
	return ""
}

// handshakeFirstDelay is what "auto" waits.
const handshakeFirstDelay = 50 * time.Millisecond

func checkHandshakeFirst(v *conflang.Value) string {
	if v.Kind != conflang.String {
		return ""
	}
	switch strings.ToLower(v.Str) {
	case "auto", "auto_fallback", "true", "false", "on", "off":
		return ""
	}
	if _, err := time.ParseDuration(v.Str); err != nil {
		return fmt.Sprintf("%q is not taken; expected true, false, auto or a duration such as \"50ms\"", v.Str)
	}
	return ""
}

func setHandshakeFirst(_ *reader, t *tlsBlock, v *conflang.Value) {
	t.HandshakeFirst, t.HandshakeFirstFallback = v.Bool, 0
	if v.Kind != conflang.String {
		return
	}
	switch word := strings.ToLower(v.Str); word {
	case "true", "on", "false", "off":
		t.HandshakeFirst = word == "true" || word == "on"
	case "auto", "auto_fallback":
		t.HandshakeFirst, t.HandshakeFirstFallback = true, handshakeFirstDelay
	default:
		// A delay that is zero or negative leaves nothing to wait for.
		t.HandshakeFirst, t.HandshakeFirstFallback = true, max(duration(v), 0)
	}
}

// checkTLS looks at the keys together, and at the files: a server that finds
// out at its first client is of no use.
func (r *reader) checkTLS(t *tlsBlock) {
	for _, id := range t.Ciphers {
		if t.AllowInsecureCiphers {
			break
		}
		for _, c := range tls.InsecureCipherSuites() {
			if c.ID == id {
				r.fail(t.at, "cipher suite %s is insecure; expected another one, or allow_insecure_cipher_suites: true", c.Name)
			}
		}
	}
	if t.CertFile != "" && len(t.Certs) > 0 {
		r.fail(t.at, "tls has cert_file and also certs; expected one of them")
		return
	}
	pairs := t.Certs
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		r.fail(t.at, "tls has cert_file without key_file; expected both")
	case t.CertFile == "" && t.KeyFile != "":
		r.fail(t.at, "tls has key_file without cert_file; expected both")
	case t.CertFile != "":
		pairs = []tlsconf.Pair{{CertFile: t.CertFile, KeyFile: t.KeyFile}}
	}
	if !t.badFiles {
		for _, p := range pairs {
			if _, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile); err != nil {
				r.fail(t.at, "the certificate %s with the key %s cannot be used: %v", p.CertFile, p.KeyFile, err)
			}
		}
	}
	if t.CAFile != "" {
		if err := loadCA(t.CAFile); err != nil {
			r.fail(t.at, "the authorities in ca_file cannot be used: %v", err)
		}
	}
}

func loadCA(path string) error {
	pem, err := readFile(path, math.MaxInt32)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return err
	case err != nil:
		return fmt.Errorf("reading %s: %w", path, err)
	case !x509.NewCertPool().AppendCertsFromPEM(pem):
		return fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return nil
}

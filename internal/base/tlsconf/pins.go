package tlsconf

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
)

// Pins are the certificates a listener accepts besides verifying them, each as
// SHA-256 of its DER-encoded SubjectPublicKeyInfo. Nil accepts any.
type Pins map[[sha256.Size]byte]struct{}

// ErrNotPinned says that the peer showed no certificate, or one that is not
// among the pinned ones.
var ErrNotPinned = errors.New("certificate not pinned")

// ParsePins reads the hex digests of pinned_certs in either case.
func ParsePins(digests []string) (Pins, error) {
	if len(digests) == 0 {
		return nil, nil
	}
	pins := make(Pins, len(digests))
	var faults []error
	for _, d := range digests {
		var pin [sha256.Size]byte
		if n, err := hex.Decode(pin[:], []byte(truncate(d))); err != nil || n != len(pin) || len(d) != 2*len(pin) {
			faults = append(faults, fmt.Errorf("tls: pinned_certs: %q is not a SHA-256 of a SubjectPublicKeyInfo; write %d hex digits", d, 2*len(pin)))
			continue
		}
		pins[pin] = struct{}{}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return pins, nil
}

// truncate keeps hex.Decode from writing past a digest.
func truncate(d string) string { return d[:min(len(d), 2*sha256.Size)] }

// CheckPinned holds the certificate of the peer against pins. It is asked after the
// handshake, and again of every connection when a reload changes the pins. The
// error wraps ErrNotPinned and tells the digest, which is no secret.
func CheckPinned(cs *tls.ConnectionState, pins Pins) error {
	if pins == nil {
		return nil
	}
	if cs == nil || len(cs.PeerCertificates) == 0 {
		return fmt.Errorf("%w: the client showed none", ErrNotPinned)
	}
	digest := sha256.Sum256(cs.PeerCertificates[0].RawSubjectPublicKeyInfo)
	if _, ok := pins[digest]; !ok {
		return fmt.Errorf("%w: key id %x; add it to pinned_certs to accept this client", ErrNotPinned, digest)
	}
	return nil
}

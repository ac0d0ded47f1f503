package authn

import (
	"crypto/rand"
	"encoding/base64"

	"github.com/nats-io/nkeys"
)

// NonceLen is the length of a nonce as it stands in INFO.
const NonceLen = 15

// NewNonce makes what a client signs to prove its key: 11 random bytes in
// unpadded URL base64. It is made anew for each connection.
func NewNonce() string {
	var raw [11]byte
	rand.Read(raw[:]) // never fails: crypto/rand ends the process instead
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// signatureMax is a generous bound of an Ed25519 signature in base64.
const signatureMax = 128

// signed reports whether sig is key's signature of nonce, in unpadded URL base64 as
// clients send it or in standard base64 as older ones do.
func signed(key nkeys.KeyPair, nonce []byte, sig string) bool {
	if sig == "" || len(sig) > signatureMax || len(nonce) == 0 {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(sig)
	if err != nil {
		if raw, err = base64.StdEncoding.DecodeString(sig); err != nil {
			return false
		}
	}
	return key.Verify(nonce, raw) == nil
}

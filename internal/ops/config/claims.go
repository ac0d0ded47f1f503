package config

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nkeys"

	"dunlin/internal/proto/conflang"
)

// claimsMax bounds a JWT file; real ones have a few kilobytes.
const claimsMax = 1 << 20

// claim is what is looked at of a JWT until operator mode is served.
type claim struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	Nats    struct {
		Type string `json:"type"`
	} `json:"nats"`
	Type string `json:"type"` // where version 1 kept it
}

// readClaim decodes a JWT and checks its signature against its issuer.
func readClaim(text string) (*claim, error) {
	parts := strings.Split(strings.TrimSpace(text), ".")
	if len(parts) != 3 {
		return nil, errors.New("not a JWT; expected three parts with points between them")
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, fmt.Errorf("the body of the JWT is not base64: %w", err)
	}
	c := new(claim)
	if err := json.Unmarshal(body, c); err != nil {
		return nil, fmt.Errorf("the body of the JWT is not JSON: %w", err)
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, fmt.Errorf("the signature of the JWT is not base64: %w", err)
	}
	key, err := nkeys.FromPublicKey(c.Issuer)
	if err != nil {
		return nil, fmt.Errorf("the issuer of the JWT is no nkey: %w", err)
	}
	signed := parts[1] // version 1
	if c.Nats.Type != "" {
		signed = parts[0] + "." + parts[1]
	}
	if err := key.Verify([]byte(signed), signature); err != nil {
		return nil, fmt.Errorf("the signature of the JWT is wrong: %w", err)
	}
	return c, nil
}

// checkOperators takes JWTs, or names of files that hold one, possibly between
// the dashed lines that nsc writes.
func checkOperators(v *conflang.Value) string {
	for _, s := range strs(v) {
		text := s
		if !strings.HasPrefix(s, "eyJ") {
			data, err := readFile(s, claimsMax)
			if err != nil {
				return fmt.Sprintf("an entry is neither an operator JWT nor a file with one: %v", err)
			}
			text = ""
			for word := range strings.FieldsSeq(string(data)) {
				if strings.HasPrefix(word, "eyJ") {
					text = word
					break
				}
			}
		}
		c, err := readClaim(text)
		if err != nil {
			return err.Error()
		}
		if !nkeys.IsValidPublicOperatorKey(c.Subject) {
			return "the JWT is not an operator's; expected one whose subject is an operator nkey (O...)"
		}
	}
	return ""
}

func checkAccountJWT(v *conflang.Value) string {
	c, err := readClaim(v.Str)
	if err != nil {
		return err.Error()
	}
	if !nkeys.IsValidPublicAccountKey(c.Subject) {
		return "the JWT is not an account's; expected one whose subject is an account nkey (A...)"
	}
	return ""
}

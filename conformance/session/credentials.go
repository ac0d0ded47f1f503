package session

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"dunlin/conformance/pki"
	"dunlin/conformance/script"
)

// connectLine is a CONNECT with what clients usually say, changed by the step.
func (r *run) connectLine(s script.Step, c *conn) (string, error) {
	fields := map[string]any{
		"verbose": false, "pedantic": false, "tls_required": false, "name": c.name, "lang": "raw",
		"version": "0.1.0", "protocol": 1, "echo": true, "headers": true, "no_responders": true,
	}
	if s.JSON != "" {
		text, err := r.expand(s.JSON)
		if err != nil {
			return "", err
		}
		if err := json.Unmarshal([]byte(text), &fields); err != nil {
			return "", fmt.Errorf("fields of CONNECT: %w", err)
		}
	}
	if name := s.Options["nkey"]; name != "" {
		public, sig, err := sign(s, c, name)
		if err != nil {
			return "", err
		}
		fields["nkey"], fields["sig"] = public, sig
	}
	if name := s.Options["proxykey"]; name != "" {
		_, sig, err := sign(s, c, name)
		if err != nil {
			return "", err
		}
		fields["proxy_sig"] = sig
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return "", fmt.Errorf("fields of CONNECT: %w", err)
	}
	return "CONNECT " + string(text) + "\r\n", nil
}

// sign answers the nonce of the connection with the key that belongs to name.
func sign(s script.Step, c *conn, name string) (public, sig string, err error) {
	kp, err := pki.User(name)
	if err != nil {
		return "", "", err
	}
	if public, err = kp.PublicKey(); err != nil {
		return "", "", err
	}
	c.mu.Lock()
	nonce := c.nonce
	c.mu.Unlock()
	if s.Has("badsig") {
		nonce += "x"
	}
	raw, err := kp.Sign([]byte(nonce))
	if err != nil {
		return "", "", err
	}
	if s.Has("stdsig") {
		return public, base64.StdEncoding.EncodeToString(raw), nil
	}
	return public, base64.RawURLEncoding.EncodeToString(raw), nil
}

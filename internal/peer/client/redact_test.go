package client_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"dunlin/internal/peer/client"
)

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		`CONNECT {}`: `CONNECT {}`,
		`CONNECT {"user":"a","pass":"b","name":"c"}`:               `CONNECT {"user":"a","pass":"[REDACTED]","name":"c"}`,
		`connect	{ "auth_token" : "b\"c\\" , "x":1}`:               `connect	{ "auth_token" : "[REDACTED]" , "x":1}`,
		`CONNECT {"nkey":"U","sig":"s","jwt":"j","proxy_sig":"p"}`: `CONNECT {"nkey":"[REDACTED]","sig":"[REDACTED]","jwt":"[REDACTED]","proxy_sig":"[REDACTED]"}`,
		`CONNECT {"pass":"a","pass":"b"}`:                          `CONNECT {"pass":"[REDACTED]","pass":"[REDACTED]"}`,
		`CONNECT {"PASS":"b","Auth_Token":"c"}`:                    `CONNECT {"PASS":"[REDACTED]","Auth_Token":"[REDACTED]"}`,
		`CONNECT {"p\u0061ss":"b"}`:                                `CONNECT {"p\u0061ss":"[REDACTED]"}`,
		"CONNECT {\"pa\u017f\u017f\":\"b\"}":                       "CONNECT {\"pa\u017f\u017f\":\"[REDACTED]\"}",
		"CONNECT {\"name\":\"\u0130\u0130\u0130\",\"pass\":\"b\"}": "CONNECT {\"name\":\"\u0130\u0130\u0130\",\"pass\":\"[REDACTED]\"}",
		"CONNECT {\"name\":\"\u212a\u212a\u212a\",\"pass\":\"b\"}": "CONNECT {\"name\":\"\u212a\u212a\u212a\",\"pass\":\"[REDACTED]\"}",
		`CONNECT {"pass":["b",{"c":"]"}],"x":1}`:                   `CONNECT {"pass":"[REDACTED]","x":1}`,
		`CONNECT {"pass":17,"x":{"pass":null}}`:                    `CONNECT {"pass":"[REDACTED]","x":{"pass":"[REDACTED]"}}`,
		`CONNECT {"user":"pass","name":"\"pass\":\"c\""}`:          `CONNECT {"user":"pass","name":"\"pass\":\"c\""}`,
		`CONNECT {"pass":"b`:                                       `CONNECT [REDACTED]`,
		`CONNECT {"pass" "b"}`:                                     `CONNECT [REDACTED]`,
		`CONNECT`:                                                  `CONNECT`,
	} {
		if got := string(client.Redact([]byte(in))); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
}

// FuzzRedact: whatever a decoder takes for a secret never stays, whatever
// else stands around it, and what is no secret stays if the line is JSON.
func FuzzRedact(f *testing.F) {
	for _, seed := range []string{`{"pass":"b"}`, `{"p\u0061ss" :"b", "x":[1,{"sig":"y"}]}`, "{\"\u017fig\":\"x\"}", `{"pass`, "{\"\u0130\":\"\u212a\",\"pass\":\"q\"}"} {
		f.Add(seed, "secret", "around")
	}
	fields := []string{"pass", "auth_token", "sig", "proxy_sig", "nkey", "jwt"}
	f.Fuzz(func(t *testing.T, raw, secret, around string) {
		shown := string(client.Redact([]byte("CONNECT " + raw)))
		var got map[string]any
		if json.Unmarshal([]byte(raw), &got) != nil {
			if shown != "CONNECT [REDACTED]" && strings.TrimLeft(raw, " \t") != "" && !json.Valid([]byte(raw)) {
				t.Fatalf("%q is no JSON, and %q is shown", raw, shown)
			}
		} else {
			// What is shown is JSON still, and says "[REDACTED]" for each secret.
			var after map[string]any
			if err := json.Unmarshal([]byte(strings.TrimPrefix(shown, "CONNECT ")), &after); err != nil {
				t.Fatalf("%q became %q: %v", raw, shown, err)
			}
			checkSecrets(t, fields, after)
		}
		// A secret of our own between what was made up.
		const mark = "Mark7531"
		value, _ := json.Marshal(secret + mark)
		name, _ := json.Marshal(around)
		for _, field := range fields {
			line := fmt.Sprintf(`CONNECT {"name":%s,%q: %s,"user":%s}`, name, field, value, name)
			if shown := client.Redact([]byte(line)); strings.Contains(string(shown), mark) {
				t.Fatalf("%q became %q", line, shown)
			}
		}
	})
}

func checkSecrets(t *testing.T, fields []string, v any) {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			for _, f := range fields {
				if strings.EqualFold(k, f) && e != "[REDACTED]" {
					t.Fatalf("%q is shown for %q", e, k)
				}
			}
			checkSecrets(t, fields, e)
		}
	case []any:
		for _, e := range v {
			checkSecrets(t, fields, e)
		}
	}
}

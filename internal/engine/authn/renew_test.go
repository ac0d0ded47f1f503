package authn

import (
	"context"
	"errors"
	"testing"

	"dunlin/internal/core/perm"
)

// Each case: a connection came in under before; after the reload it is, with
// and without its CONNECT kept, the user or the refusal named.
func TestRenew(t *testing.T) {
	k, px := newKey(t), newKey(t)
	nonce := []byte(NewNonce())
	plain := certificate(t, []string{"CN=plain"}, nil)
	u := func(users ...*User) *Config { return &Config{Users: users} }
	const gone = "refused"
	for _, c := range []struct {
		name            string
		before, after   *Config
		req             Request
		kept, forgotten string
	}{
		{"nothing changed", u(&User{Name: "a", Password: "p"}), u(&User{Name: "a", Password: "p"}), Request{User: "a", Password: "p"}, "a", "a"},
		{"another password", u(&User{Name: "a", Password: "p"}), u(&User{Name: "a", Password: "q"}), Request{User: "a", Password: "p"}, gone, gone},
		{"hashed now", u(&User{Name: "a", Password: "p"}), u(&User{Name: "a", Password: hash(t, "p")}), Request{User: "a", Password: "p"}, "a", gone},
		{"removed", u(&User{Name: "a"}, &User{Name: "b"}), u(&User{Name: "b"}), Request{User: "a"}, gone, gone},
		{"removed, a default appears", u(&User{Name: "a"}), &Config{NoAuthUser: "b", Users: []*User{{Name: "b"}}}, Request{User: "a"}, gone, gone},
		{"from single to list", &Config{Username: "a", Password: "p"}, u(&User{Name: "a", Password: "p"}), Request{User: "a", Password: "p"}, "a", "a"},
		{"type no longer allowed", u(&User{Name: "a"}), u(&User{Name: "a", ConnectionTypes: []string{"MQTT"}}), Request{User: "a"}, gone, gone},
		{"proxy required now", u(&User{Name: "a"}), u(&User{Name: "a", ProxyRequired: true}), Request{User: "a"}, gone, gone},
		{"token", &Config{Token: "t"}, &Config{Token: "t"}, Request{Token: "t"}, redacted, redacted},
		{"another token", &Config{Token: "t"}, &Config{Token: "u"}, Request{Token: "t"}, gone, gone},
		{"nkey", u(&User{Nkey: k.pub}), u(&User{Nkey: k.pub}), Request{Nkey: k.pub, Sig: k.sig(t, nonce), Nonce: nonce}, k.pub, k.pub},
		{"nkey removed", u(&User{Nkey: k.pub}), u(&User{Name: "a"}), Request{Nkey: k.pub, Sig: k.sig(t, nonce), Nonce: nonce}, gone, gone},
		{"open stays open", &Config{}, &Config{}, Request{User: "x"}, "x", "x"},
		{"opened", u(&User{Name: "a"}), &Config{}, Request{User: "a"}, "a", gone},
		{"closed", &Config{}, u(&User{Name: "a", Password: "p"}), Request{}, gone, gone},
		{"closed, credentials fit", &Config{}, u(&User{Name: "a", Password: "p"}), Request{User: "a", Password: "p"}, "a", gone},
		{"closed, with a default", &Config{}, &Config{NoAuthUser: "n", Users: []*User{{Name: "n"}}}, Request{}, "n", "n"},
		{"default replaced", &Config{NoAuthUser: "n", Users: []*User{{Name: "n"}}}, &Config{NoAuthUser: "m", Users: []*User{{Name: "m", Password: "p"}}}, Request{}, "m", "m"},
		{"default gone", &Config{NoAuthUser: "n", Users: []*User{{Name: "n"}}}, u(&User{Name: "n"}), Request{}, gone, gone},
		{"certificate", &Config{VerifyAndMap: true, Users: named("CN=plain")}, &Config{VerifyAndMap: true, Users: named("CN=plain", "b")}, Request{TLS: plain}, "CN=plain", "CN=plain"},
		{"certificate's user removed", &Config{VerifyAndMap: true, Users: named("CN=plain")}, &Config{VerifyAndMap: true, Users: named("b")}, Request{TLS: plain}, gone, gone},
		{"proxy still trusted", &Config{TrustedProxies: []string{px.pub}, Users: named("a")}, &Config{TrustedProxies: []string{px.pub}, Users: named("a")}, Request{User: "a", ProxySig: px.sig(t, nonce), Nonce: nonce}, "a", "a"},
		{"proxy no longer trusted", &Config{TrustedProxies: []string{px.pub}, Users: named("a")}, &Config{TrustedProxies: []string{k.pub}, Users: named("a")}, Request{User: "a", ProxySig: px.sig(t, nonce), Nonce: nonce}, gone, gone},
	} {
		c.req.ConnType = "STANDARD"
		old, err := mustNew(t, c.before).Authenticate(context.Background(), &c.req)
		if err != nil {
			t.Fatalf("%s: before: %v", c.name, err)
		}
		after := mustNew(t, c.after)
		for _, kept := range []bool{true, false} {
			want, req := c.kept, c.req
			if !kept {
				want, req = c.forgotten, Request{TLS: c.req.TLS, ConnType: c.req.ConnType}
			}
			id, err := after.Renew(context.Background(), old, &req, kept)
			var r *Refusal
			switch {
			case err != nil && (want != gone || !errors.As(err, &r)), err == nil && id.User != want:
				t.Errorf("%s, CONNECT kept %v: %+v, %v; want %s", c.name, kept, id, err, want)
			case err == nil && id.ProxyKey != old.ProxyKey:
				t.Errorf("%s, CONNECT kept %v: the proxy became %q", c.name, kept, id.ProxyKey)
			}
		}
	}
}

func TestRenewBringsNewRights(t *testing.T) {
	p := func(s string) *perm.Permissions {
		return &perm.Permissions{Publish: &perm.Subjects{Allow: []string{s}}}
	}
	before := mustNew(t, &Config{Users: []*User{{Name: "a", Permissions: p("x"), Account: "A"}}})
	after := mustNew(t, &Config{Users: []*User{{Name: "a", Permissions: p("y"), Account: "B"}}})
	old, err := before.Authenticate(context.Background(), &Request{User: "a"})
	if err != nil {
		t.Fatal(err)
	}
	id, err := after.Renew(context.Background(), old, &Request{}, false)
	if err != nil || id.Account != "B" || !id.Permissions.CanPublish([]byte("y")) || id.Permissions.CanPublish([]byte("x")) {
		t.Fatalf("%+v, %v", id, err)
	}
}

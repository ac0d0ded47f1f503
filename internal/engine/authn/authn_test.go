package authn

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"
	"golang.org/x/crypto/bcrypt"

	"dunlin/internal/core/perm"
)

func mustNew(t testing.TB, cfg *Config) *Authenticator {
	t.Helper()
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func hash(t testing.TB, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

// keyPair is an nkey that signs as a client does.
type keyPair struct {
	kp  nkeys.KeyPair
	pub string
}

func newKey(t testing.TB) keyPair {
	t.Helper()
	kp, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	pub, err := kp.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return keyPair{kp, pub}
}

func (k keyPair) sign(t testing.TB, nonce []byte) []byte {
	t.Helper()
	sig, err := k.kp.Sign(nonce)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func (k keyPair) sig(t testing.TB, nonce []byte) string {
	return base64.RawURLEncoding.EncodeToString(k.sign(t, nonce))
}

// try authenticates and gives the user, or the kind of the refusal.
func try(t testing.TB, a *Authenticator, req Request) (string, error) {
	t.Helper()
	if req.ConnType == "" {
		req.ConnType = "STANDARD"
	}
	id, err := a.Authenticate(context.Background(), &req)
	if err != nil {
		var r *Refusal
		if id != nil || !errors.As(err, &r) || err.Error() == "" {
			t.Fatalf("Authenticate gives %v, %v", id, err)
		}
		return "", r.Kind
	}
	if id.Account == "" {
		t.Fatalf("%q is in no account", id.User)
	}
	return id.User, nil
}

type attempt struct {
	name string
	req  Request
	user string
	err  error
}

func runAttempts(t *testing.T, a *Authenticator, attempts []attempt) {
	t.Helper()
	for _, c := range attempts {
		user, err := try(t, a, c.req)
		if user != c.user || err != c.err {
			t.Errorf("%s: %q, %v; want %q, %v", c.name, user, err, c.user, c.err)
		}
	}
}

// The attempts of the following tests and their outcomes were recorded from
// nats-server 2.15.2.

func TestOpenServer(t *testing.T) {
	a := mustNew(t, &Config{})
	if a.Required() || a.NeedsNonce() || a.PlaintextPasswords() || a.NoAuthUser() != "" {
		t.Fatal("an open server asks for something")
	}
	runAttempts(t, a, []attempt{
		{"nothing", Request{}, "", nil},
		{"user", Request{User: "s", Password: "p"}, "s", nil},
		{"token", Request{Token: "x"}, redacted, nil},
		{"account", Request{NamesAccount: true}, "", ErrAuthorization},
		{"a proxy nobody trusts", Request{User: "a", ProxySig: "zz"}, "a", nil},
	})
}

func TestToken(t *testing.T) {
	a := mustNew(t, &Config{Token: "tok"})
	if !a.Required() || a.NeedsNonce() || !a.PlaintextPasswords() {
		t.Fatal("token: Required, NeedsNonce or PlaintextPasswords is wrong")
	}
	runAttempts(t, a, []attempt{
		{"token", Request{Token: "tok"}, redacted, nil},
		{"as user", Request{User: "tok"}, "", ErrAuthorization},
		{"as password", Request{Password: "tok"}, "", ErrAuthorization},
		{"as JWT", Request{JWT: "tok"}, "", ErrAuthorization},
		{"wrong", Request{Token: "to"}, "", ErrAuthorization},
		{"nothing", Request{}, "", ErrAuthorization},
	})
	a = mustNew(t, &Config{Token: hash(t, "tok")})
	if a.PlaintextPasswords() {
		t.Error("a bcrypt token is called clear text")
	}
	runAttempts(t, a, []attempt{
		{"token", Request{Token: "tok"}, redacted, nil},
		{"wrong", Request{Token: "tok2"}, "", ErrAuthorization},
	})
}

func TestSingleUser(t *testing.T) {
	a := mustNew(t, &Config{Username: "u", Password: "p", SingleUserPermissions: &perm.Permissions{Publish: &perm.Subjects{Allow: []string{"a"}}}})
	runAttempts(t, a, []attempt{
		{"good", Request{User: "u", Password: "p"}, "u", nil},
		{"no password", Request{User: "u"}, "", ErrAuthorization},
		{"wrong user", Request{User: "v", Password: "p"}, "", ErrAuthorization},
		{"with a token too", Request{User: "u", Password: "p", Token: "p"}, "u", nil},
		{"with other things", Request{User: "u", Password: "p", Nkey: "UABC", Sig: "x", JWT: "x"}, "u", nil},
		{"token only", Request{Token: "p"}, "", ErrAuthorization},
		{"account", Request{User: "u", Password: "p", NamesAccount: true}, "", ErrAuthorization},
	})
	id, err := a.Authenticate(context.Background(), &Request{User: "u", Password: "p"})
	if err != nil || id.Permissions.CanPublish([]byte("b")) || !id.Permissions.CanPublish([]byte("a")) || id.RawPermissions == nil {
		t.Errorf("the single user's permissions do not hold: %v", err)
	}
	runAttempts(t, mustNew(t, &Config{Username: "u"}), []attempt{
		{"no password set", Request{User: "u"}, "u", nil},
		{"a password though none is set", Request{User: "u", Password: "x"}, "", ErrAuthorization},
		{"nothing", Request{}, "", ErrAuthorization},
	})
}

func TestUsers(t *testing.T) {
	shared := &perm.Permissions{Publish: &perm.Subjects{Deny: []string{"x"}}}
	a := mustNew(t, &Config{Users: []*User{
		{Name: "u"}, {Name: "p", Password: "pw", Account: "A", Permissions: shared},
		{Name: "b", Password: hash(t, "secret"), Account: "B", Permissions: shared},
		{Name: "ws", Password: "w", ConnectionTypes: []string{"websocket", "IN_PROCESS"}},
	}})
	runAttempts(t, a, []attempt{
		{"no password set", Request{User: "u"}, "u", nil},
		{"password", Request{User: "p", Password: "pw"}, "p", nil},
		{"bcrypt", Request{User: "b", Password: "secret"}, "b", nil},
		{"bcrypt again", Request{User: "b", Password: "secret"}, "b", nil},
		{"bcrypt wrong", Request{User: "b", Password: "secret2"}, "", ErrAuthorization},
		{"the other's password", Request{User: "p", Password: "secret"}, "", ErrAuthorization},
		{"unknown", Request{User: "zz", Password: "pw"}, "", ErrAuthorization},
		{"nothing", Request{}, "", ErrAuthorization},
		{"wrong type", Request{User: "ws", Password: "w"}, "", ErrAuthorization},
		{"in process", Request{User: "ws", Password: "w", ConnType: "IN_PROCESS"}, "ws", nil},
		{"WebSocket", Request{User: "ws", Password: "w", ConnType: "WEBSOCKET"}, "ws", nil},
	})
	one, _ := a.Authenticate(context.Background(), &Request{User: "p", Password: "pw"})
	two, _ := a.Authenticate(context.Background(), &Request{User: "p", Password: "pw"})
	if one != two || one.Account != "A" {
		t.Errorf("two connections of one user do not share their identity: %+v, %+v", one, two)
	}
	other, _ := a.Authenticate(context.Background(), &Request{User: "b", Password: "secret"})
	if one.Permissions == nil || one.Permissions != other.Permissions {
		t.Error("shared permissions are compiled twice")
	}
}

func TestBcryptVariants(t *testing.T) {
	h := hash(t, "pw")
	for _, v := range "abxy" {
		text := "$2" + string(v) + h[3:]
		a := mustNew(t, &Config{Users: []*User{{Name: "u", Password: text}}})
		if a.PlaintextPasswords() {
			t.Errorf("$2%c$ is called clear text", v)
		}
		runAttempts(t, a, []attempt{
			{"good", Request{User: "u", Password: "pw"}, "u", nil},
			{"the hash itself", Request{User: "u", Password: text}, "", ErrAuthorization},
		})
	}
}

func TestNoAuthUser(t *testing.T) {
	k := newKey(t)
	a := mustNew(t, &Config{NoAuthUser: "n", Users: []*User{{Name: "n", Password: "p", Account: "A"}, {Name: "m", Password: "p"}}})
	if a.NoAuthUser() != "n" || !a.Required() {
		t.Fatal("NoAuthUser or Required is wrong")
	}
	runAttempts(t, a, []attempt{
		{"nothing", Request{}, "n", nil},
		{"name only", Request{User: "n"}, "", ErrAuthorization},
		{"by name", Request{User: "n", Password: "p"}, "n", nil},
		{"another", Request{User: "m", Password: "p"}, "m", nil},
		{"password only", Request{Password: "x"}, "", ErrAuthorization},
		{"token only", Request{Token: "x"}, "", ErrAuthorization},
		{"nkey where none is known", Request{Nkey: "UABC"}, "n", nil},
		{"signature only", Request{Sig: "x"}, "n", nil},
		{"JWT only", Request{JWT: "x"}, "n", nil},
		{"proxy signature only", Request{ProxySig: "zzz"}, "n", nil},
	})
	a = mustNew(t, &Config{NoAuthUser: k.pub, Users: []*User{{Nkey: k.pub}, {Name: "u", Password: "p"}}})
	nonce := []byte(NewNonce())
	runAttempts(t, a, []attempt{
		{"nothing", Request{Nonce: nonce}, k.pub, nil},
		{"bad nkey", Request{Nkey: "x", Nonce: nonce}, "", ErrAuthorization},
	})
	if id, err := a.Authenticate(context.Background(), &Request{}); err != nil || id.Nkey != "" {
		t.Errorf("a client that proved no key has Nkey %q, %v", id.Nkey, err)
	}
	a = mustNew(t, &Config{NoAuthUser: "n", Users: []*User{{Name: "n", ConnectionTypes: []string{"WEBSOCKET"}}}})
	runAttempts(t, a, []attempt{{"wrong type", Request{}, "", ErrAuthorization}})
}

func TestOnlySystemUsers(t *testing.T) {
	for _, system := range []string{"", "SYS"} {
		name := system
		if name == "" {
			name = "$SYS"
		}
		a := mustNew(t, &Config{SystemAccount: system, Users: []*User{{Name: "s", Password: "p", Account: name}}})
		id, err := a.Authenticate(context.Background(), &Request{ConnType: "STANDARD"})
		if err != nil || id.Account != DefaultAccount || !strings.HasPrefix(id.User, "nats-") || len(id.User) != 13 {
			t.Fatalf("system account %q: %+v, %v", system, id, err)
		}
		if a.NoAuthUser() != "" {
			t.Error("the made-up user hides auth_required")
		}
		runAttempts(t, a, []attempt{
			{"system user", Request{User: "s", Password: "p"}, "s", nil},
			{"unknown", Request{User: "zz", Password: "p"}, "", ErrAuthorization},
			{"token", Request{Token: "x"}, "", ErrAuthorization},
		})
	}
	a := mustNew(t, &Config{Users: []*User{{Name: "s", Account: "$SYS"}, {Name: "u"}}})
	runAttempts(t, a, []attempt{{"nothing, with other users", Request{}, "", ErrAuthorization}})
}

func TestNkeys(t *testing.T) {
	k1, k2 := newKey(t), newKey(t)
	a := mustNew(t, &Config{Users: []*User{{Nkey: k1.pub, Account: "A"}, {Name: "u", Password: "p"}}})
	if !a.NeedsNonce() || !a.Required() {
		t.Fatal("nkey users need no nonce")
	}
	nonce := []byte(NewNonce())
	std := base64.StdEncoding.EncodeToString(k1.sign(t, nonce))
	runAttempts(t, a, []attempt{
		{"good", Request{Nkey: k1.pub, Sig: k1.sig(t, nonce), Nonce: nonce}, k1.pub, nil},
		{"standard base64", Request{Nkey: k1.pub, Sig: std, Nonce: nonce}, k1.pub, nil},
		{"good with a wrong user", Request{Nkey: k1.pub, Sig: k1.sig(t, nonce), Nonce: nonce, User: "u", Password: "bad"}, k1.pub, nil},
		{"bad with a good user", Request{Nkey: k1.pub, Sig: k2.sig(t, nonce), Nonce: nonce, User: "u", Password: "p"}, "", ErrAuthorization},
		{"unknown with a good user", Request{Nkey: k2.pub, Sig: k2.sig(t, nonce), Nonce: nonce, User: "u", Password: "p"}, "", ErrAuthorization},
		{"no signature", Request{Nkey: k1.pub, Nonce: nonce}, "", ErrAuthorization},
		{"key as user", Request{User: k1.pub, Sig: k1.sig(t, nonce), Nonce: nonce}, "", ErrAuthorization},
		{"signature only", Request{Sig: k1.sig(t, nonce), Nonce: nonce}, "", ErrAuthorization},
		{"another nonce", Request{Nkey: k1.pub, Sig: k1.sig(t, nonce), Nonce: []byte(NewNonce())}, "", ErrAuthorization},
		{"no nonce", Request{Nkey: k1.pub, Sig: k1.sig(t, nil)}, "", ErrAuthorization},
		{"endless signature", Request{Nkey: k1.pub, Sig: strings.Repeat("A", 1<<20), Nonce: nonce}, "", ErrAuthorization},
		{"garbage", Request{Nkey: k1.pub, Sig: "!", Nonce: nonce}, "", ErrAuthorization},
		{"user", Request{User: "u", Password: "p", Nonce: nonce}, "u", nil},
	})
	id, err := a.Authenticate(context.Background(), &Request{Nkey: k1.pub, Sig: k1.sig(t, nonce), Nonce: nonce})
	if err != nil || id.Nkey != k1.pub || id.Account != "A" {
		t.Errorf("%+v, %v", id, err)
	}
}

func TestProxies(t *testing.T) {
	px, other := newKey(t), newKey(t)
	nonce := []byte(NewNonce())
	good, bad := px.sig(t, nonce), other.sig(t, nonce)
	attempts := func(outcomes ...attempt) []attempt {
		for i := range outcomes {
			outcomes[i].req.Nonce = nonce
		}
		return outcomes
	}
	users := []*User{{Name: "a", Password: "a", ProxyRequired: true}, {Name: "b", Password: "b"}}
	a := mustNew(t, &Config{TrustedProxies: []string{px.pub}, Users: users})
	if !a.NeedsNonce() {
		t.Fatal("trusted proxies need no nonce")
	}
	runAttempts(t, a, attempts(
		attempt{"good", Request{ProxySig: good, User: "a", Password: "a"}, "a", nil},
		attempt{"untrusted", Request{ProxySig: bad, User: "a", Password: "a"}, "", ErrProxyNotTrusted},
		attempt{"garbage", Request{ProxySig: "zz", User: "a", Password: "a"}, "", ErrProxyNotTrusted},
		attempt{"none", Request{User: "a", Password: "a"}, "", ErrProxyRequired},
		attempt{"none, wrong password", Request{User: "a", Password: "x"}, "", ErrProxyRequired},
		attempt{"free user", Request{User: "b", Password: "b"}, "b", nil},
		attempt{"free user, untrusted", Request{ProxySig: bad, User: "b", Password: "b"}, "", ErrProxyNotTrusted},
		attempt{"good, no credentials", Request{ProxySig: good}, "", ErrAuthorization},
	))
	id, err := a.Authenticate(context.Background(), &Request{ProxySig: good, User: "b", Password: "b", Nonce: nonce})
	if err != nil || id.ProxyKey != px.pub {
		t.Errorf("%+v, %v", id, err)
	}
	if id, err = a.Authenticate(context.Background(), &Request{User: "b", Password: "b", Nonce: nonce}); err != nil || id.ProxyKey != "" {
		t.Errorf("without proxy: %+v, %v", id, err)
	}
	// authorization.proxy_required does not reach the users of a list.
	runAttempts(t, mustNew(t, &Config{TrustedProxies: []string{px.pub}, ProxyRequired: true, Users: users[1:]}), attempts(
		attempt{"user", Request{User: "b", Password: "b"}, "b", nil},
		attempt{"nothing", Request{}, "", ErrProxyRequired},
		attempt{"proxy only", Request{ProxySig: good}, "", ErrAuthorization},
	))
	runAttempts(t, mustNew(t, &Config{TrustedProxies: []string{px.pub}, ProxyRequired: true, Username: "a", Password: "a"}), attempts(
		attempt{"good", Request{ProxySig: good, User: "a", Password: "a"}, "a", nil},
		attempt{"none", Request{User: "a", Password: "a"}, "", ErrProxyRequired},
		attempt{"none, wrong user", Request{User: "b", Password: "b"}, "", ErrProxyRequired},
		attempt{"good, wrong user", Request{ProxySig: good, User: "b", Password: "b"}, "", ErrAuthorization},
	))
	runAttempts(t, mustNew(t, &Config{TrustedProxies: []string{px.pub}, ProxyRequired: true, Token: "t"}), attempts(
		attempt{"none", Request{Token: "t"}, "", ErrProxyRequired},
		attempt{"good", Request{Token: "t", ProxySig: good}, redacted, nil},
	))
	runAttempts(t, mustNew(t, &Config{TrustedProxies: []string{px.pub}}), attempts(
		attempt{"open, untrusted", Request{ProxySig: bad, User: "a"}, "", ErrProxyNotTrusted},
		attempt{"open, good", Request{ProxySig: good, User: "a"}, "a", nil},
		attempt{"open, none", Request{}, "", nil},
	))
	runAttempts(t, mustNew(t, &Config{TrustedProxies: []string{px.pub}, NoAuthUser: "a", Users: users}), attempts(
		attempt{"default user, none", Request{}, "", ErrProxyRequired},
		attempt{"default user, good", Request{ProxySig: good}, "a", nil},
	))
}

func TestNonce(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		n := NewNonce()
		raw, err := base64.RawURLEncoding.DecodeString(n)
		if err != nil || len(raw) != 11 || len(n) != NonceLen || seen[n] {
			t.Fatalf("nonce %q: %d bytes, %v, seen %v", n, len(raw), err, seen[n])
		}
		seen[n] = true
	}
}

func TestFaults(t *testing.T) {
	k := newKey(t)
	bad := &perm.Permissions{Publish: &perm.Subjects{Allow: []string{"a..b"}}}
	cases := []struct {
		name string
		cfg  *Config
		want []string
	}{
		{"nil", nil, []string{"no configuration"}},
		{"user and token", &Config{Username: "u", Token: "hush"}, []string{"user and token"}},
		{"user and users", &Config{Username: "u", Users: []*User{{Name: "a"}}}, []string{"user and users"}},
		{"token and users", &Config{Token: "hush", Users: []*User{{Name: "a"}}}, []string{"token and users"}},
		{"twice", &Config{Users: []*User{{Name: "a", Password: "hush"}, {Name: "a", Account: "B"}}}, []string{`"a"`, "twice"}},
		{"nkey twice", &Config{Users: []*User{{Nkey: k.pub}, {Nkey: k.pub}}}, []string{k.pub, "twice"}},
		{"bad nkey", &Config{Users: []*User{{Nkey: "UABC"}}}, []string{`"UABC"`, "public user key"}},
		{"both", &Config{Users: []*User{{Name: "a", Nkey: k.pub}}}, []string{`"a"`, "nkey"}},
		{"neither", &Config{Users: []*User{{Password: "hush"}, nil}}, []string{"neither"}},
		{"no_auth_user unknown", &Config{NoAuthUser: "joe", Users: []*User{{Name: "a"}}}, []string{`"joe"`, "not a user"}},
		{"no_auth_user alone", &Config{NoAuthUser: "joe", Token: "hush"}, []string{`"joe"`, "no users"}},
		{"type", &Config{Users: []*User{{Name: "a", ConnectionTypes: []string{"CARRIER_PIGEON"}}}}, []string{"CARRIER_PIGEON", "STANDARD"}},
		{"proxy", &Config{TrustedProxies: []string{"x"}}, []string{`"x"`, "public nkey"}},
		{"permissions", &Config{Users: []*User{{Name: "a", Permissions: bad}}}, []string{`"a"`, "a..b"}},
		{"single permissions", &Config{Username: "a", Password: "hush", SingleUserPermissions: bad}, []string{`"a"`, "a..b"}},
		{"half a hash", &Config{Users: []*User{{Name: "a", Password: "$2a$11$hush"}}}, []string{`"a"`, "bcrypt"}},
		{"half a token hash", &Config{Token: "$2a$11$hush"}, []string{"token", "bcrypt"}},
		{"same certificate", &Config{VerifyAndMap: true, Users: []*User{{Name: "CN=a,O=b"}, {Name: "cn=a, o=b"}}}, []string{"same certificate"}},
		{"all at once", &Config{Users: []*User{{Name: "a", Permissions: bad}, {Nkey: "x"}}, NoAuthUser: "joe"}, []string{"a..b", `"x"`, `"joe"`}},
	}
	for _, c := range cases {
		_, err := New(c.cfg)
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		if strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: the error shows the secret: %v", c.name, err)
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: error %q does not mention %q", c.name, err, w)
			}
		}
	}
}

func TestRefusalsAreForTheLog(t *testing.T) {
	k := newKey(t)
	a := mustNew(t, &Config{Users: []*User{{Nkey: k.pub}, {Name: "u", Password: "hush"}}})
	for _, c := range []struct {
		req  Request
		want string
	}{
		{Request{User: "u", Password: "hush2"}, `authentication error - User "u"`},
		{Request{Nkey: k.pub, Sig: "hush2"}, `authentication error - Nkey "` + k.pub + `"`},
		{Request{Token: "hush2"}, `authentication error - Token "[REDACTED]"`},
		{Request{User: "a\nb\x00"}, `authentication error - User "a\nb\x00"`},
		{Request{}, `authentication error`},
	} {
		_, err := a.Authenticate(context.Background(), &c.req)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%v, want %q...", err, c.want)
		}
	}
	_, err := a.Authenticate(context.Background(), &Request{User: strings.Repeat("x", 1<<20)})
	if err == nil || len(err.Error()) > 400 {
		t.Errorf("a long name makes an error of %d bytes", len(err.Error()))
	}
}

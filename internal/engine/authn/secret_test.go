package authn

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fillSlots takes every bcrypt slot, as a flood of logins would.
func fillSlots(t *testing.T) {
	t.Helper()
	for range cap(bcryptSlots) {
		bcryptSlots <- struct{}{}
	}
	t.Cleanup(func() {
		for range cap(bcryptSlots) {
			<-bcryptSlots
		}
	})
}

func TestLoginFlood(t *testing.T) {
	a := mustNew(t, &Config{Users: []*User{{Name: "b", Password: hash(t, "pw")}, {Name: "p", Password: "clear"}}})
	known := &Request{User: "b", Password: "pw"}
	if _, err := a.Authenticate(context.Background(), known); err != nil {
		t.Fatal(err)
	}
	fillSlots(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	// Wrong passwords wait, no longer than their time-out.
	_, err := a.Authenticate(ctx, &Request{User: "b", Password: "guess"})
	if !errors.Is(err, ErrTimeout) || strings.Contains(err.Error(), "guess") {
		t.Fatalf("behind a flood: %v", err)
	}
	// Who was let in before, and who needs no bcrypt, does not wait.
	for _, req := range []*Request{known, {User: "p", Password: "clear"}} {
		if _, err := a.Authenticate(ctx, req); err != nil {
			t.Errorf("%s waits behind the flood: %v", req.User, err)
		}
	}
	if _, err := a.Authenticate(ctx, &Request{User: "p", Password: "guess"}); !errors.Is(err, ErrAuthorization) {
		t.Errorf("a wrong clear password: %v", err)
	}
}

// At most cap(bcryptSlots) checks run, and those that wait come in turn.
func TestBcryptIsBounded(t *testing.T) {
	s, err := newSecret(hash(t, "pw"))
	if err != nil {
		t.Fatal(err)
	}
	if n := cap(bcryptSlots); n < 1 {
		t.Fatalf("%d slots", n)
	}
	synctest.Test(t, func(t *testing.T) {
		slots := bcryptSlots
		bcryptSlots = make(chan struct{}, 1)
		defer func() { bcryptSlots = slots }()
		bcryptSlots <- struct{}{}
		done := make(chan bool)
		for range 5 {
			go func() {
				ok, err := s.check(t.Context(), "pw")
				done <- ok && err == nil
			}()
		}
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("a check ran while every slot was taken")
		default:
		}
		<-bcryptSlots
		for range 5 {
			if !<-done {
				t.Fatal("a good password was refused")
			}
		}
		if len(bcryptSlots) != 0 {
			t.Fatal("a slot was not given back")
		}
	})
}

func TestVerifiedPasswordIsNotAnotherUsers(t *testing.T) {
	a := mustNew(t, &Config{Users: []*User{{Name: "a", Password: hash(t, "pa")}, {Name: "b", Password: hash(t, "pb")}}})
	for range 2 {
		runAttempts(t, a, []attempt{
			{"a", Request{User: "a", Password: "pa"}, "a", nil},
			{"b with a's", Request{User: "b", Password: "pa"}, "", ErrAuthorization},
			{"b", Request{User: "b", Password: "pb"}, "b", nil},
			{"a with b's", Request{User: "a", Password: "pb"}, "", ErrAuthorization},
			{"a empty", Request{User: "a"}, "", ErrAuthorization},
		})
	}
}

func TestPlaintextPasswords(t *testing.T) {
	h := hash(t, "pw")
	for _, c := range []struct {
		cfg  Config
		want bool
	}{
		{Config{}, false}, {Config{Token: "x"}, true}, {Config{Token: h}, false},
		{Config{Username: "u", Password: "p"}, true}, {Config{Username: "u", Password: h}, false}, {Config{Username: "u"}, false},
		{Config{Users: []*User{{Name: "a", Password: h}, {Name: "b"}}}, false},
		{Config{Users: []*User{{Name: "a", Password: h}, {Name: "b", Password: "p"}}}, true},
		{Config{Users: []*User{{Nkey: newKey(t).pub}}}, false},
	} {
		if got := mustNew(t, &c.cfg).PlaintextPasswords(); got != c.want {
			t.Errorf("%+v: %v", c.cfg, got)
		}
	}
}

// Nobody gets in by luck: whatever CONNECT says, a name comes with its secret.
func FuzzAuthenticate(f *testing.F) {
	k := newKey(f)
	a, err := New(&Config{NoAuthUser: "n", TrustedProxies: []string{k.pub}, Users: []*User{{Name: "u", Password: "pw"}, {Name: "n", Password: "x"}, {Nkey: k.pub}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("u", "pw", "", "", "", "")
	f.Add("", "", "", k.pub, "AAAA", "zz")
	f.Add("\xff", "\x00", "t", "U", "=", "")
	f.Fuzz(func(t *testing.T, user, pass, token, nkey, sig, proxySig string) {
		req := &Request{User: user, Password: pass, Token: token, Nkey: nkey, Sig: sig, ProxySig: proxySig, Nonce: []byte("nonce"), ConnType: "STANDARD"}
		id, err := a.Authenticate(context.Background(), req)
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		switch {
		case id.User == "u" && user == "u" && pass == "pw":
		case id.User == "n" && user == "n" && pass == "x":
		case id.User == "n" && user == "" && pass == "" && token == "" && nkey == "":
		default:
			t.Fatalf("%+v became %+v", req, id)
		}
	})
}

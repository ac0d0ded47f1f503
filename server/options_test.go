package server_test

import (
	"dunlin/internal/base/tlsconf"
	"dunlin/internal/engine/authn"
	"dunlin/internal/ops/config"
	"dunlin/server"
)

func withTLS(o *server.Options, pair tlsconf.Pair) *server.Options {
	o.TLS = &tlsconf.Options{CertFile: pair.CertFile, KeyFile: pair.KeyFile}
	return o
}

// withUsers adds a user for each "name" or "name/account"; the password is the
// name.
func withUsers(o *server.Options, names ...string) *server.Options {
	for _, n := range names {
		o.Auth.Users = append(o.Auth.Users, user(n))
	}
	return o
}

func user(name string) *authn.User {
	u := &authn.User{Name: name}
	for i := range name {
		if name[i] == '/' {
			u.Name, u.Account = name[:i], name[i+1:]
		}
	}
	u.Password = u.Name
	return u
}

func withAccounts(o *server.Options, names ...string) *server.Options {
	for _, n := range names {
		o.Accounts = append(o.Accounts, &config.Account{Name: n})
	}
	return o
}

// as are the members of CONNECT for such a user.
func as(name string) string { return `"user":"` + name + `","pass":"` + name + `"` }

package config

import (
	"slices"

	"github.com/nats-io/nkeys"

	"dunlin/internal/proto/conflang"
)

// Listeners of later areas have authorization blocks of their own, each with
// a part of the keys of the one for clients.

func only(keys []*key, names ...string) []*key {
	var out []*key
	for _, k := range keys {
		if slices.Contains(names, k.name) {
			out = append(out, k)
		}
	}
	return out
}

func openAuthBlock(_ *reader, _ any, at conflang.Pos, _ string) any { return &authBlock{at: at} }

// linkAuthorization is that of routes and gateways: one user, nothing else.
func linkAuthorization(what string) *key {
	return &key{name: "authorization", takes: tMap, doc: "Credentials for " + what + ": one user.", inner: &authorizationKeys, open: openAuthBlock,
		close: func(r *reader, _, child any, _ conflang.Pos) {
			b := child.(*authBlock)
			switch {
			case len(b.users) > 0:
				r.fail(b.at, "authorization for %s has users; expected a single user and password", what)
			case b.hasToken:
				r.fail(b.at, "authorization for %s has a token; expected a single user and password", what)
			case b.permissions != nil && what == "routes":
				r.warn(b.at, "permissions in authorization for routes have no effect any more; expected them in cluster.permissions")
			}
		}}
}

var leafAuthorization = &key{name: "authorization", takes: tMap, doc: "Users of leaf nodes, with their accounts.", open: openAuthBlock,
	close: func(r *reader, _, child any, _ conflang.Pos) {
		b := child.(*authBlock)
		r.checkAuthBlock(b)
		seen := make(map[string]bool)
		for _, u := range b.users {
			if u.Name != "" && seen[u.Name] {
				r.fail(u.at, "user %q of leaf nodes is defined twice; expected each user once", u.Name)
			}
			seen[u.Name] = true
		}
	},
	inner: &schema{title: "leafnodes.authorization", keys: append([]*key{
		{name: "account", takes: tStr, doc: "Account of the single user."},
		{name: "nkey", takes: tStr, doc: "Public nkey of the single user.", check: validKey("a public user nkey", nkeys.IsValidPublicUserKey)},
		{name: "users", takes: tArray, doc: "The users.", inner: &schema{title: "leafnodes.authorization.users", keys: append([]*key{
			{name: "account", takes: tStr, doc: "Account of the user."},
		}, only(userKeys.keys, "user", "password", "proxy_required")...)},
			open: func(_ *reader, _ any, at conflang.Pos, _ string) any { return &userEntry{at: at} },
			close: func(_ *reader, ctx, child any, _ conflang.Pos) {
				b := ctx.(*authBlock)
				b.users = append(b.users, child.(*userEntry))
			}},
	}, only(authorizationKeys.keys, "user", "password", "timeout", "proxy_required")...)}}

// listenerAuthKeys are those of WebSocket and MQTT listeners.
var listenerAuthKeys = []*key{
	{name: "authorization", alias: []string{"authentication"}, takes: tMap, doc: "Credentials for this listener.", open: openAuthBlock,
		inner: &schema{title: "authorization of a listener", keys: only(authorizationKeys.keys, "user", "password", "token", "timeout")},
		close: func(r *reader, _, child any, _ conflang.Pos) { r.checkAuthBlock(child.(*authBlock)) }},
	{name: "no_auth_user", takes: tStr, doc: "User of connections that give no credentials."},
}

package config

import (
	"fmt"
	"strings"
	"time"

	"dunlin/internal/core/perm"
	"dunlin/internal/engine/authn"
	"dunlin/internal/proto/conflang"
	"dunlin/internal/proto/subject"
)

// The names of the accounts that every server has.
const (
	GlobalAccount        = "$G"
	DefaultSystemAccount = "$SYS"
)

// seconds reads a timeout for which numbers are seconds. A large one is more
// likely a slip, such as 2m without quotes, which is two million.
func (r *reader) seconds(v *conflang.Value, path string) time.Duration {
	d := duration(v)
	if v.Kind != conflang.String && d > time.Minute {
		r.warn(v.Pos, "%s is %s seconds, which is long; a duration with a unit such as \"2m\" needs quotes", path, strings.TrimSuffix(secondsText(v), "s"))
	}
	return d
}

func checkConnectionTypes(v *conflang.Value) string {
	for _, s := range strs(v) {
		known := false
		for _, t := range connectionTypes {
			known = known || strings.EqualFold(s, t)
		}
		if !known {
			return fmt.Sprintf("%q is no connection type; expected %s", s, strings.Join(connectionTypes, ", "))
		}
	}
	return ""
}

// checkUser looks at one user by itself.
func (r *reader) checkUser(u *userEntry) bool {
	switch {
	case u.Nkey != "" && (u.Name != "" || u.hasPass):
		r.fail(u.at, "a user has an nkey and also a name or password; expected one or the other")
	case u.Nkey == "" && u.Name == "":
		r.fail(u.at, "a user has no name; expected the key user, or nkey")
	default:
		return true
	}
	return false
}

// checkAuthBlock looks at the ways to authenticate, which exclude each other.
func (r *reader) checkAuthBlock(b *authBlock) {
	single := b.hasUser && b.user != "" || b.hasPass && b.pass != ""
	switch {
	case single && b.hasToken:
		r.fail(b.at, "authorization has a user or password and also a token; expected one of them")
	case single && len(b.users) > 0:
		r.fail(b.at, "authorization has a single user or password and also users; expected one of them")
	case b.hasToken && len(b.users) > 0:
		r.fail(b.at, "authorization has a token and also users; expected one of them")
	}
}

// subjects reads one side of permissions: a subject, an array of them, or a
// map with allow and deny.
func (r *reader) subjects(v *conflang.Value, side string, queues bool) *perm.Subjects {
	s := new(perm.Subjects)
	if v.Kind != conflang.Object {
		s.Allow = r.subjectList(v, side, queues)
		return s
	}
	for _, e := range v.Map.Entries() {
		switch strings.ToLower(e.Key) {
		case "allow":
			s.Allow = r.subjectList(e.Value, side+".allow", queues)
		case "deny":
			s.Deny = r.subjectList(e.Value, side+".deny", queues)
		default:
			if !e.Used {
				r.fail(e.Pos, "unknown key %q in %s; expected allow or deny", e.Key, side)
			}
		}
	}
	return s
}

func (r *reader) subjectList(v *conflang.Value, path string, queues bool) []string {
	if v.Kind != conflang.String && v.Kind != conflang.Array {
		r.fail(v.Pos, "%s is %s; expected a subject or an array of subjects", path, v.Kind)
		return nil
	}
	items := v.Items
	if v.Kind == conflang.String {
		items = []*conflang.Value{v}
	}
	// A list without entries stays nil: nats-server reads an empty allow list
	// as no list, and allows everything.
	var list []string
	for _, item := range items {
		if item.Kind != conflang.String {
			r.fail(item.Pos, "an entry of %s is %s; expected a subject", path, item.Kind)
			continue
		}
		if !validPermission(item.Str, queues) {
			expected := "tokens between points, without blanks"
			if queues {
				expected += `, or "subject queue"`
			}
			r.fail(item.Pos, "%q in %s is not a valid subject; expected %s", item.Str, path, expected)
			continue
		}
		list = append(list, item.Str)
	}
	return list
}

func validPermission(s string, queues bool) bool {
	if words := strings.Fields(s); queues && len(words) == 2 {
		return subject.Valid(words[0]) && subject.Valid(words[1])
	}
	return subject.Valid(s)
}

func (r *reader) checkAccountName(at conflang.Pos, name string) {
	switch name {
	case "":
		r.fail(at, "an account has an empty name; expected a name")
	case GlobalAccount:
		r.fail(at, "the account name %s is reserved; expected another name", name)
	}
}

// setAccountNames reads the form of accounts that is an array of names.
func setAccountNames(r *reader, _ *Options, v *conflang.Value) {
	r.accounts = nil
	if v.Kind != conflang.Array {
		return
	}
	seen := make(map[string]bool)
	for _, item := range v.Items {
		if seen[item.Str] {
			r.fail(item.Pos, "account %q is declared twice; expected each name once", item.Str)
			continue
		}
		seen[item.Str] = true
		r.checkAccountName(item.Pos, item.Str)
		r.accounts = append(r.accounts, &accountEntry{Account: &Account{Name: item.Str}, at: item.Pos})
	}
}

// finish joins what belongs together and looks at the whole.
func (r *reader) finish() {
	o := r.o
	o.Auth.SystemAccount = o.SystemAccount
	seen := make(map[string]conflang.Pos)
	if b := r.auth; b != nil {
		o.Auth.Username, o.Auth.Password, o.Auth.Token = b.user, b.pass, b.token
		o.Auth.Timeout, o.Auth.ProxyRequired = b.timeout, b.proxyRequired
		if b.permissions != nil && len(b.users) == 0 && (b.user != "" || b.hasToken) {
			// As in nats-server. To obey them here would shut clients out
			// that work there; the least is to say so.
			r.note(b.at, "permissions in authorization are for its users; they do not restrict a single user or a token")
		}
		r.addUsers(b.users, "", b.permissions, seen)
	}
	for _, a := range r.accounts {
		o.Accounts = append(o.Accounts, a.Account)
		o.places[fmt.Sprintf("account %q", a.Name)] = a.at
		if b := r.auth; b != nil && len(a.users) > 0 {
			switch {
			case b.user != "" || b.pass != "":
				r.fail(a.at, "account %q has users, but authorization has a single user or password; expected users in only one way", a.Name)
			case b.hasToken:
				r.fail(a.at, "account %q has users, but authorization has a token; expected users in only one way", a.Name)
			}
		}
		r.addUsers(a.users, a.Name, a.defaultPermissions, seen)
	}
	if o.TLS != nil {
		o.Auth.VerifyAndMap = o.TLS.VerifyAndMap
	}
	r.checkSharing()
	if r.auth != nil && r.auth.callout != nil {
		for _, v := range r.auth.callout.allowed {
			if r.accountNamed(v.Str) == nil {
				r.fail(v.Pos, "auth_callout allows the account %q, which is not defined; expected a key in accounts", v.Str)
			}
		}
	}
}

func (r *reader) addUsers(users []*userEntry, account string, permissions *perm.Permissions, seen map[string]conflang.Pos) {
	for _, u := range users {
		name := u.Name + u.Nkey // one of them is empty
		if first, ok := seen[name]; ok {
			r.fail(u.at, "user %q is defined twice, first at line %d; expected each user once in all accounts", name, first.Line)
			continue
		}
		seen[name] = u.at
		user := u.User
		user.Account = account
		if user.Permissions == nil {
			user.Permissions = permissions
		}
		r.o.Auth.Users = append(r.o.Auth.Users, &user)
		r.o.places[fmt.Sprintf("user %q", name)] = u.at
	}
}

// accountNamed finds an account by name. The whole file must have been read:
// the index is made at the first call.
func (r *reader) accountNamed(name string) *accountEntry {
	if r.byName == nil {
		r.byName = make(map[string]*accountEntry, len(r.accounts))
		for _, a := range r.accounts {
			r.byName[a.Name] = a
		}
	}
	return r.byName[name]
}

// findUser finds a user by name or nkey.
func findUser(c *authn.Config, name string) *authn.User {
	for _, u := range c.Users {
		if u.Name == name || u.Nkey == name {
			return u
		}
	}
	return nil
}

package config

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"dunlin/internal/core/perm"
	"dunlin/internal/engine/authn"
	"dunlin/internal/proto/conflang"
)

// Validate says what keeps a server from starting with these options although
// each of them is well formed. It expects SetDefaults to have been called, and
// returns a *Problems with every mistake, or nil.
func (o *Options) Validate() error {
	v := &validation{o: o}
	v.ports()
	v.limits()
	v.users()
	v.tenants()
	v.lameDuck()
	v.sentinel()
	v.cluster()
	if len(v.list) == 0 {
		return nil
	}
	sortProblems(v.list)
	return &Problems{v.list}
}

type validation struct {
	o    *Options
	list []Problem
}

// fail reports what was said at a place: the path of a key, or one of the
// other names in Options.places.
func (v *validation) fail(place, format string, args ...any) {
	v.list = append(v.list, Problem{v.o.places[place], fmt.Sprintf(format, args...)})
}

// later is the one of two places that comes last in the configuration: the
// line to look at when two keys do not go together.
func (v *validation) later(a, b string) string {
	x, y := v.o.places[a], v.o.places[b]
	if x == (conflang.Pos{}) || x.File == y.File && (y.Line > x.Line || y.Line == x.Line && y.Col > x.Col) {
		return b
	}
	return a
}

func (v *validation) port(place string, port int) {
	if port > 65535 || port < -1 {
		v.fail(place, "%s is %d; expected 1 to 65535, or -1 for any free port", place, port)
	}
}

func (v *validation) ports() {
	o := v.o
	v.port("port", o.Port)
	v.port("http_port", o.HTTPPort)
	v.port("https_port", o.HTTPSPort)
	v.port("prof_port", o.ProfPort)
	if o.HTTPPort != 0 && o.HTTPSPort != 0 {
		v.fail(v.later("http_port", "https_port"), "http (port %d) and https (port %d) are both given; expected one of them", o.HTTPPort, o.HTTPSPort)
	}
	if o.HTTPSPort != 0 && (o.TLS == nil || o.TLS.CertFile == "" && len(o.TLS.Certs) == 0) {
		v.fail("https_port", "https needs a certificate; expected a tls block with cert_file and key_file")
	}
	if o.ClientAdvertise != "" && strings.Contains(o.ClientAdvertise, ":") {
		if _, _, err := net.SplitHostPort(o.ClientAdvertise); err != nil {
			v.fail("client_advertise", "client_advertise is %q; expected \"host\" or \"host:port\"", o.ClientAdvertise)
		}
	}
	if strings.ContainsAny(o.ServerName, " \t\r\n") {
		v.fail("server_name", "server_name is %q; expected one word", o.ServerName)
	}
	if !slices.Contains(writeTimeouts, o.WriteTimeout) && o.WriteTimeout != "" {
		v.fail("write_timeout", "write_timeout is %q; expected one of %s", o.WriteTimeout, strings.Join(writeTimeouts, ", "))
	}
}

// atLeastZero is for what has no meaning below; 0 is the default.
func (v *validation) atLeastZero(place string, negative bool, value any) {
	if negative {
		v.fail(place, "%s is %v; expected 0 or more", place, value)
	}
}

func (v *validation) limits() {
	o := v.o
	v.atLeastZero("ping_interval", o.PingInterval < 0, o.PingInterval)
	v.atLeastZero("ping_max", o.MaxPingsOut < 0, o.MaxPingsOut)
	v.atLeastZero("write_deadline", o.WriteDeadline < 0, o.WriteDeadline)
	v.atLeastZero("cluster.ping_interval", o.Cluster.PingInterval < 0, o.Cluster.PingInterval)
	v.atLeastZero("cluster.ping_max", o.Cluster.MaxPingsOut < 0, o.Cluster.MaxPingsOut)
	v.atLeastZero("cluster.write_deadline", o.Cluster.WriteDeadline < 0, o.Cluster.WriteDeadline)
	if int64(o.MaxPayload) > o.MaxPending {
		v.fail(v.later("max_payload", "max_pending"), "max_payload (%d) is larger than max_pending (%d); expected at most that", o.MaxPayload, o.MaxPending)
	}
	if o.MaxClosedClients < 0 {
		v.fail("max_closed_clients", "max_closed_clients is %d; expected 0 or more", o.MaxClosedClients)
	}
}

func (v *validation) users() {
	o := v.o
	if name := o.Auth.NoAuthUser; name != "" {
		switch {
		case len(o.Auth.Users) == 0:
			v.fail("no_auth_user", "no_auth_user is %q, but there are no users; expected authorization.users or users of an account", name)
		case findUser(&o.Auth, name) == nil:
			v.fail("no_auth_user", "no_auth_user is %q, which is no user or nkey of the configuration; expected one of its users", name)
		}
	}
	for _, key := range o.Auth.TrustedProxies {
		if key == "" {
			v.fail("proxies", "an entry of proxies.trusted has no key; expected a public nkey")
		}
	}
	seen := make(map[*perm.Permissions]bool)
	check := func(whose string, p *perm.Permissions) {
		if p == nil || seen[p] {
			return
		}
		seen[p] = true
		if _, err := perm.Compile(p); err != nil {
			v.fail(whose, "the permissions of %s cannot be used: %v", whose, err)
		}
	}
	check("the single user", o.Auth.SingleUserPermissions)
	for _, u := range o.Auth.Users {
		check(fmt.Sprintf("user %q", u.Name+u.Nkey), u.Permissions)
	}
}

func (v *validation) tenants() {
	o := v.o
	known := map[string]bool{GlobalAccount: true}
	for _, a := range o.Accounts {
		switch {
		case a.Name == GlobalAccount || a.Name == "":
			v.fail(fmt.Sprintf("account %q", a.Name), "the account name %q is reserved; expected another one", a.Name)
		case known[a.Name]:
			v.fail(fmt.Sprintf("account %q", a.Name), "the account %q is defined twice; expected each once", a.Name)
		}
		known[a.Name] = true
	}
	if o.SystemAccount != "" && o.SystemAccount != DefaultSystemAccount && !known[o.SystemAccount] && !o.operatorMode() {
		v.fail("system_account", "system_account is %q, which is not defined; expected a key in accounts", o.SystemAccount)
	}
	unknown := func(u *authn.User) bool {
		return u.Account != "" && !known[u.Account] && u.Account != o.SystemAccount
	}
	for _, u := range o.Auth.Users {
		if unknown(u) {
			v.fail(fmt.Sprintf("user %q", u.Name+u.Nkey), "user %q belongs to the account %q, which is not defined", u.Name+u.Nkey, u.Account)
		}
	}
}

// operatorMode says that accounts come from JWTs, which this version does not
// serve: then nothing can be said about their names.
func (o *Options) operatorMode() bool {
	return slices.ContainsFunc(o.LaterKeys, func(l LaterKey) bool { return l.Path == "operator" || l.Path == "trusted_keys" })
}

// sentinel: what stands for a client's JWT needs those who sign it.
func (v *validation) sentinel() {
	has := func(path string) bool {
		return slices.ContainsFunc(v.o.LaterKeys, func(l LaterKey) bool { return l.Path == path })
	}
	if has("default_sentinel") && !has("operator") {
		v.fail("default_sentinel", "default_sentinel is a user JWT, and there is no operator; expected operator, too")
	}
}

func (v *validation) lameDuck() {
	o := v.o
	if o.LameDuckGracePeriod >= o.LameDuckDuration {
		v.fail(v.later("lame_duck_grace_period", "lame_duck_duration"), "lame_duck_grace_period (%s) is not shorter than lame_duck_duration (%s); expected less", o.LameDuckGracePeriod, o.LameDuckDuration)
	}
}

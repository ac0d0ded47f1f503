package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"dunlin/internal/core/perm"
	"dunlin/internal/proto/conflang"
)

// TestScripts runs testdata/scripts: "read" prints what a configuration sets
// as JSON, or all mistakes, then warnings; "start" what Validate says; "diff"
// the changes between the last two that were read.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		var last, before *Options
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			o, err := Parse("x.conf", []byte(d.Input))
			if err != nil {
				return err.Error() + "\n"
			}
			var b strings.Builder
			for _, w := range o.Warnings {
				fmt.Fprintf(&b, "warning: %s\n", w)
			}
			for _, n := range o.Notes {
				fmt.Fprintf(&b, "note: %s\n", n)
			}
			for _, l := range o.LaterKeys {
				fmt.Fprintf(&b, "later: %s\n", l)
			}
			switch d.Cmd {
			case "read":
				return b.String() + said(t, o)
			case "start":
				o.SetDefaults()
				if err := o.Validate(); err != nil {
					return b.String() + err.Error() + "\n"
				}
				return b.String() + "starts\n"
			case "diff":
				o.SetDefaults()
				before, last = last, o
				if before == nil {
					return ""
				}
				changes, unsupported := Diff(before, last)
				for _, c := range changes {
					fmt.Fprintf(&b, "%s\n", c)
				}
				for _, c := range unsupported {
					fmt.Fprintf(&b, "restart: %s\n", c)
				}
				return b.String()
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

// said gives the options that differ from those of a file that says nothing.
func said(t *testing.T, o *Options) string {
	t.Helper()
	flat := func(o *Options) map[string]any {
		c := *o
		c.ConfigFile, c.ConfigDigest, c.Later, c.LaterKeys, c.Warnings, c.Notes = "", "", nil, nil, nil, nil
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		m := make(map[string]any)
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		if len(o.Cluster.Routes) > 0 {
			routes := make([]string, 0)
			for _, u := range o.Cluster.Routes {
				routes = append(routes, u.String())
			}
			m["Cluster"].(map[string]any)["Routes"] = routes
		}
		return m
	}
	got, empty := flat(o), flat(New())
	prune(got, empty)
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(got); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func prune(m, empty map[string]any) {
	for k, v := range m {
		if reflect.DeepEqual(v, empty[k]) {
			delete(m, k)
			continue
		}
		if inner, ok := v.(map[string]any); ok {
			if e, ok := empty[k].(map[string]any); ok {
				prune(inner, e)
			}
		}
	}
}

func TestDefaults(t *testing.T) {
	o := New()
	o.SetDefaults()
	want := &Options{
		Host: "0.0.0.0", HTTPHost: "0.0.0.0", Port: 4222, LogTime: true, LogFormat: "text",
		MaxConn: 65536, MaxControlLine: 4096, MaxPayload: 1048576, MaxPending: 67108864, MaxClosedClients: 10000,
		PingInterval: 2 * time.Minute, MaxPingsOut: 2, WriteDeadline: 10 * time.Second, WriteTimeout: "default",
		LameDuckDuration: 2 * time.Minute, LameDuckGracePeriod: 10 * time.Second,
		ConnectErrorReports: 3600, ReconnectErrorReports: 1, SystemAccount: "$SYS",
	}
	want.Auth.Timeout, want.Auth.SystemAccount = 2*time.Second, "$SYS"
	if !reflect.DeepEqual(o, want) {
		t.Errorf("got %+v\nwant %+v", o, want)
	}
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	again := o.Clone()
	again.SetDefaults()
	if !reflect.DeepEqual(again, o) {
		t.Error("defaults twice are not the same as once")
	}
	tlsFile := filepath.Join(t.TempDir(), "c")
	makeCertificates(t, tlsFile)
	withTLS, err := Parse("x", []byte(fmt.Sprintf("tls { cert_file: %q, key_file: %q, timeout: 1.5 }", tlsFile+"/server.pem", tlsFile+"/server.key")))
	if err != nil {
		t.Fatal(err)
	}
	withTLS.SetDefaults()
	if withTLS.Auth.Timeout != 2500*time.Millisecond {
		t.Errorf("with TLS the authentication timeout is %s, want that of TLS and a second", withTLS.Auth.Timeout)
	}
}

// Nothing that a clone holds may be reachable from the original.
func TestCloneSharesNothing(t *testing.T) {
	t.Setenv("WIRE_PORT", "1")
	t.Setenv("WIRE_PW", "secret")
	for _, name := range recordings(t, "good") {
		o, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		c := o.Clone()
		if !reflect.DeepEqual(o, c) {
			t.Errorf("%s: the clone differs", name)
		}
		noSharing(t, name, reflect.ValueOf(o).Elem(), reflect.ValueOf(c).Elem())
	}
}

func noSharing(t *testing.T, path string, a, b reflect.Value) {
	t.Helper()
	shared := func() {
		if a.Pointer() == b.Pointer() {
			t.Errorf("%s is shared", path)
		}
	}
	switch a.Kind() {
	case reflect.Pointer:
		if !a.IsNil() {
			shared()
			noSharing(t, path, a.Elem(), b.Elem())
		}
	case reflect.Struct:
		for i := range a.NumField() {
			noSharing(t, path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i))
		}
	case reflect.Slice:
		if a.Len() > 0 {
			shared()
		}
		for i := range a.Len() {
			noSharing(t, path, a.Index(i), b.Index(i))
		}
	case reflect.Map:
		if a.Len() > 0 {
			shared()
		}
	}
}

// No mistake may show a password, a token or a key.
func TestSecretsStayOutOfMessages(t *testing.T) {
	const secret = "hunter2hunter2"
	t.Setenv("DUNLIN_TEST_SECRET", secret+" and "+secret)
	t.Setenv("DUNLIN_TEST_PLAIN", secret)
	for _, text := range []string{
		`authorization { password: [` + secret + `] }`,
		`authorization { token: { a: ` + secret + ` } }`,
		`authorization { users: [ {user: a, password: 12345678} ] }`,
		`authorization { password: $DUNLIN_TEST_SECRET }`,
		`port: $DUNLIN_TEST_PLAIN`,
		`listen: $DUNLIN_TEST_PLAIN`,
		`jetstream { key: [` + secret + `] }`,
		`leafnodes { remotes: [ {nkey: ` + secret + `} ] }`,
		`resolver_preload: { A: ` + secret + ` }`,
		`cluster { routes: [ "nats://u:` + secret + `@:x:y" ] }`,
		`ping_interval: $DUNLIN_TEST_PLAIN`,
	} {
		_, err := Parse("x.conf", []byte(text))
		if err == nil {
			t.Errorf("%s was accepted", text)
			continue
		}
		if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "12345678") {
			t.Errorf("%s: the message shows the secret: %v", text, err)
		}
	}
}

func TestLoadOfNoFile(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		filepath.Join(dir, "none.conf"): "no such file",
		dir:                             "is a directory",
	} {
		if _, err := Load(name); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("Load(%s) says %v, want %q", name, err, text)
		}
	}
	for _, text := range []string{"", "# only a comment\n", "{}"} {
		if _, err := Parse("x.conf", []byte(text)); err == nil || !strings.Contains(err.Error(), "empty") {
			t.Errorf("%q: %v, want it refused as empty", text, err)
		}
	}
}

func TestIncludesAreRelative(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "main.conf"), []byte("include sub/a.conf\naccounts { include \"sub/acc.conf\" }\n"))
	write(t, filepath.Join(dir, "sub/a.conf"), []byte("include b.conf\nport: 1\nnope: 2\n"))
	write(t, filepath.Join(dir, "sub/b.conf"), []byte("server_name: b\n"))
	write(t, filepath.Join(dir, "sub/acc.conf"), []byte("A { users [ {user: a} ] }\n"))
	_, err := Load(filepath.Join(dir, "main.conf"))
	want := filepath.Join(dir, "sub/a.conf") + `:3:1: unknown key "nope"`
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Fatalf("got %v, want %s", err, want)
	}
	write(t, filepath.Join(dir, "sub/a.conf"), []byte("include b.conf\nport: 1\n"))
	o, err := Load(filepath.Join(dir, "main.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if o.ServerName != "b" || o.Port != 1 || len(o.Auth.Users) != 1 || o.Auth.Users[0].Account != "A" {
		t.Errorf("got %+v", o)
	}
}

// The example of the reference must be one that works.
func TestExampleOfTheReference(t *testing.T) {
	_, text, _ := strings.Cut(Reference(), "```\n")
	text, _, _ = strings.Cut(text, "```\n")
	dir := t.TempDir()
	write(t, filepath.Join(dir, "accounts.conf"), []byte("no_auth_user: joe\n"))
	t.Setenv("JOES_PASSWORD", "x")
	o, err := Parse(filepath.Join(dir, "x.conf"), []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if o.ClientAdvertise != "10.0.0.7" || o.MaxPayload != 1<<20 || !o.Debug || o.Auth.NoAuthUser != "joe" {
		t.Errorf("got %+v", o)
	}
}

// BenchmarkManyUsers guards against a reader that is not linear in the number
// of users and accounts.
func BenchmarkManyUsers(b *testing.B) {
	var text strings.Builder
	text.WriteString("accounts {\n")
	for i := range 2000 {
		fmt.Fprintf(&text, "A%d { users [ {user: u%d, password: p, permissions { publish: [a, b.>] } } ] }\n", i, i)
	}
	text.WriteString("}\n")
	for b.Loop() {
		if _, err := Parse("x.conf", []byte(text.String())); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, dir := range []string{"good", "bad"} {
		names, _ := filepath.Glob(filepath.Join("testdata", dir, "*.conf"))
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// Nothing of the machine may be read by a random file.
		tree, err := conflang.Parse("x.conf", data, conflang.Source{})
		if err != nil || mentionsFiles(tree.Root) {
			return
		}
		o, err := Parse("x.conf", tree.Print())
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a message")
			}
			return
		}
		o.SetDefaults()
		_ = o.Validate()
		if c := o.Clone(); !reflect.DeepEqual(o, c) {
			t.Error("a clone differs")
		} else if changes, unsupported := Diff(o, c); len(changes)+len(unsupported) > 0 {
			t.Errorf("a clone has changed: %v %v", changes, unsupported)
		}
		for _, u := range o.Auth.Users {
			if _, err := perm.Compile(u.Permissions); err != nil {
				t.Errorf("permissions were accepted that do not compile: %v", err)
			}
		}
	})
}

func mentionsFiles(m *conflang.Map) bool {
	for _, e := range m.Entries() {
		switch strings.ToLower(e.Key) {
		case "include", "operator", "operators", "root", "roots", "cert_file", "key_file", "ca_file":
			return true
		}
		if mentionsFiles(e.Value.Map) {
			return true
		}
		for _, item := range e.Value.Items {
			if mentionsFiles(item.Map) {
				return true
			}
		}
	}
	return false
}

func TestClusterTLSIsForBothSides(t *testing.T) {
	dir := t.TempDir()
	makeCertificates(t, dir)
	o, err := Parse("x.conf", fmt.Appendf(nil, "cluster { port: 1, tls { cert_file: %q, key_file: %q, ca_file: %q, timeout: 3, verify: false } }",
		dir+"/server.pem", dir+"/server.key", dir+"/ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	o.SetDefaults()
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	if c := &o.Cluster; c.TLS == nil || !c.TLS.Verify || c.TLS.Timeout != 3*time.Second || c.AuthTimeout != 4*time.Second || o.TLS != nil {
		t.Errorf("got %+v with %+v, for clients %+v", c, c.TLS, o.TLS)
	}
}

func TestAdvertiseAddress(t *testing.T) {
	for text, want := range map[string]string{
		"": " 0", "h": "h 7", "h:1": "h 1", "h:-1": "h 7", "h:0": "h 7", "[::1]:2": "::1 2", "::1": "::1 7", "[::1]": "::1 7", ":3": " 3",
		"a:b:c": "error", "h:x": "error", "h:": "error",
	} {
		host, port, err := AdvertiseAddress(text, 7)
		got := fmt.Sprintf("%s %d", host, port)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

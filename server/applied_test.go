package server_test

import (
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"dunlin/internal/core/mapping"
	"dunlin/internal/ops/config"
	"dunlin/internal/proto/sysapi"
	"dunlin/internal/testkit"
	"dunlin/server"
)

// reloadable is an option that a running server takes over: what changes it,
// and what shows that it is in force. c was there before the reload.
type reloadable struct {
	change func(o *server.Options)
	check  func(t *testing.T, s *testkit.Server, c *testkit.Client)
}

// elsewhere are options that a reload changes but this package does not use.
var elsewhere = map[string]string{
	"debug": "the log's level is the program's", "logtime": "the log is the program's", "logtime_utc": "the log is the program's",
	"logfile": "the log is the program's", "logfile_size_limit": "the log is the program's", "logfile_max_num": "the log is the program's",
	"syslog": "the log is the program's", "remote_syslog": "the log is the program's",
	"pidfile": "the program writes it", "ports_file_dir": "the program writes it",
	"connect_error_reports": "for links to other servers", "reconnect_error_reports": "for links to other servers",
}

var reloadables = map[string]reloadable{
	"client_advertise": {
		func(o *server.Options) { o.ClientAdvertise = "far.example:4711" },
		func(t *testing.T, s *testkit.Server, _ *testkit.Client) {
			c := testkit.Dial(t, s.Address())
			if host, port := c.Field("host"), c.Field("port"); host != "far.example" || port != 4711.0 {
				t.Errorf("INFO says %v %v", host, port)
			}
		},
	},
	"server_tags": {
		func(o *server.Options) { o.Tags = []string{"here"} },
		func(t *testing.T, s *testkit.Server, _ *testkit.Client) {
			if v := varz(t, s); !slices.Equal(v.Tags, []string{"here"}) {
				t.Errorf("tags %q", v.Tags)
			}
		},
	},
	"server_metadata": {
		func(o *server.Options) { o.Metadata = map[string]string{"rack": "7"} },
		func(t *testing.T, s *testkit.Server, _ *testkit.Client) {
			if v := varz(t, s); v.Metadata["rack"] != "7" {
				t.Errorf("metadata %q", v.Metadata)
			}
		},
	},
	"no_fast_producer_stall": {
		func(o *server.Options) { o.NoFastProducerStall = true },
		func(t *testing.T, s *testkit.Server, c *testkit.Client) {
			// c reads nothing from now on: it misses messages and stays.
			c.Send("SUB flood 1\r\n")
			c.Sync()
			pub := testkit.Join(t, s.Address(), "")
			flood(pub, 24<<20)
			pub.Sync()
			if n := s.NumClients(); n != 2 {
				t.Errorf("%d clients left; closed: %v", n, closedReasons(t, s))
			}
		},
	},
	"prof_block_rate": {
		func(o *server.Options) { o.ProfBlockRate = 1 },
		func(t *testing.T, s *testkit.Server, _ *testkit.Client) {
			t.Cleanup(func() { // it holds for the whole process
				reload(t, s, applied(), func(*server.Options) {})
			})
			before := blocked()
			testkit.Eventually(t, "blocking is profiled", func() bool {
				ch := make(chan bool)
				go func() { close(ch) }()
				<-ch
				return blocked() > before
			})
		},
	},
	"trace": {
		func(o *server.Options) { o.Trace = true },
		func(t *testing.T, s *testkit.Server, c *testkit.Client) {
			c.Send("PUB traced 2\r\nhi\r\n")
			s.Log.Wait(t, "TRC", "<<- [PUB traced 2]")
			s.Log.Wait(t, "TRC", `<<- MSG_PAYLOAD: ["hi"]`)
			admin := testkit.Join(t, s.Address(), as("admin"))
			admin.Send("PUB quiet 2\r\nhi\r\n")
			admin.Sync()
			if s.Log.Count("<<- [PUB quiet 2]") > 0 {
				t.Error("the system account was traced")
			}
		},
	},
	"trace_verbose": {
		func(o *server.Options) { o.Trace, o.TraceVerbose = true, true },
		func(t *testing.T, s *testkit.Server, _ *testkit.Client) {
			testkit.Join(t, s.Address(), as("admin")).Send("PUB verbose 2\r\nhi\r\n")
			s.Log.Wait(t, "TRC", "<<- [PUB verbose 2]")
		},
	},
	"trace_headers": {
		func(o *server.Options) { o.Trace, o.TraceHeaders = true, true },
		func(t *testing.T, s *testkit.Server, c *testkit.Client) {
			c.Send("HPUB traced 12 14\r\nNATS/1.0\r\n\r\nhi\r\n")
			s.Log.Wait(t, "TRC", "<<- MSG_HEADERS: ")
			c.Sync()
			if s.Log.Count("MSG_PAYLOAD") > 0 {
				t.Error("the payload was traced")
			}
		},
	},
	"max_traced_msg_len": {
		func(o *server.Options) { o.Trace, o.MaxTracedMsgLen = true, 3 },
		func(t *testing.T, s *testkit.Server, c *testkit.Client) {
			c.Send("PUB traced 5\r\nabcde\r\n")
			s.Log.Wait(t, "TRC", `<<- MSG_PAYLOAD: ["abc"...]`)
		},
	},
	"max_connections": {
		func(o *server.Options) { o.MaxConn = 1 },
		func(t *testing.T, s *testkit.Server, c *testkit.Client) {
			wantRest(t, testkit.Dial(t, s.Address()), "-ERR 'maximum connections exceeded'")
			c.Sync()
		},
	},
	"max_control_line": {
		func(o *server.Options) { o.MaxControlLine = 64 },
		func(t *testing.T, _ *testkit.Server, c *testkit.Client) {
			c.Send("SUB %s 1\r\n", strings.Repeat("x", 100))
			wantRest(t, c, "-ERR 'maximum control line exceeded'")
		},
	},
	"max_payload": {
		func(o *server.Options) { o.MaxPayload = 10 },
		func(t *testing.T, s *testkit.Server, c *testkit.Client) {
			if size := testkit.Dial(t, s.Address()).Field("max_payload"); size != 10.0 {
				t.Errorf("INFO says %v", size)
			}
			c.Send("PUB a 11\r\n")
			wantRest(t, c, "-ERR 'Maximum Payload Violation'")
		},
	},
	"ping_interval": {
		func(o *server.Options) { o.PingInterval = 20 * time.Millisecond },
		func(t *testing.T, s *testkit.Server, _ *testkit.Client) {

			c := testkit.Join(t, s.Address(), "")
			c.SeePings = true
			c.Want("PING")

		},
	},
	"ping_max": {
		func(o *server.Options) { o.PingInterval, o.MaxPingsOut = 20*time.Millisecond, 4 },
		func(t *testing.T, s *testkit.Server, _ *testkit.Client) {
			c := testkit.Join(t, s.Address(), "")
			c.SeePings = true
			wantRest(t, c, "PING", "PING", "PING", "PING", "-ERR 'Stale Connection'")
		},
	},
	"write_deadline": {
		func(o *server.Options) { o.WriteDeadline = 50 * time.Millisecond },
		func(t *testing.T, s *testkit.Server, c *testkit.Client) {
			c.Send("SUB flood 1\r\n")
			c.Sync()
			flood(testkit.Join(t, s.Address(), ""), 12<<20)
			s.Log.Wait(t, "Slow Consumer Detected: WriteDeadline of 50ms exceeded")
		},
	},
	"mappings": {
		func(o *server.Options) {
			o.Mappings = []mapping.Rule{{Source: "old", Destinations: []mapping.Destination{{Subject: "new", Weight: 100}}}}
		},
		func(t *testing.T, _ *testkit.Server, c *testkit.Client) {
			c.Send("SUB new 1\r\nPUB old 1\r\n1\r\n")
			c.Want("MSG new 1 1", "1")
		},
	},
	"accounts": {
		func(o *server.Options) { o.Accounts = append(o.Accounts, &config.Account{Name: "ADDED"}) },
		func(t *testing.T, s *testkit.Server, _ *testkit.Client) {
			if text := s.Text(t, "/accountz"); !strings.Contains(text, `"ADDED"`) {
				t.Errorf("accounts: %s", text)
			}
		},
	},
	"tls": {
		func(o *server.Options) { o.TLS.Verify = true },
		func(t *testing.T, s *testkit.Server, _ *testkit.Client) {
			if testkit.Dial(t, s.Address()).Field("tls_verify") != true {
				t.Error("INFO does not say tls_verify")
			}
		},
	},
	"proxies": {
		func(o *server.Options) {
			o.Auth.TrustedProxies = []string{"UC6NLCN7AS34YOJVCYD4PJ3QB7QGLYG5B5IMBT25VW5K4TNUJODM7BOX"}
		},
		func(t *testing.T, s *testkit.Server, _ *testkit.Client) {
			if testkit.Dial(t, s.Address()).Field("nonce") == nil {
				t.Error("INFO has no nonce to sign")
			}
		},
	},
	"authorization": {
		func(o *server.Options) { withUsers(o, "added") },
		func(t *testing.T, s *testkit.Server, _ *testkit.Client) { testkit.Join(t, s.Address(), as("added")) },
	},
}

func varz(t *testing.T, s *testkit.Server) (v sysapi.Varz) {
	t.Helper()
	s.Page(t, "/varz", &v)
	return v
}

// blocked counts what is in the profile of blocking.
func blocked() (n int64) {
	records := make([]runtime.BlockProfileRecord, 10_000)
	got, _ := runtime.BlockProfile(records)
	for _, r := range records[:min(got, len(records))] {
		n += r.Count
	}
	return n
}

// flood publishes about n bytes to "flood" and reads nothing.
func flood(c *testkit.Client, n int) {
	const size = 8 << 10
	msg := "PUB flood 8192\r\n" + strings.Repeat("x", size) + "\r\n"
	batch := []byte(strings.Repeat(msg, 8))
	for ; n > 0; n -= len(batch) {
		if c.TrySend(batch) != nil {
			return
		}
	}
}

// applied is the configuration before each reload: everything that can be
// changed is there to be changed.
func applied() *server.Options {
	o := withUsers(withAccounts(&server.Options{}, "SYS"), "admin/SYS", "plain")
	o.SystemAccount = "SYS"
	o.Auth.NoAuthUser = "plain"
	o.HTTPHost, o.HTTPPort = "127.0.0.1", -1
	o.MaxPending, o.MaxPayload = 16<<20, 1<<20
	return o
}

// TestEveryReloadableIsApplied: an option that Diff calls reloadable has an
// entry above, and its entry succeeds.
func TestEveryReloadableIsApplied(t *testing.T) {
	ca := testkit.NewAuthority(t)
	pair := ca.Issue("server")
	known := slices.Collect(maps.Keys(elsewhere))
	for _, name := range slices.Sorted(maps.Keys(reloadables)) {
		known = append(known, name)
		t.Run(name, func(t *testing.T) {
			testkit.NothingLeft(t)
			opts := applied()
			if name == "tls" {
				withTLS(opts, pair).AllowNonTLS = true
			}
			s := testkit.Start(t, opts)
			c := testkit.Join(t, s.Address(), "")
			reload(t, s, opts, reloadables[name].change)
			reloadables[name].check(t, s, c)
		})
	}
	for _, name := range reloadableNames(t) {
		if !slices.Contains(known, name) {
			t.Errorf("%s can be reloaded, and no test shows that it is applied", name)
		}
	}
}

// reloadableNames finds what Diff calls reloadable by changing every field.
func reloadableNames(t *testing.T) (names []string) {
	t.Helper()
	old := &config.Options{}
	old.SetDefaults()
	var walk func(path []int, typ reflect.Type)
	walk = func(path []int, typ reflect.Type) {
		for i := range typ.NumField() {
			at := append(slices.Clone(path), i)
			f := typ.Field(i)
			if !f.IsExported() {
				continue // where options were said, not what
			}
			if f.Type.Kind() == reflect.Struct {
				walk(at, f.Type)
				continue
			}
			next := old.Clone()
			if !alter(reflect.ValueOf(next).Elem().FieldByIndex(at)) {
				t.Errorf("do not know how to change %s", typ.Field(i).Name)
			}
			changes, _ := config.Diff(old, next)
			for _, c := range changes {
				if !c.Later {
					names = append(names, c.Name)
				}
			}
		}
	}
	walk(nil, reflect.TypeFor[config.Options]())
	slices.Sort(names)
	if names = slices.Compact(names); len(names) < 20 {
		t.Errorf("only %q can be reloaded", names)
	}
	return names
}

// alter gives v another value.
func alter(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Slice:
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("x"), reflect.Zero(v.Type().Elem()))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	default:
		return false
	}
	return true
}

package config

import (
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Change is one option that differs between two configurations.
type Change struct {
	Name string // key of the top level, or the path of a key of a later area
	// Old and New are what to show of the values; empty for options that are
	// too large to show or hold secrets.
	Old, New string
	// Later: the key belongs to an area that this version does not serve, so
	// that the change has no effect.
	Later bool
}

// String is the change as a log line has it.
func (c Change) String() string {
	if c.Old == "" && c.New == "" {
		return c.Name
	}
	return fmt.Sprintf("%s (from %s to %s)", c.Name, c.Old, c.New)
}

// option is one row of what Diff compares.
type option struct {
	name   string
	reload bool
	hidden bool // not shown
	get    func(o *Options) any
}

// options is every key of the top level that is served, as one value each.
// Keys that share a field (host and listen) are one option.
func options() []option {
	var all []option
	for _, k := range top.keys {
		if k.bind == nil || k.later != "" {
			continue
		}
		all = append(all, option{k.name, k.reload, k.secret, func(o *Options) any {
			return reflect.ValueOf(k.bind(o)).Elem().Interface()
		}})
	}
	shown := func(name string, reload bool, get func(o *Options) any) {
		all = append(all, option{name, reload, false, get})
	}
	hidden := func(name string, reload bool, get func(o *Options) any) {
		all = append(all, option{name, reload, true, get})
	}
	shown("http_host", false, func(o *Options) any { return o.HTTPHost })
	shown("dont_listen", false, func(o *Options) any { return o.DontListen })
	shown("trace_verbose", true, func(o *Options) any { return o.TraceVerbose })
	shown("trace_headers", true, func(o *Options) any { return o.TraceHeaders })
	shown("log_format", false, func(o *Options) any { return o.LogFormat })
	hidden("server_metadata", true, func(o *Options) any { return o.Metadata })
	hidden("feature_flags", false, func(o *Options) any { return o.FeatureFlags })
	hidden("mappings", true, func(o *Options) any { return o.Mappings })
	hidden("accounts", true, func(o *Options) any { return o.Accounts })
	hidden("tls", true, func(o *Options) any { return o.TLS })
	hidden("proxies", true, func(o *Options) any { return o.Auth.TrustedProxies })
	hidden("authorization", true, func(o *Options) any {
		a := o.Auth
		// Options of their own.
		a.TrustedProxies, a.SystemAccount, a.NoAuthUser, a.VerifyAndMap = nil, "", "", false
		return a
	})
	return append(all, clusterOptions()...)
}

// clusterOptions are the keys of the cluster block. A server without a port
// for routes is in no cluster, whatever else the block says.
func clusterOptions() []option {
	cluster := func(o *Options) *Cluster {
		if !o.Cluster.Enabled() {
			return new(Cluster)
		}
		return &o.Cluster
	}
	var all []option
	for _, k := range clusterKeys.keys {
		if k.bind != nil {
			all = append(all, option{"cluster." + k.name, !k.restart, k.secret, func(o *Options) any {
				return reflect.ValueOf(k.bind(cluster(o))).Elem().Interface()
			}})
		}
	}
	return append(all,
		option{"cluster.routes", true, false, func(o *Options) any { return sortedRoutes(cluster(o).Routes) }},
		option{"cluster.authorization", true, true, func(o *Options) any {
			c := cluster(o)
			return [3]any{c.Username, c.Password, c.AuthTimeout}
		}},
		option{"cluster.tls", true, true, func(o *Options) any { return cluster(o).TLS }},
		option{"cluster.permissions", true, true, func(o *Options) any { return cluster(o).Permissions }},
		option{"cluster.compression", true, false, func(o *Options) any { return cluster(o).Compression }},
	)
}

// routeURLs are compared with their credentials and shown without passwords.
// Their order means nothing.
type routeURLs []*url.URL

func sortedRoutes(urls []*url.URL) routeURLs {
	sorted := slices.DeleteFunc(slices.Clone(urls), func(u *url.URL) bool { return u == nil })
	slices.SortFunc(sorted, func(a, b *url.URL) int { return strings.Compare(a.String(), b.String()) })
	return sorted
}

// Diff names every option that differs between two configurations that both
// have their defaults: those that a running server takes over, and those that
// only a restart can change. If there is one of the latter, the whole reload is
// to be refused.
func Diff(old, new *Options) (changes, unsupported []Change) {
	joins := old.Cluster.Enabled() != new.Cluster.Enabled()
	for _, opt := range options() {
		if joins && strings.HasPrefix(opt.name, "cluster.") && opt.name != "cluster.port" {
			continue // the port says it: joining or leaving takes a restart
		}
		a, b := opt.get(old), opt.get(new)
		if same(a, b) {
			continue
		}
		c := Change{Name: opt.name}
		if !opt.hidden {
			c.Old, c.New = shownValue(a), shownValue(b)
		}
		if opt.reload {
			changes = append(changes, c)
		} else {
			unsupported = append(unsupported, c)
		}
	}
	return append(changes, laterChanges(old, new)...), append(unsupported, laterUnsupported(old, new)...)
}

// same treats an empty list as no list: a file that says "tags: []" changes
// nothing over one that does not name them. Inside a value the difference
// counts, because permissions that allow nothing are not those that allow all.
func same(a, b any) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	switch x.Kind() {
	case reflect.Slice, reflect.Map:
		if x.Len() == 0 && y.Len() == 0 {
			return true
		}
	}
	return reflect.DeepEqual(a, b)
}

func laterChanges(old, new *Options) (changes []Change) {
	before := make(map[string]string)
	for _, l := range old.LaterKeys {
		before[l.Path] = l.digest
	}
	for _, l := range new.LaterKeys {
		digest, ok := before[l.Path]
		delete(before, l.Path)
		if !ok || digest != l.digest {
			changes = append(changes, Change{Name: l.Path, Later: true})
		}
	}
	for _, l := range old.LaterKeys {
		if _, gone := before[l.Path]; gone {
			changes = append(changes, Change{Name: l.Path, Later: true})
		}
	}
	return changes
}

// laterUnsupported goes by what nats-server refuses, so that a file that is
// taken over here would be there. A block that comes or goes is named once.
func laterUnsupported(old, new *Options) (unsupported []Change) {
	differ := make(map[string]bool)
	for _, settled := range []map[string]map[string]string{old.settled, new.settled} {
		for area, keys := range settled {
			k := top.find(area)
			whole := (k == nil || !k.reload) && (old.settled[area] == nil || new.settled[area] == nil)
			for path, digest := range keys {
				switch {
				case whole:
					differ[area] = true
				case old.settled[area][path] != digest || new.settled[area][path] != digest:
					differ[path] = true
				}
			}
		}
	}
	if old.JetStream && new.JetStream {
		differ["store_dir"] = old.StoreDir != new.StoreDir
		for i, name := range []string{"jetstream.max_memory_store", "jetstream.max_file_store"} {
			a, b := old.jetStreamMax[i], new.jetStreamMax[i]
			differ[name] = a != b && (a == 0 || b < a)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(differ)) {
		if differ[path] {
			unsupported = append(unsupported, Change{Name: path, Later: true})
		}
	}
	return unsupported
}

// shownMax keeps one change on one line of a log.
const shownMax = 200

func shownValue(v any) string {
	var s string
	switch v := v.(type) {
	case string:
		s = strconv.Quote(v)
	case []string:
		s = "[" + strings.Join(v, ", ") + "]"
	case routeURLs:
		s = "[" + strings.Join(redactedURLs(v), ", ") + "]"
	case time.Duration:
		s = v.String()
	default:
		s = fmt.Sprint(v)
	}
	if len(s) > shownMax {
		s = s[:shownMax] + "..."
	}
	return s
}

package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"dunlin/internal/base/tlsconf"
	"dunlin/internal/core/perm"
)

// Cluster is the cluster block. Its zero value is a server that stands alone.
type Cluster struct {
	// Name is the cluster's; "" lets the server make one up, which gives way
	// to the name of any cluster that has one by configuration.
	Name string
	Host string
	// Port to listen on for routes: 0 = none, and then this server is in no
	// cluster whatever the other fields say; -1 = any free port.
	Port int

	// Routes are the servers to connect to. After SetDefaults each has a host
	// and a port.
	Routes []*url.URL
	// Username and Password are asked of servers that connect, and given to
	// servers that a Routes entry does not have credentials for.
	Username, Password string
	AuthTimeout        time.Duration
	// TLS serves both sides: it listens and it dials. Verify is always set:
	// servers show each other their certificates.
	TLS *tlsconf.Options

	Advertise   string // "host" or "host:port" that other servers are told
	NoAdvertise bool   // clients are not told of other servers
	// ConnectRetries is how often a server that was learnt from another one
	// is tried again; configured routes are tried for ever.
	ConnectRetries int
	ConnectBackoff bool

	Permissions *RoutePermissions
	// PoolSize is the number of connections to each other server: 0 = the
	// default; negative = one connection for everything, as old servers have.
	PoolSize int
	// Accounts have a connection of their own to each other server.
	Accounts    []string
	Compression Compression

	PingInterval  time.Duration
	MaxPingsOut   int
	WriteDeadline time.Duration
	WriteTimeout  string // default (retry), close, retry
}

// RoutePermissions restrict what goes over routes. A nil side does not.
type RoutePermissions struct {
	Import *perm.Subjects // what this server asks others for
	Export *perm.Subjects // what others may ask this server for
}

// Modes of compression, as INFO names them.
const (
	CompressionNotSupported = "not supported" // behave as a server that cannot
	CompressionOff          = "off"
	CompressionAccept       = "accept" // what the other side wants
	CompressionUncompressed = "s2_uncompressed"
	CompressionFast         = "s2_fast"
	CompressionBetter       = "s2_better"
	CompressionBest         = "s2_best"
	CompressionAuto         = "s2_auto" // by round trip time
)

// Compression is how a link is compressed.
type Compression struct {
	// Mode is one of the constants after reading. Another word is kept as it
	// was written, for Validate to refuse.
	Mode string
	// RTTThresholds of CompressionAuto: up to the first uncompressed, up to
	// the second fast, up to the third better, then best. 0 leaves a level
	// out. Nil = 10ms, 50ms, 100ms.
	RTTThresholds []time.Duration
}

// String is the mode, with the thresholds if there are any.
func (c Compression) String() string {
	if len(c.RTTThresholds) == 0 {
		return c.Mode
	}
	return fmt.Sprintf("%s %v", c.Mode, c.RTTThresholds)
}

// compressionWords are the spellings of the modes, besides those of INFO.
var compressionWords = map[string]string{
	"": CompressionAccept, "disabled": CompressionOff, "false": CompressionOff,
	"fast": CompressionFast, "better": CompressionBetter, "best": CompressionBest, "auto": CompressionAuto,
}

var compressionModes = []string{
	CompressionOff, CompressionAccept, CompressionUncompressed, CompressionFast, CompressionBetter, CompressionBest, CompressionAuto, CompressionNotSupported,
}

// compressionMode gives the mode of a word; on is what "on" means for this
// kind of link.
func compressionMode(word, on string) string {
	lower := strings.ToLower(word)
	if mode, ok := compressionWords[lower]; ok {
		return mode
	}
	switch {
	case lower == "on" || lower == "enabled" || lower == "true":
		return on
	case slices.Contains(compressionModes, lower):
		return lower
	}
	return word
}

// Defaults of routes.
const (
	DefaultClusterPort = 6222 // of a route URL that names none
	DefaultPoolSize    = 3
	// RoutePingIntervalMax is the longest time between two PINGs to a route.
	RoutePingIntervalMax = 30 * time.Second
)

// DefaultRTTThresholds are those of s2_auto.
var DefaultRTTThresholds = []time.Duration{10 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond}

// Enabled says whether the server is in a cluster.
func (c *Cluster) Enabled() bool { return c.Port != 0 }

// setDefaults fills in what nobody said. The options of the server have their
// defaults already: a route takes over what clients have.
func (c *Cluster) setDefaults(o *Options) {
	if !c.Enabled() {
		return
	}
	fill(&c.Host, DefaultHost)
	fill(&c.PoolSize, DefaultPoolSize)
	fill(&c.PingInterval, o.PingInterval)
	if c.PingInterval > RoutePingIntervalMax {
		c.PingInterval = RoutePingIntervalMax
	}
	fill(&c.MaxPingsOut, o.MaxPingsOut)
	fill(&c.WriteDeadline, o.WriteDeadline)
	fill(&c.WriteTimeout, "default")
	auth := DefaultAuthTimeout
	if c.TLS != nil {
		fill(&c.TLS.Timeout, DefaultTLSTimeout)
		auth = c.TLS.Timeout + time.Second
		c.TLS.Verify = true
	}
	fill(&c.AuthTimeout, auth)
	c.Compression.Mode = compressionMode(c.Compression.Mode, CompressionFast)
	if c.Compression.Mode == CompressionAuto && len(c.Compression.RTTThresholds) == 0 {
		c.Compression.RTTThresholds = slices.Clone(DefaultRTTThresholds)
	}
	// The URLs may be shared with who made the options.
	for i, u := range c.Routes {
		if u != nil && u.Port() == "" && u.Hostname() != "" {
			one := *u
			one.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(DefaultClusterPort))
			c.Routes[i] = &one
		}
	}
}

func (c Cluster) clone() Cluster {
	routes := c.Routes
	c.Routes = nil
	for _, u := range routes {
		c.Routes = append(c.Routes, cloneURL(u))
	}
	if c.TLS != nil {
		t := cloneTLS(*c.TLS)
		c.TLS = &t
	}
	if c.Permissions != nil {
		c.Permissions = &RoutePermissions{Import: cloneSubjects(c.Permissions.Import), Export: cloneSubjects(c.Permissions.Export)}
	}
	c.Accounts = slices.Clone(c.Accounts)
	c.Compression.RTTThresholds = slices.Clone(c.Compression.RTTThresholds)
	return c
}

func cloneURL(u *url.URL) *url.URL {
	if u == nil {
		return nil
	}
	one := *u
	if u.User != nil {
		user := *u.User
		one.User = &user
	}
	return &one
}

// redactedURLs lists URLs without their passwords.
func redactedURLs(urls []*url.URL) []string {
	out := make([]string, 0, len(urls))
	for _, u := range urls {
		out = append(out, u.Redacted())
	}
	return out
}

// cluster looks at the cluster as a whole.
func (v *validation) cluster() {
	c := &v.o.Cluster
	if !c.Enabled() {
		return
	}
	v.port("cluster.port", c.Port)
	if msg := wrongClusterName(c.Name); msg != "" {
		v.fail("cluster.name", "cluster.name: %s", msg)
	}
	for _, u := range c.Routes {
		if u == nil || u.Hostname() == "" {
			v.fail("cluster.routes", "an entry of cluster.routes has no host; expected the form nats://host:port")
		}
	}
	if _, _, err := AdvertiseAddress(c.Advertise, 0); err != nil {
		v.fail("cluster.cluster_advertise", "cluster.cluster_advertise is %q; expected \"host\" or \"host:port\"", c.Advertise)
	}
	if c.PoolSize < 0 && len(c.Accounts) > 0 {
		v.fail("cluster.pool_size", "cluster.pool_size is %d, but cluster.accounts asks for connections of their own; expected a pool size of 1 or more, or no accounts", c.PoolSize)
	}
	if c.PoolSize > PoolSizeMax {
		v.fail("cluster.pool_size", "cluster.pool_size is %d; expected at most %d", c.PoolSize, PoolSizeMax)
	}
	seen := make(map[string]bool)
	for _, name := range c.Accounts {
		if seen[name] {
			v.fail("cluster.accounts", "cluster.accounts names %q twice; expected each account once", name)
		}
		seen[name] = true
	}
	if !slices.Contains(writeTimeouts, c.WriteTimeout) && c.WriteTimeout != "" {
		v.fail("cluster.write_timeout", "cluster.write_timeout is %q; expected one of %s", c.WriteTimeout, strings.Join(writeTimeouts, ", "))
	}
	v.compression("cluster.compression", &c.Compression)
	v.routePermissions(c.Permissions)
	if c.TLS != nil && c.TLS.CertFile == "" && len(c.TLS.Certs) == 0 {
		v.fail("cluster.tls", "cluster.tls has no certificate; expected cert_file and key_file: servers show each other theirs")
	}
}

// PoolSizeMax bounds the connections between two servers. nats-server takes
// any number; each is a socket, its buffers and a walk over the interest.
const PoolSizeMax = 1024

func (v *validation) compression(path string, c *Compression) {
	if !slices.Contains(compressionModes, c.Mode) {
		v.fail(path, "%s is %q, which is no mode; expected one of on, %s", path, c.Mode, strings.Join(compressionModes[:7], ", "))
	}
	if c.Mode != CompressionAuto {
		return
	}
	var last time.Duration
	some := false
	for _, d := range c.RTTThresholds {
		if d <= 0 {
			continue // leaves its level out
		}
		if d < last {
			v.fail(path, "%s: the rtt_thresholds are %v; expected them in ascending order", path, c.RTTThresholds)
			return
		}
		last, some = d, true
	}
	switch {
	case len(c.RTTThresholds) > 4:
		v.fail(path, "%s has %d rtt_thresholds; expected at most 4", path, len(c.RTTThresholds))
	case !some && len(c.RTTThresholds) > 0:
		v.fail(path, "%s: none of the rtt_thresholds is above 0; expected at least one that is", path)
	}
}

func (v *validation) routePermissions(p *RoutePermissions) {
	if p == nil {
		return
	}
	if _, err := perm.Compile(&perm.Permissions{Publish: p.Import, Subscribe: p.Export}); err != nil {
		v.fail("cluster.permissions", "cluster.permissions cannot be used: %v", err)
	}
}

// AdvertiseAddress takes apart what an advertise key says: a host, or
// "host:port". Without a port, and with 0 or -1, the port is what the listener
// has. An empty text gives an empty host.
func AdvertiseAddress(text string, listening int) (host string, port int, err error) {
	if text == "" {
		return "", 0, nil
	}
	host, number, err := net.SplitHostPort(text)
	if err != nil {
		if strings.Contains(text, ":") && net.ParseIP(strings.Trim(text, "[]")) == nil {
			return "", 0, err
		}
		return strings.Trim(text, "[]"), listening, nil
	}
	if port, err = strconv.Atoi(number); err != nil {
		return "", 0, err
	}
	if port == 0 || port == -1 {
		port = listening
	}
	return host, port, nil
}

func wrongClusterName(name string) string {
	switch {
	case strings.Contains(name, " "):
		return "the name holds blanks; expected one word"
	case name == "_":
		return "the name _ is reserved; expected another one"
	}
	return ""
}

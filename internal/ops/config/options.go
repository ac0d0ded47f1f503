package config

import (
	"time"

	"dunlin/internal/base/tlsconf"
	"dunlin/internal/core/mapping"
	"dunlin/internal/engine/authn"
	"dunlin/internal/proto/conflang"
)

// Account is one entry of the accounts block as far as this version uses it.
type Account struct {
	Name     string
	Nkey     string
	Mappings []mapping.Rule
	// Limits; 0 or negative = none.
	MaxConnections   int64
	MaxSubscriptions int64
	MaxPayload       int64
}

// Options is everything that configures one server. The zero value of a field
// means "not said"; SetDefaults fills in nats-server's defaults. It is a value
// that nobody changes once a server has started: a reload makes a new one.
type Options struct {
	// Where the options came from.
	ConfigFile   string
	ConfigDigest string // "sha256:..." of the file with its includes; "" without a file

	ServerName string
	Host       string
	Port       int // -1 = any free port
	// DontListen: no client listener at all; only in-process connections.
	DontListen      bool
	ClientAdvertise string

	// Monitoring
	HTTPHost      string
	HTTPPort      int
	HTTPSPort     int
	HTTPBasePath  string
	ProfPort      int
	ProfBlockRate int

	// Logging
	Debug, Trace, TraceVerbose, TraceHeaders bool
	NoLog                                    bool
	NoSigs                                   bool
	LogTime, LogTimeUTC                      bool
	LogFile                                  string
	LogSizeLimit                             int64
	LogMaxFiles                              int64
	Syslog                                   bool
	RemoteSyslog                             string
	LogFormat                                string // "text" (default) or "json"; Dunlin's own key log_format
	MaxTracedMsgLen                          int

	PidFile      string
	PortsFileDir string

	// Limits
	MaxConn                                    int
	MaxSubs                                    int
	MaxSubTokens                               int
	MaxControlLine                             int32
	MaxPayload                                 int32
	MaxPending                                 int64
	MaxClosedClients                           int
	PingInterval                               time.Duration
	MaxPingsOut                                int
	WriteDeadline                              time.Duration
	WriteTimeout                               string // default, close, retry
	NoFastProducerStall                        bool
	LameDuckDuration                           time.Duration
	LameDuckGracePeriod                        time.Duration
	ConnectErrorReports, ReconnectErrorReports int
	DisableSublistCache                        bool
	NoHeaderSupport                            bool
	ProxyProtocol                              bool

	// Front door
	Auth        authn.Config
	TLS         *tlsconf.Options
	AllowNonTLS bool

	// Cluster joins this server with others; its zero value stands alone.
	Cluster Cluster

	// Tenants
	Accounts        []*Account
	SystemAccount   string
	NoSystemAccount bool
	Mappings        []mapping.Rule // of the default account $G

	Tags         []string
	Metadata     map[string]string
	FeatureFlags map[string]bool

	// Later lists the keys that were read and understood but belong to areas
	// this version does not serve yet (gateway, jetstream, ...), in the order
	// of the file, each once. The server warns of each at start.
	Later []string
	// LaterKeys are the same, each with its place and its area; String gives
	// the text of the warning.
	LaterKeys []LaterKey
	// Warnings are what a server logs and starts in spite of; the flag -t
	// refuses them.
	Warnings []Problem
	// Notes are worth a line in the log and nothing more.
	Notes []Problem
	// StoreDir and JetStream: remembered for later areas.
	JetStream bool
	StoreDir  string
	// jetStreamMax are most bytes in memory and on disk, 0 where not said.
	jetStreamMax [2]int64

	// places tells where what Validate looks at was said: by the path of a
	// key, "user <name>" and "account <name>". Of what stands nowhere, because
	// a program made the options, there is no entry.
	places map[string]conflang.Pos
	// settled are digests of what only a restart may change of later areas, by
	// the path of the area's key and that of the key inside.
	settled map[string]map[string]string
}

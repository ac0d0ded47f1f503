package sysapi

import "time"

// Varz is the answer of /varz: what the server is, how it is configured and
// what it has done so far. Durations without a unit in their name are
// nanoseconds, timeouts named *_timeout are seconds, mem is bytes of resident
// memory, cpu is percent of one core.
type Varz struct {
	ID                 string      `json:"server_id"`
	Name               string      `json:"server_name"`
	Version            string      `json:"version"` // the nats-server version whose behaviour is offered
	Dunlin             string      `json:"dunlin,omitempty"`
	Proto              int         `json:"proto"`
	GitCommit          string      `json:"git_commit,omitempty"`
	GoVersion          string      `json:"go"`
	Host               string      `json:"host"`
	Port               int         `json:"port"`
	AuthRequired       bool        `json:"auth_required,omitempty"`
	TLSRequired        bool        `json:"tls_required,omitempty"`
	TLSVerify          bool        `json:"tls_verify,omitempty"`
	TLSOCSPPeerVerify  bool        `json:"tls_ocsp_peer_verify,omitempty"`
	IP                 string      `json:"ip,omitempty"`
	ClientConnectURLs  []string    `json:"connect_urls,omitempty"`
	WSConnectURLs      []string    `json:"ws_connect_urls,omitempty"`
	MaxConnections     int         `json:"max_connections"`
	MaxSubs            int         `json:"max_subscriptions,omitempty"`
	PingIntervalNanos  int64       `json:"ping_interval"`
	MaxPingsOut        int         `json:"ping_max"`
	HTTPHost           string      `json:"http_host"`
	HTTPPort           int         `json:"http_port"`
	HTTPBasePath       string      `json:"http_base_path"`
	HTTPSPort          int         `json:"https_port"`
	AuthTimeoutSeconds float64     `json:"auth_timeout"`
	MaxControlLine     int32       `json:"max_control_line"`
	MaxPayload         int         `json:"max_payload"`
	MaxPending         int64       `json:"max_pending"`
	Cluster            ClusterVarz `json:"cluster"`
	Gateway            Unserved    `json:"gateway"`
	LeafNode           Unserved    `json:"leaf"`
	MQTT               Unserved    `json:"mqtt"`
	Websocket          Unserved    `json:"websocket"`
	JetStream          Unserved    `json:"jetstream"`
	TLSTimeoutSeconds  float64     `json:"tls_timeout"`
	WriteDeadlineNanos int64       `json:"write_deadline"`
	WriteTimeout       string      `json:"write_timeout,omitempty"`
	Start              time.Time   `json:"start"`
	Now                time.Time   `json:"now"`
	Uptime             Age         `json:"uptime"`
	Mem                int64       `json:"mem"`
	Cores              int         `json:"cores"`
	MaxProcs           int         `json:"gomaxprocs"`
	MemLimit           int64       `json:"gomemlimit,omitempty"`
	CPU                float64     `json:"cpu"`
	Connections        int         `json:"connections"`
	TotalConnections   uint64      `json:"total_connections"`
	Routes             int         `json:"routes"`
	Remotes            int         `json:"remotes"`
	Leafs              int         `json:"leafnodes"`
	InMsgs             int64       `json:"in_msgs"`
	InBytes            int64       `json:"in_bytes"`
	InClientMsgs       int64       `json:"in_client_msgs"`
	InClientBytes      int64       `json:"in_client_bytes"`
	OutMsgs            int64       `json:"out_msgs"`
	OutBytes           int64       `json:"out_bytes"`
	OutClientMsgs      int64       `json:"out_client_msgs"`
	OutClientBytes     int64       `json:"out_client_bytes"`
	SlowConsumers      int64       `json:"slow_consumers"`
	StaleConnections   int64       `json:"stale_connections"`
	StalledClients     int64       `json:"stalled_clients"`
	Subscriptions      uint32      `json:"subscriptions"`
	HTTPReqStats       ReqStats    `json:"http_req_stats"`
	ConfigLoadTime     time.Time   `json:"config_load_time"`
	ConfigDigest       string      `json:"config_digest"`
	Tags               []string    `json:"tags,omitempty"`
	Metadata           TextMap     `json:"metadata,omitempty"`
	FeatureFlags       Flags       `json:"feature_flags,omitempty"`
	SystemAccount      string      `json:"system_account,omitempty"`
	PinnedAccountFails uint64      `json:"pinned_account_fails,omitempty"`
	SlowConsumerStats  KindStats   `json:"slow_consumer_stats"`
	StaleStats         KindStats   `json:"stale_connection_stats"`
	DiskIOWait         DiskIO      `json:"disk_io_wait_stats"`
	TLSCertNotAfter    time.Time   `json:"tls_cert_not_after,omitzero"`
}

// ReqStats counts answered requests by path.
type ReqStats = map[string]uint64

// TextMap holds the metadata an operator gave the server.
type TextMap = map[string]string

// Flags are the feature flags and whether they are on.
type Flags = map[string]bool

// Unserved stands for an area this server has no listener for. It is written
// as {}, as nats-server writes an area that is not configured.
type Unserved struct{}

// KindStats counts an event by the kind of the remote end.
type KindStats struct {
	Clients  uint64 `json:"clients"`
	Routes   uint64 `json:"routes"`
	Gateways uint64 `json:"gateways"`
	Leafs    uint64 `json:"leafs"`
}

// DiskIO counts waits for a turn to use the disk; times are nanoseconds.
type DiskIO struct {
	Waiters      int64 `json:"waiters"`
	Waits        int64 `json:"waits"`
	WaitNanos    int64 `json:"wait_time"`
	MaxWaitNanos int64 `json:"max_wait_time"`
}

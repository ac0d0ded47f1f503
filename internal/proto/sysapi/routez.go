package sysapi

import "time"

// Routez is the answer of /routez without its list, which is written item by
// item: with their subscriptions the routes may hold all interest of a cluster.
// Import and Export are nil if the cluster has no permissions.
type Routez struct {
	ID        string             `json:"server_id"`
	Name      string             `json:"server_name"`
	Now       time.Time          `json:"now"`
	Import    *SubjectPermission `json:"import,omitempty"`
	Export    *SubjectPermission `json:"export,omitempty"`
	NumRoutes int                `json:"num_routes"`
}

// RouteInfo is one connection to another server of the cluster. Account is
// that of a connection which carries a single account, "" for one of the pool.
type RouteInfo struct {
	Rid          uint64             `json:"rid"`
	RemoteID     string             `json:"remote_id"`
	RemoteName   string             `json:"remote_name"`
	DidSolicit   bool               `json:"did_solicit"`   // this side dialled
	IsConfigured bool               `json:"is_configured"` // the other side stands in cluster.routes
	IP           string             `json:"ip"`
	Port         int                `json:"port"`
	Start        time.Time          `json:"start"`
	LastActivity time.Time          `json:"last_activity"`
	RTT          RTT                `json:"rtt"`
	Uptime       Age                `json:"uptime"`
	Idle         Age                `json:"idle"`
	Import       *SubjectPermission `json:"import,omitempty"`
	Export       *SubjectPermission `json:"export,omitempty"`
	PendingBytes int64              `json:"pending_size"`
	InMsgs       int64              `json:"in_msgs"`
	OutMsgs      int64              `json:"out_msgs"`
	InBytes      int64              `json:"in_bytes"`
	OutBytes     int64              `json:"out_bytes"`
	NumSubs      uint32             `json:"subscriptions"`
	Subs         []string           `json:"subscriptions_list,omitempty"`
	SubsDetail   []SubDetail        `json:"subscriptions_list_detail,omitempty"`
	Account      string             `json:"account,omitempty"`
	Compression  string             `json:"compression,omitempty"`
	// PoolIndex is the place in the pool of connections to the same server;
	// nil for one that is in none.
	PoolIndex *int `json:"pool_index,omitempty"`
}

// SubjectPermission lists subjects that are let through and that are not.
type SubjectPermission struct {
	Allow []string `json:"allow,omitempty"`
	Deny  []string `json:"deny,omitempty"`
}

// ClusterVarz is how the server takes part in a cluster; the zero value is
// written as {}. Timeouts are seconds, the deadline is nanoseconds and left
// out, as WriteTimeout is, unless it was set for routes.
type ClusterVarz struct {
	Name               string    `json:"name,omitempty"`
	Host               string    `json:"addr,omitempty"`
	Port               int       `json:"cluster_port,omitempty"`
	AuthTimeoutSeconds float64   `json:"auth_timeout,omitempty"`
	URLs               []string  `json:"urls,omitempty"` // host:port of the configured routes
	TLSTimeoutSeconds  float64   `json:"tls_timeout,omitempty"`
	TLSRequired        bool      `json:"tls_required,omitempty"`
	TLSVerify          bool      `json:"tls_verify,omitempty"`
	PoolSize           int       `json:"pool_size,omitempty"`
	WriteDeadlineNanos int64     `json:"write_deadline,omitempty"`
	WriteTimeout       string    `json:"write_timeout,omitempty"`
	TLSCertNotAfter    time.Time `json:"tls_cert_not_after,omitzero"`
}

package sysapi

import "time"

// Accountz is the answer of /accountz: the names without acc=, one account's
// detail with it.
type Accountz struct {
	ID            string       `json:"server_id"`
	Now           time.Time    `json:"now"`
	SystemAccount string       `json:"system_account,omitempty"`
	Accounts      []string     `json:"accounts,omitempty"`
	Account       *AccountInfo `json:"account_detail,omitempty"`
}

// AccountInfo is what /accountz?acc= tells of one account.
type AccountInfo struct {
	Name        string               `json:"account_name"`
	UpdateTime  time.Time            `json:"update_time,omitzero"`
	IsSystem    bool                 `json:"is_system,omitempty"`
	Expired     bool                 `json:"expired"`
	Complete    bool                 `json:"complete"`
	JetStream   bool                 `json:"jetstream_enabled"`
	LeafCount   int                  `json:"leafnode_connections"`
	ClientCount int                  `json:"client_connections"`
	SubCount    uint32               `json:"subscriptions"`
	Mappings    map[string][]MapTo   `json:"mappings,omitempty"`
	Exports     []ExportInfo         `json:"exports,omitempty"`
	Imports     []ImportInfo         `json:"imports,omitempty"`
	JWT         string               `json:"jwt,omitempty"`
	IssuerKey   string               `json:"issuer_key,omitempty"`
	NameTag     string               `json:"name_tag,omitempty"`
	Tags        []string             `json:"tags,omitempty"`
	RevokedUser map[string]time.Time `json:"revoked_user,omitempty"`
	Sublist     *SublistStats        `json:"sublist_stats,omitempty"`
}

// MapTo is one destination of a subject mapping; Weight is percent.
type MapTo struct {
	Subject string `json:"subject"`
	Weight  uint8  `json:"weight"`
	Cluster string `json:"cluster,omitempty"`
}

// ExportInfo is one export of an account.
type ExportInfo struct {
	Subject      string `json:"subject"`
	Type         string `json:"type"` // "stream" or "service"
	ResponseType string `json:"response_type,omitempty"`
}

// ImportInfo is one import of an account.
type ImportInfo struct {
	Subject      string `json:"subject"`
	Account      string `json:"account"`
	To           string `json:"to,omitempty"`
	LocalSubject string `json:"local_subject,omitempty"`
	Type         string `json:"type"`
	Invalid      bool   `json:"invalid"`
	Share        bool   `json:"share"`
	Tracking     bool   `json:"tracking"`
}

// Accstatz is the answer of /accstatz.
type Accstatz struct {
	ID       string        `json:"server_id"`
	Now      time.Time     `json:"now"`
	Accounts []AccountStat `json:"account_statz"`
}

// AccountStat counts what an account did on this server. TotalConns is client
// and leaf node connections that are open now. Sent is what the server sent
// to the account's connections, Received what it took from them.
type AccountStat struct {
	Account       string    `json:"acc"`
	Name          string    `json:"name"`
	Conns         int       `json:"conns"`
	LeafNodes     int       `json:"leafnodes"`
	TotalConns    int       `json:"total_conns"`
	NumSubs       uint32    `json:"num_subscriptions"`
	Sent          DataStats `json:"sent"`
	Received      DataStats `json:"received"`
	SlowConsumers int64     `json:"slow_consumers"`
}

// MsgBytes counts messages and their bytes.
type MsgBytes struct {
	Msgs  int64 `json:"msgs"`
	Bytes int64 `json:"bytes"`
}

// DataStats counts messages in all, and how many of them went by servers.
type DataStats struct {
	MsgBytes
	Gateways MsgBytes `json:"gateways"`
	Routes   MsgBytes `json:"routes"`
	Leafs    MsgBytes `json:"leafs"`
}

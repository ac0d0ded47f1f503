package sysapi

import "time"

// Kinds and types of a connection as they stand in ConnInfo.
const (
	KindClient   = "Client"
	KindLeafnode = "Leafnode"

	TypeNATS      = "nats"
	TypeWebsocket = "websocket"
	TypeMQTT      = "mqtt"
)

// GlobalAccount is the account of those who were not put into another one.
// ConnInfo leaves it out of "account".
const GlobalAccount = "$G"

// Redacted stands for what identifies a client and is a secret at once, such
// as a token, where a user name would stand.
const Redacted = "[REDACTED]"

// Connz is the answer of /connz without its list: the list is written item by
// item, because it may hold every connection of the server.
type Connz struct {
	ID       string
	Now      time.Time
	NumConns int
	Total    int
	Offset   int
	Limit    int
}

// ConnInfo is one connection of /connz. Uptime and Idle end when it closed.
type ConnInfo struct {
	Cid            uint64        `json:"cid"`
	Kind           string        `json:"kind,omitempty"`
	Type           string        `json:"type,omitempty"`
	IP             string        `json:"ip"`
	Port           int           `json:"port"`
	Start          time.Time     `json:"start"`
	LastActivity   time.Time     `json:"last_activity"`
	Stop           *time.Time    `json:"stop,omitempty"`
	Reason         string        `json:"reason,omitempty"`
	RTT            RTT           `json:"rtt"`
	Uptime         Age           `json:"uptime"`
	Idle           Age           `json:"idle"`
	PendingBytes   int64         `json:"pending_bytes"`
	InMsgs         int64         `json:"in_msgs"`
	OutMsgs        int64         `json:"out_msgs"`
	InBytes        int64         `json:"in_bytes"`
	OutBytes       int64         `json:"out_bytes"`
	Stalls         int64         `json:"stalls,omitempty"`
	NumSubs        uint32        `json:"subscriptions"`
	Name           string        `json:"name,omitempty"`
	Lang           string        `json:"lang,omitempty"`
	Version        string        `json:"version,omitempty"`
	TLSVersion     string        `json:"tls_version,omitempty"`
	TLSCipher      string        `json:"tls_cipher_suite,omitempty"`
	TLSPeerCerts   []TLSPeerCert `json:"tls_peer_certs,omitempty"`
	TLSFirst       bool          `json:"tls_first,omitempty"`
	AuthorizedUser string        `json:"authorized_user,omitempty"`
	Account        string        `json:"account,omitempty"`
	Subs           []string      `json:"subscriptions_list,omitempty"`
	SubsDetail     []SubDetail   `json:"subscriptions_list_detail,omitempty"`
	JWT            string        `json:"jwt,omitempty"`
	IssuerKey      string        `json:"issuer_key,omitempty"`
	NameTag        string        `json:"name_tag,omitempty"`
	Tags           []string      `json:"tags,omitempty"`
	MQTTClient     string        `json:"mqtt_client,omitempty"`
}

// TLSPeerCert describes one certificate a client showed; hashes are lower-case
// hex of SHA-256.
type TLSPeerCert struct {
	Subject          string `json:"subject,omitempty"`
	SubjectPKISha256 string `json:"spki_sha256,omitempty"`
	CertSha256       string `json:"cert_sha256,omitempty"`
}

// SubDetail is one subscription, in /subsz and in /connz?subs=detail. Account
// and AccountTag are left out in lists that belong to a connection that is
// open. Max is the count after which it ends by itself, 0 for none.
type SubDetail struct {
	Account    string `json:"account,omitempty"`
	AccountTag string `json:"account_tag,omitempty"`
	Subject    string `json:"subject"`
	Queue      string `json:"qgroup,omitempty"`
	Sid        string `json:"sid"`
	Msgs       int64  `json:"msgs"`
	Max        int64  `json:"max,omitempty"`
	Cid        uint64 `json:"cid"`
}

package routewire

import (
	"encoding/json"
	"errors"

	"dunlin/internal/proto/wire"
)

// Info is what a server says of itself, or of another one, on a route. The
// order of the fields is the order on the wire.
type Info struct {
	ServerID       string    `json:"server_id"`
	ServerName     string    `json:"server_name"`
	Version        string    `json:"version"`
	Proto          int       `json:"proto"`
	GitCommit      string    `json:"git_commit,omitempty"`
	Go             string    `json:"go"`
	Host           string    `json:"host"`
	Port           int       `json:"port"`
	Headers        bool      `json:"headers"`
	AuthRequired   bool      `json:"auth_required,omitempty"`
	TLSRequired    bool      `json:"tls_required,omitempty"`
	TLSVerify      bool      `json:"tls_verify,omitempty"`
	MaxPayload     int32     `json:"max_payload"`
	JetStream      bool      `json:"jetstream,omitempty"`
	IP             string    `json:"ip,omitempty"`
	Nonce          string    `json:"nonce,omitempty"`
	Cluster        string    `json:"cluster,omitempty"`
	ClusterDynamic bool      `json:"cluster_dynamic,omitempty"`
	Domain         string    `json:"domain,omitempty"`
	ConnectURLs    []string  `json:"connect_urls,omitempty"`
	WSConnectURLs  []string  `json:"ws_connect_urls,omitempty"`
	LameDuckMode   bool      `json:"ldm,omitempty"`
	Compression    string    `json:"compression,omitempty"`
	Import         *Subjects `json:"import,omitempty"`
	Export         *Subjects `json:"export,omitempty"`
	LNOC           bool      `json:"lnoc,omitempty"`
	LNOCU          bool      `json:"lnocu,omitempty"`
	LN             bool      `json:"ln,omitempty"`
	InfoOnConnect  bool      `json:"info_on_connect,omitempty"`
	PoolSize       int       `json:"route_pool_size,omitempty"`
	PoolIdx        int       `json:"route_pool_idx,omitempty"`
	Account        string    `json:"route_account,omitempty"`
	AccAddReqID    string    `json:"route_acc_add_reqid,omitempty"`
	GossipMode     byte      `json:"gossip_mode,omitempty"`
	Gateway        string    `json:"gateway,omitempty"`
	GatewayURL     string    `json:"gateway_url,omitempty"`
	LeafNodeURLs   []string  `json:"leafnode_urls,omitempty"`
	Dunlin         string    `json:"dunlin,omitempty"`       // Dunlin's own version
	DunlinLanes    bool      `json:"dunlin_lanes,omitempty"` // divides interest and messages by lane
}

// Subjects are those that permissions allow and deny; none allowed means all.
type Subjects struct {
	Allow []string `json:"allow,omitempty"`
	Deny  []string `json:"deny,omitempty"`
}

// Connect is what the server that has dialed says first.
type Connect struct {
	Echo           bool   `json:"echo"`
	Verbose        bool   `json:"verbose"`
	Pedantic       bool   `json:"pedantic"`
	User           string `json:"user,omitempty"`
	Pass           string `json:"pass,omitempty"`
	TLSRequired    bool   `json:"tls_required"`
	Headers        bool   `json:"headers"`
	Name           string `json:"name"` // the server's id
	Cluster        string `json:"cluster"`
	ClusterDynamic bool   `json:"cluster_dynamic,omitempty"`
	LNOC           bool   `json:"lnoc,omitempty"`
	LN             bool   `json:"ln,omitempty"`
	Gateway        string `json:"gateway,omitempty"`

	Lang string `json:"lang,omitempty"` // clients say it, servers do not
}

// ParseInfo reads the argument of INFO. Unknown fields are ignored. The error
// is a *wire.Error.
func ParseInfo(arg []byte) (*Info, error) {
	info := new(Info)
	if err := decode(arg, info); err != nil {
		return nil, &wire.Error{Detail: "INFO: " + err.Error()}
	}
	return info, nil
}

// ParseConnect reads the argument of CONNECT. The error is a *wire.Error.
func ParseConnect(arg []byte) (*Connect, error) {
	c := new(Connect)
	if err := decode(arg, c); err != nil {
		return nil, &wire.Error{Detail: "CONNECT: " + err.Error()}
	}
	return c, nil
}

func decode(arg []byte, into any) error {
	if len(arg) == 0 || arg[0] != '{' {
		return errors.New("the argument is not a JSON object")
	}
	return wire.DecodeJSON(arg, into)
}

// AppendInfo writes the INFO line, with the blank before the line end that
// nats-server writes too.
func AppendInfo(dst []byte, info *Info) []byte { return appendJSON(dst, "INFO ", info, " \r\n") }

// AppendConnect writes the CONNECT line.
func AppendConnect(dst []byte, c *Connect) []byte { return appendJSON(dst, "CONNECT ", c, "\r\n") }

func appendJSON(dst []byte, verb string, v any, end string) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, numbers and truth values only
	}
	dst = append(append(dst, verb...), body...)
	return append(dst, end...)
}

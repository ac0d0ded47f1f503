package routewire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

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
	RoutePoolSize  int       `json:"route_pool_size,omitempty"`
	RoutePoolIdx   int       `json:"route_pool_idx,omitempty"`
	RouteAccount   string    `json:"route_account,omitempty"`
	RouteAccReqID  string    `json:"route_acc_add_reqid,omitempty"`
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

// ErrJSON begins the complaint about INFO or CONNECT that is no JSON object.
var ErrJSON = errors.New("the argument is not a JSON object of the expected form")

// ParseInfo reads the argument of INFO. Unknown fields are ignored.
func ParseInfo(arg []byte) (*Info, error) {
	info := new(Info)
	if err := parse(arg, info); err != nil {
		return nil, fmt.Errorf("INFO: %w", err)
	}
	return info, nil
}

// ParseConnect reads the argument of CONNECT.
func ParseConnect(arg []byte) (*Connect, error) {
	c := new(Connect)
	if err := parse(arg, c); err != nil {
		return nil, fmt.Errorf("CONNECT: %w", err)
	}
	return c, nil
}

func parse(arg []byte, into any) error {
	if len(arg) == 0 || arg[0] != '{' {
		return ErrJSON
	}
	dec := json.NewDecoder(bytes.NewReader(arg))
	if err := dec.Decode(into); err != nil {
		return errors.Join(ErrJSON, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.Join(ErrJSON, errors.New("text follows it"))
	}
	return nil
}

// AppendInfo writes the INFO line, with the blank before the line end that
// nats-server writes too.
func AppendInfo(dst []byte, info *Info) ([]byte, error) {
	return appendJSON(dst, "INFO ", info, " \r\n")
}

// AppendConnect writes the CONNECT line.
func AppendConnect(dst []byte, c *Connect) ([]byte, error) {
	return appendJSON(dst, "CONNECT ", c, "\r\n")
}

func appendJSON(dst []byte, verb string, v any, end string) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return dst, err
	}
	dst = append(append(dst, verb...), body...)
	return append(dst, end...), nil
}

// AppendInterest writes RS+, or RS- for a weight of 0. account is "" on a
// connection of its own; queue is "" for plain interest.
func AppendInterest(dst []byte, account, subject, queue string, weight int32) []byte {
	if weight > 0 {
		dst = append(dst, "RS+ "...)
	} else {
		dst = append(dst, "RS- "...)
	}
	if account != "" {
		dst = append(append(dst, account...), ' ')
	}
	dst = append(dst, subject...)
	if queue != "" {
		dst = append(append(dst, ' '), queue...)
		if weight > 0 {
			dst = strconv.AppendInt(append(dst, ' '), int64(weight), 10)
		}
	}
	return append(dst, "\r\n"...)
}

// InterestSize is the most that AppendInterest adds.
func InterestSize(account, subject, queue string) int {
	return len("RS+ ") + len(account) + 1 + len(subject) + 1 + len(queue) + 1 + 10 + 2
}

// AppendErr writes -ERR 'text'.
func AppendErr(dst []byte, text string) []byte { return wire.AppendErr(dst, text) }

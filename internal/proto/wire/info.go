package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// Info is what a server says of itself. The order of the fields is the order
// on the wire.
type Info struct {
	ServerID       string   `json:"server_id"`
	ServerName     string   `json:"server_name"`
	Version        string   `json:"version"`
	Proto          int      `json:"proto"`
	GitCommit      string   `json:"git_commit,omitempty"`
	Go             string   `json:"go"`
	Host           string   `json:"host"`
	Port           int      `json:"port"`
	Headers        bool     `json:"headers"`
	AuthRequired   bool     `json:"auth_required,omitempty"`
	TLSRequired    bool     `json:"tls_required,omitempty"`
	TLSVerify      bool     `json:"tls_verify,omitempty"`
	TLSAvailable   bool     `json:"tls_available,omitempty"`
	MaxPayload     int32    `json:"max_payload"`
	JetStream      bool     `json:"jetstream,omitempty"`
	ClientID       uint64   `json:"client_id,omitempty"`
	ClientIP       string   `json:"client_ip,omitempty"`
	Nonce          string   `json:"nonce,omitempty"`
	Cluster        string   `json:"cluster,omitempty"`
	ClusterDynamic bool     `json:"cluster_dynamic,omitempty"`
	Domain         string   `json:"domain,omitempty"`
	ConnectURLs    []string `json:"connect_urls,omitempty"`
	WSConnectURLs  []string `json:"ws_connect_urls,omitempty"`
	LameDuckMode   bool     `json:"ldm,omitempty"`
	ConnectInfo    bool     `json:"connect_info,omitempty"`
	RemoteAccount  string   `json:"remote_account,omitempty"`
	IsSystem       bool     `json:"acc_is_sys,omitempty"`
	APILevel       int      `json:"api_lvl,omitempty"`
	XKey           string   `json:"xkey,omitempty"`
	Dunlin         string   `json:"dunlin,omitempty"` // Dunlin's own version
}

// AppendInfo writes the INFO line, with the blank before the line end that
// nats-server writes too.
func AppendInfo(dst []byte, info *Info) ([]byte, error) {
	body, err := json.Marshal(info)
	if err != nil {
		return dst, err
	}
	dst = append(dst, "INFO "...)
	dst = append(dst, body...)
	return append(dst, " \r\n"...), nil
}

// Connect is what a client says of itself.
type Connect struct {
	Verbose      bool   `json:"verbose"`
	Pedantic     bool   `json:"pedantic"`
	Echo         bool   `json:"echo"`
	TLSRequired  bool   `json:"tls_required"`
	Nkey         string `json:"nkey"`
	JWT          string `json:"jwt"`
	Sig          string `json:"sig"`
	Token        string `json:"auth_token"`
	User         string `json:"user"`
	Pass         string `json:"pass"`
	Name         string `json:"name"`
	Lang         string `json:"lang"`
	Version      string `json:"version"`
	Protocol     int    `json:"protocol"`
	Headers      bool   `json:"headers"`
	NoResponders bool   `json:"no_responders"`
	ProxySig     string `json:"proxy_sig"`
	Account      string `json:"account"`
	NewAccount   bool   `json:"new_account"`
	Gateway      string `json:"gateway"`
}

// DefaultConnect is in force for a client that never sends CONNECT, and gives
// the value of each field that its CONNECT leaves out.
func DefaultConnect() Connect { return Connect{Verbose: true, Pedantic: true, Echo: true} }

// ParseConnect reads the argument of CONNECT over c: what it does not name
// stays as it was, so a second CONNECT only changes what it says. Unknown
// fields are ignored, null changes nothing, anything after the value is an
// error.
func ParseConnect(arg []byte, c Connect) (Connect, error) {
	if err := DecodeJSON(arg, &c); err != nil {
		return c, errors.Join(ErrConnect, err)
	}
	return c, nil
}

// DecodeJSON reads the one JSON value that arg is into what into points at.
func DecodeJSON(arg []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(arg))
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("text follows the JSON value")
	}
	return nil
}

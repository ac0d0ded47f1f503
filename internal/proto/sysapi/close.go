package sysapi

// CloseReason says why a connection ended. Its text stands in
// /connz?state=closed and in disconnect events, and tools match on it.
type CloseReason uint8

// The reasons, in the order of their texts below. NotClosed is the zero value.
const (
	NotClosed CloseReason = iota
	ClientClosed
	AuthenticationTimeout
	AuthenticationViolation
	TLSHandshakeError
	SlowConsumerPendingBytes
	SlowConsumerWriteDeadline
	WriteError
	ReadError
	ParseError
	StaleConnection
	ProtocolViolation
	BadClientProtocolVersion
	WrongPort
	MaxConnectionsExceeded
	MaxAccountConnectionsExceeded
	MaxPayloadExceeded
	MaxControlLineExceeded
	MaxSubscriptionsExceeded
	DuplicateRoute
	RouteRemoved
	ServerShutdown
	AuthenticationExpired
	WrongGateway
	MissingAccount
	Revocation
	InternalClient
	MsgHeaderViolation
	NoRespondersRequiresHeaders
	ClusterNameConflict
	DuplicateRemoteLeafnodeConnection
	DuplicateClientID
	DuplicateServerName
	MinimumVersionRequired
	ClusterNamesIdentical
	Kicked
	ProxyNotTrusted
	ProxyRequired
	closeReasons // how many there are
)

var closeText = [closeReasons]string{
	NotClosed:                         "",
	ClientClosed:                      "Client Closed",
	AuthenticationTimeout:             "Authentication Timeout",
	AuthenticationViolation:           "Authentication Failure",
	TLSHandshakeError:                 "TLS Handshake Failure",
	SlowConsumerPendingBytes:          "Slow Consumer (Pending Bytes)",
	SlowConsumerWriteDeadline:         "Slow Consumer (Write Deadline)",
	WriteError:                        "Write Error",
	ReadError:                         "Read Error",
	ParseError:                        "Parse Error",
	StaleConnection:                   "Stale Connection",
	ProtocolViolation:                 "Protocol Violation",
	BadClientProtocolVersion:          "Bad Client Protocol Version",
	WrongPort:                         "Incorrect Port",
	MaxConnectionsExceeded:            "Maximum Connections Exceeded",
	MaxAccountConnectionsExceeded:     "Maximum Account Connections Exceeded",
	MaxPayloadExceeded:                "Maximum Message Payload Exceeded",
	MaxControlLineExceeded:            "Maximum Control Line Exceeded",
	MaxSubscriptionsExceeded:          "Maximum Subscriptions Exceeded",
	DuplicateRoute:                    "Duplicate Route",
	RouteRemoved:                      "Route Removed",
	ServerShutdown:                    "Server Shutdown",
	AuthenticationExpired:             "Authentication Expired",
	WrongGateway:                      "Wrong Gateway",
	MissingAccount:                    "Missing Account",
	Revocation:                        "Credentials Revoked",
	InternalClient:                    "Internal Client",
	MsgHeaderViolation:                "Message Header Violation",
	NoRespondersRequiresHeaders:       "No Responders Requires Headers",
	ClusterNameConflict:               "Cluster Name Conflict",
	DuplicateRemoteLeafnodeConnection: "Duplicate Remote LeafNode Connection",
	DuplicateClientID:                 "Duplicate Client ID",
	DuplicateServerName:               "Duplicate Server Name",
	MinimumVersionRequired:            "Minimum Version Required",
	ClusterNamesIdentical:             "Cluster Names Identical",
	Kicked:                            "Kicked",
	ProxyNotTrusted:                   "Proxy Not Trusted",
	ProxyRequired:                     "Proxy Required",
}

// String is the text monitoring shows; "" for NotClosed and "Unknown State"
// for a value that is none of the reasons.
func (r CloseReason) String() string {
	if r >= closeReasons {
		return "Unknown State"
	}
	return closeText[r]
}

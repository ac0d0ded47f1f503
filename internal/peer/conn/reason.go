package conn

// Reason says why a connection ended, in the words monitoring shows.
type Reason string

// The reasons, as nats-server names them.
const (
	ClientClosed       Reason = "Client Closed"
	AuthTimeout        Reason = "Authentication Timeout"
	AuthFailure        Reason = "Authentication Failure"
	TLSHandshake       Reason = "TLS Handshake Failure"
	SlowPending        Reason = "Slow Consumer (Pending Bytes)"
	SlowDeadline       Reason = "Slow Consumer (Write Deadline)"
	WriteError         Reason = "Write Error"
	ReadError          Reason = "Read Error"
	ParseError         Reason = "Parse Error"
	StaleConnection    Reason = "Stale Connection"
	ProtocolViolation  Reason = "Protocol Violation"
	BadClientProtocol  Reason = "Bad Client Protocol Version"
	WrongPort          Reason = "Incorrect Port"
	MaxConnections     Reason = "Maximum Connections Exceeded"
	MaxAccConnections  Reason = "Maximum Account Connections Exceeded"
	MaxPayload         Reason = "Maximum Message Payload Exceeded"
	MaxControlLine     Reason = "Maximum Control Line Exceeded"
	MaxSubscriptions   Reason = "Maximum Subscriptions Exceeded"
	ServerShutdown     Reason = "Server Shutdown"
	AuthExpired        Reason = "Authentication Expired"
	MissingAccount     Reason = "Missing Account"
	Revoked            Reason = "Credentials Revoked"
	HeaderViolation    Reason = "Message Header Violation"
	NoRespondersHeader Reason = "No Responders Requires Headers"
	Kicked             Reason = "Kicked"
	ProxyNotTrusted    Reason = "Proxy Not Trusted"
	ProxyRequired      Reason = "Proxy Required"
)

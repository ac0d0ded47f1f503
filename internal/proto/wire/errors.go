package wire

// Error is a mistake of the peer that ends its connection.
type Error struct {
	// Text goes into -ERR; "" closes without a word, as nats-server does for
	// bad arguments.
	Text string
	// Detail is for the log.
	Detail string
}

func (e *Error) Error() string {
	if e.Text == "" {
		return e.Detail
	}
	if e.Detail == "" {
		return e.Text
	}
	return e.Text + ": " + e.Detail
}

// What a Parser can complain of.
var (
	ErrUnknownOp = &Error{Text: "Unknown Protocol Operation"}
	// ErrPayloadEnd: Msg.Subject of the parser is still that of the line before.
	ErrPayloadEnd  = &Error{Text: "Unknown Protocol Operation", Detail: "the payload does not end where the line before it says"}
	ErrControlLine = &Error{Text: "maximum control line exceeded"}
	ErrMaxPayload  = &Error{Text: "Maximum Payload Violation"}

	ErrPubArgs   = &Error{Detail: "PUB needs a subject, perhaps a reply subject, and a size"}
	ErrHPubArgs  = &Error{Detail: "HPUB needs a subject, perhaps a reply subject, a header size and a total size not below it"}
	ErrSubArgs   = &Error{Detail: "SUB needs a subject, perhaps a queue name, and a sid"}
	ErrUnsubArgs = &Error{Detail: "UNSUB needs a sid and perhaps a maximum"}
	ErrConnect   = &Error{Detail: "the argument of CONNECT is not the JSON object it should be"}
	ErrInfo      = &Error{Detail: "the argument of INFO is not a JSON object"}
	ErrPeer      = &Error{Detail: "the peer sent -ERR"}
	ErrNoHeaders = &Error{Detail: "HPUB from a client that did not announce headers"}
)

// Texts of -ERR that are not the parser's.
const (
	TextAuthViolation     = "Authorization Violation"
	TextAuthTimeout       = "Authentication Timeout"
	TextClientProtocol    = "invalid client protocol"
	TextNoRespHeaders     = "no responders requires headers support"
	TextMaxConnections    = "maximum connections exceeded"
	TextMaxAccConnections = "maximum account active connections exceeded"
	TextMaxSubs           = "maximum subscriptions exceeded"
	TextInvalidSubject    = "Invalid Subject"
	TextInvalidPubSubject = "Invalid Publish Subject"
	TextStale             = "Stale Connection"
	TextThrottled         = "Connection throttling is active. Please try again later."
	TextAccountFailed     = "Failed Account Registration"
)

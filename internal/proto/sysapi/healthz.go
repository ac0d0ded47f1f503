package sysapi

// Statuses of Healthz.
const (
	HealthOK          = "ok"
	HealthError       = "error"
	HealthUnavailable = "unavailable"
)

// Types of HealthError.
const (
	HealthConnection = "CONNECTION"
	HealthBadRequest = "BAD_REQUEST"
)

// Healthz is the answer of /healthz: Error without details asked for, Errors
// with. StatusCode is the HTTP status and is not in the body.
type Healthz struct {
	Status     string        `json:"status"`
	StatusCode int           `json:"-"`
	Error      string        `json:"error,omitempty"`
	Errors     []HealthFault `json:"errors,omitempty"`
}

// HealthFault is one thing that is not well.
type HealthFault struct {
	Type     string `json:"type"`
	Account  string `json:"account,omitempty"`
	Stream   string `json:"stream,omitempty"`
	Consumer string `json:"consumer,omitempty"`
	Error    string `json:"error,omitempty"`
}

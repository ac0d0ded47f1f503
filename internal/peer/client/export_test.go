package client

// Redact is what a trace shows of a line with CONNECT.
var Redact = redact

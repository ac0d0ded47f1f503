package perm

import "time"

// Subjects lists subject patterns that are allowed and denied. In a subscribe
// list an entry may be "subject queue": it then applies to queue subscriptions
// whose queue name matches the second word, which may hold wildcards. A nil Allow means
// that everything is allowed that Deny does not name; an empty non-nil Allow
// allows nothing.
type Subjects struct {
	Allow []string
	Deny  []string
}

// Responses lets a user answer requests: a message delivered with a reply
// subject opens that subject for publishing, MaxMsgs times, until Expires has
// passed. Values <= 0 mean no limit of that kind (as in nats-server, -1).
type Responses struct {
	MaxMsgs int
	Expires time.Duration
}

// Permissions is what a configuration says of one user. A nil field does not
// restrict.
type Permissions struct {
	Publish   *Subjects
	Subscribe *Subjects
	Responses *Responses
}

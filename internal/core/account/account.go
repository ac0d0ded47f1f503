package account

import (
	"sync/atomic"

	"dunlin/internal/core/interest"
	"dunlin/internal/core/mapping"
	"dunlin/internal/core/sublist"
)

// Global and System are the names of the accounts that exist without being
// declared.
const (
	Global = "$G"
	System = "$SYS"
)

// Limits of one account; 0 = none.
type Limits struct {
	MaxConnections   int64
	MaxSubscriptions int64
	MaxPayload       int64
}

// Account is one tenant.
type Account struct {
	Name     string
	IsSystem bool
	Subs     sublist.Table
	// Interest is what other servers are told of Subs; nil if there are none.
	Interest *interest.Ledger

	mappings atomic.Pointer[mapping.Table]
	limits   atomic.Pointer[Limits]
	conns    atomic.Int64

	// What connections counted that have left, and events.
	inMsgs, inBytes, outMsgs, outBytes, slow atomic.Int64
	// Gone tells that the configuration does not name it any more.
	gone atomic.Bool
}

// New makes an account without mappings or limits.
func New(name string) *Account {
	a := &Account{Name: name}
	a.limits.Store(&Limits{})
	return a
}

// Mappings are the subject mappings in force, nil if there are none.
func (a *Account) Mappings() *mapping.Table { return a.mappings.Load() }

// SetMappings replaces the mappings; nil means none.
func (a *Account) SetMappings(t *mapping.Table) { a.mappings.Store(t) }

// Limits in force; never nil.
func (a *Account) Limits() *Limits { return a.limits.Load() }

// SetLimits replaces the limits.
func (a *Account) SetLimits(l Limits) { a.limits.Store(&l) }

// Join binds one more connection; false if the limit is reached.
func (a *Account) Join() bool {
	n := a.conns.Add(1)
	if max := a.Limits().MaxConnections; max > 0 && n > max {
		a.conns.Add(-1)
		return false
	}
	return true
}

// Leave undoes Join.
func (a *Account) Leave() { a.conns.Add(-1) }

// Fold adds what a connection counted while it was bound; it leaves now.
func (a *Account) Fold(inMsgs, inBytes, outMsgs, outBytes int64) {
	a.inMsgs.Add(inMsgs)
	a.inBytes.Add(inBytes)
	a.outMsgs.Add(outMsgs)
	a.outBytes.Add(outBytes)
}

// Folded is what connections counted that have left.
func (a *Account) Folded() (inMsgs, inBytes, outMsgs, outBytes int64) {
	return a.inMsgs.Load(), a.inBytes.Load(), a.outMsgs.Load(), a.outBytes.Load()
}

// AddSlow counts a slow consumer.
func (a *Account) AddSlow() { a.slow.Add(1) }

// Slow is how many slow consumers there were.
func (a *Account) Slow() int64 { return a.slow.Load() }

// Connections is how many are bound.
func (a *Account) Connections() int64 { return a.conns.Load() }

// SetGone tells whether the configuration still names the account.
func (a *Account) SetGone(gone bool) { a.gone.Store(gone) }

// Gone reports whether the configuration has dropped the account.
func (a *Account) Gone() bool { return a.gone.Load() }

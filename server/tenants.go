package server

import (
	"sync"

	"dunlin/internal/core/account"
	"dunlin/internal/core/interest"
)

// tenants holds the accounts by name. An account that the configuration drops
// stays in memory for whoever is still bound to it, but cannot be joined.
type tenants struct {
	mu     sync.RWMutex
	byName map[string]*account.Account
	// clustered: other servers are told what the accounts want.
	clustered bool
}

func (t *tenants) get(name string) *account.Account {
	if name == "" {
		name = account.Global
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if a := t.byName[name]; a != nil && !a.Gone() {
		return a
	}
	return nil
}

// ensure returns the account of that name, made if need be. Which account is
// the system's does not change while the server runs.
func (t *tenants) ensure(name string, system bool) *account.Account {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byName == nil {
		t.byName = make(map[string]*account.Account)
	}
	a := t.byName[name]
	if a == nil {
		a = account.New(name)
		a.IsSystem = system
		if t.clustered {
			a.Interest = new(interest.Ledger)
		}
		t.byName[name] = a
	}
	a.SetGone(false)
	return a
}

// keep marks every account that is not in names as gone.
func (t *tenants) keep(names map[string]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, a := range t.byName {
		if !names[name] {
			a.SetGone(true)
		}
	}
}

func (t *tenants) all() []*account.Account {
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make([]*account.Account, 0, len(t.byName))
	for _, a := range t.byName {
		if !a.Gone() {
			list = append(list, a)
		}
	}
	return list
}

package account_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"dunlin/internal/core/account"
	"dunlin/internal/core/mapping"
	"dunlin/internal/core/sublist"
)

func TestJoinAndLeave(t *testing.T) {
	a := account.New("A")
	for range 100 {
		if !a.Join() {
			t.Fatal("refused without a limit")
		}
	}
	a.SetLimits(account.Limits{MaxConnections: 101})
	if !a.Join() || a.Join() {
		t.Error("the limit of 101 does not hold")
	}
	if n := a.Connections(); n != 101 {
		t.Errorf("%d connections, want 101: one that was refused counts", n)
	}
	a.SetLimits(account.Limits{MaxConnections: 50}) // those that are there stay
	if a.Join() || a.Connections() != 101 {
		t.Errorf("%d connections after the limit was lowered, want 101", a.Connections())
	}
	for range 52 {
		a.Leave()
	}
	if !a.Join() || a.Join() {
		t.Error("the limit of 50 does not hold")
	}
}

// TestJoinAtOnce: however many come at once, no more than the limit are in,
// and refused ones leave nothing behind.
func TestJoinAtOnce(t *testing.T) {
	const limit, comers = 5, 16
	a := account.New("A")
	a.SetLimits(account.Limits{MaxConnections: limit})
	var in, most, joined atomic.Int64
	var all sync.WaitGroup
	for range comers {
		all.Go(func() {
			for range 2000 {
				if !a.Join() {
					continue
				}
				joined.Add(1)
				n := in.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				in.Add(-1)
				a.Leave()
			}
		})
	}
	all.Wait()
	if most.Load() > limit || joined.Load() == 0 {
		t.Errorf("%d in at once, %d joined, limit %d", most.Load(), joined.Load(), limit)
	}
	if n := a.Connections(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

// TestRulesChangeUnderReaders: whoever asks gets one whole set of rules.
func TestRulesChangeUnderReaders(t *testing.T) {
	a := account.New("A")
	if a.Mappings() != nil || *a.Limits() != (account.Limits{}) || a.Gone() || a.IsSystem {
		t.Error("a new account has rules")
	}
	table, err := mapping.Compile([]mapping.Rule{{Source: "a", Destinations: []mapping.Destination{{Subject: "b", Weight: 100}}}})
	if err != nil {
		t.Fatal(err)
	}
	var stop atomic.Bool
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for !stop.Load() {
				if l := a.Limits(); l.MaxConnections != l.MaxPayload || l.MaxPayload != l.MaxSubscriptions {
					t.Errorf("limits of two generations: %+v", *l)
					return
				}
				if m := a.Mappings(); m != nil && m != table {
					t.Error("mappings that nobody has set")
					return
				}
			}
		})
	}
	for i := range int64(2000) {
		a.SetLimits(account.Limits{MaxConnections: i, MaxPayload: i, MaxSubscriptions: i})
		a.SetMappings([]*mapping.Table{table, nil}[i%2])
		a.SetGone(i%2 == 0)
	}
	stop.Store(true)
	all.Wait()
	if a.Gone() {
		t.Error("Gone after SetGone(false)")
	}
}

// TestTenantsAreApart: interest of one account is not the other's.
func TestTenantsAreApart(t *testing.T) {
	a, b := account.New("A"), account.New("B")
	a.Subs.Insert(sublist.NewSub(nil, []byte(">"), nil, []byte("1")))
	var r sublist.Result
	if b.Subs.Match([]byte("x"), &r); !r.Empty() {
		t.Error("a subscription of A is seen in B")
	}
	if a.Subs.Match([]byte("x"), &r); r.Empty() {
		t.Error("a subscription of A is not seen in A")
	}
}

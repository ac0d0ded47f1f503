package monitor

import (
	"iter"
	"slices"
	"sync"

	"dunlin/internal/proto/sysapi"
)

// fake is a Source whose whole state is laid out by a test.
type fake struct {
	mu       sync.Mutex
	varz     sysapi.Varz
	health   error
	conns    map[uint64]Conn
	connSubs map[uint64][]Sub
	ring     *Ring
	subs     []Sub // of all accounts
	sublists map[string]sysapi.SublistStats
	accounts map[string]sysapi.AccountInfo
	stats    map[string]sysapi.AccountStat

	routes           []sysapi.RouteInfo
	routeSubs        map[uint64][]Sub
	imports, exports *sysapi.SubjectPermission
}

func newFake() *fake {
	return &fake{conns: map[uint64]Conn{}, connSubs: map[uint64][]Sub{}, ring: NewRing(100),
		sublists: map[string]sysapi.SublistStats{}, accounts: map[string]sysapi.AccountInfo{},
		stats: map[string]sysapi.AccountStat{}}
}

func (f *fake) ID() string            { return f.varz.ID }
func (f *fake) Varz(v *sysapi.Varz)   { *v = f.varz }
func (f *fake) Health() error         { return f.health }
func (f *fake) Closed() *Ring         { return f.ring }
func (f *fake) SystemAccount() string { return f.varz.SystemAccount }

func (f *fake) ConnIDs(dst []uint64) []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id := range f.conns {
		dst = append(dst, id)
	}
	return dst
}

func (f *fake) Conn(id uint64, c *Conn) (ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*c, ok = f.conns[id]
	return ok
}

var batchPool = sync.Pool{New: func() any { return new([BatchMax]Sub) }}

// batches yields the same memory again and again, as a Source may.
func batches(subs []Sub) iter.Seq[[]Sub] {
	return func(yield func([]Sub) bool) {
		batch := batchPool.Get().(*[BatchMax]Sub)
		defer batchPool.Put(batch)
		for part := range slices.Chunk(subs, BatchMax) {
			if !yield(batch[:copy(batch[:], part)]) {
				return
			}
		}
	}
}

func (f *fake) ConnSubs(id uint64) iter.Seq[[]Sub] { return batches(f.connSubs[id]) }

func (f *fake) Subscriptions(account string) iter.Seq[[]Sub] {
	if account == "" {
		return batches(f.subs)
	}
	var of []Sub
	for _, s := range f.subs {
		if s.Account == account {
			of = append(of, s)
		}
	}
	return batches(of)
}

func (f *fake) Sublist(account string) sysapi.SublistStats { return f.sublists[account] }

func (f *fake) Routes() []sysapi.RouteInfo { return slices.Clone(f.routes) }

func (f *fake) RouteSubs(id uint64) iter.Seq[[]Sub] { return batches(f.routeSubs[id]) }

func (f *fake) RoutePermissions() (imports, exports *sysapi.SubjectPermission) {
	return f.imports, f.exports
}

func (f *fake) Accounts() []string {
	var names []string
	for name := range f.accounts {
		names = append(names, name)
	}
	return names
}

func (f *fake) Account(name string) (sysapi.AccountInfo, bool) {
	info, ok := f.accounts[name]
	return info, ok
}

func (f *fake) AccountStat(name string, s *sysapi.AccountStat) (ok bool) {
	*s, ok = f.stats[name]
	return ok
}

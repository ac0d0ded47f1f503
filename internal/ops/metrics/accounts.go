package metrics

import (
	"cmp"
	"slices"
	"strconv"

	"dunlin/internal/proto/sysapi"
)

// other is the label of the accounts without a series of their own. No account
// of a configuration is likely to be called so; one that is counts there too.
const other = "_other"

// counts are the counters of an account.
type counts struct{ inMsgs, outMsgs, inBytes, outBytes, slow int64 }

func (c *counts) add(d counts) {
	c.inMsgs += d.inMsgs
	c.outMsgs += d.outMsgs
	c.inBytes += d.inBytes
	c.outBytes += d.outBytes
	c.slow += d.slow
}

// since is what was counted after before. A counter that is smaller than it
// was belongs to an account that went away and came again: it began at 0.
func (c counts) since(before counts) counts {
	grown := func(now, then int64) int64 {
		if now < then {
			return now
		}
		return now - then
	}
	return counts{grown(c.inMsgs, before.inMsgs), grown(c.outMsgs, before.outMsgs), grown(c.inBytes, before.inBytes),
		grown(c.outBytes, before.outBytes), grown(c.slow, before.slow)}
}

// row is one account's series.
type row struct {
	name               string
	conns, leafs, subs int64
	counts
}

// chooser decides which accounts have series of their own. An account that was
// chosen stays until it is gone: if the busiest were chosen anew at each
// scrape, series would come and go, and "_other" would jump back and forth. A
// free place goes to the busiest of the rest.
//
// The accounts of "_other" are summed by what they grew, so that one that is
// chosen later or deleted takes nothing away again.
type chooser struct {
	max    int
	own    map[string]bool
	seen   map[string]counts // of the accounts in other, at the last scrape
	summed counts            // what other has counted so far
}

func newChooser(max int) chooser {
	return chooser{max: max, own: map[string]bool{}, seen: map[string]counts{}}
}

// scrape reads all accounts and returns the rows to show, sorted by name with
// other at the end if there is or was anything in it, and how many accounts
// there are.
func (c *chooser) scrape(source Source) (rows []row, accounts int) {
	all := readAccounts(source)
	here := make(map[string]bool, len(all))
	for i := range all {
		here[all[i].name] = true
	}
	for name := range c.own {
		if !here[name] {
			delete(c.own, name)
		}
	}
	c.fill(all)

	rest := row{name: other}
	seen := make(map[string]counts, max(len(all)-len(c.own), 0))
	for _, r := range all {
		if c.own[r.name] {
			rows = append(rows, r)
			continue
		}
		rest.conns += r.conns
		rest.leafs += r.leafs
		rest.subs += r.subs
		c.summed.add(r.since(c.seen[r.name]))
		seen[r.name] = r.counts
	}
	c.seen = seen
	for i := range rows {
		rows[i].name = label(rows[i].name)
	}
	rows = distinct(rows)
	if len(seen) > 0 || c.summed != (counts{}) {
		rest.counts = c.summed
		rows = append(rows, rest)
	}
	return rows, len(all)
}

// fill gives free places to the accounts that moved the most messages.
func (c *chooser) fill(all []row) {
	free := c.max - len(c.own)
	if free <= 0 || len(all) == len(c.own) {
		return
	}
	waiting := make([]*row, 0, len(all))
	for i := range all {
		if !c.own[all[i].name] && all[i].name != other {
			waiting = append(waiting, &all[i])
		}
	}
	slices.SortFunc(waiting, func(a, b *row) int {
		return cmp.Or(cmp.Compare(b.inMsgs+b.outMsgs, a.inMsgs+a.outMsgs), cmp.Compare(a.name, b.name))
	})
	for _, r := range waiting[:min(free, len(waiting))] {
		c.own[r.name] = true
	}
}

func readAccounts(source Source) []row {
	names := source.Accounts()
	slices.Sort(names)
	rows := make([]row, 0, len(names))
	for _, name := range slices.Compact(names) {
		var s sysapi.AccountStat
		if !source.AccountStat(name, &s) {
			continue // deleted since it was listed
		}
		rows = append(rows, row{name: name, conns: int64(s.Conns), leafs: int64(s.LeafNodes), subs: int64(s.NumSubs),
			counts: counts{s.Received.Msgs, s.Sent.Msgs, s.Received.Bytes, s.Sent.Bytes, s.SlowConsumers}})
	}
	return rows
}

// distinct numbers names that became the same when they were made fit to be
// labels: two series with the same labels would fail the whole scrape.
func distinct(rows []row) []row {
	taken := make(map[string]bool, len(rows))
	for i := range rows {
		name := rows[i].name
		for n := 2; taken[name]; n++ {
			name = rows[i].name + "~" + strconv.Itoa(n)
		}
		taken[name] = true
		rows[i].name = name
	}
	return rows
}

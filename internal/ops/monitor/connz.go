package monitor

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"dunlin/internal/base/tlsconf"
	"dunlin/internal/proto/sysapi"
)

// connState is which connections /connz lists.
type connState uint8

const (
	stateOpen connState = iota
	stateClosed
	stateAll
)

// connSort is an order of /connz: key gives the number that is sorted by,
// ascending; connections with the same number are in the order of their ids.
type connSort struct {
	key        func(c *Conn, now time.Time) int64
	closedOnly bool
	byReason   bool // by the text of the reason instead of a number
}

// Counts, ages of silence and times of stopping show the largest first, as
// that is what one looks for; ids, times of start and uptimes the smallest.
var connSorts = map[string]connSort{
	"":           {},
	"cid":        {},
	"start":      {key: func(c *Conn, _ time.Time) int64 { return c.Start.UnixNano() }},
	"subs":       {key: func(c *Conn, _ time.Time) int64 { return -int64(c.NumSubs) }},
	"pending":    {key: func(c *Conn, _ time.Time) int64 { return -c.PendingBytes }},
	"msgs_to":    {key: func(c *Conn, _ time.Time) int64 { return -c.OutMsgs }},
	"msgs_from":  {key: func(c *Conn, _ time.Time) int64 { return -c.InMsgs }},
	"bytes_to":   {key: func(c *Conn, _ time.Time) int64 { return -c.OutBytes }},
	"bytes_from": {key: func(c *Conn, _ time.Time) int64 { return -c.InBytes }},
	"last":       {key: func(c *Conn, _ time.Time) int64 { return -c.LastActivity.UnixNano() }},
	"idle":       {key: func(c *Conn, _ time.Time) int64 { return c.LastActivity.UnixNano() }},
	"uptime":     {key: func(c *Conn, now time.Time) int64 { return int64(c.uptime(now)) }},
	"rtt":        {key: func(c *Conn, _ time.Time) int64 { return -int64(c.RTT) }},
	"stop":       {key: func(c *Conn, _ time.Time) int64 { return -c.Stop.UnixNano() }, closedOnly: true},
	"reason":     {byReason: true, closedOnly: true},
}

// end is when a connection's clocks stop: when it closed, or now.
func (c *Conn) end(now time.Time) time.Time {
	if c.Stop.IsZero() {
		return now
	}
	return c.Stop
}

func (c *Conn) uptime(now time.Time) time.Duration { return c.end(now).Sub(c.Start) }

// connQuery is what one request of /connz asks for.
type connQuery struct {
	page
	sort         connSort
	state        connState
	auth         bool
	subs, detail bool
	cid          uint64
	user, acc    string
	mqttClient   string
}

// parseConnQuery reads the parameters in nats-server's order, which decides
// whose error is told. The parameter filter_subject is one of the system
// service only: here it is read by neither server.
func parseConnQuery(p *params) (connQuery, error) {
	var q connQuery
	name := p.text("sort")
	q.auth = p.flag("auth")
	q.subs, q.detail = p.flagOrDetail("subs")
	q.page = p.page()
	q.cid = p.id("cid")
	switch state := p.text("state"); strings.ToLower(state) {
	case "", "open":
	case "closed":
		q.state = stateClosed
	case "any", "all":
		q.state = stateAll
	default:
		p.fail("Error decoding state for %s", state)
	}
	q.user, q.acc, q.mqttClient = p.text("user"), p.text("acc"), p.text("mqtt_client")
	order, known := connSorts[name]
	switch {
	case !known:
		p.fail("invalid sorting option: %s", name)
	case order.closedOnly && q.state != stateClosed:
		p.fail("sort by %s only valid on closed connections", name)
	}
	q.sort = order
	if q.cid != 0 {
		q.limit = 1
	}
	return q, p.err
}

// found is a connection that passed the filters: a few words each, as there
// may be very many of them.
type found struct {
	id     uint64
	key    int64
	closed *Closed // nil for an open one
}

// of is the number c is sorted by.
func (s connSort) of(c *Conn, now time.Time) int64 {
	if s.key == nil {
		return 0
	}
	return s.key(c, now)
}

func (s connSort) compare(a, b found) int {
	if s.byReason {
		if c := strings.Compare(a.closed.Reason.String(), b.closed.Reason.String()); c != 0 {
			return c
		}
	}
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.id, b.id))
}

// wants tells whether c passes the filters that do not count towards total.
func (q *connQuery) wants(c *Conn) bool {
	return (q.cid == 0 || c.ID == q.cid) &&
		(q.user == "" || c.User == q.user) &&
		(q.mqttClient == "" || c.MQTTClient == q.mqttClient)
}

// looks tells whether a connection must be looked at to know if it is wanted
// and where it stands; else its id says it all.
func (q *connQuery) looks() bool {
	return q.acc != "" || q.user != "" || q.mqttClient != "" || q.sort.key != nil
}

// scratch is the memory of one answer, used again by the next: a page of
// 10,000 connections would otherwise leave megabytes of garbage, and with one
// core the collector's turns are what messages wait for.
type scratch struct {
	ids          []uint64
	found, spare []found
	rows         []shown
	order, swap  []*shown
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// release gives s back and lets go of what it refers to.
func (s *scratch) release() {
	clear(s.found[:cap(s.found)])
	clear(s.spare[:cap(s.spare)])
	clear(s.rows[:cap(s.rows)])
	scratches.Put(s)
}

// search lists what the query wants, sorted, and counts what it was wanted
// from: with acc the connections of that account, else all in that state. The
// list is in s.
func (q *connQuery) search(src Source, p *pace, s *scratch, now time.Time) (list []found, total int, err error) {
	s.found = s.found[:0]
	if q.state != stateClosed {
		if total, err = q.searchOpen(src, p, s, now); err != nil {
			return nil, 0, err
		}
	}
	if q.state != stateOpen {
		for _, c := range src.Closed().Snapshot() {
			if err := p.step(); err != nil {
				return nil, 0, err
			}
			if q.acc != "" && c.Account != q.acc {
				continue
			}
			total++
			if q.wants(&c.Conn) {
				s.found = append(s.found, found{id: c.ID, key: q.sort.of(&c.Conn, now), closed: c})
			}
		}
	}
	s.spare = slices.Grow(s.spare[:0], len(s.found))[:len(s.found)]
	list, err = sortPaced(p, s.found, s.spare, q.sort.compare)
	return list, total, err
}

func (q *connQuery) searchOpen(src Source, p *pace, s *scratch, now time.Time) (total int, err error) {
	s.ids = src.ConnIDs(s.ids[:0])
	if err := p.step(); err != nil {
		return 0, err
	}
	ids := s.ids
	if q.acc == "" {
		total = len(ids)
	}
	if q.cid != 0 && q.acc == "" {
		if slices.Contains(ids, q.cid) {
			ids = []uint64{q.cid}
		} else {
			ids = nil
		}
	}
	s.found = slices.Grow(s.found, len(ids))
	var c Conn
	for _, id := range ids {
		if err := p.step(); err != nil {
			return 0, err
		}
		if !q.looks() {
			s.found = append(s.found, found{id: id})
			continue
		}
		if c = (Conn{}); !src.Conn(id, &c) {
			continue
		}
		if q.acc != "" {
			if c.Account != q.acc {
				continue
			}
			total++
		}
		if q.wants(&c) {
			s.found = append(s.found, found{id: id, key: q.sort.of(&c, now)})
		}
	}
	return total, nil
}

// shown is a connection on the page, with its details.
type shown struct {
	found
	conn Conn
}

// fetch takes the details of some connections of the page. One that closed
// since it was found is left out; the rest is put in order again, as its
// figures moved on and a list must be in the order of the figures it shows.
func (q *connQuery) fetch(src Source, p *pace, s *scratch, list []found, now time.Time) ([]*shown, error) {
	s.rows = slices.Grow(s.rows[:0], len(list)) // rows must not move below
	s.order = s.order[:0]
	for _, f := range list {
		if err := p.step(); err != nil {
			return nil, err
		}
		s.rows = append(s.rows, shown{found: f})
		row := &s.rows[len(s.rows)-1]
		switch {
		case f.closed != nil:
			row.conn = f.closed.Conn
		case !src.Conn(f.id, &row.conn):
			continue
		default:
			row.key = q.sort.of(&row.conn, now)
		}
		s.order = append(s.order, row)
	}
	s.swap = slices.Grow(s.swap[:0], len(s.order))[:len(s.order)]
	return sortPaced(p, s.order, s.swap, func(a, b *shown) int { return q.sort.compare(a.found, b.found) })
}

func (h *Handler) connz(w http.ResponseWriter, r *http.Request) {
	q, err := parseConnQuery(&params{values: r.URL.Query()})
	if err != nil {
		refuse(w, err)
		return
	}
	out := h.stream(w, r)
	defer out.end()
	s := scratches.Get().(*scratch)
	defer s.release()
	now := time.Now().UTC()
	list, total, err := q.search(h.source, out.pace, s, now)
	if err == nil {
		lo, hi := q.cut(len(list))
		err = h.writeConnz(out, &q, s, list[lo:hi], total, now)
	}
	if err != nil {
		h.gone(r, err)
	}
}

// writeConnz writes the page. Its connections are looked up pageDefault at a
// time, which bounds what is held; so for a page that is longer than that
// num_connections also counts the few that close while it is written.
func (h *Handler) writeConnz(out *stream, q *connQuery, s *scratch, list []found, total int, now time.Time) error {
	n := min(len(list), pageDefault)
	rows, err := q.fetch(h.source, out.pace, s, list[:n], now)
	if err != nil {
		return err
	}
	out.json.ConnzHead(&sysapi.Connz{ID: h.source.ID(), Now: now, NumConns: len(rows) + len(list) - n,
		Total: total, Offset: q.offset, Limit: q.limit})
	if q.acc != "" && total == 0 && !h.hasAccount(q.acc) {
		out.json.Null()
	} else {
		out.json.Array()
		for {
			for _, row := range rows {
				if err := q.write(h.source, out, row, now); err != nil {
					return err
				}
			}
			list = list[n:]
			if n = min(len(list), pageDefault); n == 0 {
				break
			}
			if rows, err = q.fetch(h.source, out.pace, s, list[:n], now); err != nil {
				return err
			}
		}
		out.json.EndArray()
	}
	out.json.EndObject()
	return out.flush()
}

// hasAccount tells an account without connections, whose list is [], from one
// that does not exist, whose list is null.
func (h *Handler) hasAccount(name string) bool {
	_, ok := h.source.Account(name)
	return ok
}

// gone says at debug level why an answer was not finished. It is no fault of
// the server's, and nobody is left to be told.
func (h *Handler) gone(r *http.Request, err error) {
	if !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w; the client may have stopped reading", err)
	}
	h.log.Debug("monitoring answer not finished", "path", r.URL.Path, "client", r.RemoteAddr, "error", err)
}

func (q *connQuery) write(src Source, out *stream, row *shown, now time.Time) error {
	c := &row.conn
	info := connInfo(c, q.auth, now)
	out.json.ConnHead(&info)
	if q.subs {
		var err error
		if row.closed != nil {
			err = q.writeClosedSubs(out, row.closed)
		} else {
			err = q.writeOpenSubs(src, out, c.ID)
		}
		if err != nil {
			return err
		}
	}
	out.json.ConnTail(&info)
	return out.step()
}

func (q *connQuery) writeOpenSubs(src Source, out *stream, id uint64) error {
	list := subList{detail: q.detail}
	for batch := range src.ConnSubs(id) {
		if err := list.write(out, batch); err != nil {
			return err
		}
	}
	list.end(out)
	return nil
}

func (q *connQuery) writeClosedSubs(out *stream, closed *Closed) error {
	list := subList{detail: q.detail, account: closed.Account}
	for batch := range slices.Chunk(closed.Subs, BatchMax) {
		if err := list.write(out, batch); err != nil {
			return err
		}
	}
	list.end(out)
	return nil
}

// subList writes the subscriptions of one connection: their subjects, or with
// detail all of them. The account is told for closed connections only, as
// recorded.
type subList struct {
	detail  bool
	account string
	begun   bool
}

// write writes some subscriptions, and before the first of them the key of
// the list, which is left out if there are none.
func (l *subList) write(out *stream, batch []Sub) error {
	if !l.begun && len(batch) > 0 {
		l.begun = true
		if l.detail {
			out.json.Key("subscriptions_list_detail")
		} else {
			out.json.Key("subscriptions_list")
		}
		out.json.Array()
	}
	for i := range batch {
		if !l.detail {
			out.json.String(batch[i].Subject)
			continue
		}
		d := subDetail(&batch[i])
		d.Account, d.AccountTag = l.account, l.account
		out.json.Sub(&d)
	}
	return out.step()
}

func (l *subList) end(out *stream) {
	if l.begun {
		out.json.EndArray()
	}
}

func subDetail(s *Sub) sysapi.SubDetail {
	return sysapi.SubDetail{Account: s.Account, AccountTag: s.Account, Subject: s.Subject, Queue: s.Queue,
		Sid: s.Sid, Msgs: s.Msgs, Max: s.Max, Cid: s.ConnID}
}

// connInfo gives a snapshot the form that is shown. Who the client is and what
// it showed to prove it is there only if the query asked with auth.
func connInfo(c *Conn, auth bool, now time.Time) sysapi.ConnInfo {
	info := sysapi.ConnInfo{
		Cid: c.ID, Kind: c.Kind, Type: c.Type, IP: c.IP, Port: c.Port,
		Start: c.Start, LastActivity: c.LastActivity,
		RTT: sysapi.RTT(c.RTT), Uptime: sysapi.Age(c.uptime(now)),
		Idle:         sysapi.Age(c.end(now).Sub(c.LastActivity)),
		PendingBytes: c.PendingBytes, InMsgs: c.InMsgs, OutMsgs: c.OutMsgs, InBytes: c.InBytes, OutBytes: c.OutBytes,
		Stalls: c.Stalls, NumSubs: c.NumSubs, Name: c.Name, Lang: c.Lang, Version: c.Version,
		TLSFirst: c.TLSFirst, MQTTClient: c.MQTTClient,
	}
	if !c.Stop.IsZero() {
		info.Stop, info.Reason = &c.Stop, c.Reason.String()
	}
	if c.TLSVersion != 0 {
		info.TLSVersion, info.TLSCipher = tlsconf.VersionName(c.TLSVersion), tls.CipherSuiteName(c.TLSCipher)
	}
	if !auth {
		return info
	}
	info.TLSPeerCerts = c.TLSPeerCerts
	info.AuthorizedUser, info.JWT, info.IssuerKey, info.Tags = c.User, c.JWT, c.IssuerKey, c.Tags
	if c.Account != sysapi.GlobalAccount {
		info.Account = c.Account
	}
	info.NameTag = cmp.Or(c.NameTag, c.Account)
	return info
}

package monitor

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// params reads a query. The first mistake is kept and everything after it
// reads as its default, so an endpoint asks for all it knows, in the order in
// which nats-server looks at them, and checks err once. The texts of err are
// nats-server's, because scripts match on them.
type params struct {
	values url.Values
	err    error
}

func (p *params) text(name string) string { return p.values.Get(name) }

func (p *params) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *params) flag(name string) bool {
	s := p.text(name)
	if s == "" || p.err != nil {
		return false
	}
	v, err := strconv.ParseBool(s)
	if err != nil {
		p.fail("Error decoding boolean for '%s': %v", name, err)
	}
	return v
}

// flagOrDetail reads a boolean that may also be "detail".
func (p *params) flagOrDetail(name string) (on, detail bool) {
	if strings.EqualFold(p.text(name), "detail") {
		return true, true
	}
	return p.flag(name), false
}

func (p *params) number(name string) int {
	s := p.text(name)
	if s == "" || p.err != nil {
		return 0
	}
	v, err := strconv.Atoi(s)
	if err != nil {
		p.fail("Error decoding int for '%s': %v", name, err)
	}
	return v
}

func (p *params) id(name string) uint64 {
	s := p.text(name)
	if s == "" || p.err != nil {
		return 0
	}
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		p.fail("Error decoding uint64 for '%s': %v", name, err)
	}
	return v
}

// pageDefault is how many items a list shows when limit does not say.
const pageDefault = 1024

// page is a window of a list, made sane: nothing negative, no limit of 0.
type page struct{ offset, limit int }

// page reads offset and limit, in this order, as nats-server does.
func (p *params) page() page {
	w := page{offset: max(p.number("offset"), 0)}
	if w.limit = p.number("limit"); w.limit <= 0 {
		w.limit = pageDefault
	}
	return w
}

// cut is the window's part of a list of n items.
func (w page) cut(n int) (lo, hi int) {
	lo = min(w.offset, n)
	return lo, lo + min(w.limit, n-lo)
}

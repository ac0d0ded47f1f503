package sublist

import "dunlin/internal/proto/subject"

const (
	cacheMin = 8
	cacheMax = 2048
	// cacheOnce is how far subjects that are seen only once may make it grow.
	cacheOnce = 256
	// cacheWeight bounds the subscriptions that all remembered matches hold
	// together: a wildcard with 5,000 subscribers and 2,000 subjects below it would
	// otherwise cost each publisher 80 MB.
	cacheWeight = 64 << 10
)

// Cache remembers, for one publisher, what its recent subjects match. It is
// direct-mapped: a subject has one place, found by its hash.
//
// A subject is remembered only when it is seen twice while no other
// newcomer asks for its place, so that subjects used once (inboxes) evict
// nothing and allocate nothing: their match is made into a scratch entry.
type Cache struct {
	table   *Table
	slots   []*Hit // nil until the first subject is seen
	doubts  []uint32
	crowded int // newcomers that found another's mark or subject in their place, since the last growth
	scratch Hit
	last    *Hit // of the lookup before, if it was remembered
	weight  int  // subscriptions in all hits
}

// Hit is what the cache says of one subject.
type Hit struct {
	Result
	// Verdict is the user's own note (may this be published?); 0 when new.
	Verdict uint8
	// Lasting: the hit stays valid over later lookups, until its subject's
	// interest changes.
	Lasting bool
	// Distinct: no sink is in Plain twice. Then the order over sinks and
	// subscriptions does not matter, and, unless there are queue groups, several
	// messages can be handed to each sink at once.
	Distinct bool

	subject string
	hash    uint64
	first   uint8
	genLit  uint32
	genFst  uint32
	genWld  uint32
}

// Lookup returns what subj matches in t now. The Hit is valid until the next
// call. No allocation unless subj is new and worth remembering.
func (c *Cache) Lookup(t *Table, subj []byte) *Hit {
	if s := c.last; s != nil && s.subject == string(subj) && t == c.table {
		if !s.fresh(t) {
			c.refill(s, subj)
		}
		return s
	}
	h := Hash(subj)
	if t != c.table {
		c.Reset(t)
	}
	if len(c.slots) == 0 {
		c.resize(cacheMin)
	}
	at := int(h) & (len(c.slots) - 1)
	if s := c.slots[at]; s != nil && s.hash == h && s.subject == string(subj) {
		if !s.fresh(t) {
			c.refill(s, subj)
		}
		c.last = s
		return s
	}
	return c.newcomer(t, subj, h, at)
}

func (s *Hit) fresh(t *Table) bool {
	return s.genLit == t.genLiteral[genOf(s.hash)].Load() &&
		s.genFst == t.genFirst[s.first].Load() &&
		s.genWld == t.genWild.Load()
}

// refill matches anew what s stands for.
func (c *Cache) refill(s *Hit, subj []byte) {
	c.weight -= s.size()
	s.fill(c.table, subj, s.hash)
	c.weight += s.size()
}

// fill matches anew. The generations are read first: see the package's invariant.
func (s *Hit) fill(t *Table, subj []byte, h uint64) {
	s.genLit = t.genLiteral[genOf(h)].Load()
	s.genFst = t.genFirst[s.first].Load()
	s.genWld = t.genWild.Load()
	t.match(subj, h, &s.Result)
	s.Distinct = distinct(s.Plain)
}

// distinctLinear is how many subscriptions are compared one with another.
const distinctLinear = 32

// distinct reports whether every subscription has a sink of its own.
func distinct(subs []*Sub) bool {
	if len(subs) > distinctLinear {
		seen := make(map[Sink]struct{}, len(subs))
		for _, s := range subs {
			seen[s.Sink] = struct{}{}
		}
		return len(seen) == len(subs)
	}
	for i, s := range subs {
		for _, other := range subs[:i] {
			if s.Sink == other.Sink {
				return false
			}
		}
	}
	return true
}

func (c *Cache) newcomer(t *Table, subj []byte, h uint64, at int) *Hit {
	mark := uint32(h>>32) | 1
	again := c.doubts[at] == mark
	if c.slots[at] != nil || (!again && c.doubts[at] != 0) {
		c.crowded++
		if n := len(c.slots); c.crowded > n && (n < cacheOnce || again && n < cacheMax) {
			c.resize(n * 4)
			at = int(h) & (len(c.slots) - 1)
		}
	}
	if !again {
		// By chance the older one stays in doubt, or two subjects that take turns
		// would keep each other out for ever.
		if c.doubts[at] == 0 || uint32(c.crowded)*0x9E3779B1>>31 == 0 {
			c.doubts[at] = mark
		}
		c.scratch.Verdict = 0
		t.match(subj, h, &c.scratch.Result)
		return &c.scratch
	}
	first, _, _ := subject.Next(subj)
	s := &Hit{Lasting: true, subject: string(subj), hash: h, first: genOf(Hash(first))}
	s.fill(t, subj, h)
	if old := c.slots[at]; old != nil {
		c.weight -= old.size()
	}
	if c.weight+s.size() > cacheWeight && c.weight > 0 {
		// Better begin anew than keep for ever what came first.
		clear(c.slots)
		c.last, c.weight = nil, 0
	}
	c.slots[at] = s
	c.weight += s.size()
	return s
}

// Reset forgets everything and turns to table t.
func (c *Cache) Reset(t *Table) {
	*c = Cache{table: t}
}

// Forget drops every note and match but keeps the table; for new permissions.
func (c *Cache) Forget() { c.Reset(c.table) }

func (c *Cache) resize(n int) {
	old := c.slots
	c.slots = make([]*Hit, n)
	c.doubts = make([]uint32, n)
	c.crowded = 0
	for _, s := range old {
		if s != nil {
			c.slots[int(s.hash)&(n-1)] = s
		}
	}
}

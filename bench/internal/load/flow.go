package load

import (
	"fmt"
	"time"
)

// flow is one group: publishers, the subscribers their messages go to, and the
// window between them.
type flow struct {
	pubs   []*publisher
	subs   []*frames
	socks  []*sock // of subs, in the same order
	split  bool    // deliveries are shared among subs (queue group, mixed); else each gets all
	window int64   // messages outstanding towards the slowest subscriber
	open   bool    // no window any more (Stall)
}

type publisher struct {
	s     *sock
	fr    *frames // for its PONG and errors
	b     *batch
	off   int   // in b.bytes
	bytes int64 // written so far
}

// begun counts the messages of which at least the first byte was sent.
func (p *publisher) begun() int64 {
	return (p.bytes + int64(p.b.frame) - 1) / int64(p.b.frame)
}

// write sends up to so many bytes, at most to the end of the batch.
func (p *publisher) write(limit int64) error {
	b := p.b.bytes[p.off:]
	b = b[:min(int64(len(b)), limit, batchBytes)]
	n, err := p.s.write(b)
	p.bytes += int64(n)
	if p.off += n; p.off == len(p.b.bytes) {
		p.off = 0
	}
	return err
}

// published is the number of messages the flow's publishers began.
func (f *flow) published() (n int64) {
	for _, p := range f.pubs {
		n += p.begun()
	}
	return n
}

// received is what counts against the window: the slowest subscriber's
// deliveries, or all subscribers' together where they share.
func (f *flow) received() int64 {
	n := f.subs[0].complete()
	for _, s := range f.subs[1:] {
		if c := s.complete(); f.split {
			n += c
		} else {
			n = min(n, c)
		}
	}
	return n
}

// delivered counts whole messages over all subscribers; for publishing only, the
// messages published.
func (f *flow) delivered() (n int64) {
	if len(f.subs) == 0 {
		return f.published()
	}
	for _, s := range f.subs {
		n += s.complete()
	}
	return n
}

// due is what received has to reach when nothing is outstanding.
func (f *flow) due() int64 {
	if len(f.pubs) == 1 {
		return f.pubs[0].b.deliveries(f.pubs[0].begun())
	}
	return f.published()
}

// turn lets each publisher send what the window and its socket allow, and says
// whether any could go on at once.
func (f *flow) turn() (more bool, err error) {
	for _, p := range f.pubs {
		if p.s.full {
			continue
		}
		limit := int64(batchBytes)
		if len(f.subs) > 0 && !f.open {
			room := (f.window - (f.due() - f.received())) / int64(len(f.pubs))
			// Not a message at a time: a narrow gap waits until it is worth a
			// system call.
			if room < min(p.b.messages(), max(batchBytes/int64(p.b.frame), 1), max(f.window/int64(2*len(f.pubs)), 1)) {
				continue
			}
			limit = room * int64(p.b.frame)
		}
		if err := p.write(limit); err != nil {
			return false, err
		}
		more = more || !p.s.full
	}
	return more, nil
}

// finish completes messages that were sent in part.
func (f *flow) finish(l *loop) error {
	for _, p := range f.pubs {
		whole := p.begun() * int64(p.b.frame)
		for p.bytes < whole {
			if err := l.until(func() string { return p.s.name + " to become writable" }, func() bool { return !p.s.full }); err != nil {
				return err
			}
			if err := p.write(whole - p.bytes); err != nil {
				return err
			}
		}
	}
	return nil
}

// flows is a whole run of kind Flow or Mixed.
type flows struct {
	*loop
	spec  Spec
	all   []*flow
	churn *churn
}

func (r *flows) setup(a Access) error {
	for i := range max(r.spec.Flows, 1) {
		var f *flow
		var err error
		if r.spec.Kind == Mixed {
			f, err = r.mixedFlow(a)
		} else {
			f, err = r.flow(a, i)
		}
		if err != nil {
			return err
		}
		r.all = append(r.all, f)
	}
	if r.spec.ChurnPerSecond > 0 {
		c, err := newChurn(r.loop, a, r.spec.ChurnPerSecond)
		if err != nil {
			return err
		}
		if r.churn = c; !r.spec.ChurnLater {
			c.begin(time.Now())
		}
	}
	return nil
}

func (r *flows) flow(a Access, i int) (*flow, error) {
	subject := fmt.Sprintf("bench.flow.%03d", i)
	var header []byte
	if r.spec.Header > 0 {
		header = headerBlock(r.spec.Header)
	}
	b := sameSubjectBatch(subject, header, r.spec.Payload)
	frame, seqAt := msgFrame(subject, "1", header, r.spec.Payload)
	if r.spec.Text {
		b = textBatch(subject, r.spec.Payload)
	}
	f := &flow{split: r.spec.Queue, window: int64(max(r.spec.Window/len(frame), 2))}
	line := "SUB " + subject + " 1\r\n"
	if r.spec.Queue {
		line = "SUB " + subject + " workers 1\r\n"
	}
	for n := range r.spec.Subs {
		fr := &frames{length: len(frame), expect: frame, seqAt: seqAt}
		if r.spec.Text {
			fr.expect = nil
		}
		if r.spec.Pubs == 1 && !r.spec.Queue {
			fr.seqCycle = uint32(b.messages())
		}
		s, err := r.join(a, subscriberNode(len(a.Addrs), i, n), fmt.Sprintf("subscriber %d of flow %d", n, i), line, fr.feed)
		if err != nil {
			return nil, err
		}
		f.subs, f.socks = append(f.subs, fr), append(f.socks, s)
	}
	for n := range r.spec.Pubs {
		if err := r.publisher(a, publisherNode(len(a.Addrs), i, n), f, b, fmt.Sprintf("publisher %d of flow %d", n, i)); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (r *flows) publisher(a Access, node int, f *flow, b *batch, name string) error {
	fr := &frames{}
	s, err := r.join(a, node, name, "", fr.feed)
	if err != nil {
		return err
	}
	f.pubs = append(f.pubs, &publisher{s: s, fr: fr, b: b})
	return nil
}

func (r *flows) mixedFlow(a Access) (*flow, error) {
	m := newMixed(r.spec.Count)
	frame, seqAt := msgFrame(mixedSample, fmt.Sprint(mixedSidFirst), nil, r.spec.Payload)
	f := &flow{split: true, window: int64(max(r.spec.Window/len(frame), 2))}
	// The subscriptions are dealt out over the nodes, one subscriber each.
	for node := range a.Addrs {
		fr := &frames{length: len(frame), seqAt: seqAt}
		s, err := r.join(a, node, fmt.Sprintf("subscriber %d", node), m.lines(node, len(a.Addrs)), fr.feed)
		if err != nil {
			return nil, err
		}
		f.subs, f.socks = append(f.subs, fr), append(f.socks, s)
	}
	return f, r.publisher(a, 0, f, m.batch(mixedMessages, r.spec.Payload), "publisher")
}

// pump keeps the load up until the given moment.
func (r *flows) pump(end time.Time) error {
	for time.Now().Before(end) {
		more := false
		for _, f := range r.all {
			m, err := f.turn()
			if err != nil {
				return err
			}
			more = more || m
		}
		if r.churn != nil {
			if err := r.churn.turn(time.Now()); err != nil {
				return err
			}
		}
		wait := time.Millisecond
		if more {
			wait = 0
		}
		if err := r.poll(wait); err != nil {
			return err
		}
	}
	return nil
}

// mark is the state at one moment of a run.
type mark struct {
	at    time.Time
	usage Usage
	units int64
	// others: without the first flow.
	others int64
	churn  int64
}

func (r *flows) mark(snap Snapshot) (m mark, err error) {
	if m.usage, err = snap(); err != nil {
		return m, err
	}
	m.at = time.Now()
	for i, f := range r.all {
		n := f.delivered()
		m.units += n
		if i > 0 {
			m.others += n
		}
	}
	if r.churn != nil {
		m.churn = r.churn.done
	}
	return m, nil
}

func (r *flows) run(snap Snapshot) (Result, error) {
	var res Result
	if err := r.pump(time.Now().Add(r.spec.Warmup)); err != nil {
		return res, err
	}
	from, err := r.mark(snap)
	if err != nil {
		return res, err
	}
	if err := r.pump(from.at.Add(r.spec.Duration)); err != nil {
		return res, err
	}
	to, err := r.mark(snap)
	if err != nil {
		return res, err
	}
	res.Units, res.Elapsed, res.CPU = to.units-from.units, to.at.Sub(from.at), to.usage.CPU-from.usage.CPU
	res.ChurnPerSecond = float64(to.churn-from.churn) / res.Elapsed.Seconds()
	switch {
	case r.spec.Stall:
		// The first flow's subscriber does not read and its publisher does not know.
		first := r.all[0]
		first.socks[0].deaf, first.open = true, true
		res.OthersBefore = to.others - from.others
		err = r.later(snap, to, &res)
	case r.spec.ChurnLater:
		res.OthersBefore = to.units - from.units
		r.churn.begin(time.Now())
		err = r.later(snap, to, &res)
	}
	if err != nil {
		return res, err
	}
	if err := r.drain(); err != nil {
		return res, err
	}
	res.Verified, err = r.verify()
	return res, err
}

// later measures a second stretch, in which something was changed.
func (r *flows) later(snap Snapshot, from mark, res *Result) error {
	if err := r.pump(from.at.Add(r.spec.Duration)); err != nil {
		return err
	}
	to, err := r.mark(snap)
	if err != nil {
		return err
	}
	res.LaterElapsed = to.at.Sub(from.at)
	res.OthersWith = to.units - from.units
	if r.spec.Stall {
		res.OthersWith = to.others - from.others
	}
	if r.spec.ChurnLater {
		res.ChurnPerSecond = float64(to.churn-from.churn) / res.LaterElapsed.Seconds()
	}
	return nil
}

// drain ends the publishing at a message's end and waits for what is
// outstanding. A stalled flow is left as it is: what it loses is not known.
func (r *flows) drain() error {
	if r.spec.Stall {
		r.all = r.all[1:]
	}
	for _, f := range r.all {
		if err := f.finish(r.loop); err != nil {
			return err
		}
	}
	for i, f := range r.all {
		if len(f.subs) == 0 {
			continue
		}
		what := func() string {
			return fmt.Sprintf("flow %d: %d messages are due, %d arrived", i, f.due(), f.received())
		}
		if err := r.until(what, func() bool { return f.received() >= f.due() }); err != nil {
			return err
		}
	}
	return nil
}

// verify makes sure that nothing is on its way any more, and compares what arrived
// with what was due.
func (r *flows) verify() (int64, error) {
	var pubs, subs []asked
	for _, f := range r.all {
		for i, s := range f.socks {
			subs = append(subs, asked{s, f.subs[i]})
		}
		for _, p := range f.pubs {
			pubs = append(pubs, asked{p.s, p.fr})
		}
	}
	// The publishers first: a subscriber's PONG says nothing of a message that its
	// publisher's server has not read yet.
	if err := r.pong(pubs); err != nil {
		return 0, err
	}
	// Between nodes no PONG tells; what a server doubled comes close behind.
	if r.scouts != nil {
		for end := time.Now().Add(lateness); time.Now().Before(end); {
			if err := r.poll(time.Millisecond); err != nil {
				return 0, err
			}
		}
	}
	if err := r.pong(subs); err != nil {
		return 0, err
	}
	var total int64
	for i, f := range r.all {
		total += f.delivered()
		if len(f.subs) == 0 {
			continue
		}
		for n, s := range f.subs {
			if !f.split && s.complete() != f.due() {
				return 0, fmt.Errorf("flow %d: subscriber %d got %d messages, %d were due", i, n, s.complete(), f.due())
			}
		}
		if f.split && f.received() != f.due() {
			return 0, fmt.Errorf("flow %d: the subscribers got %d messages, %d were due", i, f.received(), f.due())
		}
	}
	return total, nil
}

// lateness is how long after the last message one too many is waited for.
const lateness = 50 * time.Millisecond

type asked struct {
	s  *sock
	fr *frames
}

// pong asks every connection for a PONG and waits for all.
func (r *flows) pong(all []asked) error {
	for _, a := range all {
		if err := a.s.send([]byte("PING\r\n")); err != nil {
			return err
		}
	}
	return r.until(func() string { return "the PONGs at the end" }, func() bool {
		for _, a := range all {
			if a.fr.pongs == 0 {
				return false
			}
		}
		return true
	})
}

package load

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"time"
)

const requestSubject = "bench.service"

// requests is a run of kind Request: requesters with one request outstanding
// each, as clients do it (one inbox wildcard a connection, a fresh reply subject
// a request), and one responder. In a cluster the responder has the first node
// for itself.
type requests struct {
	*loop
	spec       Spec
	requesters []*requester
	responder  *responder
	ending     bool
	measuring  bool
	latency    []int64
	done       int64
}

type requester struct {
	r     *requests
	s     *sock
	inbox string
	n     uint32 // number of the outstanding request
	sent  time.Time
	busy  bool
	req   []byte // the request; inbox and number are patched
	reqAt int    // of the number in the reply subject
	want  []byte // the reply frame expected
	wasAt int    // of the number in its subject
	in    []byte
}

func (r *requests) setup(a Access) error {
	r.responder = &responder{}
	s, err := r.join(a, 0, "responder", "SUB "+requestSubject+" 1\r\n", r.responder.data)
	if err != nil {
		return err
	}
	r.responder.s = s
	r.latency = make([]int64, 0, 1<<20)
	payload := body(nil, r.spec.Payload, 0)
	for i := range r.spec.Pubs {
		q := &requester{r: r, inbox: fmt.Sprintf("_INBOX.benchbenchbench%06d.", i)}
		q.req = fmt.Appendf(nil, "PUB %s %s00000000 %d\r\n%s", requestSubject, q.inbox, r.spec.Payload, payload)
		q.reqAt = len("PUB ") + len(requestSubject) + 1 + len(q.inbox)
		q.want = fmt.Appendf(nil, "MSG %s00000000 1 %d\r\n%s", q.inbox, r.spec.Payload, payload)
		q.wasAt = len("MSG ") + len(q.inbox)
		if q.s, err = r.join(a, requesterNode(len(a.Addrs), i), fmt.Sprintf("requester %d", i), "SUB "+q.inbox+"* 1\r\n", q.data); err != nil {
			return err
		}
		r.requesters = append(r.requesters, q)
	}
	return nil
}

func (q *requester) ask() error {
	q.n++
	writeSeq(q.req[q.reqAt:], q.n)
	writeSeq(q.want[q.wasAt:], q.n)
	q.busy = true
	q.sent = time.Now()
	return q.s.send(q.req)
}

func (q *requester) data(b []byte) error {
	q.in = append(q.in, b...)
	for len(q.in) > 0 {
		if q.in[0] != 'M' {
			n, err := (&frames{}).line(q.in)
			if err != nil {
				return err
			}
			if n == 0 {
				return nil
			}
			q.in = q.in[:copy(q.in, q.in[n:])]
			continue
		}
		if len(q.in) < len(q.want) {
			return nil
		}
		if got := q.in[:len(q.want)]; !q.busy || !bytes.Equal(got, q.want) {
			return fmt.Errorf("got %.80q, expected %.80q (waiting: %v)", got, q.want, q.busy)
		}
		q.busy = false
		q.r.done++
		if q.r.measuring {
			q.r.latency = append(q.r.latency, int64(time.Since(q.sent)))
		}
		q.in = q.in[:copy(q.in, q.in[len(q.want):])]
		if !q.r.ending {
			if err := q.ask(); err != nil {
				return err
			}
		}
	}
	return nil
}

// responder sends each request's payload back to its reply subject.
type responder struct {
	s   *sock
	in  []byte
	out []byte
}

func (p *responder) data(b []byte) error {
	p.in = append(p.in, b...)
	in := p.in
	p.out = p.out[:0]
	for {
		i := bytes.IndexByte(in, '\n')
		if i < 0 {
			break
		}
		if in[0] != 'M' {
			if _, err := (&frames{}).line(in[:i+1]); err != nil {
				return err
			}
			in = in[i+1:]
			continue
		}
		f := bytes.Fields(in[:i])
		if len(f) != 5 {
			return fmt.Errorf("expected a request with a reply subject, got %.80q", in[:i])
		}
		size, err := strconv.Atoi(string(f[4]))
		if err != nil {
			return fmt.Errorf("size of %.80q: %w", in[:i], err)
		}
		end := i + 1 + size + len("\r\n")
		if len(in) < end {
			break
		}
		p.out = append(p.out, "PUB "...)
		p.out = append(p.out, f[3]...)
		p.out = append(p.out, ' ')
		p.out = append(p.out, f[4]...)
		p.out = append(p.out, "\r\n"...)
		p.out = append(p.out, in[i+1:end]...)
		in = in[end:]
	}
	p.in = p.in[:copy(p.in, in)]
	if len(p.out) == 0 {
		return nil
	}
	return p.s.send(p.out)
}

func (r *requests) pump(end time.Time) error {
	for time.Now().Before(end) {
		if err := r.poll(10 * time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func (r *requests) run(snap Snapshot) (Result, error) {
	var res Result
	for _, q := range r.requesters {
		if err := q.ask(); err != nil {
			return res, err
		}
	}
	if err := r.pump(time.Now().Add(r.spec.Warmup)); err != nil {
		return res, err
	}
	before, err := snap()
	if err != nil {
		return res, err
	}
	start, first := time.Now(), r.done
	r.measuring = true
	if err := r.pump(start.Add(r.spec.Duration)); err != nil {
		return res, err
	}
	r.measuring = false
	after, err := snap()
	if err != nil {
		return res, err
	}
	res.Elapsed, res.Units = time.Since(start), r.done-first
	res.CPU = after.CPU - before.CPU
	r.ending = true
	idle := func() bool {
		return !slices.ContainsFunc(r.requesters, func(q *requester) bool { return q.busy })
	}
	if err := r.until(func() string { return "the last replies" }, idle); err != nil {
		return res, err
	}
	slices.Sort(r.latency)
	res.Latency, res.Verified = r.latency, r.done
	return res, nil
}

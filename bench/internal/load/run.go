package load

import (
	"fmt"
	"runtime"
	"time"
)

// Run puts the load on the server and returns what was measured. It uses the
// calling goroutine only, and its thread.
func Run(spec Spec, a Access, snap Snapshot) (Result, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	switch spec.Kind {
	case Idle:
		return idle(spec, a, snap)
	case Subscriptions:
		return subscriptions(spec, a, snap)
	case Interest:
		return interest(spec, a, snap)
	case Restart:
		return restart(spec, a, snap)
	}
	if spec.Payload < seqLen {
		return Result{}, fmt.Errorf("payload is %d bytes: at least %d are needed to number messages", spec.Payload, seqLen)
	}
	l, err := newLoop()
	if err != nil {
		return Result{}, err
	}
	defer l.close()
	if l.scouts, err = newScouts(a); err != nil {
		return Result{}, err
	}
	switch spec.Kind {
	case Flow, Mixed:
		r := &flows{loop: l, spec: spec}
		if err := r.setup(a); err != nil {
			return Result{}, err
		}
		return r.run(snap)
	case Request:
		r := &requests{loop: l, spec: spec}
		if err := r.setup(a); err != nil {
			return Result{}, err
		}
		return r.run(snap)
	}
	return Result{}, fmt.Errorf("load of kind %q is not known", spec.Kind)
}

// settle is how long a server may tidy up before its memory is read.
const settle = time.Second

// idle opens connections that then do nothing.
func idle(spec Spec, a Access, snap Snapshot) (Result, error) {
	clients := make([]*client, 0, spec.Count)
	defer func() {
		for _, c := range clients {
			c.conn.Close()
		}
	}()
	open := func(n int) error {
		c, err := connect(a, 0, n)
		if err != nil {
			return err
		}
		clients = append(clients, c)
		return c.ask(fmt.Sprintf("SUB bench.idle.%06d 1\r\n", n))
	}
	// The first one pays for what a server sets up once.
	if err := open(0); err != nil {
		return Result{}, err
	}
	return grow(spec.Count, snap, func() error {
		for n := 1; n <= spec.Count; n++ {
			if err := open(n); err != nil {
				return err
			}
		}
		return nil
	})
}

// subscriptions makes one connection subscribe to many subjects.
func subscriptions(spec Spec, a Access, snap Snapshot) (Result, error) {
	c, err := connect(a, 0, 0)
	if err != nil {
		return Result{}, err
	}
	defer c.conn.Close()
	if err := c.ask("SUB bench.first 1\r\n"); err != nil {
		return Result{}, err
	}
	return grow(spec.Count, snap, func() error { return c.subscribe(0, spec.Count) })
}

// grow measures what adding units costs the server in time and memory.
func grow(units int, snap Snapshot, add func() error) (Result, error) {
	res := Result{Units: int64(units), Verified: int64(units)}
	time.Sleep(settle)
	before, err := snap()
	if err != nil {
		return res, err
	}
	start := time.Now()
	if err := add(); err != nil {
		return res, err
	}
	res.Elapsed = time.Since(start)
	mid, err := snap()
	if err != nil {
		return res, err
	}
	time.Sleep(settle)
	after, err := snap()
	if err != nil {
		return res, err
	}
	// Processor time up to the last answer; memory after tidying up.
	res.CPU = mid.CPU - before.CPU
	res.MemoryBefore, res.MemoryAfter = before, after
	return res, nil
}

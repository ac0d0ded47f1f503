package dev

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"dunlin/internal/base/task"
)

const (
	// payloadBytes is the size of the demo's messages.
	payloadBytes = 64
	// tick is how often a publisher that is held to a rate sends.
	tick = 10 * time.Millisecond
	// burst is how many messages are written at once.
	burst = 256
	// interval is how often the live line changes.
	interval = time.Second
)

// Target is a node that the demo uses.
type Target struct {
	Name    string
	Address string // host:port for clients
}

// Demo is traffic for the eye: on each node a publisher, and a subscriber that
// wants what the publishers of all nodes send. What a node shows as out beyond
// what it shows as in came from the others.
type Demo struct {
	screen *Screen
	rate   int
	nodes  []*demoNode
}

type demoNode struct {
	Target
	sent                  atomic.Uint64
	publisher, subscriber *client
}

// StartDemo connects to all nodes and runs in group until that is cancelled.
// Each publisher sends rate messages a second, or as fast as it goes if rate is
// 0. If it fails nothing is left running.
func StartDemo(group *task.Group, screen *Screen, nodes []Target, rate int) error {
	d := &Demo{screen: screen, rate: rate}
	for _, target := range nodes {
		n := &demoNode{Target: target}
		d.nodes = append(d.nodes, n)
		if err := n.connect(); err != nil {
			for _, n := range d.nodes {
				err = errors.Join(err, n.close())
			}
			return fmt.Errorf("demo on %s: %w", target.Name, err)
		}
	}
	for _, n := range d.nodes {
		group.Go("end of demo", func(ctx context.Context) {
			<-ctx.Done()
			if err := n.close(); err != nil {
				d.say("connections to %s are not closed: %v", n.Name, err)
			}
		})
		group.Go("subscriber", func(ctx context.Context) { d.ended(ctx, "subscriber", n, n.subscriber.receive()) })
		group.Go("publisher", func(ctx context.Context) { d.ended(ctx, "publisher", n, d.publish(ctx, n)) })
		// A publisher receives nothing but PINGs.
		group.Go("publisher's reader", func(ctx context.Context) { d.ended(ctx, "publisher", n, n.publisher.receive()) })
	}
	group.Go("figures", d.report)
	return nil
}

func (n *demoNode) connect() (err error) {
	if n.subscriber, err = dial(n.Address, "demo subscriber on "+n.Name); err != nil {
		return err
	}
	if err := n.subscriber.send([]byte("SUB demo.> 1\r\n")); err != nil {
		return err
	}
	n.publisher, err = dial(n.Address, "demo publisher on "+n.Name)
	return err
}

func (n *demoNode) close() (err error) {
	for _, c := range []*client{n.publisher, n.subscriber} {
		if c != nil {
			err = errors.Join(err, c.conn.Close())
		}
	}
	return err
}

func (d *Demo) say(format string, args ...any) {
	// A screen that cannot be written to has nobody in front of it.
	_, _ = fmt.Fprintf(d.screen, "demo | "+format+"\n", args...)
}

// ended tells why a part of the demo ended that nobody asked to.
func (d *Demo) ended(ctx context.Context, part string, n *demoNode, err error) {
	if ctx.Err() == nil {
		d.say("the %s on %s has ended: %v", part, n.Name, err)
	}
}

// publish sends batches of whole messages, so that one write carries many.
func (d *Demo) publish(ctx context.Context, n *demoNode) error {
	one := message("demo."+n.Name, payloadBytes)
	many := []byte(strings.Repeat(string(one), burst))
	send := func(count int) error {
		for count > 0 {
			part := min(count, burst)
			if err := n.publisher.send(many[:part*len(one)]); err != nil {
				return err
			}
			n.sent.Add(uint64(part))
			count -= part
		}
		return nil
	}
	if d.rate <= 0 {
		for ctx.Err() == nil {
			if err := send(burst); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	began, sent := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticks.C:
		}
		due := int(time.Since(began).Seconds()*float64(d.rate)) - sent
		if most := max(d.rate/10, 1); due > most {
			// After a pause of the machine's there is nothing to make up for.
			began, sent, due = time.Now(), -most, most
		}
		if err := send(due); err != nil {
			return err
		}
		sent += due
	}
}

// report keeps the live line up to date.
func (d *Demo) report(ctx context.Context) {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	before, at := d.counts(), time.Now()
	for {
		select {
		case <-ctx.Done():
			// The screen's owner goes on with it.
			if err := d.screen.Status(""); err != nil {
				d.say("%v", err)
			}
			return
		case now := <-ticks.C:
			counts := d.counts()
			if err := d.screen.Status(d.line(before, counts, now.Sub(at))); err != nil {
				return // nobody to show it to
			}
			before, at = counts, now
		}
	}
}

// counts are messages that the clients of each node have sent and received.
func (d *Demo) counts() [][2]uint64 {
	out := make([][2]uint64, 0, len(d.nodes))
	for _, n := range d.nodes {
		out = append(out, [2]uint64{n.sent.Load(), n.subscriber.received.Load()})
	}
	return out
}

func (d *Demo) line(before, now [][2]uint64, passed time.Duration) string {
	var b strings.Builder
	b.WriteString("messages a second")
	for i, n := range d.nodes {
		in := float64(now[i][0]-before[i][0]) / passed.Seconds()
		out := float64(now[i][1]-before[i][1]) / passed.Seconds()
		fmt.Fprintf(&b, " | %s in %s out %s", n.Name, amount(in), amount(out))
	}
	return b.String()
}

// amount is a number in six columns: 987, 12.3k, 4.56M.
func amount(v float64) string {
	switch {
	case v < 999.5:
		return fmt.Sprintf("%5.0f ", v)
	case v < 99_950:
		return fmt.Sprintf("%5.1fk", v/1e3)
	case v < 999_500:
		return fmt.Sprintf("%5.0fk", v/1e3)
	}
	return fmt.Sprintf("%5.2fM", v/1e6)
}

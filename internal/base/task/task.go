package task

import (
	"context"
	"runtime/pprof"
	"sync"
)

// namesMax bounds the labels that a group remembers. Names are meant to be
// constants; a caller that builds one per connection gets the group's own
// label from then on and no memory that grows.
const namesMax = 16

// tree is what all groups under one root share. One lock for the whole tree
// lets Go look at "is a group above closed" and count itself in all of them
// in one step; it is taken when a goroutine starts and when it ends, never in
// between.
type tree struct {
	mu sync.Mutex
}

// Group is a set of goroutines that end together. The zero value is not
// usable; see NewGroup and Child.
type Group struct {
	path   string // names from the root down, joined by '/'
	parent *Group
	tree   *tree
	ctx    context.Context
	cancel context.CancelFunc
	idle   sync.Cond // signalled when running drops to 0

	// Guarded by tree.mu.
	running int // here and in all groups below
	closed  bool
	names   []label
}

// label is the context that goroutines of one name share: the group's, with
// the name in it for the goroutine profile.
type label struct {
	name string
	ctx  context.Context
}

// NewGroup returns the root of a new tree of groups.
func NewGroup(name string) *Group {
	return newGroup(name, nil, &tree{}, context.Background())
}

// Child returns a group below g: it is cancelled and waited for with g, and
// can be cancelled and closed alone. A child of a closed group is closed.
//
// A child costs a context, which its parent remembers until one of the two is
// cancelled. Give a child to a listener or a subsystem; goroutines of single
// connections belong straight into their listener's group.
func (g *Group) Child(name string) *Group {
	return newGroup(g.path+"/"+name, g, g.tree, g.ctx)
}

func newGroup(path string, parent *Group, t *tree, above context.Context) *Group {
	g := &Group{path: path, parent: parent, tree: t}
	g.idle.L = &t.mu
	ctx, cancel := context.WithCancel(above)
	g.ctx, g.cancel = pprof.WithLabels(ctx, pprof.Labels("task", path)), cancel
	return g
}

// Go runs fn in a goroutine of its own and reports whether it did: once the
// group, or one above it, is closed, nothing starts and Go returns false.
// After Cancel alone goroutines still start; they see a context that is done.
//
// The context is the group's. The name, a constant such as "reader", appears
// with the group's path in goroutine profiles as the label "task".
func (g *Group) Go(name string, fn func(ctx context.Context)) bool {
	ctx, ok := g.enter(name)
	if !ok {
		return false
	}
	go func() {
		// Deferred, so that runtime.Goexit (a test's FailNow) is a normal end.
		defer g.leave()
		pprof.SetGoroutineLabels(ctx)
		fn(ctx)
	}()
	return true
}

// Run calls fn in the caller's goroutine, counted like one of the group, and
// reports whether it did: not once the group, or one above it, is closed. It is
// for what somebody else starts, such as the function of a timer: Close waits
// for it, and what fires later does nothing.
func (g *Group) Run(fn func()) bool {
	if !g.count() {
		return false
	}
	defer g.leave()
	fn()
	return true
}

func (g *Group) count() bool {
	g.tree.mu.Lock()
	defer g.tree.mu.Unlock()
	return g.countLocked()
}

func (g *Group) enter(name string) (context.Context, bool) {
	g.tree.mu.Lock()
	defer g.tree.mu.Unlock()
	if !g.countLocked() {
		return nil, false
	}
	return g.labelled(name), true
}

func (g *Group) countLocked() bool {
	for a := g; a != nil; a = a.parent {
		if a.closed {
			return false
		}
	}
	for a := g; a != nil; a = a.parent {
		a.running++
	}
	return true
}

func (g *Group) labelled(name string) context.Context {
	for i := range g.names {
		if g.names[i].name == name {
			return g.names[i].ctx
		}
	}
	if len(g.names) == namesMax {
		return g.ctx
	}
	ctx := pprof.WithLabels(g.ctx, pprof.Labels("task", g.path+"/"+name))
	g.names = append(g.names, label{name, ctx})
	return ctx
}

func (g *Group) leave() {
	g.tree.mu.Lock()
	for a := g; a != nil; a = a.parent {
		a.running--
		if a.running == 0 {
			a.idle.Broadcast()
		}
	}
	g.tree.mu.Unlock()
}

// Context is done once the group or one above it is cancelled or closed.
func (g *Group) Context() context.Context { return g.ctx }

// Cancel asks the goroutines of the group and of all groups below it to end,
// and does not wait for them.
func (g *Group) Cancel() { g.cancel() }

// Close refuses new goroutines, cancels the context and returns when all
// goroutines of the group and of the groups below it have ended. It may be
// called more than once and by several callers; each of them waits.
func (g *Group) Close() {
	g.tree.mu.Lock()
	g.closed = true
	g.tree.mu.Unlock()
	g.cancel()
	g.Wait()
}

// Wait returns when no goroutine runs in the group or in a group below it,
// without asking any to end.
func (g *Group) Wait() {
	g.tree.mu.Lock()
	for g.running > 0 {
		g.idle.Wait()
	}
	g.tree.mu.Unlock()
}

// Count is the number of goroutines that run in the group and in the groups
// below it.
func (g *Group) Count() int {
	g.tree.mu.Lock()
	defer g.tree.mu.Unlock()
	return g.running
}

package monitor

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// stepMax is how long monitoring works before it rests for restTime. The first
// bounds how long a reader on the same core can be kept waiting. Both together
// are the share of one core that long answers take, 4 %: where messages want
// all of it, each of them waits longer by that share.
//
// A rest is a sleep, not runtime.Gosched: a goroutine that only yields comes
// back from the global queue before the scheduler looks at the network, and a
// socket that became ready would wait for the whole answer.
const (
	stepMax  = 25 * time.Microsecond
	restTime = 600 * time.Microsecond
)

// pacer is what the requests of one handler share, so that several at a time
// take no more than one does.
type pacer struct {
	busy atomic.Int32 // requests that are being answered in steps
}

// pace belongs to the goroutine of one request.
type pace struct {
	ctx   context.Context
	all   *pacer
	began time.Time
}

// start begins a paced piece of work; end ends it.
func (r *pacer) start(ctx context.Context) *pace {
	r.busy.Add(1)
	return &pace{ctx: ctx, all: r, began: time.Now()}
}

func (p *pace) end() { p.all.busy.Add(-1) }

// step is called after every small piece of work. It rests when it is time to
// and returns the context's error once the client has gone.
func (p *pace) step() error {
	if time.Since(p.began) < stepMax {
		return nil
	}
	return p.rest()
}

func (p *pace) rest() error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	time.Sleep(restTime * time.Duration(p.all.busy.Load()))
	p.began = time.Now()
	return nil
}

// runMax is the longest run that is sorted in one go: some 25 microseconds.
const runMax = 256

// sortPaced sorts list in steps: runs of runMax, then merges of neighbouring
// runs. slices.SortFunc would hold the core for 10 ms over 100,000
// connections. The result is in list or in spare, which must be as long.
// Elements are compared by value, so T is to be small.
func sortPaced[T any](p *pace, list, spare []T, compare func(a, b T) int) ([]T, error) {
	for run := range slices.Chunk(list, runMax) {
		slices.SortFunc(run, compare)
		if err := p.step(); err != nil {
			return nil, err
		}
	}
	for width := runMax; width < len(list); width *= 2 {
		for lo := 0; lo < len(list); lo += 2 * width {
			mid := min(lo+width, len(list))
			hi := min(lo+2*width, len(list))
			if err := mergePaced(p, spare[lo:hi], list[lo:mid], list[mid:hi], compare); err != nil {
				return nil, err
			}
		}
		list, spare = spare, list
	}
	return list, nil
}

func mergePaced[T any](p *pace, dst, a, b []T, compare func(a, b T) int) error {
	for i := range dst {
		if len(b) == 0 || len(a) > 0 && compare(a[0], b[0]) <= 0 {
			dst[i], a = a[0], a[1:]
		} else {
			dst[i], b = b[0], b[1:]
		}
		if i%runMax == runMax-1 {
			if err := p.step(); err != nil {
				return err
			}
		}
	}
	return nil
}

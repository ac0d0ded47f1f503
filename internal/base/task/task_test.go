package task

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestCloseCancelsAndWaitsForAllBelow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := NewGroup("server")
		child := root.Child("clients")
		grand := child.Child("tls")
		var ended atomic.Int32
		for _, g := range []*Group{root, child, grand} {
			if !g.Go("reader", func(ctx context.Context) {
				<-ctx.Done()
				<-time.After(time.Second) // takes its time to end
				ended.Add(1)
			}) {
				t.Fatal("Go refused in an open group")
			}
		}
		if got := [3]int{root.Count(), child.Count(), grand.Count()}; got != [3]int{3, 2, 1} {
			t.Fatalf("counts %v, want [3 2 1]", got)
		}
		root.Close()
		if n := ended.Load(); n != 3 {
			t.Fatalf("Close returned when %d of 3 goroutines had ended", n)
		}
		if root.Count() != 0 || child.Count() != 0 || grand.Count() != 0 {
			t.Fatal("something is still counted after Close")
		}
	})
}

func TestCloseOfAChildLeavesTheRestRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := NewGroup("server")
		child := root.Child("clients")
		wait := func(ctx context.Context) { <-ctx.Done() }
		root.Go("ticker", wait)
		child.Go("reader", wait)
		child.Close()
		if child.Count() != 0 || root.Count() != 1 {
			t.Fatalf("counts %d and %d, want 0 in the child and 1 in the root", child.Count(), root.Count())
		}
		if root.Context().Err() != nil {
			t.Fatal("closing a child cancelled its parent")
		}
		root.Close()
	})
}

func TestGoAfterCloseIsRefused(t *testing.T) {
	root := NewGroup("server")
	before := root.Child("before")
	root.Close()
	after := root.Child("after")
	for _, g := range []*Group{root, before, after} {
		if g.Go("late", func(context.Context) { t.Error("ran in a closed group") }) {
			t.Error("Go reported a start in a closed group")
		}
		if g.Context().Err() == nil {
			t.Error("the context of a closed group is not done")
		}
	}
	root.Close() // again: returns at once
}

func TestGoAfterCancelRunsWithADoneContext(t *testing.T) {
	g := NewGroup("server")
	g.Cancel()
	var err error
	if !g.Go("last words", func(ctx context.Context) { err = ctx.Err() }) {
		t.Fatal("Go refused after Cancel alone")
	}
	g.Wait()
	if err == nil {
		t.Fatal("the context was not done")
	}
}

func TestWaitDoesNotCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup("server")
		g.Go("slow", func(ctx context.Context) {
			select {
			case <-ctx.Done():
				t.Error("Wait cancelled the context")
			case <-time.After(time.Hour):
			}
		})
		g.Wait()
	})
}

// What a timer starts is waited for, and does nothing after Close.
func TestRunByTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := NewGroup("server")
		g := root.Child("clients")
		var begun, ended, late atomic.Bool
		time.AfterFunc(time.Second, func() {
			g.Run(func() {
				begun.Store(true)
				<-time.After(time.Second)
				ended.Store(true)
			})
		})
		time.AfterFunc(time.Hour, func() {
			if g.Run(func() { late.Store(true) }) {
				t.Error("Run reported that it ran in a closed group")
			}
		})
		<-time.After(1500 * time.Millisecond)
		if !begun.Load() || root.Count() != 1 {
			t.Fatalf("begun %v, %d counted; want true and 1", begun.Load(), root.Count())
		}
		root.Close()
		if !ended.Load() {
			t.Fatal("Close returned while the timer's function ran")
		}
		<-time.After(2 * time.Hour)
		if late.Load() {
			t.Fatal("a timer's function ran after Close")
		}
	})
}

// A goroutine may start its successor; whoever waits must not slip through
// the moment between the two.
func TestStartsRacingWithClose(t *testing.T) {
	for range 200 {
		g := NewGroup("server")
		var live atomic.Int32
		var spawn func(ctx context.Context)
		spawn = func(ctx context.Context) {
			live.Add(1)
			defer live.Add(-1)
			g.Go("next", spawn)
			g.Go("next", func(context.Context) {})
		}
		g.Go("first", spawn)
		var closers sync.WaitGroup
		for range 2 {
			closers.Go(func() {
				g.Close()
				if n := live.Load(); n != 0 {
					t.Errorf("%d goroutines ran after Close had returned", n)
				}
			})
		}
		closers.Wait()
	}
}

func TestGoexitIsANormalEnd(t *testing.T) {
	g := NewGroup("server")
	g.Go("gone", func(context.Context) { runtime.Goexit() })
	g.Close()
}

func TestGoroutineProfileShowsTheName(t *testing.T) {
	g := NewGroup("server").Child("clients")
	defer g.Close()
	up := make(chan struct{})
	g.Go("reader", func(ctx context.Context) { close(up); <-ctx.Done() })
	<-up
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(profile.String(), `"task":"server/clients/reader"`) {
		t.Fatalf("the goroutine profile does not name the task:\n%s", profile.String())
	}
}

func TestNamesAreBounded(t *testing.T) {
	g := NewGroup("server")
	for i := range 10 * namesMax {
		g.Go("connection "+strconv.Itoa(i), func(context.Context) {})
	}
	g.Wait()
	if len(g.names) > namesMax {
		t.Fatalf("the group remembers %d names, bound is %d", len(g.names), namesMax)
	}
}

func TestOneAllocationAGoroutine(t *testing.T) {
	g := NewGroup("server")
	fn := func(context.Context) {}
	start := func() {
		if !g.Go("reader", fn) {
			t.Fatal("refused")
		}
		g.Wait()
	}
	start()
	if n := testing.AllocsPerRun(1000, start); n > 1 {
		t.Fatalf("%v allocations to start a goroutine, want at most 1", n)
	}
}

// A panic in a task must take the process down; a test binary started by this
// test shows it.
func TestPanicCrashesTheProcess(t *testing.T) {
	if os.Getenv("TASK_TEST_PANIC") != "" {
		g := NewGroup("server")
		g.Go("broken", func(context.Context) { panic("invariant broken on purpose") })
		g.Wait()
		return // exit code 0 would tell the parent that the panic was swallowed
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestPanicCrashesTheProcess$")
	cmd.Env = append(os.Environ(), "TASK_TEST_PANIC=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("invariant broken on purpose")) {
		t.Fatalf("the process ended with %v:\n%s", err, out)
	}
}

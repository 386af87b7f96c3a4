package invoke

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

const mib = 1 << 20

// watched runs a test beside Invoker.Run, with environments that hold what holds
// says of their function, and answer after a second; the sandbox holds spare.
func watched(t *testing.T, budget, spare int64, holds map[string]int64, test func(t *testing.T, b *bench)) {
	t.Helper()
	inBubble(t, func(c *Config, s *fakeStarter) {
		withNumbers(c, s)
		c.MemoryBudget, c.SpareBytes = budget, func() int64 { return spare }
		s.holds = func(e *fakeEnvironment) int64 { return holds[e.spec.TaskDir] }
	}, func(t *testing.T, b *bench) {
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		defer running.Wait()
		defer stop()
		running.Go(func() { b.Run(ctx) })
		test(t, b)
	})
}

// of is a version of MemorySize 1,024 that the fakes know by its folder.
func of(name string) *function.Version {
	v := versionOf(name)
	v.MemoryMB, v.TaskDir = 1024, name
	return v
}

func (b *bench) used() int64 {
	b.host.mu.Lock()
	defer b.host.mu.Unlock()
	return b.host.used
}

// sideBySide makes n calls of v and tells how long they took together.
func (b *bench) sideBySide(t *testing.T, n int, v *function.Version) time.Duration {
	begin := time.Now()
	var group sync.WaitGroup
	for range n {
		group.Go(func() { b.call(t, v) })
	}
	group.Wait()
	return time.Since(begin)
}

func TestEnvironmentsAreCountedWithWhatTheyHold(t *testing.T) {
	watched(t, 1024*mib, 0, map[string]int64{"f": 30 * mib}, func(t *testing.T, b *bench) {
		var call sync.WaitGroup
		call.Go(func() { b.call(t, of("f")) })
		pass(500 * time.Millisecond)
		if used := b.used(); used != firstGuess {
			t.Errorf("the first is counted with %d MiB, want the guess", used/mib)
		}
		call.Wait()
		pass(2 * shedPause)
		if used := b.used(); used != 36*mib && used != 30*mib {
			t.Errorf("an idle one is counted with %d MiB, want the 30 that it holds", used/mib)
		}
		// By MemorySize one would fit, by the guess eight.
		if took := b.sideBySide(t, 20, of("f")); took > 2*time.Second {
			t.Errorf("20 calls of 30 MiB took %s: they waited for each other", took)
		}
	})
}

func TestTheFirstCallsOfAFunctionShareTheHostByAGuess(t *testing.T) {
	watched(t, 1024*mib, 0, map[string]int64{"f": 30 * mib}, func(t *testing.T, b *bench) {
		took := b.sideBySide(t, 20, of("f"))
		// Eight at first; when one of them is idle it has been weighed, and the rest fits.
		if peak := b.starter.peak; took > 3*time.Second || peak < 8 {
			t.Errorf("they took %s, %d at once", took, peak)
		}
	})
}

// TestAWorkingEnvironmentIsCountedWithTheMostOfItsFunction: what a call takes and
// gives back is free while nobody calls, and reserved while somebody does.
func TestAWorkingEnvironmentIsCountedWithTheMostOfItsFunction(t *testing.T) {
	watched(t, 4096*mib, 0, map[string]int64{"f": 40 * mib}, func(t *testing.T, b *bench) {
		b.starter.handle = func(ctx context.Context, e *fakeEnvironment, _ *sandbox.Event) (*sandbox.Result, error) {
			return &sandbox.Result{MaxMemoryBytes: 700 * mib}, e.work(ctx, 5*time.Second/2)
		}
		b.call(t, of("f"))
		pass(2 * shedPeriod)
		if used := b.used(); used != 40*mib {
			t.Errorf("idle it is counted with %d MiB, want 40", used/mib)
		}
		var call sync.WaitGroup
		call.Go(func() { b.call(t, of("f")) })
		pass(2 * shedPeriod)
		if used := b.used(); used != 700*mib {
			t.Errorf("at work it is counted with %d MiB, want 700", used/mib)
		}
		call.Wait()
		if charge, known := b.weights.charge(of("f")); charge != 700*mib || !known {
			t.Errorf("the next is counted with %d MiB", charge/mib)
		}
	})
}

// TestGrownEnvironmentsPushIdleOnesOut, but never what works.
func TestGrownEnvironmentsPushIdleOnesOut(t *testing.T) {
	var mu sync.Mutex
	grown := int64(0)
	watched(t, 1024*mib, 0, map[string]int64{}, func(t *testing.T, b *bench) {
		b.starter.holds = func(e *fakeEnvironment) int64 {
			mu.Lock()
			defer mu.Unlock()
			if e.spec.TaskDir == "large" {
				return 100*mib + grown
			}
			return 100 * mib
		}
		for _, name := range []string{"a", "b", "c"} {
			b.call(t, of(name))
		}
		large := of("large")
		large.Timeout = time.Minute
		b.starter.handle = func(ctx context.Context, e *fakeEnvironment, _ *sandbox.Event) (*sandbox.Result, error) {
			return &sandbox.Result{}, e.work(ctx, 20*time.Second)
		}
		var call sync.WaitGroup
		call.Go(func() { b.call(t, large) })
		for _, step := range []struct {
			grown int64
			alive int
		}{{0, 4}, {600 * mib, 4}, {700 * mib, 3}, {900 * mib, 1}, {5000 * mib, 1}} {
			mu.Lock()
			grown = step.grown
			mu.Unlock()
			pass(3 * shedPeriod)
			synctest.Wait()
			if _, alive := b.starter.counts(); alive != step.alive {
				t.Errorf("grown by %d MiB: %d alive, want %d", step.grown/mib, alive, step.alive)
			}
		}
		call.Wait()
	})
}

func TestWhatTheSandboxHoldsIsPartOfTheBudget(t *testing.T) {
	for _, test := range []struct{ spare, room int64 }{{0, 10}, {300, 7}, {5000, 5}} {
		watched(t, 1000*mib, test.spare*mib, map[string]int64{"f": 100 * mib}, func(t *testing.T, b *bench) {
			b.weights.learn(of("f"), 100*mib)
			pass(2 * shedPeriod)
			b.sideBySide(t, 30, of("f"))
			if int64(b.starter.peak) != test.room {
				t.Errorf("%d at once beside %d MiB, want %d", b.starter.peak, test.spare, test.room)
			}
		})
	}
}

// TestTheLeastUsefulEnvironmentIsClosedFirst: idle time by memory by what another
// start would take.
func TestTheLeastUsefulEnvironmentIsClosedFirst(t *testing.T) {
	starts := map[string]time.Duration{"dear": 5 * time.Second, "cheap": 100 * time.Millisecond, "large": 100 * time.Millisecond, "recent": 100 * time.Millisecond}
	watched(t, 0, 0, map[string]int64{"dear": 100 * mib, "cheap": 100 * mib, "large": 800 * mib, "recent": 100 * mib}, func(t *testing.T, b *bench) {
		b.starter.start = func(spec *sandbox.Spec, _ int) (sandbox.Init, error) {
			pass(starts[spec.TaskDir])
			return sandbox.Init{Duration: starts[spec.TaskDir]}, nil
		}
		for _, name := range []string{"dear", "cheap", "large"} { // the least recently used first
			b.call(t, of(name))
		}
		pass(time.Minute)
		b.call(t, of("recent"))
		pass(10 * time.Second)
		var order []string
		for e := b.evict(); e != nil; e = b.evict() {
			order = append(order, e.version.Name)
			b.discard(e)
		}
		diff(t, "order", order, []string{"large", "cheap", "recent", "dear"})
	})
}

// TestAFunctionThatNeverRestsIsKnownToo: its environments end with each call, or
// work without a pause.
func TestAFunctionThatNeverRestsIsKnownToo(t *testing.T) {
	watched(t, 4096*mib, 0, map[string]int64{"busy": 900 * mib}, func(t *testing.T, b *bench) {
		b.starter.handle = func(ctx context.Context, e *fakeEnvironment, _ *sandbox.Event) (*sandbox.Result, error) {
			if e.spec.TaskDir == "busy" {
				return &sandbox.Result{}, e.work(ctx, 5*time.Second/2)
			}
			return nil, &sandbox.ExitError{Signal: 9, OutOfMemory: true, MaxMemoryBytes: 1000 * mib}
		}
		knows := func(name string, want int64) {
			t.Helper()
			if charge, _ := b.weights.charge(of(name)); charge != want*mib {
				t.Errorf("%s is counted with %d MiB, want %d", name, charge/mib, want)
			}
		}
		b.call(t, of("killed"))
		knows("killed", 1000)
		var call sync.WaitGroup
		call.Go(func() { b.call(t, of("busy")) })
		pass(2 * shedPeriod)
		knows("busy", 900)
		call.Wait()
	})
}

func TestWhatIsLearnedFallsSlowlyAndIsBounded(t *testing.T) {
	w := newWeights()
	f := of("f")
	if charge, known := w.charge(f); charge != firstGuess || known {
		t.Errorf("guess %d", charge)
	}
	if charge, _ := w.charge(&function.Version{MemoryMB: 64}); charge != 64*mib {
		t.Errorf("guess %d for a function that cannot use so much", charge)
	}
	for _, step := range []struct{ seen, want int64 }{{100, 100}, {300, 300}, {100, 200}, {100, 150}, {400, 400}} {
		w.learn(f, step.seen)
		if charge, known := w.charge(f); charge != step.want || !known {
			t.Errorf("after %d: %d, want %d", step.seen, charge, step.want)
		}
	}
	for n := range 2 * maxLearned {
		w.learn(of(fmt.Sprint(n)), 1)
	}
	if len(w.learned) > maxLearned {
		t.Errorf("%d versions are remembered", len(w.learned))
	}
}

// TestTheSandboxIsToldThatMemoryIsShort, for some time, by who waits and by the
// host.
func TestTheSandboxIsToldThatMemoryIsShort(t *testing.T) {
	var mu sync.Mutex
	var told []bool // changes
	lack := int64(0)
	inBubble(t, func(c *Config, s *fakeStarter) {
		withNumbers(c, s)
		c.MemoryBudget = 100 * mib
		c.MemoryLack = func() (int64, error) { mu.Lock(); defer mu.Unlock(); return lack, nil }
		c.Tight = func(tight bool) {
			mu.Lock()
			defer mu.Unlock()
			if n := len(told); n == 0 || told[n-1] != tight {
				told = append(told, tight)
			}
		}
	}, func(t *testing.T, b *bench) {
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		defer running.Wait()
		defer stop()
		running.Go(func() { b.Run(ctx) })
		so := func(want ...bool) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			diff(t, "told", told, want)
		}
		b.weights.learn(of("f"), 80*mib)
		b.call(t, of("f"))
		pass(2 * shedPeriod)
		so(false)
		b.sideBySide(t, 4, of("f")) // one after the other
		so(false, true)
		pass(2 * tightFor)
		so(false, true, false)
		mu.Lock()
		lack = 1
		mu.Unlock()
		pass(2 * shedPeriod)
		so(false, true, false, true)
	})
}

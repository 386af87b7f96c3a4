package invoke

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// numbered answers with the number of the environment.
func numbered(ctx context.Context, e *fakeEnvironment, _ *sandbox.Event) (*sandbox.Result, error) {
	if err := e.work(ctx, time.Second); err != nil {
		return nil, err
	}
	return &sandbox.Result{Payload: fmt.Append(nil, e.number)}, nil
}

func withNumbers(c *Config, s *fakeStarter) { s.handle = numbered }

func (b *bench) number(t *testing.T, name string) string {
	return string(b.call(t, versionOf(name)).Payload)
}

func TestConcurrentCallsHaveAnEnvironmentEachAndTheLastUsedIsReusedFirst(t *testing.T) {
	inBubble(t, withNumbers, func(t *testing.T, b *bench) {
		var group sync.WaitGroup
		for n := range 3 {
			group.Go(func() {
				pass(time.Duration(n) * 10 * time.Millisecond)
				b.call(t, versionOf("f"))
			})
		}
		group.Wait()
		if starts, alive := b.starter.counts(); starts != 3 || alive != 3 {
			t.Fatalf("%d started, %d alive", starts, alive)
		}
		for range 3 {
			if got := b.number(t, "f"); got != "3" {
				t.Errorf("environment %s served, want the one used last", got)
			}
		}
	})
}

func TestANewReadingOfTheFunctionRetiresTheOldEnvironments(t *testing.T) {
	inBubble(t, withNumbers, func(t *testing.T, b *bench) {
		v := versionOf("f")
		b.call(t, v)
		for _, change := range []func(){func() { v.Generation = "generation-2" }, func() { v.Generation, v.Code = "generation-3", "c1" }} {
			next := *v
			v = &next
			change()
			b.call(t, v)
		}
		pass(fakeClose)
		synctest.Wait()
		if starts, alive := b.starter.counts(); starts != 3 || alive != 1 {
			t.Errorf("%d started, %d alive", starts, alive)
		}
		same := *v
		if got := string(b.call(t, &same).Payload); got != "3" {
			t.Errorf("environment %s served an equal reading", got)
		}
	})
}

func TestVersionsHaveTheirOwnEnvironments(t *testing.T) {
	inBubble(t, withNumbers, func(t *testing.T, b *bench) {
		latest, one := versionOf("f"), versionOf("f")
		one.Version = "1"
		for range 2 {
			if a, c := string(b.call(t, latest).Payload), string(b.call(t, one).Payload); a != "1" || c != "2" {
				t.Errorf("environments %s and %s", a, c)
			}
		}
	})
}

func TestRetireClosesIdleEnvironmentsAndThoseInUseAfterTheirCall(t *testing.T) {
	for _, whole := range []bool{true, false} {
		inBubble(t, withNumbers, func(t *testing.T, b *bench) {
			latest, one := versionOf("f"), versionOf("f")
			one.Version = "1"
			b.call(t, latest)
			b.call(t, one)
			var group sync.WaitGroup
			group.Go(func() { b.call(t, latest) })
			pass(100 * time.Millisecond)
			want := 1 // the version that was not retired
			if whole {
				b.Retire(scopeOf(latest), latest.Name, "")
				want = 0
			} else {
				b.Retire(scopeOf(latest), latest.Name, function.Latest)
			}
			pass(fakeClose)
			synctest.Wait()
			if _, alive := b.starter.counts(); alive != want+1 {
				t.Errorf("%d alive during the call, want %d", alive, want+1)
			}
			group.Wait()
			pass(fakeClose)
			synctest.Wait()
			if _, alive := b.starter.counts(); alive != want {
				t.Errorf("%d alive after the call, want %d", alive, want)
			}
			b.Retire(scopeOf(latest), "unknown", "")
		})
	}
}

func TestAnEnvironmentThatDiedIsNotLeased(t *testing.T) {
	inBubble(t, withNumbers, func(t *testing.T, b *bench) {
		b.call(t, versionOf("f"))
		for e := range b.starter.alive {
			e.die()
		}
		if got := b.number(t, "f"); got != "2" {
			t.Errorf("environment %s served", got)
		}
	})
}

func TestIdleEnvironmentsAreReapedAndForgotten(t *testing.T) {
	inBubble(t, func(c *Config, _ *fakeStarter) { c.IdleTimeout = time.Minute }, func(t *testing.T, b *bench) {
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { b.Run(ctx) })
		b.call(t, versionOf("f"))
		b.call(t, versionOf("g"))
		for range 4 { // g stays in use
			pass(30 * time.Second)
			b.call(t, versionOf("g"))
		}
		if _, alive := b.starter.counts(); alive != 1 {
			t.Errorf("%d alive, want g's", alive)
		}
		pass(2 * time.Minute)
		synctest.Wait()
		if _, alive := b.starter.counts(); alive != 0 || len(b.functions.all()) != 0 {
			t.Errorf("%d alive, %d functions remembered", alive, len(b.functions.all()))
		}
		stop()
		running.Wait()
	})
}

func TestAnEnvironmentIsReplacedAtItsMaximumAge(t *testing.T) {
	inBubble(t, withNumbers, func(t *testing.T, b *bench) {
		b.call(t, versionOf("f"))
		pass(MaxEnvironmentAge - 2*time.Second)
		if got := b.number(t, "f"); got != "1" {
			t.Errorf("environment %s before its time", got)
		}
		pass(2 * time.Second)
		if got := b.number(t, "f"); got != "2" {
			t.Errorf("environment %s after its time", got)
		}
	})
}

func TestAFullHostClosesTheLeastRecentlyUsedIdleEnvironment(t *testing.T) {
	inBubble(t, func(c *Config, s *fakeStarter) { withNumbers(c, s); c.MaxEnvironments = 2 }, func(t *testing.T, b *bench) {
		for _, step := range []struct{ name, environment string }{{"a", "1"}, {"b", "2"}, {"a", "1"}, {"c", "3"}, {"a", "1"}, {"b", "4"}} {
			if got := b.number(t, step.name); got != step.environment {
				t.Errorf("%s ran in environment %s, want %s", step.name, got, step.environment)
			}
		}
		if b.starter.peak > 2 {
			t.Errorf("%d environments at once", b.starter.peak)
		}
	})
}

func TestCallsOfAFullHostAreServedInTheirOrder(t *testing.T) {
	inBubble(t, func(c *Config, s *fakeStarter) { withNumbers(c, s); c.MaxEnvironments = 1 }, func(t *testing.T, b *bench) {
		var mu sync.Mutex
		var order []string
		var group sync.WaitGroup
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			group.Go(func() {
				b.call(t, versionOf(name))
				mu.Lock()
				order = append(order, name)
				mu.Unlock()
			})
			synctest.Wait()
			pass(time.Millisecond)
		}
		group.Wait()
		if !slices.IsSorted(order) || len(order) != 5 {
			t.Errorf("order %v", order)
		}
	})
}

func TestWaitingIsBounded(t *testing.T) {
	inBubble(t, func(c *Config, s *fakeStarter) { withNumbers(c, s); c.MaxEnvironments = 1 }, func(t *testing.T, b *bench) {
		busy := versionOf("busy")
		busy.Timeout = 15 * time.Minute
		b.starter.handle = func(ctx context.Context, e *fakeEnvironment, _ *sandbox.Event) (*sandbox.Result, error) {
			return &sandbox.Result{}, e.work(ctx, time.Minute)
		}
		var group sync.WaitGroup
		group.Go(func() { b.call(t, busy) })
		pass(time.Second)
		begin := time.Now()
		var throttled *ThrottledError
		if _, err := b.Invoke(t.Context(), requestOf(versionOf("f"))); !errors.As(err, &throttled) || time.Since(begin) != hostWait {
			t.Errorf("got %v after %s", err, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.Invoke(ctx, requestOf(versionOf("f"))); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a client that left the queue got %v", err)
		}
		group.Wait()
	})
}

// TestSmallAndLargeFunctionsShareAFullHost keeps a host full of small calls and
// of large ones and asks that neither kind ever waits longer than the bound.
func TestSmallAndLargeFunctionsShareAFullHost(t *testing.T) {
	const hostMB = 1024
	inBubble(t, func(c *Config, s *fakeStarter) {
		c.MemoryBudget = hostMB << 20
		s.handle = func(ctx context.Context, e *fakeEnvironment, _ *sandbox.Event) (*sandbox.Result, error) {
			return &sandbox.Result{}, e.work(ctx, 200*time.Millisecond)
		}
	}, func(t *testing.T, b *bench) {
		b.bySize()
		small, large := versionOf("small"), versionOf("large")
		large.MemoryMB = hostMB
		const rounds = 10
		end := time.Now().Add(time.Minute)
		var group sync.WaitGroup
		served := make([]int, 2)
		var mu sync.Mutex
		for kind, v := range []struct {
			clients int
			large   bool
		}{{20, false}, {2, true}} {
			for range v.clients {
				group.Go(func() {
					for time.Now().Before(end) {
						version := small
						if v.large {
							version = large
						}
						b.call(t, version) // fails the test when the wait was not bounded
						mu.Lock()
						served[kind]++
						mu.Unlock()
					}
				})
			}
		}
		group.Wait()
		if served[0] < rounds || served[1] < rounds {
			t.Errorf("small functions were served %d times, large ones %d", served[0], served[1])
		}
		if b.starter.peakMB > hostMB {
			t.Errorf("%d MB of environments at once", b.starter.peakMB)
		}
	})
}

func TestABusyFunctionDoesNotKeepAFullHost(t *testing.T) {
	inBubble(t, func(c *Config, s *fakeStarter) { c.MaxEnvironments = 2 }, func(t *testing.T, b *bench) {
		end := time.Now().Add(20 * time.Second)
		served := map[string]int{}
		var mu sync.Mutex
		var group sync.WaitGroup
		for _, client := range []struct {
			name  string
			count int
		}{{"busy", 50}, {"quiet", 1}} {
			for range client.count {
				group.Go(func() {
					for time.Now().Before(end) {
						b.call(t, versionOf(client.name))
						mu.Lock()
						served[client.name]++
						mu.Unlock()
					}
				})
			}
		}
		group.Wait()
		starts, _ := b.starter.counts()
		// Handing environments on saves most cold starts; the quiet function is
		// served all the same.
		if served["quiet"] < 20 || served["busy"] < 20*served["quiet"] || starts > served["busy"]/4 {
			t.Errorf("served %v with %d starts", served, starts)
		}
	})
}

func TestAFunctionLargerThanTheHostRunsAlone(t *testing.T) {
	inBubble(t, func(c *Config, s *fakeStarter) { withNumbers(c, s); c.MemoryBudget = 512 << 20 }, func(t *testing.T, b *bench) {
		b.bySize()
		huge := versionOf("huge")
		huge.MemoryMB = 2048
		b.call(t, versionOf("small"))
		if got := string(b.call(t, huge).Payload); got != "2" {
			t.Errorf("environment %s", got)
		}
		if _, alive := b.starter.counts(); alive != 1 {
			t.Errorf("%d alive beside it", alive)
		}
	})
}

package invoke

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// reasonOf is the reason of a throttled call, "" for another outcome.
func reasonOf(err error) Reason {
	var throttled *ThrottledError
	if errors.As(err, &throttled) {
		return throttled.Reason
	}
	return ""
}

// atOnce makes n calls together and counts their outcomes by reason.
func (b *bench) atOnce(t *testing.T, n int, request func(n int) *Request) map[Reason]int {
	t.Helper()
	counts := map[Reason]int{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for k := range n {
		group.Go(func() {
			_, err := b.Invoke(t.Context(), request(k))
			mu.Lock()
			defer mu.Unlock()
			counts[reasonOf(err)]++
		})
	}
	group.Wait()
	return counts
}

func TestAccountConcurrencyIsSharedByFunctionsWithoutReservation(t *testing.T) {
	inBubble(t, func(c *Config, s *fakeStarter) {
		withNumbers(c, s)
		c.AccountConcurrency = 10
		c.ReservedTotal = func(account, region string) int { return 4 }
	}, func(t *testing.T, b *bench) {
		got := b.atOnce(t, 20, func(n int) *Request { return requestOf(versionOf(fmt.Sprint("f", n%3))) })
		diff(t, "outcomes", got, map[Reason]int{"": 6, ConcurrentInvocationLimitExceeded: 14})
		other := versionOf("f")
		other.Region = "us-east-1"
		got = b.atOnce(t, 12, func(n int) *Request {
			if n < 6 {
				return requestOf(versionOf("f"))
			}
			return requestOf(other)
		})
		diff(t, "outcomes in two regions", got, map[Reason]int{"": 12})
	})
}

func TestReservedConcurrencyIsTheFunctionsOwn(t *testing.T) {
	inBubble(t, func(c *Config, s *fakeStarter) { withNumbers(c, s); c.AccountConcurrency = 1 }, func(t *testing.T, b *bench) {
		reserve := func(v *function.Version, n int) *Request {
			r := requestOf(v)
			r.Reserved = &n
			return r
		}
		got := b.atOnce(t, 8, func(int) *Request { return reserve(versionOf("f"), 5) })
		diff(t, "outcomes", got, map[Reason]int{"": 5, ReservedFunctionConcurrentInvocationLimitExceeded: 3})
		got = b.atOnce(t, 2, func(int) *Request { return reserve(versionOf("f"), 0) })
		diff(t, "outcomes of a reservation of 0", got, map[Reason]int{ReservedFunctionConcurrentInvocationLimitExceeded: 2})
		got = b.atOnce(t, 5, func(int) *Request { return reserve(versionOf("f"), 5) })
		diff(t, "outcomes when all is free again", got, map[Reason]int{"": 5})
	})
}

func TestAThrottledCallTellsWhenToTryAgain(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bench) {
		r := requestOf(versionOf("f"))
		r.Reserved = new(int)
		_, err := b.Invoke(t.Context(), r)
		var throttled *ThrottledError
		if !errors.As(err, &throttled) || throttled.RetryAfter != time.Second {
			t.Errorf("got %v", err)
		}
	})
}

func TestAFunctionScalesByAThousandInTenSeconds(t *testing.T) {
	inBubble(t, func(c *Config, s *fakeStarter) {
		c.AccountConcurrency, c.MaxEnvironments = 5000, 5000
		s.handle = func(ctx context.Context, e *fakeEnvironment, _ *sandbox.Event) (*sandbox.Result, error) {
			return &sandbox.Result{}, e.work(ctx, time.Hour)
		}
	}, func(t *testing.T, b *bench) {
		f, g := versionOf("f"), versionOf("g")
		f.Timeout, g.Timeout = 900*time.Second, 900*time.Second
		var mu sync.Mutex
		throttled := 0
		var group sync.WaitGroup
		burst := func(v *function.Version, n int) {
			for range n {
				group.Go(func() {
					if _, err := b.Invoke(t.Context(), requestOf(v)); reasonOf(err) == ConcurrentInvocationLimitExceeded {
						mu.Lock()
						throttled++
						mu.Unlock()
					}
				})
			}
			synctest.Wait()
		}
		expect := func(what string, want int) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if throttled != want {
				t.Errorf("%s: %d throttled, want %d", what, throttled, want)
			}
		}
		burst(f, 1005)
		expect("a burst", 5)
		burst(g, 100)
		expect("another function", 5)
		pass(time.Second)
		burst(f, 110)
		expect("one second later", 15)
		pass(10 * time.Second)
		burst(f, 1000)
		expect("ten seconds later", 15)
		group.Wait()
	})
}

package invoke

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// plan is what a test wants to be kept ready.
type plan struct {
	mu      sync.Mutex
	all     []*function.Provisioned
	changed chan struct{}
}

func (p *plan) AllProvisioned(context.Context) ([]*function.Provisioned, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.all), nil
}

func (p *plan) WatchProvisioned(context.Context) <-chan struct{} { return p.changed }

// set replaces the plan and lets the invoker see it.
func (p *plan) set(all ...*function.Provisioned) {
	p.mu.Lock()
	p.all = all
	p.mu.Unlock()
	p.changed <- struct{}{}
	synctest.Wait()
}

// end lets n environments end by themselves.
func (s *fakeStarter) end(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := range s.alive {
		if n == 0 {
			return
		}
		e.die()
		n--
	}
}

// kept is a configuration of n environments of v.
func kept(id string, n int, v *function.Version) *function.Provisioned {
	return &function.Provisioned{Scope: scopeOf(v), Function: v.Name, Qualifier: v.Version, Requested: n, ID: id,
		Shares: []function.Share{{Version: v, Environments: n}}}
}

func published(name string) *function.Version {
	v := versionOf(name)
	v.Version, v.Generation = "1", name+" as published"
	return v
}

// withPlan is inBubble with an invoker that runs and keeps a plan.
func withPlan(t *testing.T, change func(*Config, *fakeStarter), test func(t *testing.T, b *bench, p *plan)) {
	t.Helper()
	p := &plan{}
	inBubble(t, func(c *Config, s *fakeStarter) {
		p.changed = make(chan struct{}, 1)
		c.Provisions = p
		if change != nil {
			change(c, s)
		}
	}, func(t *testing.T, b *bench) {
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { b.Run(ctx) })
		test(t, b, p)
		stop()
		running.Wait()
	})
}

func (b *bench) wantStatus(t *testing.T, p *function.Provisioned, want ProvisionedStatus) {
	t.Helper()
	synctest.Wait()
	diff(t, "status", b.ProvisionedStatus(p), want)
}

// initType is how the environment of a started sandbox came to be.
func initType(spec *sandbox.Spec) string {
	for _, pair := range spec.Environ {
		if value, ok := strings.CutPrefix(pair, "AWS_LAMBDA_INITIALIZATION_TYPE="); ok {
			return value
		}
	}
	return ""
}

// tellingInit makes environments answer with how they were initialised.
func tellingInit(_ *Config, s *fakeStarter) {
	s.handle = func(ctx context.Context, e *fakeEnvironment, event *sandbox.Event) (*sandbox.Result, error) {
		return &sandbox.Result{Payload: []byte(initType(e.spec))}, e.work(ctx, time.Second)
	}
}

func provisionedRequest(v *function.Version, n int) *Request {
	r := requestOf(v)
	r.Provisioned, r.FunctionProvisioned = n, n
	return r
}

// kinds makes n calls together and counts by which kind of environment they
// were served, or why not.
func (b *bench) kinds(t *testing.T, n int, request func() *Request) map[string]int {
	t.Helper()
	counts := map[string]int{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for range n {
		group.Go(func() {
			response, err := b.Invoke(t.Context(), request())
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				counts[string(reasonOf(err))]++
			} else {
				counts[string(response.Payload)]++
			}
		})
	}
	group.Wait()
	return counts
}

func TestProvisionedEnvironmentsAreThereBeforeTheFirstCall(t *testing.T) {
	withPlan(t, tellingInit, func(t *testing.T, b *bench, p *plan) {
		v := published("f")
		c := kept("a", 3, v)
		b.wantStatus(t, c, ProvisionedStatus{Status: ProvisionInProgress})
		p.set(c)
		b.wantStatus(t, c, ProvisionedStatus{Status: ProvisionInProgress})
		pass(10 * fakeInit)
		b.wantStatus(t, c, ProvisionedStatus{Status: ProvisionReady, Allocated: 3})
		if starts, alive := b.starter.counts(); starts != 3 || alive != 3 {
			t.Errorf("%d started, %d alive", starts, alive)
		}
		for _, spec := range b.starter.specs {
			if spec.InitTimeout != keptInitTimeout || initType(spec) != "provisioned-concurrency" {
				t.Errorf("started with %s, %s", spec.InitTimeout, initType(spec))
			}
		}
		// Five at once: three find an environment, two spill over.
		got := b.kinds(t, 5, func() *Request { return provisionedRequest(v, 3) })
		diff(t, "kinds", got, map[string]int{"provisioned-concurrency": 3, "on-demand": 2})
		// One by one none is on demand, though idle ones of that kind are there.
		for range 4 {
			if got := b.kinds(t, 1, func() *Request { return provisionedRequest(v, 3) }); got["provisioned-concurrency"] != 1 {
				t.Errorf("served by %v", got)
			}
		}
	})
}

// AWS: the first REPORT of a provisioned environment has the Init Duration, and
// the billed duration includes it.
func TestTheFirstCallReportsTheInitialisation(t *testing.T) {
	withPlan(t, nil, func(t *testing.T, b *bench, p *plan) {
		v := published("f")
		p.set(kept("a", 1, v))
		pass(2 * fakeInit)
		b.call(t, v)
		b.call(t, v)
		first, second := b.log.reports[0], b.log.reports[1]
		if first.Init != fakeInit || first.Billed < fakeInit || second.Init != 0 || second.Billed > fakeInit {
			t.Errorf("%+v, then %+v", first, second)
		}
	})
}

func TestProvisionedEnvironmentsAreNeitherReapedNorEvicted(t *testing.T) {
	withPlan(t, func(c *Config, s *fakeStarter) {
		c.IdleTimeout, c.MaxEnvironments = time.Minute, 3
	}, func(t *testing.T, b *bench, p *plan) {
		v := published("f")
		c := kept("a", 2, v)
		p.set(c)
		pass(time.Hour)
		b.wantStatus(t, c, ProvisionedStatus{Status: ProvisionReady, Allocated: 2})
		for n := range 5 { // more functions than the host has places left
			b.call(t, versionOf(fmt.Sprint("other", n)))
		}
		b.wantStatus(t, c, ProvisionedStatus{Status: ProvisionReady, Allocated: 2})
		if starts, _ := b.starter.counts(); starts != 2+5 {
			t.Errorf("%d started", starts)
		}
	})
}

func TestProvisionedEnvironmentsAreReplaced(t *testing.T) {
	withPlan(t, nil, func(t *testing.T, b *bench, p *plan) {
		v := published("f")
		c := kept("a", 2, v)
		p.set(c)
		pass(2 * fakeInit)
		b.starter.end(2)
		pass(maxReapPeriod + time.Second)
		b.wantStatus(t, c, ProvisionedStatus{Status: ProvisionReady, Allocated: 2})
		starts, alive := b.starter.counts()
		if starts != 4 || alive != 2 {
			t.Errorf("%d started, %d alive", starts, alive)
		}
		// Old ones go only when their replacement is there.
		lowest := 2
		for deadline := MaxEnvironmentAge + time.Minute; deadline > 0; deadline -= time.Second {
			pass(time.Second)
			synctest.Wait()
			lowest = min(lowest, b.ProvisionedStatus(c).Allocated)
		}
		if starts, alive := b.starter.counts(); starts != 6 || alive != 2 || lowest != 2 {
			t.Errorf("%d started, %d alive, at times %d", starts, alive, lowest)
		}
	})
}

func TestAnInitialisationThatFailsSurfaces(t *testing.T) {
	var broken atomic.Bool
	withPlan(t, func(_ *Config, s *fakeStarter) {
		s.start = func(spec *sandbox.Spec, n int) (sandbox.Init, error) {
			if broken.Load() || n == 3 {
				return initFails(spec, n)
			}
			pass(fakeInit)
			return sandbox.Init{Duration: fakeInit}, nil
		}
	}, func(t *testing.T, b *bench, p *plan) {
		v := published("f")
		c := kept("a", 3, v)
		p.set(c)
		pass(time.Hour)
		// All or nothing: the two that came up are closed, and nothing is tried
		// again by itself.
		failed := ProvisionedStatus{Status: ProvisionFailed, Reason: "FUNCTION_ERROR_INIT_FAILURE"}
		b.wantStatus(t, c, failed)
		if starts, alive := b.starter.counts(); starts != 3 || alive != 0 {
			t.Errorf("%d started, %d alive", starts, alive)
		}
		again := kept("b", 3, v)
		b.wantStatus(t, again, ProvisionedStatus{Status: ProvisionInProgress}) // put, but not yet seen
		p.set(again)
		pass(time.Minute)
		b.wantStatus(t, again, ProvisionedStatus{Status: ProvisionReady, Allocated: 3})
		// What cannot be replaced leaves the others in service.
		broken.Store(true)
		b.starter.end(1)
		pass(2 * maxReapPeriod)
		b.wantStatus(t, again, ProvisionedStatus{Status: ProvisionFailed, Reason: "FUNCTION_ERROR_INIT_FAILURE", Allocated: 2})
		broken.Store(false)
		pass(maxKeptPause)
		b.wantStatus(t, again, ProvisionedStatus{Status: ProvisionReady, Allocated: 3})
	})
}

func TestAHostThatCannotStartIsTriedAgain(t *testing.T) {
	withPlan(t, func(_ *Config, s *fakeStarter) {
		s.start = func(spec *sandbox.Spec, n int) (sandbox.Init, error) {
			if n < 4 {
				return sandbox.Init{}, errors.New("no fork today")
			}
			return sandbox.Init{Duration: fakeInit}, nil
		}
	}, func(t *testing.T, b *bench, p *plan) {
		c := kept("a", 1, published("f"))
		p.set(c)
		b.wantStatus(t, c, ProvisionedStatus{Status: ProvisionInProgress})
		pass(time.Minute)
		b.wantStatus(t, c, ProvisionedStatus{Status: ProvisionReady, Allocated: 1})
	})
}

func TestProvisionedFollowsThePlan(t *testing.T) {
	withPlan(t, tellingInit, func(t *testing.T, b *bench, p *plan) {
		one, two := published("f"), published("f")
		two.Version, two.Generation = "2", "f as published later"
		alias := func(shares ...function.Share) *function.Provisioned {
			c := kept("alias", 4, one)
			c.Qualifier, c.Shares = "live", shares
			return c
		}
		settle := func(c *function.Provisioned) {
			t.Helper()
			p.set(c)
			pass(10 * fakeInit)
			b.wantStatus(t, c, ProvisionedStatus{Status: ProvisionReady, Allocated: 4})
			pass(fakeClose)
			synctest.Wait()
			if _, alive := b.starter.counts(); alive != 4 {
				t.Errorf("%d alive", alive)
			}
		}
		settle(alias(function.Share{Version: one, Environments: 4}))
		settle(alias(function.Share{Version: one, Environments: 3}, function.Share{Version: two, Environments: 1}))
		settle(alias(function.Share{Version: two, Environments: 4}))
		if got := b.kinds(t, 1, func() *Request { return requestOf(one) }); got["on-demand"] != 1 {
			t.Errorf("the version that the alias left is served by %v", got)
		}
		if got := b.kinds(t, 1, func() *Request { return provisionedRequest(two, 4) }); got["provisioned-concurrency"] != 1 {
			t.Errorf("the version that the alias moved to is served by %v", got)
		}
		// An environment in use when it is no longer wanted ends after its call.
		var group sync.WaitGroup
		group.Go(func() { b.call(t, two) })
		pass(time.Millisecond)
		p.set()
		pass(fakeClose)
		synctest.Wait()
		if _, alive := b.starter.counts(); alive != 2 { // it, and the one on demand
			t.Errorf("%d alive during the call", alive)
		}
		group.Wait()
		pass(fakeClose)
		synctest.Wait()
		if _, alive := b.starter.counts(); alive != 1 {
			t.Errorf("%d alive after the call", alive)
		}
	})
}

// AWS: with as much reserved as provisioned, $LATEST has nothing left to run in,
// and the version goes on (recorded, test_lambda_concurrency_block).
func TestProvisionedIsTakenFromTheReservation(t *testing.T) {
	withPlan(t, tellingInit, func(t *testing.T, b *bench, p *plan) {
		v := published("f")
		p.set(kept("a", 2, v))
		pass(10 * fakeInit)
		reserved := 3
		latest := func() *Request {
			r := requestOf(versionOf("f"))
			r.Reserved, r.FunctionProvisioned = &reserved, 2
			return r
		}
		version := func() *Request {
			r := provisionedRequest(v, 2)
			r.Reserved = &reserved
			return r
		}
		diff(t, "$LATEST", b.kinds(t, 3, latest), map[string]int{"on-demand": 1, string(ReservedFunctionConcurrentInvocationLimitExceeded): 2})
		diff(t, "version", b.kinds(t, 4, version), map[string]int{"provisioned-concurrency": 2, "on-demand": 1, string(ReservedFunctionConcurrentInvocationLimitExceeded): 1})
		reserved = 2
		diff(t, "$LATEST", b.kinds(t, 2, latest), map[string]int{string(ReservedFunctionConcurrentInvocationLimitExceeded): 2})
		diff(t, "version", b.kinds(t, 3, version), map[string]int{"provisioned-concurrency": 2, string(ReservedFunctionConcurrentInvocationLimitExceeded): 1})
	})
}

func TestProvisionedIsTakenFromTheAccount(t *testing.T) {
	withPlan(t, func(c *Config, s *fakeStarter) {
		tellingInit(c, s)
		c.AccountConcurrency = 5
		c.ReservedTotal = func(string, string) int { return 3 } // what the registry counts for the three
	}, func(t *testing.T, b *bench, p *plan) {
		v := published("f")
		p.set(kept("a", 3, v))
		pass(10 * fakeInit)
		diff(t, "outcomes", b.kinds(t, 7, func() *Request { return provisionedRequest(v, 3) }),
			map[string]int{"provisioned-concurrency": 3, "on-demand": 2, string(ConcurrentInvocationLimitExceeded): 2})
		diff(t, "others", b.kinds(t, 3, func() *Request { return requestOf(versionOf("g")) }),
			map[string]int{"on-demand": 2, string(ConcurrentInvocationLimitExceeded): 1})
	})
}

func TestACallThatWaitsGetsAProvisionedEnvironment(t *testing.T) {
	withPlan(t, func(c *Config, s *fakeStarter) {
		tellingInit(c, s)
		c.MaxEnvironments = 1
	}, func(t *testing.T, b *bench, p *plan) {
		v := published("f")
		p.set(kept("a", 1, v))
		pass(2 * fakeInit)
		diff(t, "kinds", b.kinds(t, 3, func() *Request { return provisionedRequest(v, 1) }), map[string]int{"provisioned-concurrency": 3})
	})
}

func TestTenCallsASecondForEachUnitOfConcurrency(t *testing.T) {
	for _, test := range []struct {
		name    string
		request func() *Request
		reason  Reason
		limit   int
	}{
		{"reservation", func() *Request {
			r, reserved := requestOf(versionOf("f")), 2
			r.Reserved = &reserved
			return r
		}, ReservedFunctionInvocationRateLimitExceeded, 2},
		{"account", func() *Request { return requestOf(versionOf("f")) }, FunctionInvocationRateLimitExceeded, 3},
	} {
		inBubble(t, func(c *Config, s *fakeStarter) {
			c.AccountConcurrency = 3
			s.start = func(*sandbox.Spec, int) (sandbox.Init, error) { return sandbox.Init{}, nil }
			s.handle = func(context.Context, *fakeEnvironment, *sandbox.Event) (*sandbox.Result, error) {
				return &sandbox.Result{Payload: []byte("1")}, nil
			}
		}, func(t *testing.T, b *bench) {
			second := func() map[Reason]int {
				counts := map[Reason]int{}
				for range 100 {
					_, err := b.Invoke(t.Context(), test.request())
					counts[reasonOf(err)]++
				}
				return counts
			}
			allowed := 10 * test.limit
			want := map[Reason]int{"": allowed, test.reason: 100 - allowed}
			diff(t, test.name, second(), want)
			pass(time.Second)
			diff(t, test.name+" a second later", second(), want)
			pass(100 * time.Millisecond)
			diff(t, test.name+" a tenth later", second(), map[Reason]int{"": allowed / 10, test.reason: 100 - allowed/10})
		})
	}
}

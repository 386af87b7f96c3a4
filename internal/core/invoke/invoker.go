package invoke

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

// DefaultEndpoint is where functions reach the platform: an address that only
// exists inside their network namespaces.
const DefaultEndpoint = "http://169.254.100.1:4566"

// Credentials are what a function signs its own calls with.
type Credentials struct{ AccessKeyID, SecretAccessKey, SessionToken string }

// Config is what an Invoker works with. Starter, Logs and Credentials are
// required; everything else has a default.
type Config struct {
	Starter  sandbox.Starter
	Clock    clock.Clock            // default clock.System
	Logger   *slog.Logger           // default: discards
	Logs     telemetry.LogSink      // takes the log of every environment
	Reported func(telemetry.Report) // hook: one call is over; must not block

	// Credentials makes the credentials of a function's role. They must be good
	// for MaxEnvironmentAge and one call more.
	Credentials func(account, roleARN, sessionName string) Credentials
	Endpoint    string // AWS_ENDPOINT_URL inside functions; default DefaultEndpoint
	// Trust is the file, inside functions, of the certificates that their programs are
	// to trust. Empty: what they find by themselves.
	Trust string

	AccountConcurrency int // of each account and region; default limit.AccountInFlight
	// ReservedTotal is how much of it the account's functions reserved together;
	// it is asked on every call and must answer from memory. Nil: nothing.
	ReservedTotal func(account, region string) int
	Provisions    Provisions // environments to keep ready; nil: none
	// Snapshot initialises a function and keeps it for clones; sandbox.ErrNoSnapshot
	// tells that it cannot be cloned. Nil: versions with SnapStart are started anew.
	Snapshot        func(ctx context.Context, spec *sandbox.Spec) (Template, sandbox.Init, error)
	IdleTimeout     time.Duration // an environment idle for so long is closed; default 10 minutes
	MaxEnvironments int           // alive at once on this host; default 1,000
	MemoryBudget    int64         // bytes that the environments and the sandbox may hold together; 0: no limit
	// SpareBytes tells what the sandbox holds of it beside the environments. Nil: nothing.
	SpareBytes func() int64
	// Tight is told, each second, whether memory is short: the sandbox keeps nothing
	// ready then. Nil: nobody wants to know.
	Tight func(bool)
	// MemoryLack tells how many bytes this host is short of; idle environments
	// are closed for them. Nil: never.
	MemoryLack func() (int64, error)
}

// MaxEnvironmentAge is when an environment is replaced even though it works.
const MaxEnvironmentAge = 6 * time.Hour

// Defaults of Config.
const (
	defaultIdleTimeout     = 10 * time.Minute
	defaultMaxEnvironments = 1000
)

// Reaping: an idle environment is closed at most one period late.
const (
	reapsPerTimeout = 4
	minReapPeriod   = 100 * time.Millisecond
	maxReapPeriod   = 10 * time.Second
)

// killTimeout bounds how long Close waits for killed environments.
const killTimeout = 10 * time.Second

// Invoker runs functions. Make it with New, run Run beside it, end it with Close.
type Invoker struct {
	config    Config
	functions *functionTable
	host      *hostQueue
	gate      *gate
	keeper    keeper
	templates sync.WaitGroup // goroutines that make or close templates and their clones
	tight     atomic.Bool    // memory was short lately: no clone is made ahead
	weights   *weights

	// life ends when Close kills what still runs. Calls run under it rather than
	// under their client's context: once begun, a call goes on without its client.
	life context.Context
	kill context.CancelFunc
}

// New makes an Invoker; it starts nothing.
func New(config Config) (*Invoker, error) {
	if config.Starter == nil || config.Logs == nil || config.Credentials == nil {
		return nil, errors.New("invoke: Starter, Logs and Credentials are required")
	}
	if config.AccountConcurrency < 0 || config.MaxEnvironments < 0 || config.MemoryBudget < 0 || config.IdleTimeout < 0 {
		return nil, errors.New("invoke: a limit is negative")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Reported == nil {
		config.Reported = func(telemetry.Report) {}
	}
	config.Endpoint = cmp.Or(config.Endpoint, DefaultEndpoint)
	config.AccountConcurrency = cmp.Or(config.AccountConcurrency, limit.AccountInFlight)
	config.IdleTimeout = cmp.Or(config.IdleTimeout, defaultIdleTimeout)
	config.MaxEnvironments = cmp.Or(config.MaxEnvironments, defaultMaxEnvironments)
	i := &Invoker{config: config, functions: newFunctionTable(), host: newHostQueue(config.MaxEnvironments, config.MemoryBudget),
		gate: newGate(), keeper: newKeeper(), weights: newWeights()}
	i.life, i.kill = context.WithCancel(context.Background())
	return i, nil
}

// Run closes environments that are idle for too long or whose memory the host
// needs, and keeps ready those that are provisioned, until ctx ends.
func (i *Invoker) Run(ctx context.Context) error {
	var beside sync.WaitGroup
	defer beside.Wait()
	if i.config.Provisions != nil {
		beside.Go(func() { i.keepProvisioned(ctx) }) // ends when ctx does
	}
	beside.Go(func() { i.watchMemory(ctx) }) // ends when ctx does
	period := min(max(i.config.IdleTimeout/reapsPerTimeout, minReapPeriod), maxReapPeriod)
	for i.config.Clock.Sleep(ctx, period) == nil {
		now := i.config.Clock.Now()
		for _, f := range i.functions.all() {
			i.discard(f.reap(now, i.config.IdleTimeout)...)
			i.reapTemplates(f, now)
		}
		i.functions.sweep(now)
	}
	return nil
}

// Invoke runs one call. It returns a *ThrottledError, ErrRecursive, ErrShuttingDown, ctx's
// error if it ended before the call began, or an error of the host; a failure
// of the function is a Response. Once begun, a call goes on when ctx ends.
func (i *Invoker) Invoke(ctx context.Context, request *Request) (*Response, error) {
	if !i.gate.enter() {
		return nil, ErrShuttingDown
	}
	defer i.gate.leave()
	v := request.Version
	key := functionKey{v.Account, v.Region, v.Name}
	lineage, times := hop(request.TraceID, key)
	if times > maxHops && !request.RecursionAllowed {
		return nil, ErrRecursive
	}
	f := i.functions.enter(key)
	defer f.leave()
	where, err := i.admit(f, request)
	if err != nil {
		return nil, err
	}
	defer i.depart(f, where)
	e, err := i.lease(ctx, f, v)
	if err != nil {
		return nil, err
	}
	c := call{invoker: i, request: request, version: v, environment: e, lineage: lineage}
	return c.run()
}

// lease returns an environment that serves v: a warm one, or one that has its
// place on this host and is yet to be started. The caller owns it and must
// release or discard it.
func (i *Invoker) lease(ctx context.Context, f *functionPool, v *function.Version) (*environment, error) {
	now := i.config.Clock.Now()
	f.mu.Lock()
	pool := f.version(v.Version)
	e, unusable := pool.take(v, now)
	starts := e != nil || f.starts.take(now)
	f.mu.Unlock()
	if len(unusable) > 0 {
		i.discard(unusable...)
	}
	if e != nil {
		return e, nil
	}
	if !starts {
		return nil, &ThrottledError{Reason: ConcurrentInvocationLimitExceeded, RetryAfter: retryAfter}
	}
	charge, known := i.weights.charge(v)
	w := &waiter{pool: pool, version: v, charge: charge, since: now, place: make(chan *environment, 1)}
	if !i.host.reserve(w) {
		e, err := i.wait(ctx, w)
		if e != nil || err != nil {
			f.mu.Lock()
			f.starts.putBack()
			f.mu.Unlock()
			return e, err
		}
	}
	return i.newEnvironment(pool, w, known), nil
}

// newEnvironment makes the environment of a waiter that has its place.
func (i *Invoker) newEnvironment(pool *versionPool, w *waiter, known bool) *environment {
	e := &environment{pool: pool, version: w.version, born: i.config.Clock.Now(), guessed: !known}
	e.charge.Store(w.charge)
	return e
}

// hostWait bounds how long a call waits for a place on a full host.
const hostWait = 10 * time.Second

// wait stands in the host's queue until the waiter gets an environment, or a
// place for one (nil, nil).
func (i *Invoker) wait(ctx context.Context, w *waiter) (*environment, error) {
	i.makeRoom()
	// An environment may have become idle before the waiter could be seen.
	w.pool.function.mu.Lock()
	e, unusable := w.pool.take(w.version, i.config.Clock.Now())
	w.pool.function.mu.Unlock()
	i.discard(unusable...)
	if e != nil {
		i.abandon(w)
		return e, nil
	}
	timer := time.NewTimer(hostWait)
	defer timer.Stop()
	var err error
	select {
	case e := <-w.place:
		return e, nil
	case <-timer.C:
		err = &ThrottledError{Reason: ConcurrentInvocationLimitExceeded, RetryAfter: retryAfter}
	case <-ctx.Done():
		err = ctx.Err()
	case <-i.life.Done():
		err = ErrShuttingDown
	}
	i.abandon(w)
	return nil, err
}

// abandon leaves the queue, giving back what the waiter was given meanwhile.
func (i *Invoker) abandon(w *waiter) {
	if i.host.cancel(w) {
		return
	}
	if e := <-w.place; e != nil {
		i.release(e)
	} else {
		i.host.free(w.charge)
	}
}

// makeRoom closes the least useful idle environments of this host, as many as
// the waiting calls need.
func (i *Invoker) makeRoom() {
	for count, bytes := i.host.shortage(); count > 0 || bytes > 0; count, bytes = i.host.shortage() {
		e := i.evict()
		if e == nil && bytes > 0 {
			i.evictTemplate() // what it frees is seen by the next look at the memory
		}
		if e == nil {
			return // everything is in use
		}
		i.discard(e)
	}
}

// release gives an environment back after its call: to the pool, or to a call
// that waits.
func (i *Invoker) release(e *environment) {
	now := i.config.Clock.Now()
	if e.kept {
		i.releaseKept(e, now)
		return
	}
	p := e.pool
	for {
		p.function.mu.Lock()
		if p.retired {
			p.function.mu.Unlock()
			i.discard(e)
			return
		}
		// A waiter counts itself before it looks through the idle environments,
		// and we look at the count under the lock that it needs for that: so it
		// finds this one, or we find it.
		if i.host.waiting.Load() == 0 {
			e.idleSince = now
			p.idle = append(p.idle, e)
			p.function.mu.Unlock()
			return
		}
		p.function.mu.Unlock()
		taken, pooled := i.host.offer(e, now)
		if taken {
			return
		}
		if !pooled {
			i.discard(e)
			return
		}
	}
}

// discard closes environments. Closing waits for the kernel, and no call shall
// wait for that.
func (i *Invoker) discard(all ...*environment) {
	for _, e := range all {
		if e.kept {
			i.lose(e)
		}
		i.host.ending(e)
		go func() { // ends when every process of the environment is gone
			if e.sandbox != nil {
				if err := e.sandbox.Close(); err != nil {
					i.config.Logger.Error("close an environment", "function", e.version.Name, "version", e.version.Version, "err", err)
				}
			}
			if e.template != nil {
				i.letGo(e.template)
			}
			i.host.ended(e)
		}()
	}
}

// Retire drops the environments of a version that was replaced or deleted, of
// all versions for ""; those in use end after their call.
func (i *Invoker) Retire(scope function.Scope, name, version string) {
	if !i.gate.enter() {
		return // Close retires all
	}
	defer i.gate.leave()
	if f := i.functions.find(functionKey{scope.Account, scope.Region, name}); f != nil {
		i.retire(f, version)
	}
}

func (i *Invoker) retire(f *functionPool, version string) {
	var unwanted []*environment
	f.mu.Lock()
	for known := range f.versions {
		if version == "" || version == known {
			i.retireTemplate(f.versions[known])
			unwanted = append(unwanted, f.retire(known)...)
		}
	}
	f.mu.Unlock()
	i.discard(unwanted...)
}

// Close takes no more calls, waits for those in flight until ctx ends, then
// kills what still runs. When it returns nil every environment is gone.
func (i *Invoker) Close(ctx context.Context) error {
	i.gate.close()
	late := i.gate.wait(ctx) != nil
	i.kill()
	if late {
		for _, e := range i.host.living() {
			i.config.Logger.Warn("a call did not end in time and is killed", "function", e.version.Name, "version", e.version.Version)
			go e.sandbox.Close() // ends when the processes are gone; its call sees the end and discards it
		}
	}
	killed, stop := context.WithTimeout(context.WithoutCancel(ctx), killTimeout) // ctx is over, what was killed still has to go
	defer stop()
	if err := i.gate.wait(killed); err != nil {
		return fmt.Errorf("end the calls in flight: %w", err)
	}
	for _, f := range i.functions.all() {
		i.retire(f, "")
	}
	gone := make(chan struct{})
	go func() { // ends when every environment and template is gone
		<-i.host.drained()
		i.templates.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-killed.Done():
		return fmt.Errorf("close the environments: %w", killed.Err())
	}
}

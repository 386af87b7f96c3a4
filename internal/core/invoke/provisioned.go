package invoke

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
)

// Provisions tells which environments are to be kept ready; *function.Registry
// does.
type Provisions interface {
	AllProvisioned(ctx context.Context) ([]*function.Provisioned, error)
	// WatchProvisioned hints that the answer may be another one now.
	WatchProvisioned(ctx context.Context) <-chan struct{}
}

// The states of a provisioned concurrency configuration, and AWS's reason of a
// failed one (recorded).
const (
	ProvisionInProgress = "IN_PROGRESS"
	ProvisionReady      = "READY"
	ProvisionFailed     = "FAILED"

	reasonInitFailure = "FUNCTION_ERROR_INIT_FAILURE"
)

// keptInitTimeout is the least that an initialisation ahead of any call may
// take; a longer function timeout allows more.
//
// AWS: "up to 15 minutes": 130 seconds or the function's timeout, whichever is higher,
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
const keptInitTimeout = 130 * time.Second

// Pauses after a start that failed, doubled each time, and between two looks at
// what is there.
const (
	minKeptPause = time.Second
	maxKeptPause = 5 * time.Minute
	keptPeriod   = time.Second // while something is missing
)

// keptPool is the part of a version's environments that is kept ready: never
// reaped, never evicted, replaced when one ends. Its fields are guarded by the
// mu of the function.
type keptPool struct {
	version  *function.Version
	settings map[string]int // what is wanted, by the id of the configuration
	wanted   int            // their sum
	idle     []*environment // the least recently used first
	alive    int            // initialised and not closed, idle or in use
	starting int
	inFlight int    // calls counted against the configurations; see admit
	ready    bool   // all that was wanted has been there
	failure  string // why the last start failed; "" once all is there
	retryAt  time.Time
	pause    time.Duration
}

// target is how many environments there should be: none after a first
// allocation that failed, until the configuration is put again.
func (k *keptPool) target() int {
	if k.failure != "" && !k.ready {
		return 0
	}
	return k.wanted
}

// used tells whether the version has anything that is or was kept.
func (k *keptPool) used() bool { return k.wanted+k.alive+k.starting > 0 }

// take removes the environment that was used last; see versionPool.take. Those
// of another reading than v stay: want closes them when they are stale, but v
// may be a reading that only this call has (a debugger's).
func (k *keptPool) take(v *function.Version) (found *environment, unusable []*environment) {
	for n := len(k.idle); n > 0 && k.idle[n-1].serves(v); n = len(k.idle) {
		e := k.idle[n-1]
		k.idle[n-1] = nil
		k.idle = k.idle[:n-1]
		if !e.dead() {
			return e, unusable
		}
		unusable = append(unusable, e)
	}
	return nil, unusable
}

// stale counts the environments that wait for their replacement.
func (k *keptPool) stale(now time.Time) int {
	n := 0
	for _, e := range k.idle {
		if now.Sub(e.born) >= MaxEnvironmentAge {
			n++
		}
	}
	return n
}

// want sets what is to be kept; a change of it is a new beginning. It returns
// what is no longer wanted, for closing.
func (k *keptPool) want(v *function.Version, settings map[string]int) []*environment {
	if !maps.Equal(settings, k.settings) {
		k.settings, k.wanted = settings, 0
		for _, n := range settings {
			k.wanted += n
		}
		k.ready, k.failure, k.retryAt, k.pause = false, "", time.Time{}, 0
	}
	k.version = v
	unwanted := k.surplus()
	k.ready = k.ready || k.alive-len(unwanted) >= k.wanted
	return unwanted
}

// surplus removes idle environments that are dead, of an earlier reading or too
// many.
func (k *keptPool) surplus() (unwanted []*environment) {
	excess := k.alive - k.target()
	k.idle = slices.DeleteFunc(k.idle, func(e *environment) bool {
		gone := e.dead() || !e.serves(k.version)
		if gone {
			excess--
			unwanted = append(unwanted, e)
		}
		return gone
	})
	for ; excess > 0 && len(k.idle) > 0; excess-- {
		unwanted = append(unwanted, k.idle[0])
		k.idle = slices.Delete(k.idle, 0, 1)
	}
	return unwanted
}

// failed notes a start that failed and when to try again.
func (k *keptPool) failed(reason string, now time.Time) {
	k.pause = min(max(2*k.pause, minKeptPause), maxKeptPause)
	k.retryAt = now.Add(k.pause)
	if reason != "" {
		k.failure = reason
	}
}

// arrived notes that an environment is ready.
func (k *keptPool) arrived(e *environment) {
	e.kept = true
	k.alive++
	k.pause = 0
	if k.alive >= k.wanted {
		k.ready, k.failure = true, ""
	}
}

// keptVersion names a version with environments that are kept.
type keptVersion struct {
	function functionKey
	version  string
}

// keeper is what keepProvisioned works with.
type keeper struct {
	look  chan struct{} // something may be missing
	slots chan struct{} // one for each start under way
}

func newKeeper() keeper {
	return keeper{look: make(chan struct{}, 1), slots: make(chan struct{}, 2*runtime.GOMAXPROCS(0))}
}

func (k *keeper) wake() {
	select {
	case k.look <- struct{}{}:
	default: // it will look anyway
	}
}

// wish is what a version shall have ready.
type wish struct {
	version  *function.Version
	settings map[string]int
}

// keepProvisioned starts what is missing of the provisioned environments and
// closes what is too much, until ctx ends.
func (i *Invoker) keepProvisioned(ctx context.Context) {
	var starts sync.WaitGroup
	defer starts.Wait()
	changed := i.config.Provisions.WatchProvisioned(ctx)
	wishes := map[keptVersion]wish{}
	for reload := true; ctx.Err() == nil && i.life.Err() == nil; {
		if reload {
			reload = !i.reload(ctx, wishes)
		}
		timer := time.NewTimer(i.fulfil(&starts, wishes))
		select {
		case <-ctx.Done():
		case <-i.life.Done():
		case <-timer.C:
		case <-i.keeper.look:
		case <-changed:
			reload = true
		}
		timer.Stop()
	}
}

// reload reads what is wanted. What is wanted no more stays in the table for one
// round, as an empty wish.
func (i *Invoker) reload(ctx context.Context, wishes map[keptVersion]wish) bool {
	all, err := i.config.Provisions.AllProvisioned(ctx)
	if err != nil {
		if ctx.Err() == nil {
			i.config.Logger.Error("read the provisioned concurrency", "err", err)
		}
		return false
	}
	for at, w := range wishes {
		wishes[at] = wish{version: w.version}
	}
	for _, p := range all {
		for _, share := range p.Shares {
			at := keptVersion{functionKey{p.Scope.Account, p.Scope.Region, p.Function}, share.Version.Version}
			w := wishes[at]
			if w.settings == nil {
				w.settings = map[string]int{}
			}
			w.version = share.Version
			w.settings[p.ID] += share.Environments
			wishes[at] = w
		}
	}
	return true
}

// fulfil brings every version nearer to its wish and tells when to look again.
func (i *Invoker) fulfil(starts *sync.WaitGroup, wishes map[keptVersion]wish) time.Duration {
	pause := maxReapPeriod
	for at, w := range wishes {
		if !i.fulfilOne(starts, at, w) {
			pause = keptPeriod
		}
		if w.settings == nil {
			delete(wishes, at)
		}
	}
	return pause
}

// fulfilOne starts what one version misses; false if something still does.
func (i *Invoker) fulfilOne(starts *sync.WaitGroup, at keptVersion, w wish) bool {
	f := i.functions.enter(at.function)
	defer f.leave()
	now := i.config.Clock.Now()
	f.mu.Lock()
	p := f.version(at.version)
	k := &p.kept
	unwanted := k.want(w.version, w.settings)
	fresh := k.alive - len(unwanted) - k.stale(now) + k.starting
	missing := 0
	if !now.Before(k.retryAt) {
		missing = k.target() - fresh
	}
	complete := fresh-k.starting >= k.target()
	for ; missing > 0; missing-- {
		select {
		case i.keeper.slots <- struct{}{}:
			k.starting++
			starts.Go(func() { i.startKept(p, w.version) }) // ends when the environment is ready or has failed
			continue
		default: // the end of a start wakes us
		}
		break
	}
	f.mu.Unlock()
	i.discard(unwanted...)
	return complete
}

// startKept starts one environment ahead of any call.
func (i *Invoker) startKept(p *versionPool, v *function.Version) {
	e, failed, err := i.bootKept(p, v)
	guessed := e != nil && e.guessed
	now := i.config.Clock.Now()
	k := &p.kept
	var unwanted []*environment
	p.function.mu.Lock()
	k.starting--
	switch {
	case err != nil:
		k.failed("", now)
	case failed != nil:
		k.failed(reasonInitFailure, now)
		unwanted = k.surplus()
	case p.retired || !e.serves(k.version) || k.alive-k.stale(now) >= k.target():
		unwanted = append(unwanted, e)
	default:
		k.arrived(e)
		i.poolKept(e, now)
		unwanted = k.surplus() // what it replaces
	}
	p.function.mu.Unlock()
	i.discard(unwanted...)
	<-i.keeper.slots
	i.keeper.wake()
	if guessed {
		i.weights.wake()
	}
	if err != nil && !errors.Is(err, ErrShuttingDown) {
		i.config.Logger.Warn("a provisioned environment could not be started", "function", v.Name, "version", v.Version, "err", err)
	}
}

// bootKept finds a place on the host and initialises an environment in it. A
// failure of the function's own code is not an error.
func (i *Invoker) bootKept(p *versionPool, v *function.Version) (*environment, *failure, error) {
	now := i.config.Clock.Now()
	// A pool of its own: it wants a place, never an environment of a call.
	charge, known := i.weights.charge(v)
	w := &waiter{pool: &versionPool{function: p.function}, version: v, charge: charge, since: now, place: make(chan *environment, 1)}
	if !i.host.reserve(w) {
		if _, err := i.wait(i.life, w); err != nil {
			return nil, nil, err
		}
	}
	e := i.newEnvironment(p, w, known)
	if i.life.Err() != nil {
		i.discard(e)
		return nil, nil, ErrShuttingDown
	}
	c := call{invoker: i, request: &Request{}, version: v, environment: e}
	spec := c.spec(e.born, ProvisionedConcurrency)
	spec.InitTimeout = max(v.Timeout, keptInitTimeout)
	init, failed, err := c.initialise(spec, phaseInit)
	if failed != nil || err != nil {
		i.discard(e)
		return nil, failed, err
	}
	e.init = init
	return e, nil, nil
}

// releaseKept gives an environment back that is kept ready; release does it.
func (i *Invoker) releaseKept(e *environment, now time.Time) {
	p := e.pool
	p.function.mu.Lock()
	if p.retired || !e.serves(p.kept.version) || p.kept.alive > p.kept.target() {
		p.function.mu.Unlock()
		i.discard(e)
		return
	}
	i.poolKept(e, now)
	p.function.mu.Unlock()
}

// poolKept hands the environment to a call of its version that waits for a place
// on the host, or keeps it. mu is held: a waiter counts itself before it needs
// that lock to look for an environment, so it is seen here or sees this one.
func (i *Invoker) poolKept(e *environment, now time.Time) {
	if i.host.waiting.Load() > 0 && i.host.give(e) {
		return
	}
	e.idleSince = now
	e.pool.kept.idle = append(e.pool.kept.idle, e)
}

// lose counts out an environment that is being closed.
func (i *Invoker) lose(e *environment) {
	e.pool.function.mu.Lock()
	e.pool.kept.alive--
	e.pool.function.mu.Unlock()
	i.keeper.wake()
}

// ProvisionedStatus is how far a configuration is fulfilled.
type ProvisionedStatus struct {
	Status    string
	Reason    string // of a failure
	Allocated int    // environments that are initialised
}

// ProvisionedStatus tells how far the environments of p are there.
func (i *Invoker) ProvisionedStatus(p *function.Provisioned) ProvisionedStatus {
	s := ProvisionedStatus{Status: ProvisionReady}
	if len(p.Shares) == 0 {
		s.Status = ProvisionInProgress
	}
	f := i.functions.find(functionKey{p.Scope.Account, p.Scope.Region, p.Function})
	for _, share := range p.Shares {
		allocated, ready, reason := 0, false, ""
		if f != nil {
			allocated, ready, reason = f.keptOf(p.ID, share)
		}
		s.Allocated += allocated
		switch {
		case reason != "":
			s.Status, s.Reason = ProvisionFailed, reason
		case !ready && s.Status == ProvisionReady:
			s.Status = ProvisionInProgress
		}
	}
	return s
}

// keptOf tells what there is of a configuration's share.
func (f *functionPool) keptOf(id string, share function.Share) (allocated int, ready bool, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.versions[share.Version.Version]
	if p == nil {
		return 0, false, ""
	}
	allocated = min(p.kept.alive, share.Environments)
	if p.kept.settings[id] != share.Environments {
		return allocated, false, "" // not seen yet
	}
	return allocated, p.kept.ready, p.kept.failure
}

package invoke

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// Template is an initialised function that makes clones of itself, which end
// with it. Its methods may be called from any goroutine.
type Template interface {
	// Fork makes a clone. After an error the template is of no use.
	Fork() (Clone, error)
	// MemoryBytes is the most memory that it held, which its clones share.
	MemoryBytes() int64
	Done() <-chan struct{} // closed when it has ended by itself
	Close() error
}

// Clone is a process of a template that waits to go on as an environment.
type Clone interface {
	// Bind runs the function's hooks within spec.InitTimeout and gives the clone
	// Environ and Log of spec. A hook that fails gives an Init with ErrorType.
	Bind(spec *sandbox.Spec) (sandbox.Environment, sandbox.Init, error)
	Done() <-chan struct{}
	Close() error // of a clone that was not bound
}

// Errors of a call whose environment could not be restored: its hooks failed, or
// took longer than limit.RestoreTimeout.
var (
	ErrRestoreFailed  = errors.New("an after-restore hook of the function failed")
	ErrRestoreTimeout = errors.New("the function could not be restored within the time limit")
)

const (
	// templateRefresh is the age at which a template that is used is replaced. It
	// cannot be used beyond MaxEnvironmentAge: the credentials in its memory end.
	templateRefresh = MaxEnvironmentAge - 30*time.Minute
	// templatePause is how long ordinary environments serve after a template
	// could not be made.
	templatePause = time.Minute
	// maxReady is the most clones that wait for calls of one version.
	maxReady     = 8
	demandWindow = 10 * time.Second      // restores of so long tell how many clones will be wanted
	quiet        = 15 * time.Millisecond // no restore for so long, before the next clone is made: it must not slow a call
	maxQuiet     = 20                    // times that quiet is waited for at most
	// restoreAttempts is how many templates a call tries before an ordinary
	// environment serves it.
	restoreAttempts = 2
)

// snapshots is what a version with SnapStart has. Its fields are guarded by the
// mu of the function.
type snapshots struct {
	current *template // nil: none, or it must be made anew
	making  *making   // nil: none is being made
	unfit   bool      // it cannot be cloned: ordinary environments serve
	retryAt time.Time // of the next try, after one that failed
}

// used tells whether there is anything to be kept.
func (s *snapshots) used() bool { return s.current != nil || s.making != nil || s.unfit }

// making is a template that is being made; the results can be read when done is
// closed.
type making struct {
	done   chan struct{}
	failed *failure // of the function's initialisation
	err    error    // of the host
}

// template is a Template with what is known of its clones.
type template struct {
	pool    *versionPool
	process Template
	log     *logWriter
	born    time.Time
	memory  int64

	// Guarded by the mu of the function.
	ready   []Clone   // wait for calls
	living  int       // environments that were made of it and are not gone, and forks under way
	starts  int       // restores in this window and, for a smooth end, half of those before
	since   time.Time // begin of this window
	last    time.Time // of the last restore
	filling bool
	retired bool // makes no more, and ends with the last of living
}

func (t *template) ended() bool { return isClosed(t.process.Done()) }

func isClosed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// count forgets restores of former windows. mu is held.
func (t *template) count(now time.Time) {
	if now.Sub(t.since) >= demandWindow {
		t.since = now
		t.starts /= 2
	}
}

// target is how many clones of t shall wait: one, more after many restores, none
// while memory is short. mu is held.
func (i *Invoker) target(t *template) int {
	t.count(i.config.Clock.Now())
	if i.tight.Load() {
		return 0
	}
	return min(maxReady, max(1, t.starts))
}

// take counts the caller among the living and returns a clone that waits, if
// there is one, and those that ended by themselves. mu is held.
func (t *template) take(now time.Time) (clone Clone, ended []Clone) {
	t.living++
	t.count(now)
	t.starts++
	t.last = now
	for n := len(t.ready); n > 0; n = len(t.ready) {
		clone = t.ready[n-1]
		t.ready[n-1] = nil
		t.ready = t.ready[:n-1]
		if !isClosed(clone.Done()) {
			return clone, ended
		}
		ended = append(ended, clone)
	}
	return nil, ended
}

// Snapshot makes the template of a published version ahead of its calls. A
// failure of the function's own initialisation is told as a StateReasonCode; a
// function that cannot be cloned is no failure.
func (i *Invoker) Snapshot(ctx context.Context, v *function.Version) (code string, err error) {
	if i.config.Snapshot == nil || !v.SnapStarts() {
		return "", nil
	}
	if !i.gate.enter() {
		return "", ErrShuttingDown
	}
	defer i.gate.leave()
	f := i.functions.enter(functionKey{v.Account, v.Region, v.Name})
	defer f.leave()
	f.mu.Lock()
	p := f.version(v.Version)
	if p.snapshots.current != nil {
		f.mu.Unlock()
		return "", nil
	}
	m := i.makeLocked(p, v, time.Time{})
	f.mu.Unlock()
	if m == nil {
		return "", nil
	}
	select {
	case <-m.done:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if m.failed != nil {
		return m.failed.stateReason(), nil
	}
	return "", m.err
}

// stateReason is StateReasonCode of a version whose initialisation failed.
//
// AWS: the codes are those of its API model; which failure has which is read from
// their names, as no recorded reply is known.
func (f *failure) stateReason() string {
	switch {
	case f.status == statusTimeout:
		return "FunctionError.InitTimeout"
	case f.errorType == errorOutOfMemory:
		return "FunctionError.InitResourceExhausted"
	default:
		return "FunctionError.RuntimeInitError"
	}
}

// acquire returns the template of a version, made now if there is none, and a
// clone if one waits. The caller is among the living then. Nil: an ordinary
// environment serves.
func (i *Invoker) acquire(p *versionPool, v *function.Version) (*template, Clone) {
	for range restoreAttempts {
		now := i.config.Clock.Now()
		p.function.mu.Lock()
		if t := p.snapshots.current; t != nil && (t.ended() || now.Sub(t.born) >= MaxEnvironmentAge) {
			i.retireTemplate(p)
		}
		if t := p.snapshots.current; t != nil {
			clone, ended := t.take(now)
			i.closeClones(t, ended)
			if now.Sub(t.born) >= templateRefresh {
				i.makeLocked(p, v, now) // it takes the place of this one when it is there
			}
			p.function.mu.Unlock()
			i.refill(t)
			return t, clone
		}
		m := i.makeLocked(p, v, now)
		p.function.mu.Unlock()
		if m == nil {
			return nil, nil
		}
		select {
		case <-m.done:
		case <-i.life.Done():
			return nil, nil
		}
	}
	return nil, nil
}

// makeLocked has a template made beside the caller; nil if there shall be none
// now. mu is held.
func (i *Invoker) makeLocked(p *versionPool, v *function.Version, now time.Time) *making {
	s := &p.snapshots
	if s.making != nil {
		return s.making
	}
	if i.config.Snapshot == nil || s.unfit || now.Before(s.retryAt) || p.retired {
		return nil
	}
	m := &making{done: make(chan struct{})}
	s.making = m
	i.templates.Go(func() { i.makeTemplate(p, v, m) }) // ends when the template is made or life ends
	return m
}

func (i *Invoker) makeTemplate(p *versionPool, v *function.Version, m *making) {
	defer close(m.done)
	t, failed, err := i.bootTemplate(p, v)
	now := i.config.Clock.Now()
	p.function.mu.Lock()
	defer p.function.mu.Unlock()
	s := &p.snapshots
	s.making = nil
	m.failed, m.err = failed, err
	switch {
	case t != nil:
		i.retireTemplate(p) // the one that it replaces
		s.current = t
		if p.retired || i.life.Err() != nil {
			i.retireTemplate(p)
		}
	case errors.Is(err, sandbox.ErrNoSnapshot):
		s.unfit, m.err = true, nil
	default:
		s.retryAt = now.Add(templatePause)
	}
}

// bootTemplate initialises the function and makes the first clone, which tells
// whether there can be any.
func (i *Invoker) bootTemplate(p *versionPool, v *function.Version) (*template, *failure, error) {
	begin := i.config.Clock.Now()
	c := call{invoker: i, request: &Request{}, version: v, environment: &environment{version: v}}
	spec := c.spec(begin, SnapStart)
	spec.InitTimeout = max(v.Timeout, keptInitTimeout)
	process, init, err := i.config.Snapshot(i.life, spec)
	if i.life.Err() != nil {
		if err == nil && process != nil {
			err = process.Close()
		}
		return nil, nil, errors.Join(ErrShuttingDown, err)
	}
	log, now := c.environment.log, i.config.Clock.Now()
	unfit := errors.Is(err, sandbox.ErrNoSnapshot)
	if init.Duration > 0 {
		report := initReport{phase: phaseInit, duration: init.Duration, status: statusSuccess}
		if failed := c.initFailure(init, err); failed != nil && !unfit {
			report.status, report.errorType = failed.status, failed.errorType
			log.initEnded(now, report)
			return nil, failed, nil
		}
		log.initEnded(now, report)
	}
	var t *template
	if err == nil {
		t = &template{pool: p, process: process, log: log, born: begin, last: now, memory: process.MemoryBytes()}
		var first Clone
		if first, err = process.Fork(); err == nil {
			t.ready = []Clone{first}
			return t, nil, nil
		}
		unfit = errors.Is(err, sandbox.ErrNoSnapshot)
		err = errors.Join(err, process.Close())
	}
	if unfit {
		log.fellBack(now, err)
	}
	return nil, nil, fmt.Errorf("make a snapshot of %s: %w", v.ARN(), err)
}

// retireTemplate ends the use of a version's template, which is closed when the
// last of its environments is gone. mu is held.
func (i *Invoker) retireTemplate(p *versionPool) {
	t := p.snapshots.current
	if t == nil {
		return
	}
	p.snapshots.current = nil
	t.retired = true
	ready := t.ready
	t.ready = nil
	i.closeClones(t, ready)
	if t.living == 0 {
		i.closeTemplate(t)
	}
}

// closeClones ends clones that no call will need. mu is held.
func (i *Invoker) closeClones(t *template, clones []Clone) {
	if len(clones) == 0 {
		return
	}
	t.living++
	i.templates.Go(func() { // ends when they are gone
		for _, clone := range clones {
			i.logClose(t, clone.Close())
		}
		i.letGo(t)
	})
}

// letGo counts out one of a template's living.
func (i *Invoker) letGo(t *template) {
	t.pool.function.mu.Lock()
	t.living--
	over := t.retired && t.living == 0
	t.pool.function.mu.Unlock()
	if over {
		i.closeTemplate(t)
	}
}

func (i *Invoker) closeTemplate(t *template) {
	i.templates.Go(func() { i.logClose(t, t.process.Close()) }) // ends when its processes are gone
}

func (i *Invoker) logClose(t *template, err error) {
	if err != nil {
		i.config.Logger.Error("close a template", "function", t.pool.function.key.name, "err", err)
	}
}

// refill sees to clones for the calls to come, beside the caller.
func (i *Invoker) refill(t *template) {
	t.pool.function.mu.Lock()
	defer t.pool.function.mu.Unlock()
	if t.filling || t.retired || len(t.ready) >= i.target(t) {
		return
	}
	t.filling = true
	t.living++
	i.templates.Go(func() { i.fill(t) }) // ends when enough wait, or life ends
}

func (i *Invoker) fill(t *template) {
	defer i.letGo(t)
	mu := &t.pool.function.mu
	for more := true; more; {
		i.waitQuiet(t)
		clone, err := t.process.Fork()
		mu.Lock()
		wanted := err == nil && !t.retired && i.life.Err() == nil
		if wanted {
			t.ready = append(t.ready, clone)
		}
		more = wanted && len(t.ready) < i.target(t)
		t.filling = more
		mu.Unlock()
		switch {
		case err != nil:
			i.broken(t, err)
		case !wanted:
			i.logClose(t, clone.Close())
		}
	}
}

// waitQuiet waits until no call is being restored.
func (i *Invoker) waitQuiet(t *template) {
	for range maxQuiet {
		t.pool.function.mu.Lock()
		wait := quiet - i.config.Clock.Now().Sub(t.last)
		t.pool.function.mu.Unlock()
		if wait <= 0 || i.config.Clock.Sleep(i.life, wait) != nil {
			return
		}
	}
}

// broken ends the use of a template that makes no more clones.
func (i *Invoker) broken(t *template, err error) {
	t.pool.function.mu.Lock()
	defer t.pool.function.mu.Unlock()
	if t.pool.snapshots.current != t {
		return // known, or it was closed
	}
	i.config.Logger.Warn("a snapshot is of no use any more", "function", t.pool.function.key.name, "err", err)
	i.retireTemplate(t.pool)
	if now := i.config.Clock.Now(); now.Sub(t.born) < templatePause {
		t.pool.snapshots.retryAt = now.Add(templatePause) // the next one would be no better
	}
}

// reapTemplates gives up clones and templates that nobody needs.
func (i *Invoker) reapTemplates(f *functionPool, now time.Time) {
	if !i.gate.enter() {
		return // Close sees to all
	}
	defer i.gate.leave()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.versions {
		t := p.snapshots.current
		if t == nil {
			continue
		}
		if t.ended() || now.Sub(t.born) >= MaxEnvironmentAge {
			i.retireTemplate(p)
			continue
		}
		surplus := max(0, len(t.ready)-i.target(t))
		unwanted := append([]Clone(nil), t.ready[:surplus]...)
		t.ready = append([]Clone(nil), t.ready[surplus:]...)
		i.closeClones(t, unwanted)
	}
}

// evictTemplate gives up the least recently used template that no environment
// needs; false if there is none.
func (i *Invoker) evictTemplate() bool {
	if !i.gate.enter() {
		return false
	}
	defer i.gate.leave()
	var oldest *template
	var last time.Time
	for _, f := range i.functions.all() {
		f.mu.Lock()
		for _, p := range f.versions {
			if t := p.snapshots.current; t != nil && t.living == 0 && (oldest == nil || t.last.Before(last)) {
				oldest, last = t, t.last
			}
		}
		f.mu.Unlock()
	}
	if oldest == nil {
		return false
	}
	oldest.pool.function.mu.Lock()
	defer oldest.pool.function.mu.Unlock()
	if oldest.pool.snapshots.current == oldest {
		i.retireTemplate(oldest.pool)
	}
	return true
}

package invoke

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox"
)

// environment is one execution environment with what the pool knows of it. Its
// fields belong to its owner: the pool while idle, else the call that leases it.
type environment struct {
	sandbox   sandbox.Environment // nil: has its place on the host, not yet started
	pool      *versionPool
	version   *function.Version
	log       *logWriter
	born      time.Time
	idleSince time.Time
	maxMemory int64         // high-water mark, bytes
	kept      bool          // provisioned; see keptPool
	template  *template     // what it was cloned from, or nil
	init      time.Duration // of its initialisation, until a call has reported it
	startTook time.Duration // what its initialisation took
	guessed   bool          // nothing was known of its function's memory when it was started

	charge  atomic.Int64 // bytes that the host counts it with; changed under hostQueue.mu
	leaving bool         // it is being closed; guarded by hostQueue.mu
	weighed weighing     // of watchMemory alone
}

// serves tells whether the environment was started from this reading of the
// function's configuration and code.
func (e *environment) serves(v *function.Version) bool {
	return e.version == v || e.version.Generation == v.Generation
}

// dead tells whether the environment ended by itself.
func (e *environment) dead() bool {
	select {
	case <-e.sandbox.Done():
		return true
	default:
		return false
	}
}

// functionKey names a function.
type functionKey struct{ account, region, name string }

// functionPool is what the invoker knows of one function.
type functionPool struct {
	key     functionKey
	account *account

	mu               sync.Mutex
	dropped          bool // no longer in the table: look it up again
	users            int  // calls that hold it
	reservedInFlight int
	rate             rate // of the calls within the reservation
	starts           startBucket
	versions         map[string]*versionPool
}

// versionPool holds the idle environments of one version. Its fields are
// guarded by function.mu.
type versionPool struct {
	function *functionPool
	retired  bool           // what is still in use must not come back
	idle     []*environment // the least recently used first
	kept     keptPool       // what is provisioned

	snapshots snapshots // of a version with SnapStart
}

// version returns the pool of a version, mu held.
func (f *functionPool) version(name string) *versionPool {
	p := f.versions[name]
	if p == nil {
		p = &versionPool{function: f}
		f.versions[name] = p
	}
	return p
}

// take removes the most recently used environment that serves v, one that is
// kept ready before any other. What it finds unusable on the way is returned for
// closing. mu is held.
func (p *versionPool) take(v *function.Version, now time.Time) (found *environment, unusable []*environment) {
	if found, unusable = p.kept.take(v); found != nil {
		return found, unusable
	}
	for n := len(p.idle); n > 0; n = len(p.idle) {
		e := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		if e.serves(v) && !e.dead() && now.Sub(e.born) < MaxEnvironmentAge {
			return e, unusable
		}
		unusable = append(unusable, e)
	}
	return nil, unusable
}

// retire forgets a version; its idle environments are returned for closing. mu
// is held.
func (f *functionPool) retire(name string) []*environment {
	p := f.versions[name]
	if p == nil {
		return nil
	}
	delete(f.versions, name)
	p.retired = true
	idle := append(p.idle, p.kept.idle...)
	p.idle, p.kept.idle = nil, nil
	return idle
}

// reap removes idle environments that nobody wants any more.
func (f *functionPool) reap(now time.Time, idleTimeout time.Duration) (unwanted []*environment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, p := range f.versions {
		p.idle = slices.DeleteFunc(p.idle, func(e *environment) bool {
			gone := now.Sub(e.idleSince) >= idleTimeout || now.Sub(e.born) >= MaxEnvironmentAge || e.dead()
			if gone {
				unwanted = append(unwanted, e)
			}
			return gone
		})
		if len(p.idle) == 0 && f.users == 0 && !p.kept.used() && !p.snapshots.used() {
			delete(f.versions, name)
		}
	}
	return unwanted
}

// uselessness is how little an idle environment is worth its memory: the more,
// the longer nobody needed it, the more it holds and the quicker another one is
// started.
func (e *environment) uselessness(now time.Time) float64 {
	idle := max(now.Sub(e.idleSince), time.Millisecond)
	start := max(e.startTook, time.Millisecond)
	return float64(idle) * float64(max(e.charge.Load(), leastCharge)) / float64(start)
}

// leastUseful returns the function's version with the least useful idle
// environment, and how useless that is. Those of one version are alike, so the
// least recently used one stands for them.
func (f *functionPool) leastUseful(now time.Time) (pool *versionPool, uselessness float64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.versions {
		if len(p.idle) == 0 {
			continue
		}
		if u := p.idle[0].uselessness(now); pool == nil || u > uselessness {
			pool, uselessness = p, u
		}
	}
	return pool, uselessness
}

// evict removes the least recently used environment of a version, nil if there
// is none.
func (p *versionPool) evict() *environment {
	p.function.mu.Lock()
	defer p.function.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	e := p.idle[0]
	p.idle = slices.Delete(p.idle, 0, 1)
	return e
}

// shards is the number of locks that the table of functions is spread over.
const shards = 64

// functionTable finds functions by name.
type functionTable struct {
	seed   maphash.Seed
	shards [shards]shard

	accountsMu sync.Mutex
	accounts   map[functionKey]*account // key without a name
}

type shard struct {
	mu        sync.RWMutex
	functions map[functionKey]*functionPool
}

func newFunctionTable() *functionTable {
	t := &functionTable{seed: maphash.MakeSeed(), accounts: map[functionKey]*account{}}
	for i := range t.shards {
		t.shards[i].functions = map[functionKey]*functionPool{}
	}
	return t
}

func (t *functionTable) shard(key functionKey) *shard {
	return &t.shards[maphash.Comparable(t.seed, key)%shards]
}

// find returns a function that is known, or nil.
func (t *functionTable) find(key functionKey) *functionPool {
	s := t.shard(key)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.functions[key]
}

// enter returns a function and counts the caller among its users, so that it
// stays in the table until leave.
func (t *functionTable) enter(key functionKey) *functionPool {
	for {
		f := t.find(key)
		if f == nil {
			f = t.add(key)
		}
		f.mu.Lock()
		if !f.dropped {
			f.users++
			f.mu.Unlock()
			return f
		}
		f.mu.Unlock()
	}
}

func (f *functionPool) leave() {
	f.mu.Lock()
	f.users--
	f.mu.Unlock()
}

func (t *functionTable) add(key functionKey) *functionPool {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.functions[key]
	if f == nil {
		f = &functionPool{key: key, account: t.account(functionKey{account: key.account, region: key.region}), versions: map[string]*versionPool{}}
		s.functions[key] = f
	}
	return f
}

// account returns the counter of an account in a region. They are few and small
// and stay for good: a counter must not be split in two.
func (t *functionTable) account(key functionKey) *account {
	t.accountsMu.Lock()
	defer t.accountsMu.Unlock()
	a := t.accounts[key]
	if a == nil {
		a = &account{}
		t.accounts[key] = a
	}
	return a
}

// all lists the functions that are known.
func (t *functionTable) all() []*functionPool {
	var all []*functionPool
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.RLock()
		for _, f := range s.functions {
			all = append(all, f)
		}
		s.mu.RUnlock()
	}
	return all
}

// sweep forgets functions that nobody uses and that hold nothing.
func (t *functionTable) sweep(now time.Time) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for key, f := range s.functions {
			f.mu.Lock()
			if f.users == 0 && len(f.versions) == 0 && f.starts.full(now) {
				f.dropped = true
				delete(s.functions, key)
			}
			f.mu.Unlock()
		}
		s.mu.Unlock()
	}
}

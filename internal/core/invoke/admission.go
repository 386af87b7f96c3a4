package invoke

import (
	"sync/atomic"
	"time"
)

// Scaling of one function: so many environments may start at once, refilled so
// fast.
//
// AWS: "1,000 execution environments every 10 seconds", refilled continuously,
// https://docs.aws.amazon.com/lambda/latest/dg/scaling-behavior.html
const (
	startBurst     = 1000
	startPerSecond = 100
)

// callsPerSecond is how many calls a second go with each unit of concurrency.
//
// AWS: "10 x concurrency", for an account and for a reservation,
// https://aws.amazon.com/blogs/compute/understanding-aws-lambdas-invoke-throttle-limits/
const callsPerSecond = 10

// retryAfter is the hint that goes with a throttled call.
const retryAfter = time.Second

// account counts the calls of functions without a reservation.
type account struct {
	inFlight atomic.Int64
	rate     rate
}

// counted tells where an admitted call was counted.
type counted struct {
	kept     *versionPool // against the environments kept ready for this version; nil: elsewhere
	reserved bool         // against the reservation of its function, else against the account
}

// admit counts the call in, or says which limit refuses it. What a call finds
// free of the concurrency provisioned for its version it takes from there; what
// spills over counts against the rest of the reservation or of the account.
func (i *Invoker) admit(f *functionPool, r *Request) (counted, error) {
	if r.Provisioned == 0 && r.Reserved == nil {
		return counted{}, i.admitUnreserved(f)
	}
	f.mu.Lock()
	if p := f.version(r.Version.Version); p.kept.inFlight < r.Provisioned {
		p.kept.inFlight++
		f.mu.Unlock()
		return counted{kept: p}, nil
	}
	if r.Reserved == nil {
		f.mu.Unlock()
		return counted{}, i.admitUnreserved(f)
	}
	defer f.mu.Unlock()
	if f.reservedInFlight >= *r.Reserved-r.FunctionProvisioned {
		return counted{}, throttled(ReservedFunctionConcurrentInvocationLimitExceeded)
	}
	if !f.rate.take(i.config.Clock.Now(), *r.Reserved*callsPerSecond) {
		return counted{}, throttled(ReservedFunctionInvocationRateLimitExceeded)
	}
	f.reservedInFlight++
	return counted{reserved: true}, nil
}

func (i *Invoker) admitUnreserved(f *functionPool) error {
	limit := i.config.AccountConcurrency
	if i.config.ReservedTotal != nil {
		limit -= i.config.ReservedTotal(f.key.account, f.key.region)
	}
	if f.account.inFlight.Add(1) > int64(limit) {
		f.account.inFlight.Add(-1)
		return throttled(ConcurrentInvocationLimitExceeded)
	}
	if !f.account.rate.take(i.config.Clock.Now(), limit*callsPerSecond) {
		f.account.inFlight.Add(-1)
		return throttled(FunctionInvocationRateLimitExceeded)
	}
	return nil
}

func throttled(reason Reason) error { return &ThrottledError{Reason: reason, RetryAfter: retryAfter} }

// depart counts an admitted call out.
func (i *Invoker) depart(f *functionPool, c counted) {
	if c.kept == nil && !c.reserved {
		f.account.inFlight.Add(-1)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.kept != nil {
		c.kept.kept.inFlight--
	} else {
		f.reservedInFlight--
	}
}

// rate limits how many calls begin in a second; the zero value has let none
// through. It is one word: the time, in nanoseconds, by which the calls so far
// would be over if they came evenly. That may be a second ahead of now.
type rate struct{ paid atomic.Int64 }

func (r *rate) take(now time.Time, perSecond int) bool {
	if perSecond <= 0 {
		return false
	}
	at, each := now.UnixNano(), int64(time.Second)/int64(perSecond)
	for {
		paid := r.paid.Load()
		next := max(paid, at) + each
		if next-at > int64(time.Second) {
			return false
		}
		if r.paid.CompareAndSwap(paid, next) {
			return true
		}
	}
}

// startBucket limits how fast a function scales; the zero value is full.
type startBucket struct {
	used float64 // starts not yet refilled
	last time.Time
}

func (b *startBucket) take(now time.Time) bool {
	b.used = max(0, b.used-now.Sub(b.last).Seconds()*startPerSecond)
	b.last = now
	if b.used+1 > startBurst {
		return false
	}
	b.used++
	return true
}

func (b *startBucket) full(now time.Time) bool {
	return b.used-now.Sub(b.last).Seconds()*startPerSecond <= 0
}

func (b *startBucket) putBack() { b.used = max(0, b.used-1) }

package invoke

import (
	"sync/atomic"
	"time"
)

// Scaling of one function: so many environments may start at once, refilled so
// fast.
//
// AWS: "1,000 execution environments every 10 seconds", refilled continuously,
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
const (
	startBurst     = 1000
	startPerSecond = 100
)

// retryAfter is the hint that goes with a throttled call.
const retryAfter = time.Second

// account counts the calls in flight of functions without a reservation.
type account struct{ inFlight atomic.Int64 }

// admit counts the call in, or says which limit refuses it. reserved tells
// depart where it was counted.
func (i *Invoker) admit(f *functionPool, r *Request) (reserved bool, err error) {
	if r.Reserved != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.reservedInFlight >= *r.Reserved {
			return true, &ThrottledError{Reason: ReservedFunctionConcurrentInvocationLimitExceeded, RetryAfter: retryAfter}
		}
		f.reservedInFlight++
		return true, nil
	}
	limit := i.config.AccountConcurrency
	if i.config.ReservedTotal != nil {
		limit -= i.config.ReservedTotal(f.key.account, f.key.region)
	}
	if f.account.inFlight.Add(1) > int64(limit) {
		f.account.inFlight.Add(-1)
		return false, &ThrottledError{Reason: ConcurrentInvocationLimitExceeded, RetryAfter: retryAfter}
	}
	return false, nil
}

// depart counts an admitted call out.
func (i *Invoker) depart(f *functionPool, reserved bool) {
	if !reserved {
		f.account.inFlight.Add(-1)
		return
	}
	f.mu.Lock()
	f.reservedInFlight--
	f.mu.Unlock()
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

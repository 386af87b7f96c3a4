package mapping

import (
	"context"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
)

// How many calls a mapping makes at once.
//
// AWS: five at first, up to 300 more a minute while there is more to do, up to
// 1,250; fewer after errors and throttles,
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
const (
	startCalls   = 5
	mostCalls    = 1250
	growthPeriod = time.Minute / 300
	backoff      = time.Second // without growth after trouble
)

// room is the calls that a mapping may make at once. One goroutine enters, many
// leave.
type room struct {
	clock   clock.Clock
	most    int
	changed chan struct{}

	mu             sync.Mutex
	running, limit int
	grown          time.Time // when limit may have grown last
}

func newRoom(c clock.Clock, most int) *room {
	if most == 0 {
		most = mostCalls
	}
	return &room{clock: c, most: most, changed: make(chan struct{}, 1), limit: min(startCalls, most), grown: c.Now()}
}

// enter waits until there is room for one more call; false if ctx ended.
func (r *room) enter(ctx context.Context) bool {
	for ctx.Err() == nil {
		wait, ok := r.tryEnter()
		switch {
		case ok:
			return true
		case wait > 0:
			clock.Wait(ctx, r.clock, r.changed, wait)
		default:
			select {
			case <-r.changed:
			case <-ctx.Done():
			}
		}
	}
	return false
}

// tryEnter enters, or tells how long it is until the room grows: 0 for never.
func (r *room) tryEnter() (wait time.Duration, entered bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	if r.running >= r.limit && r.limit < r.most && now.Sub(r.grown) >= growthPeriod {
		r.limit++
		r.grown = now
	}
	if r.running < r.limit {
		r.running++
		return 0, true
	}
	if r.limit == r.most {
		return 0, false
	}
	return growthPeriod - now.Sub(r.grown), false
}

func (r *room) leave() {
	r.mu.Lock()
	r.running--
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// shrink makes room for fewer calls: half of those that run after a throttle, one
// less after an error.
func (r *room) shrink(throttled bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limit--
	if throttled {
		r.limit = min(r.limit, r.running/2)
	}
	r.limit = max(1, r.limit)
	r.grown = r.clock.Now().Add(backoff - growthPeriod)
}

// rest forgets the growth: there was nothing to do.
func (r *room) rest() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running <= 1 {
		r.limit = min(r.limit, startCalls)
	}
}

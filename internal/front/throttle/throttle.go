// Package throttle counts the requests of routes against the throttling settings of
// their stage, for HTTP and WebSocket APIs.
//
// It promises: a Rate is one number that is changed without a lock, whatever the rate.
//
// No goroutines, no locks. Start reading at Of.
package throttle

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/httpapi"
)

// Of is the rate of a stage's route: its own, or that of the stage for each route. Nil
// is none: AWS's account has one of 10,000 a second, ours has not.
func Of(stage *httpapi.Stage, key string) *Rate {
	settings := httpapi.Settings{}
	for _, s := range []*httpapi.Settings{stage.Settings, settingsOf(stage, key)} {
		if s == nil {
			continue
		}
		if s.ThrottlingRateLimit != nil {
			settings.ThrottlingRateLimit = s.ThrottlingRateLimit
		}
		if s.ThrottlingBurstLimit != nil {
			settings.ThrottlingBurstLimit = s.ThrottlingBurstLimit
		}
	}
	if settings.ThrottlingRateLimit == nil && settings.ThrottlingBurstLimit == nil {
		return nil
	}
	perSecond, burst := defaultRate, defaultBurst
	if settings.ThrottlingRateLimit != nil {
		perSecond = *settings.ThrottlingRateLimit
	}
	if settings.ThrottlingBurstLimit != nil {
		burst = *settings.ThrottlingBurstLimit
	}
	return newRate(perSecond, burst)
}

func settingsOf(stage *httpapi.Stage, key string) *httpapi.Settings {
	if s, ok := stage.RouteSettings[key]; ok {
		return &s
	}
	return nil
}

// The rates of an account. AWS: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
var (
	defaultRate  = 10000.0
	defaultBurst = 5000
)

// Rate is a token bucket in one number: the time at which all tokens would be back.
type Rate struct {
	each  int64 // nanoseconds of a token
	depth int64 // nanoseconds of all tokens
	full  atomic.Int64
}

func newRate(perSecond float64, burst int) *Rate {
	if perSecond <= 0 || burst <= 0 {
		return &Rate{}
	}
	each := max(1, int64(math.Min(float64(time.Second)/perSecond, math.MaxInt32*float64(time.Second))))
	return &Rate{each: each, depth: each * int64(burst)}
}

// Take takes a token, if there is one. Nil has as many as are wanted.
func (r *Rate) Take(now time.Time) bool {
	if r == nil {
		return true
	}
	at := now.UnixNano()
	for {
		full := r.full.Load()
		next := max(full, at) + r.each
		if next-at > r.depth || r.each == 0 {
			return false
		}
		if r.full.CompareAndSwap(full, next) {
			return true
		}
	}
}

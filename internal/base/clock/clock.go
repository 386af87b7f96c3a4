// Package clock is the only source of time for the core packages, so that
// tests can move time by hand instead of waiting for it.
//
// It promises nothing beyond the standard library: System is the wall clock.
// It owns no goroutines and no locks. Start reading at Clock.
package clock

import (
	"context"
	"time"
)

// Clock tells the time and waits for it to pass.
type Clock interface {
	// Now is the current time, with a monotonic reading where the clock has one.
	Now() time.Time
	// Sleep returns nil after d, or ctx's error if that comes first.
	Sleep(ctx context.Context, d time.Duration) error
}

// System is the wall clock of the machine. Under testing/synctest it follows
// the bubble's clock like every other use of package time.
var System Clock = system{}

type system struct{}

func (system) Now() time.Time { return time.Now() }

func (system) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

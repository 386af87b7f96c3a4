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
	// Timer fires once after d; stop frees it earlier.
	Timer(d time.Duration) (fired <-chan time.Time, stop func() bool)
}

// Wait returns after d, when wake gives something, or when ctx ends: whichever
// comes first.
func Wait(ctx context.Context, c Clock, wake <-chan struct{}, d time.Duration) {
	fired, stop := c.Timer(d)
	defer stop()
	select {
	case <-fired:
	case <-wake:
	case <-ctx.Done():
	}
}

// System is the wall clock of the machine. Under testing/synctest it follows
// the bubble's clock like every other use of package time.
var System Clock = system{}

type system struct{}

func (system) Now() time.Time { return time.Now() }

func (system) Sleep(ctx context.Context, d time.Duration) error { return sleep(ctx, System, d) }

func (system) Timer(d time.Duration) (<-chan time.Time, func() bool) {
	timer := time.NewTimer(d)
	return timer.C, timer.Stop
}

func sleep(ctx context.Context, c Clock, d time.Duration) error {
	fired, stop := c.Timer(d)
	defer stop()
	select {
	case <-fired:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Fast is a clock that shows the time of now and passes speed times as fast as
// System from then on.
func Fast(speed int) Clock { return fast{begin: time.Now(), speed: time.Duration(max(1, speed))} }

type fast struct {
	begin time.Time
	speed time.Duration
}

func (f fast) Now() time.Time { return f.begin.Add(time.Since(f.begin) * f.speed) }

func (f fast) Sleep(ctx context.Context, d time.Duration) error { return sleep(ctx, f, d) }

func (f fast) Timer(d time.Duration) (<-chan time.Time, func() bool) {
	return System.Timer(d / f.speed)
}

// Ahead is a clock that shows a later time than another.
func Ahead(c Clock, by time.Duration) Clock { return ahead{c, by} }

type ahead struct {
	Clock
	by time.Duration
}

func (a ahead) Now() time.Time { return a.Clock.Now().Add(a.by) }

package mapping

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
)

// fill enters until there is no room at once.
func fill(r *room) (n int) {
	for {
		if _, ok := r.tryEnter(); !ok {
			return n
		}
		n++
	}
}

// TestARoomGrows: five calls at first, 300 more a minute,
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
func TestARoomGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(clock.System, 0)
		if n := fill(r); n != startCalls {
			t.Errorf("%d calls at first", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute+growthPeriod/2)
		defer cancel()
		n := startCalls
		for r.enter(ctx) {
			n++
		}
		if n != startCalls+300 {
			t.Errorf("%d calls after a minute", n)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		for r.enter(ctx) {
			n++
		}
		if n != mostCalls {
			t.Errorf("%d calls after ten minutes", n)
		}
	})
}

func TestARoomShrinksAfterThrottles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(clock.System, 0)
		for range fill(r) {
			r.shrink(true)
		}
		if r.limit != 1 {
			t.Errorf("a limit of %d", r.limit)
		}
		for range startCalls {
			r.leave()
		}
		if n := fill(r); n != 1 {
			t.Errorf("%d calls after throttles", n)
		}
		<-time.After(backoff)
		if n := fill(r); n != 1 {
			t.Errorf("%d more a second later", n)
		}
	})
}

func TestARoomWithAnOwnLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(clock.System, 2)
		<-time.After(time.Hour)
		if n := fill(r); n != 2 {
			t.Errorf("%d calls", n)
		}
		entered := make(chan bool)
		go func() { entered <- r.enter(t.Context()) }() // ends with the next leave
		synctest.Wait()
		r.leave()
		if !<-entered {
			t.Error("a call that ended made no room")
		}
	})
}

package invoke

import (
	"context"
	"sync"
	"time"
)

// eventContext is context.WithDeadline that costs nothing until somebody waits
// for its end: a warm call asks for the deadline only, and the timer and the
// place among the children of one parent that all calls share are for nothing.
type eventContext struct {
	context.Context // the parent
	deadline        time.Time

	mu   sync.Mutex
	real context.Context // nil: nobody asked yet
	stop context.CancelFunc
}

// Deadline is when the event's time is over.
func (c *eventContext) Deadline() (time.Time, bool) { return c.deadline, true }

// Done is closed then, when the parent ends, or by cancel.
func (c *eventContext) Done() <-chan struct{} { return c.waitable().Done() }

// Err tells which.
func (c *eventContext) Err() error { return c.waitable().Err() }

// Value lets the standard library find the context that ends.
func (c *eventContext) Value(key any) any { return c.waitable().Value(key) }

func (c *eventContext) waitable() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.real == nil {
		c.real, c.stop = context.WithDeadline(c.Context, c.deadline)
	}
	return c.real
}

// cancel ends the context; its owner calls it once, when nobody uses it any more.
func (c *eventContext) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stop != nil {
		c.stop()
	}
}

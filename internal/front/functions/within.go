package functions

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/invoke"
)

// ErrTimeout tells that a function did not answer in time.
var ErrTimeout = errors.New("the function did not answer in time")

// InvokeWithin is Invoke that waits no longer than a limit: the function goes on,
// as on AWS, and nobody gets its answer. The call must not stream.
func (f *Functions) InvokeWithin(ctx context.Context, c *Call, limit time.Duration) (*invoke.Response, error) {
	if f.short(ctx, c, limit) {
		return f.Invoke(ctx, c)
	}
	type result struct {
		response *invoke.Response
		err      error
	}
	done := make(chan result, 1)
	// ends with the call, which the function's own timeout bounds
	go func() {
		defer func() {
			if p := recover(); p != nil { // a request ends, not the server
				done <- result{err: fmt.Errorf("panic: %v\n%s", p, debug.Stack())}
			}
		}()
		response, err := f.Invoke(ctx, c)
		done <- result{response, err}
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.response, r.err
	case <-timer.C:
		return nil, ErrTimeout
	}
}

// overhead is what a call may take besides the function's own timeout: its
// environment's start and initialisation, and the wait for room on the host.
const overhead = 20*time.Second + 500*time.Millisecond

// short tells that a call ends within a limit by itself, so that it needs no
// goroutine to be waited for.
func (f *Functions) short(ctx context.Context, c *Call, limit time.Duration) bool {
	resolved, err := f.Registry.Resolve(ctx, c.Target.Scope, c.Target.Name, c.Target.Qualifier)
	return err == nil && resolved.Version.Timeout > 0 && resolved.Version.Timeout+overhead <= limit
}

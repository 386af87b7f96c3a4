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

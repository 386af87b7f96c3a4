package sandbox

import (
	"context"
	"fmt"
	"os"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/engine/sandbox/frame"
)

// stream hands on a response that comes in chunks, of which first is the first,
// and returns the frame that ends it. No more than one chunk is held here: who
// takes them slowly fills the socket, and then the function waits.
func (e *env) stream(ctx context.Context, event *Event, first frame.Frame) (_ frame.Frame, err error) {
	stop := e.killAtEnd(ctx)
	defer func() {
		if stop() {
			err = os.ErrDeadlineExceeded
		}
	}()
	total := 0
	for f := first; ; {
		if f.Kind != frame.Chunk {
			if len(f.Payload) > 0 && f.Kind == frame.Result {
				return frame.Frame{}, fmt.Errorf("%w: a streamed response ends with %d bytes more", frame.ErrProtocol, len(f.Payload))
			}
			return f, nil
		}
		total += len(f.Payload)
		switch {
		case event.Stream == nil:
			return frame.Frame{}, fmt.Errorf("%w: it streams to a caller who waits for the whole", frame.ErrProtocol)
		case string(f.Meta) != event.RequestID:
			return frame.Frame{}, fmt.Errorf("%w: it streamed to another request", frame.ErrProtocol)
		case total > limit.StreamBytes:
			return frame.Frame{}, fmt.Errorf("%w: it streamed more than %d bytes", frame.ErrProtocol, limit.StreamBytes)
		}
		event.Stream(f.Payload)
		if f, err = frame.Read(e.reader); err != nil {
			return frame.Frame{}, err
		}
	}
}

// killAtEnd kills the environment when ctx ends, even while its response waits
// for a slow reader. stop ends that and tells whether it was killed.
func (e *env) killAtEnd(ctx context.Context) (stop func() bool) {
	killed := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		e.kill()
		close(killed)
	})
	return func() bool {
		if cancel() {
			return false
		}
		<-killed // so that nobody closes the descriptor under it
		return true
	}
}

package sandbox

import (
	"context"
	"fmt"
	"os"

	"github.com/lambkin-dev/lambkin/internal/base/limit"
)

// stream hands on a response that comes in chunks, of which first is the first,
// and returns the frame that ends it. No more than one chunk is held here: who
// takes them slowly fills the socket, and then the function waits.
func (e *env) stream(ctx context.Context, event *Event, first frame) (_ frame, err error) {
	stop := e.killAtEnd(ctx)
	defer func() {
		if stop() {
			err = os.ErrDeadlineExceeded
		}
	}()
	total := 0
	for f := first; ; {
		if f.kind != frameChunk {
			if len(f.payload) > 0 && f.kind == frameResult {
				return frame{}, fmt.Errorf("%w: a streamed response ends with %d bytes more", errProtocol, len(f.payload))
			}
			return f, nil
		}
		total += len(f.payload)
		switch {
		case event.Stream == nil:
			return frame{}, fmt.Errorf("%w: it streams to a caller who waits for the whole", errProtocol)
		case string(f.meta) != event.RequestID:
			return frame{}, fmt.Errorf("%w: it streamed to another request", errProtocol)
		case total > limit.StreamBytes:
			return frame{}, fmt.Errorf("%w: it streamed more than %d bytes", errProtocol, limit.StreamBytes)
		}
		event.Stream(f.payload)
		if f, err = readFrame(e.reader); err != nil {
			return frame{}, err
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

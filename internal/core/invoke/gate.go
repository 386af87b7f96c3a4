package invoke

import (
	"context"
	"sync"
	"sync/atomic"
)

// gateClosed is the bit beside the count of those inside.
const gateClosed = 1 << 62

// gate counts the calls in flight and lets Close wait for the last one. One
// atomic word: a warm call pays two additions.
type gate struct {
	state   atomic.Int64
	once    sync.Once
	drained chan struct{}
}

func newGate() *gate { return &gate{drained: make(chan struct{})} }

func (g *gate) enter() bool {
	if g.state.Add(1)&gateClosed == 0 {
		return true
	}
	g.leave()
	return false
}

func (g *gate) leave() {
	if g.state.Add(-1) == gateClosed {
		g.once.Do(func() { close(g.drained) })
	}
}

// close lets nobody in any more; drained is closed when the last one has left.
func (g *gate) close() {
	if g.state.Or(gateClosed) == 0 {
		g.once.Do(func() { close(g.drained) })
	}
}

// wait returns when everybody has left, or with ctx's error.
func (g *gate) wait(ctx context.Context) error {
	select {
	case <-g.drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package invoke

import (
	"context"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
)

// Looks at the memory: one each period, sooner for what nothing is known of.
const (
	shedPeriod = time.Second
	shedPause  = 20 * time.Millisecond // between two looks at least
	tightFor   = 10 * time.Second      // memory counts as short after it was: what is parked anew costs time and memory
)

// watchMemory weighs the environments and closes idle ones, the least useful
// first, while they hold more than their budget or the host is short of memory;
// until ctx ends. What is provisioned stays.
func (i *Invoker) watchMemory(ctx context.Context) {
	w := memoryWatch{lack: i.config.MemoryLack}
	for ctx.Err() == nil {
		clock.Wait(ctx, i.config.Clock, i.weights.look, shedPeriod)
		now := i.config.Clock.Now()
		regular := now.Sub(w.last) >= shedPeriod // else it was woken
		i.weigh(now, regular)
		if regular {
			w.last = now
			i.lookAround(&w)
		}
		i.shed(i.host.excess(), "the memory budget is used up")
		_ = i.config.Clock.Sleep(ctx, shedPause) // the loop sees the end of ctx
	}
}

// memoryWatch is what watchMemory remembers.
type memoryWatch struct {
	lack     func() (int64, error) // nil: the host does not tell
	last     time.Time             // regular look
	strained time.Time             // memory was short then
}

// lookAround asks what others hold, gives back what the host lacks and says
// whether memory is short.
func (i *Invoker) lookAround(w *memoryWatch) {
	if i.config.SpareBytes != nil {
		i.host.setSpare(i.config.SpareBytes())
	}
	missing := int64(0)
	if w.lack != nil {
		var err error
		if missing, err = w.lack(); err != nil {
			i.config.Logger.Warn("idle environments are kept whatever memory other programs need", "err", err)
			w.lack, missing = nil, 0
		}
		i.shed(missing, "the host is short of memory")
	}
	if missing > 0 || i.host.strained() {
		w.strained = w.last
	}
	tight := !w.strained.IsZero() && w.last.Sub(w.strained) < tightFor
	i.tight.Store(tight)
	if i.config.Tight != nil {
		i.config.Tight(tight)
	}
}

// shed closes idle environments that hold so many bytes. What their end really
// frees is seen by the next look.
func (i *Invoker) shed(bytes int64, because string) {
	closed := 0
	for bytes > 0 {
		e := i.evict()
		if e == nil {
			if i.evictTemplate() {
				closed++
			}
			break // everything is in use
		}
		bytes -= max(e.charge.Load(), leastCharge)
		closed++
		i.discard(e)
	}
	if closed > 0 {
		i.config.Logger.Info("idle environments are closed", "because", because, "count", closed)
	}
}

// evict removes the least useful idle environment of this host from its pool,
// nil if all are in use.
func (i *Invoker) evict() *environment {
	now := i.config.Clock.Now()
	for {
		var pool *versionPool
		most := 0.0
		for _, f := range i.functions.all() {
			if p, uselessness := f.leastUseful(now); p != nil && (pool == nil || uselessness > most) {
				pool, most = p, uselessness
			}
		}
		if pool == nil {
			return nil
		}
		if e := pool.evict(); e != nil {
			return e // else a call was faster
		}
	}
}

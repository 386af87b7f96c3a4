package invoke

import (
	"context"
	"time"
)

// shedPeriod is how often the memory of the host is looked at.
const shedPeriod = time.Second

// shed closes idle environments, the least recently used first, while the host
// is short of memory; until ctx ends. What is provisioned stays.
func (i *Invoker) shed(ctx context.Context) {
	for i.config.Clock.Sleep(ctx, shedPeriod) == nil {
		lack, err := i.config.MemoryLack()
		if err != nil {
			i.config.Logger.Warn("idle environments are kept whatever memory they take", "err", err)
			return
		}
		closed := 0
		for lack > 0 {
			e := i.evictOldest()
			if e == nil {
				if i.evictTemplate() {
					closed++
				}
				break // everything is in use
			}
			// What it held at most: the next look tells what it really freed.
			lack -= max(e.maxMemory, 1<<20)
			closed++
			i.discard(e)
		}
		if closed > 0 {
			i.config.Logger.Info("the host is short of memory: idle environments are closed", "count", closed)
		}
	}
}

// evictOldest removes the least recently used idle environment of this host from
// its pool, nil if all are in use.
func (i *Invoker) evictOldest() *environment {
	for {
		var pool *versionPool
		var oldest time.Time
		for _, f := range i.functions.all() {
			if p, since := f.oldest(); p != nil && (pool == nil || since.Before(oldest)) {
				pool, oldest = p, since
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

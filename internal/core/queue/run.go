package queue

import (
	"context"
	"errors"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Run removes messages that are too old and works on move tasks until ctx ends.
// An error of the store is logged and tried again.
func (q *Queues) Run(ctx context.Context) error {
	swept := q.config.Clock.Now()
	for ctx.Err() == nil {
		now := q.config.Clock.Now()
		if now.Sub(swept) >= sweepInterval {
			swept = now
			q.sweepAll(ctx)
		}
		next, err := q.work(ctx, now)
		if err != nil && ctx.Err() == nil {
			q.config.Logger.Error("a move task of a queue waits", "err", err)
			next = sweepInterval
		}
		clock.Wait(ctx, q.config.Clock, q.wake, min(next, sweepInterval))
	}
	return nil
}

func (q *Queues) sweepAll(ctx context.Context) {
	for _, o := range q.all() {
		o.mu.Lock()
		unloaded := o.stale
		o.mu.Unlock()
		if unloaded {
			continue
		}
		if err := q.sweep(ctx, o.id); err != nil && !errors.Is(err, notExist()) && ctx.Err() == nil {
			q.config.Logger.Error("old messages of a queue stay", "queue", o.id.Name, "err", err)
		}
	}
}

// sweep removes the messages that are older than the queue keeps them, and the
// deduplication ids that are over.
func (q *Queues) sweep(ctx context.Context, id ID) error {
	o, err := q.enter(ctx, id)
	if err != nil {
		return err
	}
	now := milliseconds(q.config.Clock.Now())
	needed := o.sweepableLocked(now)
	o.exit()
	if !needed {
		return nil
	}
	if o, err = q.exclusive(ctx, id); err != nil {
		return err
	}
	defer o.gate.Unlock()
	o.mu.Lock()
	var batches []*store.Batch
	if !o.stale {
		batches = o.sweepLocked(now)
	}
	o.mu.Unlock()
	for _, batch := range batches {
		if err := q.commit(ctx, batch); err != nil {
			o.spoil()
			return err
		}
	}
	return nil
}

func (o *owner) sweepableLocked(now int64) bool {
	old := len(o.index.bySeq) > 0 && o.index.oldest+o.settings.retention.Milliseconds() <= now
	return old || len(o.dupOrder) > 0 && o.dupOrder[0].Expires <= now || len(o.dupGone) > 0
}

// sweepLocked takes what is too old out of the index.
func (o *owner) sweepLocked(now int64) []*store.Batch {
	o.forgetDuplicatesLocked(now)
	o.index.advance(now)
	batch := &store.Batch{Durability: store.Relaxed}
	batches := []*store.Batch{batch}
	full := func() {
		if len(batch.Deletes) >= sweepBatch {
			batch = &store.Batch{Durability: store.Relaxed}
			batches = append(batches, batch)
		}
	}
	for _, id := range o.dupGone {
		if o.dups[id] == nil {
			batch.Deletes = append(batch.Deletes, dupKey(o.key, id))
			full()
		}
	}
	o.dupGone = nil
	oldest := now
	for _, e := range o.index.bySeq {
		if o.expiredLocked(e, now) && (e.state == ready || e.state == delayed) {
			o.index.drop(e)
			o.remove(batch, e)
			full()
			continue
		}
		oldest = min(oldest, e.sent)
	}
	o.index.oldest = oldest
	return batches
}

package topic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Run completes what a crash interrupted, and removes what nobody confirmed,
// until ctx ends. An error of the store is logged and tried again.
func (t *Topics) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		pause := sweepInterval
		if err := t.sweep(ctx); err != nil && ctx.Err() == nil {
			t.config.Logger.Error("the work on topics waits", "err", err)
			pause = retryInterval
		}
		clock.Wait(ctx, t.config.Clock, t.soon, pause)
	}
	return nil
}

// sweepSoon makes Run look now.
func (t *Topics) sweepSoon() {
	select {
	case t.soon <- struct{}{}:
	default: // it will look anyway
	}
}

func (t *Topics) sweep(ctx context.Context) error {
	return errors.Join(t.complete(ctx), t.expire(ctx))
}

// complete finishes the fan-outs that were not.
func (t *Topics) complete(ctx context.Context) error {
	lo, hi := tuple.Range("sns", "pending")
	for {
		entries, more, err := t.page(ctx, lo, hi, scanPage)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			p := &pending{}
			if err := json.Unmarshal(entry.Value, p); err != nil {
				return fmt.Errorf("read what is pending: key %x, %w", entry.Key, err)
			}
			if err := t.completeOne(ctx, p.Topic); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
		lo = append(entries[len(entries)-1].Key, 0)
	}
}

func (t *Topics) completeOne(ctx context.Context, id ID) error {
	v, err := t.load(ctx, id)
	switch {
	case errors.Is(err, noTopic()):
		return nil // and what was pending is gone with it
	case err != nil:
		return err
	case v.line == nil:
		return t.finishAll(ctx, v)
	}
	v.line.mu.Lock()
	defer v.line.mu.Unlock()
	v.line.loaded = false
	return t.loadLine(ctx, v)
}

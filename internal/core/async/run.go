package async

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// run tries an event once and writes down what became of it. An error of the
// store leaves the row as it is: the event runs again.
func (q *Queue) run(ctx context.Context, lease store.Lease, entry store.Entry, id string) {
	switch still, err := q.still(ctx, entry); {
	case err != nil:
		q.hold(ctx)
		return
	case !still:
		return
	}
	var r row
	if err := json.Unmarshal(entry.Value, &r); err != nil {
		q.config.Logger.Error("an asynchronous event cannot be read", "key", fmt.Sprintf("%x", entry.Key), "err", err)
		q.hold(ctx)
		return
	}
	now := q.config.Clock.Now()
	due, why, err := time.Time{}, "it is too old", error(nil)
	if now.Sub(r.Accepted) <= MaxEventAge {
		due, why, err = q.try(ctx, &r, id)
	}
	switch {
	case errors.Is(err, invoke.ErrShuttingDown) || ctx.Err() != nil && err != nil:
		q.hold(ctx) // the next owner runs it
		return
	case err != nil:
		q.config.Logger.Warn("an asynchronous event waits", "function", r.Name, "request_id", r.RequestID, "err", err)
	}
	// The call is over: what became of it must be written even if we are stopping.
	if err := q.settle(context.WithoutCancel(ctx), lease, entry, id, r, due); err != nil {
		q.config.Logger.Error("an asynchronous event runs again, its outcome was not written", "function", r.Name, "request_id", r.RequestID, "err", err)
		q.hold(ctx)
		return
	}
	if due.IsZero() && why != "" {
		q.config.Logger.Warn("an asynchronous event was given up: "+why, "function", r.Name, "request_id", r.RequestID, "failures", r.Failures)
	}
}

// still tells whether the row is there as it was read: between the reading of
// the head and the start of its last event, the event may have run and ended.
func (q *Queue) still(ctx context.Context, entry store.Entry) (bool, error) {
	snap, err := q.config.Store.Snapshot(ctx)
	if err != nil {
		return false, err
	}
	defer snap.Close()
	_, version, err := snap.Get(entry.Key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return version == entry.Version, err
}

// hold keeps an event that stays due from running again at once: the store is
// in trouble, and the function must not be called in a loop meanwhile.
func (q *Queue) hold(ctx context.Context) {
	_ = q.config.Clock.Sleep(ctx, poll) // the only error is ctx's, which ends the wait as well
}

// try runs the function. It returns when to try again, or zero and why it is
// given up ("" when it succeeded). An error says why the try did not happen.
func (q *Queue) try(ctx context.Context, r *row, id string) (due time.Time, why string, err error) {
	payload, err := q.payload(ctx, r, id)
	if err != nil {
		return q.later(r), "", err
	}
	resolved, err := q.config.Resolver.Resolve(ctx, function.Scope{Account: r.Account, Region: r.Region}, r.Name, r.Qualifier)
	var gone *function.NotFoundError
	switch {
	case errors.As(err, &gone):
		return time.Time{}, "the function is gone", nil
	case err != nil: // it is being created or updated, or the host is in trouble
		return q.later(r), "", err
	case resolved.ReservedConcurrency != nil && *resolved.ReservedConcurrency == 0:
		// AWS: goes to the dead-letter queue or the destination "without any retries",
		// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html;
		// the word is the condition in its record (recorded by LocalStack's tests, 2025-11).
		return time.Time{}, "ZeroReservedConcurrency", nil
	}
	response, err := q.config.Invoker.Invoke(ctx, &invoke.Request{
		Version: resolved.Version, InvokedARN: resolved.InvokedARN, Reserved: resolved.ReservedConcurrency,
		Provisioned: resolved.Provisioned, FunctionProvisioned: resolved.FunctionProvisioned, RecursionAllowed: resolved.RecursionAllowed,
		RequestID: r.RequestID, TraceID: r.TraceID, Payload: payload,
	})
	switch {
	case errors.Is(err, invoke.ErrRecursive):
		return time.Time{}, err.Error(), nil
	case err != nil:
		return q.later(r), "", err
	case response.FunctionError == "":
		return time.Time{}, "", nil
	case r.Failures >= len(q.config.Retries):
		r.Failures++
		return time.Time{}, "the function failed", nil
	}
	pause := q.config.Retries[r.Failures]
	r.Failures++
	return q.config.Clock.Now().Add(pause), "", nil
}

// later is when to try again after a throttle: the pause doubles each time.
func (q *Queue) later(r *row) time.Time {
	pause := q.config.Backoff
	for range min(r.Paused, maxDoublings) {
		pause = min(2*pause, maxBackoff)
	}
	r.Paused++
	return q.config.Clock.Now().Add(pause)
}

// maxDoublings is more than it takes from firstBackoff to maxBackoff.
const maxDoublings = 16

func (q *Queue) payload(ctx context.Context, r *row, id string) ([]byte, error) {
	snap, err := q.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the payload of an event: %w", err)
	}
	defer snap.Close()
	var whole bytes.Buffer
	for n := range r.Chunks {
		chunk, _, err := snap.Get(chunkKey(id, n))
		if err != nil {
			return nil, fmt.Errorf("read the payload of an event: %w", err)
		}
		whole.Write(chunk)
	}
	return whole.Bytes(), nil
}

// settle moves the event to its next time, or removes it for a zero due.
func (q *Queue) settle(ctx context.Context, lease store.Lease, entry store.Entry, id string, r row, due time.Time) error {
	batch := &store.Batch{Checks: []store.Check{lease.Fence(), store.At(entry.Key, entry.Version)}, Deletes: [][]byte{entry.Key}}
	if due.IsZero() {
		for n := range r.Chunks {
			batch.Deletes = append(batch.Deletes, chunkKey(id, n))
		}
	} else {
		put, err := r.at(due, id)
		if err != nil {
			return err
		}
		batch.Puts = append(batch.Puts, put)
	}
	if _, err := q.config.Store.Commit(ctx, batch); err != nil {
		return err
	}
	if due.IsZero() {
		q.queued.Add(-1)
	}
	return nil
}

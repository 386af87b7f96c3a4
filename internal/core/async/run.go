package async

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/chunk"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

// task is an event that is being tried.
type task struct {
	entry    store.Entry
	id       string
	row      row
	payload  []byte
	settings Settings
}

// condition says how an event ended; the texts are those of invocation records.
type condition string

// The ends of an event.
//
// AWS: the first three are documented
// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html),
// the fourth is recorded.
const (
	success                 condition = "Success"
	retriesExhausted        condition = "RetriesExhausted"
	eventAgeExceeded        condition = "EventAgeExceeded"
	zeroReservedConcurrency condition = "ZeroReservedConcurrency"
	dropped                 condition = "" // there is no function any more whose settings say where to
)

// outcome is what a try came to: a time to try again, or an end.
type outcome struct {
	due      time.Time // zero: the event is over
	end      condition
	why      string             // words for the log of an event that was given up
	resolved *function.Resolved // nil if the function was not found
	response *invoke.Response   // nil if the function did not run
	problem  error              // why it did not run
}

// run tries an event once and writes down what became of it. An error of the
// store leaves the row as it is: the event runs again.
func (q *Queue) run(ctx context.Context, lease store.Lease, entry store.Entry, id string) {
	t, err := q.read(ctx, entry, id)
	switch {
	case errors.Is(err, errOver):
		return
	case errors.Is(err, errUnreadable), errors.Is(err, chunk.ErrLost):
		q.setAside(ctx, lease, entry, err)
		return
	case err != nil:
		q.hold(ctx)
		return
	}
	o := q.try(ctx, t)
	switch {
	case errors.Is(o.problem, invoke.ErrShuttingDown) || ctx.Err() != nil && o.problem != nil:
		q.hold(ctx) // the next owner runs it
		return
	case o.problem != nil:
		q.config.Logger.Warn("an asynchronous event waits", "function", t.row.Name, "request_id", t.row.RequestID, "err", o.problem)
	}
	// The call is over: what became of it must be written even if we are stopping.
	if err := q.settle(context.WithoutCancel(ctx), lease, t, &o); err != nil {
		q.config.Logger.Error("an asynchronous event runs again, its outcome was not written", "function", t.row.Name, "request_id", t.row.RequestID, "err", err)
		q.hold(ctx)
		return
	}
	if o.due.IsZero() && o.end != success {
		q.config.Logger.Warn("an asynchronous event was given up: "+o.why, "function", t.row.Name, "request_id", t.row.RequestID, "failures", t.row.Failures)
		q.measure(&t.row, telemetry.AsyncEventsDropped, 1)
	}
}

// What read finds besides an event.
var (
	errOver       = errors.New("the event is over")
	errUnreadable = errors.New("unreadable event")
)

// read reads an event as it is now: between the reading of the head and the
// start of its last event, it may have run and ended.
func (q *Queue) read(ctx context.Context, entry store.Entry, id string) (*task, error) {
	snap, err := q.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	value, version, err := snap.Get(entry.Key)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && version != entry.Version:
		return nil, errOver
	case err != nil:
		return nil, err
	}
	t := &task{entry: entry, id: id}
	if err := json.Unmarshal(value, &t.row); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	if t.payload, err = chunk.Read(snap, t.row.Chunks, "async", "payload", id); err != nil {
		return nil, err
	}
	t.settings, _, err = readSettings(snap, t.row.target())
	return t, err
}

// hold keeps an event that stays due from running again at once: the store is
// in trouble, and the function must not be called in a loop meanwhile.
func (q *Queue) hold(ctx context.Context) {
	_ = q.config.Clock.Sleep(ctx, poll) // the only error is ctx's, which ends the wait as well
}

// try runs the function.
func (q *Queue) try(ctx context.Context, t *task) outcome {
	r := &t.row
	age := q.config.Clock.Now().Sub(r.Accepted)
	resolved, err := q.config.Resolver.Resolve(ctx, r.target().Scope, r.Name, r.Qualifier)
	o := outcome{resolved: resolved}
	var gone *function.NotFoundError
	switch {
	case errors.As(err, &gone):
		o.end, o.why = dropped, "the function is gone"
		return o
	case age > t.settings.maxAge():
		o.end, o.why = eventAgeExceeded, "it is too old"
		return o
	case err != nil: // it is being created or updated, or the host is in trouble
		return q.later(t, o, codeTrouble, err)
	case resolved.ReservedConcurrency != nil && *resolved.ReservedConcurrency == 0:
		// AWS: goes to the dead-letter queue or the destination "without any retries",
		// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html;
		// the word is the condition in its record (recorded, 2025-11).
		o.end, o.why = zeroReservedConcurrency, string(zeroReservedConcurrency)
		r.ErrorCode, r.ErrorMessage = codeThrottled, rateExceeded
		return o
	}
	q.measure(r, telemetry.AsyncEventAge, float64(age.Milliseconds()))
	o.response, err = q.config.Invoker.Invoke(ctx, &invoke.Request{
		Version: resolved.Version, InvokedARN: resolved.InvokedARN, Reserved: resolved.ReservedConcurrency,
		Provisioned: resolved.Provisioned, FunctionProvisioned: resolved.FunctionProvisioned, RecursionAllowed: resolved.RecursionAllowed,
		RequestID: r.RequestID, TraceID: r.TraceID, Payload: t.payload,
	})
	var throttled *invoke.ThrottledError
	switch {
	case errors.Is(err, invoke.ErrRecursive):
		// AWS: does not tell the condition in the record of an event that it stopped.
		o.end, o.why = retriesExhausted, err.Error()
		r.ErrorCode, r.ErrorMessage = codeRecursive, err.Error()
		return o
	case errors.Is(err, invoke.ErrRestoreFailed):
		r.ErrorCode, r.ErrorMessage = codeRestoreFailed, err.Error()
		return q.failed(t, o)
	case errors.Is(err, invoke.ErrRestoreTimeout):
		r.ErrorCode, r.ErrorMessage = codeRestoreTimeout, err.Error()
		return q.failed(t, o)
	case errors.As(err, &throttled):
		return q.later(t, o, codeThrottled, err)
	case err != nil:
		return q.later(t, o, codeTrouble, err)
	case o.response.FunctionError == "":
		o.end = success
		return o
	}
	return q.failed(t, o)
}

// failed decides what follows a function error.
//
// AWS: whether the function's after-restore hooks that fail count as one is not
// documented; they are the function's own, so they do.
func (q *Queue) failed(t *task, o outcome) outcome {
	r := &t.row
	retry := r.Failures
	r.Failures++
	if retry >= t.settings.maxRetries(len(q.config.Retries)) {
		o.end, o.why = retriesExhausted, "the function failed"
		return o
	}
	due := q.config.Clock.Now().Add(q.config.Retries[retry])
	if due.Sub(r.Accepted) > t.settings.maxAge() {
		// AWS: recorded: an event that would be too old for its next try is given up
		// with the response of this one.
		o.end, o.why = eventAgeExceeded, "it will be too old when it is tried again"
		return o
	}
	o.due = due
	return o
}

// What a dead letter tells of an event whose last try did not begin: the HTTP
// status and the text with which AWS's Invoke would have refused it.
const (
	codeRecursive = 400
	codeThrottled = 429
	codeTrouble   = 500

	codeRestoreFailed  = 400 // SnapStartException
	codeRestoreTimeout = 408 // SnapStartTimeoutException

	rateExceeded  = "Rate Exceeded."
	hostInTrouble = "An error occurred and the request cannot be processed."
)

// later puts a try off that did not begin: the pause doubles each time. An
// event that gets too old meanwhile is given up at that time.
func (q *Queue) later(t *task, o outcome, code int, problem error) outcome {
	r := &t.row
	pause := q.config.Backoff
	for range min(r.Paused, maxDoublings) {
		pause = min(2*pause, maxBackoff)
	}
	r.Paused++
	r.ErrorCode, r.ErrorMessage = code, rateExceeded
	if code != codeThrottled {
		r.ErrorMessage = hostInTrouble
	}
	now := q.config.Clock.Now()
	left := r.Accepted.Add(t.settings.maxAge()).Sub(now) + time.Millisecond
	o.due, o.problem = now.Add(min(pause, max(left, 0))), problem
	return o
}

// maxDoublings is more than it takes from firstBackoff to maxBackoff.
const maxDoublings = 16

// settle moves the event to its next time, or ends it and sends what follows, in
// one commit.
func (q *Queue) settle(ctx context.Context, lease store.Lease, t *task, o *outcome) error {
	batch := &store.Batch{Checks: []store.Check{lease.Fence(), store.At(t.entry.Key, t.entry.Version)}, Deletes: [][]byte{t.entry.Key}}
	if !o.due.IsZero() {
		put, err := t.row.at(o.due, t.id)
		if err != nil {
			return err
		}
		batch.Puts = append(batch.Puts, put)
		_, err = q.config.Store.Commit(ctx, batch)
		return err
	}
	chunk.Delete(batch, t.row.Chunks, "async", "payload", t.id)
	messages, err := q.messages(t, o)
	if err != nil {
		return err
	}
	for _, m := range messages {
		if err := q.config.Outbox.Add(batch, m); err != nil {
			return err
		}
	}
	if _, err := q.config.Store.Commit(ctx, batch); err != nil {
		return err
	}
	q.queued.Add(-1)
	if len(messages) > 0 {
		q.config.Outbox.Wake()
	}
	return nil
}

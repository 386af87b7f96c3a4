package mapping

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
)

const (
	// keepParts is which part of the visibility timeout is left when it is
	// extended because the call still runs.
	keepParts = 3

	firstRetry = 100 * time.Millisecond // after a throttle; doubles
	maxRetry   = 5 * time.Second
)

// work is the handling of one haul. One goroutine has it.
type work struct {
	poller  *poller
	haul    *haul
	pending map[string]message // by handle: neither deleted nor given back
	until   time.Time          // when they are visible again
}

// verdict is what became of a batch.
type verdict struct {
	failed map[string]bool // ids of messages
	all    bool            // every message failed
	stop   bool            // it did not run: the platform or the mapping stops
}

// work calls the function with the messages of a haul, in as many batches as they
// need, one after the other: their order within a group must hold.
func (p *poller) work(ctx context.Context, h *haul) {
	w := &work{poller: p, haul: h, pending: make(map[string]message, len(h.messages)), until: h.until}
	for _, m := range h.messages {
		w.pending[m.handle] = m
	}
	failedGroups := map[string]bool{}
	var v verdict
	for _, batch := range p.batches(ctx, h.messages) {
		batch = slices.DeleteFunc(batch, func(m message) bool { return failedGroups[m.group] })
		if len(batch) == 0 {
			continue
		}
		if v = w.call(ctx, batch); v.stop {
			break
		}
		for _, m := range batch {
			if m.group != "" && (v.all || v.failed[m.id]) {
				failedGroups[m.group] = true
			}
		}
		w.remove(ctx, batch, v)
	}
	w.giveBack(ctx, v.stop)
}

// remove deletes what succeeded.
func (w *work) remove(ctx context.Context, batch []message, v verdict) {
	var handled []string
	for _, m := range batch {
		if !v.all && !v.failed[m.id] {
			handled = append(handled, m.handle)
			delete(w.pending, m.handle)
		}
	}
	if err := w.poller.remove(ctx, handled); err != nil {
		w.poller.warn("messages that were handled come again: they were not deleted", err)
	}
}

// giveBack ends the work: what was not handled becomes visible when it would have
// without us, or now.
//
// AWS: "messages become visible again after the visibility timeout expires",
// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
func (w *work) giveBack(ctx context.Context, now bool) {
	if len(w.pending) == 0 || !now && w.until.Equal(w.haul.until) {
		return
	}
	at := w.haul.until
	if now {
		at = time.Time{}
	}
	w.poller.show(ctx, w.left(), at)
}

// left is the pending messages in their order.
func (w *work) left() []message {
	return slices.DeleteFunc(slices.Clone(w.haul.messages), func(m message) bool { _, pending := w.pending[m.handle]; return !pending })
}

// call runs one batch and keeps all pending messages invisible meanwhile.
func (w *work) call(ctx context.Context, batch []message) verdict {
	c := w.poller.mappings.config.Clock
	done, ended := make(chan verdict, 1), make(chan struct{})
	w.poller.calls.Go(func() { // ends with the call
		defer close(ended)
		done <- w.poller.call(ctx, batch, w.haul.until)
	})
	for {
		clock.Wait(context.Background(), c, ended, w.until.Sub(c.Now())-w.haul.visibility/keepParts)
		select {
		case v := <-done:
			return v
		default:
			w.until = c.Now().Add(w.haul.visibility)
			w.poller.show(ctx, w.left(), w.until)
		}
	}
}

// batches divides messages by the size of a payload. Messages with which the
// function runs in a loop are in none of them: they go back to the queue, whose
// redrive policy ends their way.
//
// AWS: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
func (p *poller) batches(ctx context.Context, messages []message) (batches [][]message) {
	resolved, err := p.mappings.config.Functions.Resolve(ctx, p.mapping.Scope, p.mapping.Settings.Name, p.mapping.Settings.Qualifier)
	var batch []message
	sum := 0
	for _, m := range messages {
		if err == nil && !resolved.RecursionAllowed {
			if _, looped := invoke.Hops(m.trace, resolved.Version); looped {
				p.warn("a message was not handled", invoke.ErrRecursive)
				continue
			}
		}
		if len(batch) > 0 && !fits(len(batch)+1, sum+len(m.record)) {
			batches = append(batches, batch)
			batch, sum = nil, 0
		}
		batch = append(batch, m)
		sum += len(m.record)
	}
	if len(batch) > 0 {
		batches = append(batches, batch)
	}
	return batches
}

// call runs the function with a batch. While it is throttled it tries again, with
// a growing pause, until the messages would be visible again.
func (p *poller) call(ctx context.Context, batch []message, until time.Time) verdict {
	records, known := make([][]byte, len(batch)), make(map[string]bool, len(batch))
	for i, m := range batch {
		records[i], known[m.id] = m.record, true
	}
	payload := event(records)
	c := p.mappings.config.Clock
	for pause := firstRetry; ; pause = min(2*pause, maxRetry) {
		response, err := p.invoke(ctx, batch, payload)
		var gone *function.NotFoundError
		switch {
		case err == nil && response.FunctionError != "":
			p.room.shrink(false)
			return verdict{all: true}
		case err == nil && !p.mapping.Settings.ReportFailures:
			return verdict{}
		case err == nil:
			failed, all := failures(response.Payload, known)
			return verdict{failed: failed, all: all}
		case errors.Is(err, invoke.ErrShuttingDown):
			return verdict{stop: true}
		case errors.Is(err, invoke.ErrRecursive), errors.As(err, &gone):
			p.warn("messages were not handled", err)
			return verdict{all: true}
		}
		p.room.shrink(true)
		if c.Now().Add(pause).After(until) {
			p.warn("messages go back to the queue: the function has no room for them", err)
			return verdict{all: true}
		}
		if c.Sleep(ctx, pause) != nil {
			return verdict{stop: true}
		}
	}
}

// invoke tries one call. It goes on when ctx ends: a call that has begun must
// have its messages deleted.
func (p *poller) invoke(ctx context.Context, batch []message, payload []byte) (*invoke.Response, error) {
	ctx = context.WithoutCancel(ctx)
	resolved, err := p.mappings.config.Functions.Resolve(ctx, p.mapping.Scope, p.mapping.Settings.Name, p.mapping.Settings.Qualifier)
	if err != nil {
		return nil, err
	}
	return p.mappings.config.Invoker.Invoke(ctx, &invoke.Request{
		Version: resolved.Version, InvokedARN: resolved.InvokedARN, Reserved: resolved.ReservedConcurrency,
		Provisioned: resolved.Provisioned, FunctionProvisioned: resolved.FunctionProvisioned, RecursionAllowed: resolved.RecursionAllowed,
		RequestID: ids.UUID(), TraceID: longest(batch, resolved.Version), Payload: payload,
	})
}

// longest is the trace header of the message whose chain of calls has been
// through the function most often: a batch continues one chain only.
func longest(batch []message, v *function.Version) string {
	trace, most := batch[0].trace, 0
	for _, m := range batch {
		if m.trace == "" {
			continue
		}
		if times, _ := invoke.Hops(m.trace, v); times > most {
			trace, most = m.trace, times
		}
	}
	return trace
}

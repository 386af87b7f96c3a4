package mapping

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/pattern"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
)

const (
	// idleWait is how long one wait for a message may last: the queue's wake-up
	// ends it, the time only bounds it.
	idleWait = time.Hour

	// Pauses after trouble: with the queue or the function gone, or the store.
	firstPause = 250 * time.Millisecond
	maxPause   = 30 * time.Second

	// handlesAtOnce bounds the deletions in one commit: each is a few rows.
	handlesAtOnce = 500
)

// poller takes the messages of one mapping with one state of its settings.
type poller struct {
	mappings *Mappings
	mapping  *Mapping // never changes
	id       queue.ID
	filters  []*pattern.Pattern
	room     *room
	calls    sync.WaitGroup // that run
	stop     context.CancelFunc
	done     chan struct{} // closed when run returned
}

func (m *Mappings) newPoller(mapping *Mapping) (*poller, error) {
	id, err := queue.ParseARN(mapping.Source)
	if err != nil {
		return nil, fmt.Errorf("event source mapping %s: %w", mapping.UUID, err)
	}
	filters, err := compile(mapping.Settings.Filters)
	if err != nil {
		return nil, fmt.Errorf("event source mapping %s: %w", mapping.UUID, err)
	}
	return &poller{mappings: m, mapping: mapping, id: id, filters: filters, done: make(chan struct{}),
		room: newRoom(m.config.Clock, mapping.Settings.MaxConcurrency)}, nil
}

func (p *poller) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *poller) warn(text string, err error) {
	p.mappings.config.Logger.Warn(text, "mapping", p.mapping.UUID, "queue", p.id.Name, "function", p.mapping.Settings.Name, "err", err)
}

// run takes messages until ctx ends and returns when its calls have ended.
func (p *poller) run(ctx context.Context) {
	defer p.calls.Wait()
	pause := firstPause
	for p.room.enter(ctx) {
		h, err := p.collect(ctx)
		if h == nil || len(h.messages) == 0 {
			p.room.leave()
		} else {
			p.calls.Go(func() { // ends when its messages are settled
				defer p.room.leave()
				p.work(ctx, h)
			})
		}
		if err == nil || ctx.Err() != nil {
			pause = firstPause
			continue
		}
		if pause == firstPause {
			p.warn("an event source mapping takes no messages", err)
		}
		clock.Wait(ctx, p.mappings.config.Clock, nil, pause)
		pause = min(2*pause, maxPause)
	}
}

// message is a message that was received, with its record.
type message struct {
	id, handle, group, trace string
	record                   []byte
}

// haul is the messages that were received for one batch, usually one call.
type haul struct {
	messages   []message
	sum        int           // bytes of the records
	visibility time.Duration // with which they were received
	until      time.Time     // when the first is visible again unless that is changed
	timeout    time.Duration // of the function
}

// collect waits for messages and gathers a batch. What it returns beside an error
// has been received all the same.
func (p *poller) collect(ctx context.Context) (*haul, error) {
	config, settings := &p.mappings.config, &p.mapping.Settings
	resolved, err := config.Functions.Resolve(ctx, p.mapping.Scope, settings.Name, settings.Qualifier)
	var conflict *function.ConflictError
	if errors.As(err, &conflict) {
		return nil, fmt.Errorf("the function cannot run yet: %w", err)
	} else if err != nil {
		return nil, err
	}
	if config.Permit != nil {
		if err := config.Permit(ctx, resolved.Version.Role, p.mapping.Source); err != nil {
			return nil, err
		}
	}
	h := &haul{timeout: resolved.Version.Timeout}
	// The queue's own visibility timeout is at least the function's when the
	// mapping is made; either may have changed since.
	if h.visibility, err = p.mappings.visibility(ctx, p.id); err != nil {
		return nil, err
	}
	how := queue.Receiving{}
	if least := h.timeout + settings.Window + visibilityMargin; h.visibility < h.timeout+settings.Window {
		h.visibility, how.Visibility = least, &least
	}
	wait := idleWait
	begin := config.Clock.Now()
	var end time.Time // of the window
	for {
		how.Max, how.Wait = min(smallBatch, settings.BatchSize-len(h.messages)), &wait
		received, err := config.Queues.Receive(ctx, p.id, how)
		now := config.Clock.Now()
		if len(h.messages) == 0 {
			h.until, end = now.Add(h.visibility), now.Add(settings.Window)
			if now.Sub(begin) > backoff {
				p.room.rest()
			}
			if err == nil && len(received) == 0 && now.Sub(begin) < wait {
				<-ctx.Done() // the queues give no more: the server ends
			}
		}
		if err == nil {
			err = p.add(ctx, h, received)
		}
		wait = end.Sub(now)
		if err != nil || ctx.Err() != nil || len(h.messages) == 0 || len(h.messages) == settings.BatchSize || wait <= 0 || !fits(len(h.messages), h.sum) {
			return h, err
		}
	}
}

// visibilityMargin is for what a call takes beside the function's own time.
const visibilityMargin = 5 * time.Second

// add puts messages into a haul. Those that the filters refuse are deleted.
func (p *poller) add(ctx context.Context, h *haul, received []queue.Received) error {
	var refused []string
	for i := range received {
		r := &received[i]
		ok, err := accepted(p.filters, r, p.id)
		if err != nil {
			return fmt.Errorf("filter message %s: %w", r.ID, err)
		}
		if !ok {
			refused = append(refused, r.Handle)
			continue
		}
		text, err := record(r, p.id, p.mapping.Settings.Window > 0)
		if err != nil {
			return fmt.Errorf("write message %s: %w", r.ID, err)
		}
		h.messages = append(h.messages, message{id: r.ID, handle: r.Handle, group: r.System["MessageGroupId"], trace: r.System["AWSTraceHeader"], record: text})
		h.sum += len(text)
	}
	return p.remove(ctx, refused)
}

// remove deletes messages; a stopped poller does so, too.
func (p *poller) remove(ctx context.Context, handles []string) error {
	var refusals error
	for chunk := range slices.Chunk(handles, handlesAtOnce) {
		errs, err := p.mappings.config.Queues.DeleteMessages(context.WithoutCancel(ctx), p.id, chunk)
		if err != nil {
			return fmt.Errorf("delete the messages: %w", err)
		}
		refusals = errors.Join(refusals, errors.Join(errs...))
	}
	return refusals
}

// show makes messages visible at a time.
func (p *poller) show(ctx context.Context, messages []message, at time.Time) {
	after := max(0, at.Sub(p.mappings.config.Clock.Now()))
	for chunk := range slices.Chunk(messages, handlesAtOnce) {
		changes := make([]queue.Change, len(chunk))
		for i := range chunk {
			changes[i] = queue.Change{Handle: chunk[i].handle, Timeout: after}
		}
		if _, err := p.mappings.config.Queues.ChangeVisibility(context.WithoutCancel(ctx), p.id, changes); err != nil {
			p.warn("the visibility of messages was not changed", err)
		}
	}
}

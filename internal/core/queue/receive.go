package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Receiving says how to receive.
type Receiving struct {
	Max        int            // messages; 1 to MaxReceive
	Visibility *time.Duration // nil: the queue's
	Wait       *time.Duration // for a message when there is none; nil: the queue's
	Attempt    string         // ReceiveRequestAttemptId; FIFO queues only
}

// Received is a message that was received.
type Received struct {
	ID         string
	Handle     string
	Body       string
	Attributes map[string]Attribute
	System     map[string]string // ApproximateReceiveCount and the other attributes that AWS adds
}

// Receive gives messages that are visible, and makes them invisible for a time.
// Without any it waits until there is one, the time is over or ctx ends. Messages
// that were received too often go to the dead-letter queue instead.
func (q *Queues) Receive(ctx context.Context, id ID, how Receiving) ([]Received, error) {
	begin := q.config.Clock.Now()
	var waitedAt *owner
	defer func() {
		if waitedAt != nil {
			waitedAt.passOn()
		}
	}()
	for {
		o, err := q.enter(ctx, id)
		if err != nil {
			return nil, err
		}
		if err := o.settings.checkAttempt(how.Attempt); err != nil {
			o.exit()
			return nil, err
		}
		now := q.config.Clock.Now()
		p := &picked{}
		if waitedAt == nil || ctx.Err() == nil { // nothing is given to one that is gone
			p = o.pickLocked(now, how)
		}
		if p.empty() {
			left := o.settings.waitOf(how) - now.Sub(begin)
			if p.refusal != nil || left <= 0 || q.draining() || ctx.Err() != nil {
				o.exit()
				return nil, p.refusal
			}
			waiter, due := o.waitLocked()
			o.exit()
			waitedAt = o
			o.await(ctx, waiter, untilDue(now, due, left))
			continue
		}
		o.mu.Unlock()
		received, err := o.take(ctx, p)
		o.gate.RUnlock()
		if err != nil {
			return nil, err
		}
		if err := q.bury(ctx, id, p.dead); err != nil {
			return nil, err
		}
		if len(received) > 0 {
			return received, nil
		}
	}
}

func (s *settings) waitOf(how Receiving) time.Duration {
	if how.Wait != nil {
		return *how.Wait
	}
	return s.wait
}

func (s *settings) visibilityOf(how Receiving) int64 {
	if how.Visibility != nil {
		return how.Visibility.Milliseconds()
	}
	return s.visibility.Milliseconds()
}

// untilDue is how long to wait: for the next message that becomes visible by
// time (0: none will), at most left.
func untilDue(now time.Time, due int64, left time.Duration) time.Duration {
	if due == 0 {
		return left
	}
	return max(0, min(left, time.UnixMilli(due).Sub(now)))
}

// await waits until the waiter is woken, d has passed or ctx ends.
func (o *owner) await(ctx context.Context, w chan struct{}, d time.Duration) {
	clock.Wait(ctx, o.queues.config.Clock, w, d)
	o.unwait(w)
}

// picked is what one look at the index found.
type picked struct {
	taken   []receipt // for the caller
	dead    []uint64  // received too often
	expired []*entry  // older than the queue keeps them
	refusal error     // why there is nothing
}

func (p *picked) empty() bool { return len(p.taken)+len(p.dead)+len(p.expired) == 0 }

// receipt is a taken message as it was at that moment: the entry itself may
// change as soon as the index is unlocked.
type receipt struct {
	entry       *entry
	nonce       uint64
	sent, first int64
	due         int64
	count       int32
	put         store.KV
	handle      string
}

// pickLocked takes messages out of the index.
func (o *owner) pickLocked(now time.Time, how Receiving) *picked {
	p, at := &picked{}, milliseconds(now)
	o.index.advance(at)
	if o.repeatLocked(p, at, how) {
		return p
	}
	for len(p.taken) < how.Max && len(p.dead)+len(p.expired) < sweepBatch {
		e := o.index.ready.top()
		if e == nil {
			break
		}
		if o.index.counts[inflight] >= MaxInflight {
			if !o.settings.fifo { // AWS: a FIFO queue gives no messages, and no error
				p.refusal = fail(OverLimit, "The maximum number of in flight messages is reached.")
			}
			break
		}
		for e != nil && e.state == ready && e.writes == 0 && len(p.taken) < how.Max && o.pickOneLocked(p, e, at, how) {
			e = e.next // of the same group; nil in a standard queue
		}
	}
	o.rememberLocked(p, at, how)
	return p
}

// pickOneLocked takes one message, or finds that it must go; it tells whether it
// was taken.
func (o *owner) pickOneLocked(p *picked, e *entry, now int64, how Receiving) bool {
	switch limit := o.settings.redrive; {
	case o.expiredLocked(e, now):
		p.expired = append(p.expired, e)
		o.index.drop(e)
		return false
	case limit != nil && int(e.count-e.before) >= limit.Max:
		if e.slot < 0 { // not the head of its group: what is before it is in flight now
			return false
		}
		e.burying = true
		o.index.move(e, leaving)
		p.dead = append(p.dead, e.seq)
		return false
	}
	e.count++
	e.nonce = rand.Uint64()
	if e.first == 0 {
		e.first = now
	}
	o.holdLocked(p, e, now, how)
	return true
}

// holdLocked makes a message that nobody else holds invisible from now on.
func (o *owner) holdLocked(p *picked, e *entry, now int64, how Receiving) {
	e.received, e.due = now, now+o.settings.visibilityOf(how)
	o.index.move(e, inflight)
	e.writes++
	p.taken = append(p.taken, receipt{entry: e, nonce: e.nonce, sent: e.sent, first: e.first, due: e.due, count: e.count, put: o.put(e), handle: o.handle(e)})
}

func (o *owner) expiredLocked(e *entry, now int64) bool {
	return e.sent+o.settings.retention.Milliseconds() <= now
}

// take writes down what was picked and reads the messages.
func (o *owner) take(ctx context.Context, p *picked) ([]Received, error) {
	if len(p.taken)+len(p.expired) == 0 {
		return nil, nil
	}
	batch := &store.Batch{Durability: store.Relaxed}
	entries := make([]*entry, len(p.taken))
	for i := range p.taken {
		batch.Puts = append(batch.Puts, p.taken[i].put)
		entries[i] = p.taken[i].entry
	}
	for _, e := range p.expired {
		o.remove(batch, e)
	}
	err := o.queues.commit(ctx, batch)
	o.written(entries, err)
	if err != nil {
		return nil, fmt.Errorf("receive from queue %s: %w", o.id.Name, err)
	}
	snap, err := o.queues.config.Store.Snapshot(context.WithoutCancel(ctx))
	if err != nil {
		return nil, fmt.Errorf("receive from queue %s: %w", o.id.Name, err)
	}
	defer snap.Close()
	received := make([]Received, 0, len(p.taken))
	for i := range p.taken {
		h, body, err := o.contentIn(snap, p.taken[i].entry.seq)
		if errors.Is(err, store.ErrNotFound) {
			continue // another consumer, who had received it before, deleted it just now
		} else if err != nil {
			return nil, fmt.Errorf("receive from queue %s: %w", o.id.Name, err)
		}
		received = append(received, o.receive(&p.taken[i], h, body))
	}
	return received, nil
}

func (o *owner) receive(r *receipt, h *head, body string) Received {
	system := map[string]string{
		"SenderId": h.Sender, "SentTimestamp": strconv.FormatInt(r.sent, 10),
		"ApproximateReceiveCount": strconv.Itoa(int(r.count)), "ApproximateFirstReceiveTimestamp": strconv.FormatInt(r.first, 10),
	}
	for name, value := range map[string]string{"AWSTraceHeader": h.Trace, "DeadLetterQueueSourceArn": h.Source, "MessageGroupId": h.Group, "MessageDeduplicationId": h.DedupID} {
		if value != "" {
			system[name] = value
		}
	}
	if isFIFO(o.id.Name) {
		system["SequenceNumber"] = sequenceText(r.entry.seq)
	}
	return Received{ID: h.ID, Handle: r.handle, Body: body, Attributes: h.Attributes, System: system}
}

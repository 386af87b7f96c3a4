package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// enterBoth enters two queues, in the order that keeps it from a deadlock, and
// holds their gates only.
func (q *Queues) enterBoth(ctx context.Context, from, to ID) (*owner, *owner, error) {
	swapped := cmp.Or(cmp.Compare(from.Account, to.Account), cmp.Compare(from.Region, to.Region), cmp.Compare(from.Name, to.Name)) > 0
	first, second := from, to
	if swapped {
		first, second = to, from
	}
	a, err := q.enter(ctx, first)
	if err != nil {
		return nil, nil, err
	}
	a.mu.Unlock()
	b, err := q.enter(ctx, second)
	if err != nil {
		a.gate.RUnlock()
		return nil, nil, err
	}
	b.mu.Unlock()
	if swapped {
		a, b = b, a
	}
	return a, b, nil
}

// bury moves messages that were received too often to the dead-letter queue.
// AWS: if it was deleted they stay, and are received again.
func (q *Queues) bury(ctx context.Context, id ID, dead []uint64) error {
	if len(dead) == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx) // the messages are out of the index until this is over
	o, err := q.find(ctx, id)
	if err != nil {
		return err
	}
	o.mu.Lock()
	policy := o.settings.redrive
	o.mu.Unlock()
	if policy == nil {
		return q.reinstate(ctx, id, dead)
	}
	from, to, err := q.enterBoth(ctx, id, policy.Target)
	if errors.Is(err, notExist()) {
		o.mu.Lock()
		o.settings.redrive = nil // until the settings are read again, see reconsider
		o.mu.Unlock()
		q.config.Logger.Warn("messages stay in a queue whose dead-letter queue does not exist", "queue", id.ARN(), "dead_letter_queue", policy.Target.ARN())
		return q.reinstate(ctx, id, dead)
	} else if err != nil {
		return errors.Join(err, q.reinstate(ctx, id, dead))
	}
	defer from.gate.RUnlock()
	defer to.gate.RUnlock()
	for _, seq := range dead {
		if err := from.transfer(ctx, to, seq, &store.Batch{}, asDeadLetter(from, to)); err != nil {
			return err // the index is built again
		}
	}
	return nil
}

// asDeadLetter is how a message changes on its way into a dead-letter queue.
// AWS: it keeps its id and its count; in a standard queue also its age.
func asDeadLetter(from, to *owner) func(*head, *entry, int64) {
	return func(h *head, e *entry, now int64) {
		h.Source = from.id.ARN()
		e.before = e.count
		if isFIFO(to.id.Name) {
			e.sent = now
		}
	}
}

// transfer moves a message that is leaving to another queue, in one commit with
// what the batch has already. The gates of both are held. After an error other
// than store.ErrConflict both indexes are built again.
func (o *owner) transfer(ctx context.Context, to *owner, seq uint64, batch *store.Batch, change func(*head, *entry, int64)) error {
	o.mu.Lock()
	e := o.index.bySeq[seq]
	if e == nil || !e.burying {
		o.mu.Unlock()
		return nil // the index was built again meanwhile
	}
	copied := entry{sent: e.sent, first: e.first, received: e.received, count: e.count}
	o.mu.Unlock()
	h, body, err := o.content(ctx, seq)
	if err != nil {
		o.spoil()
		return fmt.Errorf("move a message of queue %s: %w", o.id.Name, err)
	}
	now := milliseconds(o.queues.config.Clock.Now())
	copied.due = now
	change(h, &copied, now)
	to.mu.Lock()
	moved, err := to.placeLocked(batch, &copied, h, body)
	to.mu.Unlock()
	o.remove(batch, e)
	if err == nil {
		err = o.queues.commit(ctx, batch)
	}
	if err != nil && !errors.Is(err, store.ErrConflict) {
		o.spoil()
		to.spoil()
		return fmt.Errorf("move a message from queue %s to %s: %w", o.id.Name, to.id.Name, err)
	}
	to.mu.Lock()
	if err == nil {
		to.publishLocked([]*entry{moved}, now)
	} else {
		to.index.drop(moved)
		to.stale = true // what it had reserved was not written either
		to.wakeAllLocked()
	}
	to.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		o.index.drop(e)
	} else {
		e.burying = false
		o.index.move(e, ready)
	}
	o.wakeLocked(1) // the group goes on
	return err
}

// reinstate gives messages back that were to leave.
func (q *Queues) reinstate(ctx context.Context, id ID, seqs []uint64) error {
	o, err := q.enter(ctx, id)
	if err != nil {
		return err
	}
	defer o.exit()
	for _, seq := range seqs {
		if e := o.index.bySeq[seq]; e != nil && e.burying {
			e.burying = false
			o.index.move(e, ready)
		}
	}
	o.wakeLocked(len(seqs))
	return nil
}

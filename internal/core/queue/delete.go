package queue

import (
	"container/heap"
	"context"
	"fmt"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// enterSettled is enter at a moment when no row of the handles' messages is being
// written: a removal that such a commit overtook would leave a row behind.
func (q *Queues) enterSettled(ctx context.Context, id ID, handles []string) (*owner, error) {
	for {
		o, err := q.enter(ctx, id)
		if err != nil || !o.writingLocked(handles) {
			return o, err
		}
		o.settled.Wait() // commits end
		o.exit()
	}
}

func (o *owner) writingLocked(handles []string) bool {
	for _, handle := range handles {
		seq, _, err := o.parseHandle(handle)
		if err != nil {
			continue
		}
		if e := o.index.bySeq[seq]; e != nil && e.writes > 0 {
			return true
		}
	}
	return false
}

// DeleteMessages deletes messages by their receipt handles. It returns after all
// removals are durable, one error or nil a handle.
//
// AWS: a standard queue accepts a handle whose message is gone or was received
// again since; the message is then not deleted. A FIFO queue refuses a handle
// whose visibility timeout is over.
func (q *Queues) DeleteMessages(ctx context.Context, id ID, handles []string) ([]error, error) {
	o, err := q.enterSettled(ctx, id, handles)
	if err != nil {
		return nil, err
	}
	defer o.exit()
	refusals := make([]error, len(handles))
	batch := &store.Batch{}
	var gone []*entry
	now := milliseconds(q.config.Clock.Now())
	for i, handle := range handles {
		e, err := o.deletableLocked(handle, now)
		if e != nil {
			o.index.move(e, leaving)
			o.remove(batch, e)
			gone = append(gone, e)
		}
		refusals[i] = err
	}
	if len(gone) == 0 {
		return refusals, nil
	}
	o.mu.Unlock()
	err = q.commit(ctx, batch)
	o.mu.Lock()
	if err != nil {
		o.stale = true // they may be gone all the same
		o.wakeAllLocked()
		return nil, fmt.Errorf("delete messages of queue %s: %w", id.Name, err)
	}
	for _, e := range gone {
		o.index.drop(e)
	}
	if o.settings.fifo {
		o.wakeLocked(len(gone)) // their groups go on
	}
	return refusals, nil
}

// deletableLocked finds the message of a handle; nil when nothing is to be done.
func (o *owner) deletableLocked(handle string, now int64) (*entry, error) {
	seq, nonce, err := o.parseHandle(handle)
	if err != nil {
		return nil, err
	}
	e := o.index.bySeq[seq]
	switch {
	case e == nil:
		return nil, nil
	case o.settings.fifo && (e.nonce != nonce || e.burying || e.state == ready || e.state == inflight && e.due <= now):
		return nil, invalid(handle, "ReceiptHandle", "The receipt handle has expired.")
	case e.nonce != nonce || e.burying:
		return nil, nil
	}
	return e, nil
}

// Change is one change of a visibility timeout.
type Change struct {
	Handle  string
	Timeout time.Duration
}

// ChangeVisibility changes how long messages that were received stay invisible.
func (q *Queues) ChangeVisibility(ctx context.Context, id ID, changes []Change) ([]error, error) {
	o, err := q.enter(ctx, id)
	if err != nil {
		return nil, err
	}
	defer o.gate.RUnlock()
	refusals := make([]error, len(changes))
	batch := &store.Batch{Durability: store.Relaxed}
	var changed []*entry
	now := milliseconds(q.config.Clock.Now())
	o.index.advance(now)
	for i, change := range changes {
		e, err := o.changeableLocked(change, now)
		if err != nil {
			refusals[i] = err
			continue
		}
		e.due = now + change.Timeout.Milliseconds()
		heap.Fix(&o.index.waiting, int(e.slot))
		e.writes++
		changed = append(changed, e)
		batch.Puts = append(batch.Puts, o.put(e))
	}
	o.index.advance(now) // a timeout of zero is over
	o.mu.Unlock()
	if len(changed) == 0 {
		return refusals, nil
	}
	err = q.commit(ctx, batch)
	o.written(changed, err)
	if err != nil {
		return nil, fmt.Errorf("change the visibility of messages of queue %s: %w", id.Name, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wakeLocked(len(changed)) // they may be due sooner than those who wait know
	return refusals, nil
}

func (o *owner) changeableLocked(change Change, now int64) (*entry, error) {
	seconds := int(change.Timeout.Seconds())
	if change.Timeout < 0 || change.Timeout > MaxVisibility {
		return nil, invalid(seconds, "VisibilityTimeout", "VisibilityTimeout must be an integer between 0 and 43200")
	}
	seq, nonce, err := o.parseHandle(change.Handle)
	if err != nil {
		return nil, err
	}
	e := o.index.bySeq[seq]
	switch {
	case e == nil || e.nonce != nonce || e.state == leaving:
		return nil, invalid(change.Handle, "ReceiptHandle", "Message does not exist or is not available for visibility timeout change.")
	case e.state != inflight && o.settings.fifo:
		return nil, invalid(change.Handle, "ReceiptHandle", "The receipt handle has expired.")
	case e.state != inflight:
		return nil, fail(MessageNotInflight, "The message referred to isn't in flight.")
	case now+change.Timeout.Milliseconds()-e.received > MaxVisibility.Milliseconds():
		return nil, invalid(seconds, "VisibilityTimeout", "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]")
	case e.writes == maxWrites:
		return nil, fail(OverLimit, "Too many changes of the message's visibility at once.")
	}
	return e, nil
}

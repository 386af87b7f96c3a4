package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// owner is a queue that is in use.
type owner struct {
	queues *Queues
	id     ID
	key    string // never changes
	secret []byte // never changes

	gate sync.RWMutex // see the package comment

	mu        sync.Mutex
	stale     bool // the index must be built again before it is used
	unsettled bool // the settings must be read again before they are used
	ended     bool // the queue was deleted
	settings  settings
	index     *index
	next      uint64 // sequence number
	mark      uint64 // sequence numbers below it are reserved
	dups      map[string]*duplicate
	dupOrder  []*duplicate // by expiry
	dupGone   []string     // forgotten; their rows are still there
	waiters   []chan struct{}
	attempts  map[string]*attempt
	settled   *sync.Cond // on mu: a commit of a message's row is over
}

// settings are the attributes of a queue in the form in which they are used.
type settings struct {
	visibility, retention, delay, wait time.Duration
	maxBytes                           int
	fifo, contentDedup, dedupByGroup   bool
	redrive                            *redrive
}

func parseSettings(attributes map[string]string) settings {
	maxBytes, err := strconv.Atoi(attributes["MaximumMessageSize"])
	if err != nil {
		maxBytes = MaxMessageBytes
	}
	policy, err := parseRedrive(attributes["RedrivePolicy"])
	if err != nil {
		policy = nil // cannot be: it was checked when it was set
	}
	return settings{
		visibility: seconds(attributes, "VisibilityTimeout"), retention: seconds(attributes, "MessageRetentionPeriod"),
		delay: seconds(attributes, "DelaySeconds"), wait: seconds(attributes, "ReceiveMessageWaitTimeSeconds"),
		maxBytes: maxBytes, fifo: attributes["FifoQueue"] == "true", contentDedup: attributes["ContentBasedDeduplication"] == "true",
		dedupByGroup: attributes["DeduplicationScope"] == "messageGroup", redrive: policy,
	}
}

func indexKey(key string, seq uint64) []byte { return tuple.Key("sqs", "index", key, seq) }
func contentKey(key string, seq uint64, chunk int) []byte {
	return tuple.Key("sqs", "content", key, seq, chunk)
}
func dupKey(key, id string) []byte { return tuple.Key("sqs", "dedup", key, id) }
func markKey(key string) []byte    { return tuple.Key("sqs", "mark", key) }

// enter gives the owner of a queue, its index and settings fit for use, with its
// gate held for reading and mu locked. exit ends it; over a commit mu is unlocked.
func (q *Queues) enter(ctx context.Context, id ID) (*owner, error) {
	for {
		o, err := q.find(ctx, id)
		if err != nil {
			return nil, err
		}
		o.gate.RLock()
		o.mu.Lock()
		switch {
		case o.ended:
			o.exit()
			q.forget(o)
		case o.stale:
			o.exit()
			err = o.load(ctx)
		case o.unsettled:
			o.exit()
			err = o.settle(ctx)
		default:
			return o, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (o *owner) exit() {
	o.mu.Unlock()
	o.gate.RUnlock()
}

// find gives the owner, in whatever state.
func (q *Queues) find(ctx context.Context, id ID) (*owner, error) {
	q.mu.Lock()
	o := q.owners[id]
	q.mu.Unlock()
	if o != nil {
		return o, nil
	}
	r, _, err := q.read(ctx, id)
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if o := q.owners[id]; o != nil {
		return o, nil
	}
	o = &owner{queues: q, id: id, key: r.Key, secret: r.Secret, stale: true}
	o.settled = sync.NewCond(&o.mu)
	q.owners[id] = o
	return o, nil
}

func (q *Queues) forget(o *owner) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.owners[o.id] == o {
		delete(q.owners, o.id)
	}
}

// exclusive gives the owner with its gate held for writing: no operation runs.
func (q *Queues) exclusive(ctx context.Context, id ID) (*owner, error) {
	for {
		o, err := q.find(ctx, id)
		if err != nil {
			return nil, err
		}
		o.gate.Lock()
		o.mu.Lock()
		ended := o.ended
		o.mu.Unlock()
		if !ended {
			return o, nil
		}
		o.gate.Unlock()
		q.forget(o)
	}
}

// spoil makes the next operation build the index again: the outcome of a commit
// is unknown, or the messages were removed beside the index.
func (o *owner) spoil() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stale = true
	o.wakeAllLocked()
}

// end tells everybody that the queue is gone.
func (o *owner) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	o.wakeAllLocked()
}

// settle reads the settings again.
func (o *owner) settle(ctx context.Context) error {
	o.mu.Lock()
	o.unsettled = false // before the reading: a change during it sets it again
	o.mu.Unlock()
	r, _, err := o.queues.read(ctx, o.id)
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err != nil:
		o.unsettled = true
		return err
	case r.Key != o.key: // another queue of the name, so ours was deleted
		o.ended = true
		return nil
	}
	s := o.parse(r.Attributes)
	if s.fifo && s.delay != o.settings.delay && !o.stale {
		o.index.redelay(s.delay.Milliseconds())
	}
	o.settings = s
	return nil
}

// parse reads the settings. A queue that is its own dead-letter queue has none.
func (o *owner) parse(attributes map[string]string) settings {
	s := parseSettings(attributes)
	if s.redrive != nil && s.redrive.Target == o.id {
		s.redrive = nil
	}
	return s
}

// emptied removes all messages of the queue.
func (o *owner) emptied() *store.Batch {
	batch := &store.Batch{}
	for _, kind := range []string{"index", "content", "dedup"} {
		lo, hi := tuple.Range("sqs", kind, o.key)
		batch.DeleteRanges = append(batch.DeleteRanges, store.Range{Lo: lo, Hi: hi})
	}
	return batch
}

// load builds the index from the store.
func (o *owner) load(ctx context.Context) error {
	o.gate.Lock()
	defer o.gate.Unlock()
	o.mu.Lock()
	needed := o.stale && !o.ended
	o.unsettled = false
	o.mu.Unlock()
	if !needed {
		return nil
	}
	r, _, err := o.queues.read(ctx, o.id)
	if err != nil {
		if errors.Is(err, notExist()) {
			o.end()
		}
		return err
	}
	snap, err := o.queues.config.Store.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("load queue %s: %w", o.id.Name, err)
	}
	defer snap.Close()
	s := o.parse(r.Attributes)
	x := newIndex(s.fifo)
	if err := o.loadMessages(snap, x, s.delay.Milliseconds()); err != nil {
		return fmt.Errorf("load the messages of queue %s: %w", o.id.Name, err)
	}
	dups, err := o.loadDuplicates(snap)
	if err != nil {
		return fmt.Errorf("load the deduplication ids of queue %s: %w", o.id.Name, err)
	}
	mark, err := o.loadMark(snap)
	if err != nil {
		return fmt.Errorf("load queue %s: %w", o.id.Name, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.settings, o.index, o.next, o.mark = s, x, max(mark, x.last+1), mark
	o.dupOrder, o.dups, o.dupGone, o.attempts = dups, map[string]*duplicate{}, nil, map[string]*attempt{}
	for _, d := range dups {
		o.dups[d.id] = d
	}
	o.stale = r.Key != o.key
	o.ended = o.stale // another queue of the name
	return nil
}

// loadMark reads the first sequence number that no message ever had.
func (o *owner) loadMark(snap store.Snap) (uint64, error) {
	value, _, err := snap.Get(markKey(o.key))
	if errors.Is(err, store.ErrNotFound) {
		return 1, nil
	} else if err != nil {
		return 0, err
	}
	return strconv.ParseUint(string(value), 10, 64)
}

// scan calls do for each row with the prefix.
func scan(snap store.Snap, do func(store.Entry) error, prefix ...any) error {
	lo, hi := tuple.Range(prefix...)
	for {
		rows, err := snap.Scan(lo, hi, scanPage, false)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if err := do(row); err != nil {
				return err
			}
		}
		if len(rows) < scanPage {
			return nil
		}
		lo = append(rows[len(rows)-1].Key, 0)
	}
}

func (o *owner) loadMessages(snap store.Snap, x *index, delay int64) error {
	err := scan(snap, func(row store.Entry) error {
		parts, err := tuple.Parse(row.Key)
		if err != nil || len(parts) != 4 {
			return fmt.Errorf("key %x: %w", row.Key, err)
		}
		var m messageRow
		if err := json.Unmarshal(row.Value, &m); err != nil {
			return fmt.Errorf("key %x: %w", row.Key, err)
		}
		e := m.entry(parts[3].(uint64))
		if x.fifo && e.count == 0 { // the delay may have changed since it was sent
			e.due = e.sent + delay
		}
		x.add(e, m.Group)
		if e.count > 0 {
			x.move(e, inflight)
		} else {
			x.move(e, delayed)
		}
		return nil
	}, "sqs", "index", o.key)
	// Only now, when it is known what each group holds.
	x.advance(milliseconds(o.queues.config.Clock.Now()))
	return err
}

func (o *owner) loadDuplicates(snap store.Snap) ([]*duplicate, error) {
	var dups []*duplicate
	err := scan(snap, func(row store.Entry) error {
		parts, err := tuple.Parse(row.Key)
		if err != nil || len(parts) != 4 {
			return fmt.Errorf("key %x: %w", row.Key, err)
		}
		d := &duplicate{id: parts[3].(string)}
		if err := json.Unmarshal(row.Value, d); err != nil {
			return fmt.Errorf("key %x: %w", row.Key, err)
		}
		dups = append(dups, d)
		return nil
	}, "sqs", "dedup", o.key)
	slices.SortFunc(dups, func(a, b *duplicate) int { return int(a.Expires - b.Expires) })
	return dups, err
}

// Counts are how many messages a queue has in each state.
type Counts struct{ Visible, Inflight, Delayed int }

// Count counts the messages of a queue.
func (q *Queues) Count(ctx context.Context, id ID) (Counts, error) {
	if err := q.sweep(ctx, id); err != nil {
		return Counts{}, err
	}
	o, err := q.enter(ctx, id)
	if err != nil {
		return Counts{}, err
	}
	defer o.exit()
	o.index.advance(milliseconds(q.config.Clock.Now()))
	return Counts{Visible: o.index.counts[ready], Inflight: o.index.counts[inflight], Delayed: o.index.counts[delayed]}, nil
}

// written ends the commit of messages' rows. After an error the index is built
// again: the outcome is unknown.
func (o *owner) written(list []*entry, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	visible := 0
	for _, e := range list {
		if o.index.settle(e) {
			visible++
		}
	}
	o.settled.Broadcast()
	if err != nil {
		o.stale = true
		visible = len(o.waiters)
	}
	o.wakeLocked(visible)
}

// wakeLocked wakes up to n of those that wait for messages.
func (o *owner) wakeLocked(n int) {
	n = min(n, len(o.waiters))
	for _, w := range o.waiters[:n] {
		close(w)
	}
	o.waiters = slices.Delete(o.waiters, 0, n)
}

func (o *owner) wakeAllLocked() { o.wakeLocked(len(o.waiters)) }

// waitLocked enters a waiter and tells when a message becomes visible by time.
func (o *owner) waitLocked() (w chan struct{}, due int64) {
	w = make(chan struct{})
	o.waiters = append(o.waiters, w)
	if e := o.index.waiting.top(); e != nil {
		due = e.due
	}
	return w, due
}

// unwait removes a waiter that was not woken.
func (o *owner) unwait(w chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if i := slices.Index(o.waiters, w); i >= 0 {
		o.waiters = slices.Delete(o.waiters, i, i+1)
	}
}

// passOn is called by one that waited and will not wait again. Whatever it was
// woken for, or would have woken up for, is now another one's.
func (o *owner) passOn() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wakeLocked(1)
}

// Package queue is the behaviour of message queues, standard and FIFO.
//
// It promises: when Send returns nil the messages survive kill -9 and power
// loss; a message is received at least once until it is deleted, and not again
// after Delete returned nil; messages of a FIFO group are received in the order
// of their sequence numbers, and no later one while an earlier one is being
// worked on; a duplicate within five minutes is not kept. Receive counts and
// visibility survive kill -9 and may be lost with power: the message comes again.
//
// Each queue has one owner, the process that holds the store's folder. It keeps
// an index of the messages in memory (bodies stay in the store), built by a scan
// on first use and whenever the outcome of a commit is unknown. Nothing here
// starts goroutines; Run sweeps and works on move tasks until its context ends.
//
// Locks, in this order: Queues.mu (tables, never held over I/O); owner.gate (held
// for reading by every operation, over its commit; for writing by those that
// replace the whole index; of several queues in the order of their ids);
// owner.mu (the index, never held over I/O). Start reading at Queues and owner.
package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Config is what Queues works with. Store is required.
type Config struct {
	Store  store.Store
	Clock  clock.Clock
	Logger *slog.Logger
}

// ID names a queue.
type ID struct{ Account, Region, Name string }

// ARN is the queue's Amazon Resource Name.
func (id ID) ARN() string { return arn.New("sqs", id.Region, id.Account, id.Name).String() }

// ParseARN reads the ARN of a queue.
func ParseARN(text string) (ID, error) {
	a, err := arn.Parse(text)
	if err != nil || a.Service != "sqs" || a.Account == "" || a.Region == "" || !validName(a.Resource) {
		return ID{}, fmt.Errorf("%q is not the ARN of a queue", text)
	}
	return ID{Account: a.Account, Region: a.Region, Name: a.Resource}, nil
}

// row is a queue as the store has it.
type row struct {
	Key        string // of the queue's messages: a queue that is made again has another
	Secret     []byte // of its receipt handles
	Attributes map[string]string
	Tags       map[string]string `json:",omitempty"`
	Created    time.Time
	Modified   time.Time
	Purged     time.Time `json:",omitzero"`
}

// Queues holds all queues.
type Queues struct {
	config  Config
	wake    chan struct{} // a move task began
	closing atomic.Bool   // nobody waits for messages any more

	mu     sync.Mutex
	owners map[ID]*owner // of the queues that were used
}

// New only builds.
func New(config Config) (*Queues, error) {
	if config.Store == nil {
		return nil, errors.New("queue: Store is required")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Queues{config: config, wake: make(chan struct{}, 1), owners: map[ID]*owner{}}, nil
}

func rowKey(id ID) []byte { return tuple.Key("sqs", "queue", id.Account, id.Region, id.Name) }

// read reads the row of a queue; a *Error with QueueDoesNotExist if there is none.
func (q *Queues) read(ctx context.Context, id ID) (*row, store.Version, error) {
	snap, err := q.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("read queue %s: %w", id.Name, err)
	}
	defer snap.Close()
	value, version, err := snap.Get(rowKey(id))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, 0, notExist()
	case err != nil:
		return nil, 0, fmt.Errorf("read queue %s: %w", id.Name, err)
	}
	r := &row{}
	if err := json.Unmarshal(value, r); err != nil {
		return nil, 0, fmt.Errorf("read queue %s: %w", id.Name, err)
	}
	return r, version, nil
}

// commit writes what must not stay half known because a client went away.
func (q *Queues) commit(ctx context.Context, b *store.Batch) error {
	_, err := q.config.Store.Commit(context.WithoutCancel(ctx), b)
	return err
}

// Create makes a queue, or accepts one that is there with the same attributes.
func (q *Queues) Create(ctx context.Context, id ID, attributes, tags map[string]string) error {
	settings, err := newAttributes(id, attributes)
	if err != nil {
		return err
	}
	if err := checkTags(tags); err != nil {
		return err
	}
	if err := q.checkRedrive(ctx, id, settings); err != nil {
		return err
	}
	for {
		existing, _, err := q.read(ctx, id)
		if err == nil {
			return same(existing.Attributes, attributes)
		}
		if !errors.Is(err, notExist()) {
			return err
		}
		now := q.config.Clock.Now().UTC()
		grave, err := q.grave(ctx, id, now)
		if err != nil {
			return err
		}
		r := row{Key: ids.Hex(keyBytes), Secret: []byte(ids.Hex(secretBytes)), Attributes: settings, Tags: tags, Created: now, Modified: now}
		value, err := json.Marshal(r)
		if err != nil {
			return err
		}
		err = q.commit(ctx, &store.Batch{
			Checks: []store.Check{store.Absent(rowKey(id)), store.At(graveKey(id), grave)}, Deletes: [][]byte{graveKey(id)},
			Puts: []store.KV{{Key: rowKey(id), Value: value}},
		})
		if !errors.Is(err, store.ErrConflict) {
			q.reconsider()
			return err
		}
	}
}

// graveKey is of the row that tells when a queue was deleted.
func graveKey(id ID) []byte { return tuple.Key("sqs", "grave", id.Account, id.Region, id.Name) }

// grave is the version of the row of a deleted queue of that name, 0 for none; an
// error if it was deleted just now.
func (q *Queues) grave(ctx context.Context, id ID, now time.Time) (store.Version, error) {
	snap, err := q.config.Store.Snapshot(ctx)
	if err != nil {
		return 0, fmt.Errorf("create queue %s: %w", id.Name, err)
	}
	defer snap.Close()
	value, version, err := snap.Get(graveKey(id))
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	} else if err != nil {
		return 0, fmt.Errorf("create queue %s: %w", id.Name, err)
	}
	var deleted time.Time
	if err := deleted.UnmarshalText(value); err != nil {
		return 0, fmt.Errorf("create queue %s: %w", id.Name, err)
	}
	if passed := now.Sub(deleted); passed >= 0 && passed < reuseInterval {
		return 0, fail(QueueDeletedRecently, "You must wait 60 seconds after deleting a queue before you can create another with the same name.")
	}
	return version, nil
}

// EndWaits makes every Receive that waits for messages return without any, now
// and from now on: the server ends.
func (q *Queues) EndWaits() {
	q.closing.Store(true)
	for _, o := range q.all() {
		o.mu.Lock()
		o.wakeAllLocked()
		o.mu.Unlock()
	}
}

func (q *Queues) draining() bool { return q.closing.Load() }

// reconsider makes all owners read their settings again: a queue that was made
// may be the dead-letter queue that one misses.
func (q *Queues) reconsider() {
	for _, o := range q.all() {
		o.mu.Lock()
		o.unsettled = true
		o.mu.Unlock()
	}
}

// all are the owners of the queues in use.
func (q *Queues) all() []*owner {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Collect(maps.Values(q.owners))
}

const (
	keyBytes    = 8  // of randomness in the key of a queue's messages
	secretBytes = 16 // of randomness in the secret of its receipt handles
)

// same compares what a second CreateQueue asks for with what there is.
func same(existing, asked map[string]string) error {
	for _, name := range attributeOrder {
		if value, given := asked[name]; given && value != existing[name] && !sameJSON(value, existing[name]) {
			return fail(QueueNameExists, "A queue already exists with the same name and a different value for attribute %s", name)
		}
	}
	return nil
}

// sameJSON compares policies, whose text may differ in white space.
func sameJSON(a, b string) bool {
	var x, y any
	if !strings.HasPrefix(a, "{") || json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	one, errA := json.Marshal(x)
	two, errB := json.Marshal(y)
	return errA == nil && errB == nil && string(one) == string(two)
}

// Exists fails with QueueDoesNotExist unless the queue is there.
func (q *Queues) Exists(ctx context.Context, id ID) error {
	_, _, err := q.read(ctx, id)
	return err
}

// update changes the row of a queue by change and tells its owner.
func (q *Queues) update(ctx context.Context, id ID, change func(*row) error) error {
	for {
		r, version, err := q.read(ctx, id)
		if err != nil {
			return err
		}
		if err := change(r); err != nil {
			return err
		}
		value, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if len(value) > maxRowBytes {
			return fail(OverLimit, "The attributes, the policy and the tags of the queue are too large.")
		}
		err = q.commit(ctx, &store.Batch{Checks: []store.Check{store.At(rowKey(id), version)}, Puts: []store.KV{{Key: rowKey(id), Value: value}}})
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		q.configure(id) // even after an error: the outcome may be unknown
		return err
	}
}

// configure makes the owner of a queue read its settings again.
func (q *Queues) configure(id ID) {
	q.mu.Lock()
	o := q.owners[id]
	q.mu.Unlock()
	if o != nil {
		o.mu.Lock()
		o.unsettled = true
		o.wakeAllLocked() // another retention or redrive policy may change what they see
		o.mu.Unlock()
	}
}

// SetAttributes changes the attributes that are given.
func (q *Queues) SetAttributes(ctx context.Context, id ID, attributes map[string]string) error {
	old, _, err := q.read(ctx, id)
	if err != nil {
		return err
	}
	merged, err := changedAttributes(id, old.Attributes, attributes)
	if err != nil {
		return err
	}
	if _, given := attributes["RedrivePolicy"]; given {
		if err := q.checkRedrive(ctx, id, merged); err != nil {
			return err
		}
	}
	return q.update(ctx, id, func(r *row) (err error) {
		r.Attributes, err = changedAttributes(id, r.Attributes, attributes)
		r.Modified = q.config.Clock.Now().UTC()
		return err
	})
}

// Tags are the queue's tags.
func (q *Queues) Tags(ctx context.Context, id ID) (map[string]string, error) {
	r, _, err := q.read(ctx, id)
	if err != nil {
		return nil, err
	}
	return r.Tags, nil
}

// Tag adds and removes tags.
func (q *Queues) Tag(ctx context.Context, id ID, add map[string]string, remove []string) error {
	return q.update(ctx, id, func(r *row) error {
		tags := map[string]string{}
		maps.Copy(tags, r.Tags)
		maps.Copy(tags, add)
		for _, name := range remove {
			delete(tags, name)
		}
		r.Tags = tags
		return checkTags(tags)
	})
}

// checkTags applies AWS's limits.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return fail(InvalidParameterValue, "Too many tags added for queue.") // AWS: at most 50
	}
	for name, value := range tags {
		if name == "" || len([]rune(name)) > maxTagName || len([]rune(value)) > maxTagValue {
			return fail(InvalidParameterValue, "Tag keys must be between 1 and %d characters in length, tag values at most %d.", maxTagName, maxTagValue)
		}
	}
	return nil
}

// List gives up to limit queues of an account and region whose names begin with
// prefix, in order, from the one after the named.
func (q *Queues) List(ctx context.Context, account, region, prefix, after string, limit int) (names []string, more bool, err error) {
	snap, err := q.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("list queues: %w", err)
	}
	defer snap.Close()
	lo, hi := tuple.PrefixRange("sqs", "queue", account, region, prefix)
	if after != "" {
		lo = append(rowKey(ID{account, region, after}), 0)
	}
	entries, err := snap.Scan(lo, hi, limit+1, false)
	if err != nil {
		return nil, false, fmt.Errorf("list queues: %w", err)
	}
	for _, entry := range entries {
		parts, err := tuple.Parse(entry.Key)
		if err != nil || len(parts) != 5 {
			return nil, false, fmt.Errorf("list queues: key %x, %w", entry.Key, err)
		}
		if len(names) == limit {
			return names, true, nil
		}
		names = append(names, parts[4].(string))
	}
	return names, false, nil
}

// Sources are the queues of the account and region whose dead-letter queue is id.
func (q *Queues) Sources(ctx context.Context, id ID) ([]string, error) {
	var sources []string
	for after := ""; ; {
		names, more, err := q.List(ctx, id.Account, id.Region, "", after, scanPage)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			r, _, err := q.read(ctx, ID{id.Account, id.Region, name})
			if errors.Is(err, notExist()) {
				continue
			} else if err != nil {
				return nil, err
			}
			if policy, _ := parseRedrive(r.Attributes["RedrivePolicy"]); policy != nil && policy.Target == id {
				sources = append(sources, name)
			}
		}
		if !more {
			return sources, nil
		}
		after = names[len(names)-1]
	}
}

// Delete removes a queue with all that is in it.
func (q *Queues) Delete(ctx context.Context, id ID) error {
	o, err := q.exclusive(ctx, id)
	if err != nil {
		return err
	}
	defer o.gate.Unlock()
	now, err := q.config.Clock.Now().UTC().MarshalText()
	if err != nil {
		return err
	}
	batch := o.emptied()
	batch.Deletes = append(batch.Deletes, rowKey(id), markKey(o.key))
	lo, hi := tuple.Range("sqs", "task", id.Account, id.Region, id.Name)
	batch.DeleteRanges = append(batch.DeleteRanges, store.Range{Lo: lo, Hi: hi})
	batch.Puts = []store.KV{{Key: graveKey(id), Value: now}}
	if err := q.commit(ctx, batch); err != nil {
		o.spoil()
		return fmt.Errorf("delete queue %s: %w", id.Name, err)
	}
	o.end()
	q.mu.Lock()
	if q.owners[id] == o {
		delete(q.owners, id)
	}
	q.mu.Unlock()
	return nil
}

// Purge removes all messages.
func (q *Queues) Purge(ctx context.Context, id ID) error {
	o, err := q.exclusive(ctx, id)
	if err != nil {
		return err
	}
	defer o.gate.Unlock()
	for {
		r, version, err := q.read(ctx, id)
		if err != nil {
			return err
		}
		now := q.config.Clock.Now().UTC()
		if passed := now.Sub(r.Purged); passed >= 0 && passed < purgeInterval {
			return fail(PurgeQueueInProgress, "Only one PurgeQueue operation on %s is allowed every 60 seconds.", id.Name)
		}
		r.Purged = now
		value, err := json.Marshal(r)
		if err != nil {
			return err
		}
		batch := o.emptied()
		batch.Checks = []store.Check{store.At(rowKey(id), version)}
		batch.Puts = []store.KV{{Key: rowKey(id), Value: value}}
		if err := q.commit(ctx, batch); !errors.Is(err, store.ErrConflict) { // else its settings were changed meanwhile
			o.spoil() // built again, from nothing
			return err
		}
	}
}

// Package topic is the behaviour of notification topics, standard and FIFO: their
// subscriptions, what each of them gets of a published message, and how.
//
// It promises: when Publish returns nil, the message and its deliveries are one
// commit in the store, so that every subscription that there was gets it at least
// once, whatever happens to the process; subscriptions see a topic's changes in
// the order of the commits. Messages of a FIFO group reach a subscription in the
// order of their sequence numbers, and a duplicate within five minutes is not
// delivered again.
//
// The state is in the store. Memory holds, for each topic in use, an immutable
// view of it and its subscriptions; a publication commits only if the topic is
// still as the view has it, and reads it again otherwise, so views are never
// invalidated. Every change of a subscription changes the row of its topic.
//
// Locks, in this order: line.mu (a FIFO topic; held over the commit of a message,
// because deliveries must be added in their order); Topics.mu (tables, never held
// over I/O). Nothing here starts goroutines: Run sweeps until its context ends,
// core/delivery owns the deliveries. Start reading at Topics and Publish.
package topic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Outbox takes the deliveries; *delivery.Outbox is one.
type Outbox interface {
	Add(batch *store.Batch, m *delivery.Message) error
	Wake()
}

// Config is what Topics works with. Store and Outbox are required.
type Config struct {
	Store  store.Store
	Outbox Outbox
	Clock  clock.Clock
	Logger *slog.Logger
	// CertificatePath is where the certificate of the signatures is served, below
	// the addresses by which subscribers came.
	CertificatePath string
}

// ID names a topic.
type ID struct{ Account, Region, Name string }

// ARN is the topic's Amazon Resource Name.
func (id ID) ARN() string { return arn.New("sns", id.Region, id.Account, id.Name).String() }

// ParseARN reads the ARN of a topic.
func ParseARN(text string) (ID, error) {
	a, err := arn.Parse(text)
	if err != nil || a.Service != "sns" || a.Account == "" || a.Region == "" || !validName(a.Resource) {
		return ID{}, fmt.Errorf("%q is not the ARN of a topic", text)
	}
	return ID{Account: a.Account, Region: a.Region, Name: a.Resource}, nil
}

// isFIFO tells the type of a topic, or a queue, by its name, as AWS does.
func isFIFO(name string) bool { return strings.HasSuffix(name, ".fifo") }

// row is a topic as the store has it.
type row struct {
	Key        string            // of what belongs to the topic: one that is made again has another
	Attributes map[string]string // that were set
	Tags       map[string]string `json:",omitempty"`
	Created    time.Time
	Counts     Counts
}

// Counts are how many subscriptions a topic has.
type Counts struct{ Confirmed, Pending, Deleted int }

// Topics holds all topics.
type Topics struct {
	config Config
	soon   chan struct{} // Run has something to do
	signer signer

	mu    sync.Mutex
	views map[ID]*view     // of the topics that were used
	lines map[string]*line // of the FIFO topics that were used, by key
}

// New only builds.
func New(config Config) (*Topics, error) {
	if config.Store == nil || config.Outbox == nil {
		return nil, errors.New("topic: Store and Outbox are required")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Topics{config: config, soon: make(chan struct{}, 1), views: map[ID]*view{}, lines: map[string]*line{}}, nil
}

func rowKey(id ID) []byte { return tuple.Key("sns", "topic", id.Account, id.Region, id.Name) }

// get reads a row into value; found is false when there is none.
func get(snap store.Snap, key []byte, value any) (version store.Version, found bool, err error) {
	data, version, err := snap.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		return 0, false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, value)
	}
	if err != nil {
		return 0, false, fmt.Errorf("read row %q: %w", key, err)
	}
	return version, true, nil
}

// put adds a row to a batch.
func put(b *store.Batch, key []byte, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if len(data) > maxRowBytes {
		return invalid("The attributes are too large.")
	}
	b.Puts = append(b.Puts, store.KV{Key: key, Value: data})
	return nil
}

// commit writes what must not stay half known because a client went away.
func (t *Topics) commit(ctx context.Context, b *store.Batch) error {
	_, err := t.config.Store.Commit(context.WithoutCancel(ctx), b)
	return err
}

// change is one attempt to change a topic: what it read and what it will write.
type change struct {
	ctx    context.Context
	topics *Topics
	id     ID
	snap   store.Snap
	row    *row
	batch  *store.Batch
	touch  bool // the row of the topic is to be written, even if only to tell that a subscription changed
}

// update lets do change a topic that is there, again if it was changed meanwhile.
func (t *Topics) update(ctx context.Context, id ID, do func(*change) error) error {
	for {
		err := t.tryUpdate(ctx, id, do)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func (t *Topics) tryUpdate(ctx context.Context, id ID, do func(*change) error) error {
	snap, err := t.config.Store.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("change topic %s: %w", id.Name, err)
	}
	defer snap.Close()
	c := &change{ctx: ctx, topics: t, id: id, snap: snap, row: &row{}, batch: &store.Batch{}}
	version, found, err := get(snap, rowKey(id), c.row)
	switch {
	case err != nil:
		return err
	case !found:
		return noTopic()
	}
	c.batch.Checks = append(c.batch.Checks, store.At(rowKey(id), version))
	if err := do(c); err != nil {
		return err
	}
	if c.touch {
		if err := put(c.batch, rowKey(id), c.row); err != nil {
			return err
		}
	}
	if len(c.batch.Puts)+len(c.batch.Deletes)+len(c.batch.DeleteRanges) == 0 {
		return nil
	}
	return t.commit(ctx, c.batch)
}

// read reads the row of a topic.
func (t *Topics) read(ctx context.Context, id ID) (*row, error) {
	snap, err := t.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("read topic %s: %w", id.Name, err)
	}
	defer snap.Close()
	r := &row{}
	_, found, err := get(snap, rowKey(id), r)
	if err == nil && !found {
		err = noTopic()
	}
	return r, err
}

// Exists fails with NotFound unless the topic is there.
func (t *Topics) Exists(ctx context.Context, id ID) error {
	_, err := t.read(ctx, id)
	return err
}

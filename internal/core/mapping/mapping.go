// Package mapping is event source mappings: it takes messages from queues and
// calls functions with them.
//
// It promises: a message is deleted only after a call with it succeeded (or a
// filter refused it), so each is handled at least once, whatever happens to the
// process; while a call runs its messages stay invisible, so the messages of a
// FIFO group are handled in their order and in one call at a time; a mapping that
// has nothing to do waits for the queue's wake-up and costs nothing; no more
// messages are taken than the function has room for. What failed comes back when
// the queue's visibility timeout is over, and goes to the queue's dead-letter
// queue by its redrive policy.
//
// The mappings are rows of the store. Run owns the pollers: it brings them in
// line with the rows, one goroutine a mapping and two for each call, all of which
// have ended when Run returns. Only the goroutine of Run knows the pollers; mu of
// a poller's room guards its counts. Start reading at Mappings, then poller.
package mapping

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/core/queue"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Queues is where messages come from; *queue.Queues is one.
type Queues interface {
	Attributes(ctx context.Context, id queue.ID, names []string) (map[string]string, error)
	Receive(ctx context.Context, id queue.ID, how queue.Receiving) ([]queue.Received, error)
	DeleteMessages(ctx context.Context, id queue.ID, handles []string) ([]error, error)
	ChangeVisibility(ctx context.Context, id queue.ID, changes []queue.Change) ([]error, error)
}

// Functions knows the functions; *function.Registry is one.
type Functions interface {
	GetConfiguration(ctx context.Context, target function.Target) (*function.Version, error)
	Resolve(ctx context.Context, scope function.Scope, name, qualifier string) (*function.Resolved, error)
}

// Invoker runs a version; *invoke.Invoker is one.
type Invoker interface {
	Invoke(ctx context.Context, request *invoke.Request) (*invoke.Response, error)
}

// Config is what Mappings works with; all but Permit, Clock and Logger are required.
type Config struct {
	Store     store.Store
	Queues    Queues
	Functions Functions
	Invoker   Invoker
	// Permit tells whether a function's role may take messages of a queue; nil: it may.
	Permit func(ctx context.Context, roleARN, queueARN string) error
	Clock  clock.Clock
	Logger *slog.Logger
}

// State is where a mapping is in its life; the text is AWS's.
type State string

// The states. Those in -ing end by themselves.
const (
	Creating  State = "Creating"
	Enabling  State = "Enabling"
	Enabled   State = "Enabled"
	Disabling State = "Disabling"
	Disabled  State = "Disabled"
	Updating  State = "Updating"
	Deleting  State = "Deleting"
)

// Settings are what a user can change of a mapping.
type Settings struct {
	Name, Qualifier string // of the function
	Enabled         bool
	BatchSize       int
	Window          time.Duration
	Filters         []string // patterns
	ReportFailures  bool     // the function says which messages of a batch failed
	MaxConcurrency  int      // calls at once; 0: no limit of the mapping's own
}

// Mapping is one mapping.
type Mapping struct {
	UUID     string         `json:"-"`
	Scope    function.Scope `json:"-"`
	Source   string         // ARN of the queue
	Settings Settings
	State    State
	Revision int // changes with the settings
	Modified time.Time
	Tags     map[string]string `json:",omitempty"`
}

// Target is the function of the mapping.
func (m *Mapping) Target() function.Target {
	return function.Target{Scope: m.Scope, Name: m.Settings.Name, Qualifier: m.Settings.Qualifier}
}

// ARN is the mapping's own.
func (m *Mapping) ARN() string {
	return arn.New("lambda", m.Scope.Region, m.Scope.Account, "event-source-mapping:"+m.UUID).String()
}

// settled tells whether the mapping is in no transition.
func (m *Mapping) settled() bool { return m.State == Enabled || m.State == Disabled }

// ErrInUse tells that a mapping is in a transition and takes no change.
var ErrInUse = errors.New("the event source mapping is in use")

// notFound is AWS's answer for a mapping that does not exist, recorded.
func notFound(uuid string) error {
	return &function.NotFoundError{Resource: uuid, Message: "The resource you requested does not exist."}
}

// Mappings holds all mappings.
type Mappings struct {
	config  Config
	wake    chan struct{}      // a row changed or a poller ended
	pollers map[string]*poller // by UUID; of Run's goroutine
}

// New only builds.
func New(config Config) (*Mappings, error) {
	if config.Store == nil || config.Queues == nil || config.Functions == nil || config.Invoker == nil {
		return nil, errors.New("mapping: Store, Queues, Functions and Invoker are required")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Mappings{config: config, wake: make(chan struct{}, 1), pollers: map[string]*poller{}}, nil
}

// look makes Run look at the rows.
func (m *Mappings) look() {
	select {
	case m.wake <- struct{}{}:
	default: // it will look anyway
	}
}

func rowKey(scope function.Scope, uuid string) []byte {
	return tuple.Key("mapping", "row", scope.Account, scope.Region, uuid)
}

// pairKey is of the row that keeps a queue and a function from being mapped twice;
// its value is the UUID.
func (m *Mapping) pairKey() []byte {
	return tuple.Key("mapping", "pair", m.Scope.Account, m.Scope.Region, m.Source, m.Target().ARN())
}

// decode reads a row.
func decode(entry store.Entry) (*Mapping, error) {
	parts, err := tuple.Parse(entry.Key)
	if err != nil || len(parts) != 5 {
		return nil, fmt.Errorf("read an event source mapping: key %x, %w", entry.Key, err)
	}
	found := &Mapping{UUID: parts[4].(string), Scope: function.Scope{Account: parts[2].(string), Region: parts[3].(string)}}
	if err := json.Unmarshal(entry.Value, found); err != nil {
		return nil, fmt.Errorf("read event source mapping %s: %w", found.UUID, err)
	}
	return found, nil
}

func (m *Mapping) put() (store.KV, error) {
	value, err := json.Marshal(m)
	return store.KV{Key: rowKey(m.Scope, m.UUID), Value: value}, err
}

// read reads a mapping and the version of its row.
func (m *Mappings) read(ctx context.Context, scope function.Scope, uuid string) (*Mapping, store.Version, error) {
	snap, err := m.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("read event source mapping %s: %w", uuid, err)
	}
	defer snap.Close()
	key := rowKey(scope, uuid)
	value, version, err := snap.Get(key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, 0, notFound(uuid)
	case err != nil:
		return nil, 0, fmt.Errorf("read event source mapping %s: %w", uuid, err)
	}
	found, err := decode(store.Entry{Key: key, Value: value})
	return found, version, err
}

// commit writes what must not stay half known because a client went away.
func (m *Mappings) commit(ctx context.Context, b *store.Batch) error {
	_, err := m.config.Store.Commit(context.WithoutCancel(ctx), b)
	return err
}

// Create makes a mapping, in state Creating. The settings must be complete.
func (m *Mappings) Create(ctx context.Context, scope function.Scope, source string, settings Settings, tags map[string]string) (*Mapping, error) {
	made := &Mapping{UUID: ids.UUIDOf(ctx), Scope: scope, Source: source, Settings: settings, State: Creating, Modified: m.config.Clock.Now().UTC(), Tags: tags}
	if err := m.check(ctx, made); err != nil {
		return nil, err
	}
	if err := checkTags(tags); err != nil {
		return nil, err
	}
	put, err := made.put()
	if err != nil {
		return nil, err
	}
	err = m.commit(ctx, &store.Batch{
		Checks: []store.Check{store.Absent(made.pairKey()), store.Absent(put.Key)},
		Puts:   []store.KV{put, {Key: made.pairKey(), Value: []byte(made.UUID)}},
	})
	if errors.Is(err, store.ErrConflict) {
		return nil, m.twice(ctx, made)
	} else if err != nil {
		return nil, fmt.Errorf("create an event source mapping of %s: %w", source, err)
	}
	m.look()
	return made, nil
}

// twice tells that the pair is mapped already.
//
// AWS: recorded 2024-01, blanks included.
func (m *Mappings) twice(ctx context.Context, wanted *Mapping) error {
	snap, err := m.config.Store.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("create an event source mapping of %s: %w", wanted.Source, err)
	}
	defer snap.Close()
	uuid, _, err := snap.Get(wanted.pairKey())
	if err != nil && !errors.Is(err, store.ErrNotFound) { // it may be gone by now
		return fmt.Errorf("create an event source mapping of %s: %w", wanted.Source, err)
	}
	return &function.ConflictError{Message: fmt.Sprintf(
		`An event source mapping with SQS arn (" %s ") and function (" %s ") already exists. Please update or delete the existing mapping with UUID %s`,
		wanted.Source, wanted.Settings.Name, uuid)}
}

// Get gives a mapping.
func (m *Mappings) Get(ctx context.Context, scope function.Scope, uuid string) (*Mapping, error) {
	found, _, err := m.read(ctx, scope, uuid)
	return found, err
}

// Update changes the settings by change. While the mapping is in a transition the
// answer is ErrInUse.
func (m *Mappings) Update(ctx context.Context, scope function.Scope, uuid string, change func(*Settings)) (*Mapping, error) {
	for {
		found, version, err := m.read(ctx, scope, uuid)
		if err != nil {
			return nil, err
		}
		if !found.settled() {
			return nil, ErrInUse
		}
		before, oldPair := found.Settings, found.pairKey()
		change(&found.Settings)
		if err := m.check(ctx, found); err != nil {
			return nil, err
		}
		found.State = Updating
		switch {
		case found.Settings.Enabled && !before.Enabled:
			found.State = Enabling
		case before.Enabled && !found.Settings.Enabled:
			found.State = Disabling
		}
		found.Revision++
		found.Modified = m.config.Clock.Now().UTC()
		put, err := found.put()
		if err != nil {
			return nil, err
		}
		batch := &store.Batch{Checks: []store.Check{store.At(put.Key, version)}, Puts: []store.KV{put}}
		if pair := found.pairKey(); string(pair) != string(oldPair) {
			batch.Checks = append(batch.Checks, store.Absent(pair))
			batch.Deletes = append(batch.Deletes, oldPair)
			batch.Puts = append(batch.Puts, store.KV{Key: pair, Value: []byte(uuid)})
		}
		err = m.commit(ctx, batch)
		var conflict *store.ConflictError
		switch {
		case err == nil:
			m.look()
			return found, nil
		case errors.As(err, &conflict) && string(conflict.Check.Key) == string(found.pairKey()):
			return nil, m.twice(ctx, found)
		case !errors.Is(err, store.ErrConflict):
			return nil, fmt.Errorf("update event source mapping %s: %w", uuid, err)
		}
	}
}

// Delete puts a mapping into state Deleting; it is gone when its last call ended.
func (m *Mappings) Delete(ctx context.Context, scope function.Scope, uuid string) (*Mapping, error) {
	return m.change(ctx, scope, uuid, func(found *Mapping) error {
		if !found.settled() {
			return ErrInUse
		}
		found.State = Deleting
		return nil
	})
}

// change changes a row beside its settings.
func (m *Mappings) change(ctx context.Context, scope function.Scope, uuid string, change func(*Mapping) error) (*Mapping, error) {
	for {
		found, version, err := m.read(ctx, scope, uuid)
		if err != nil {
			return nil, err
		}
		if err := change(found); err != nil {
			return nil, err
		}
		put, err := found.put()
		if err != nil {
			return nil, err
		}
		err = m.commit(ctx, &store.Batch{Checks: []store.Check{store.At(put.Key, version)}, Puts: []store.KV{put}})
		if errors.Is(err, store.ErrConflict) {
			continue
		} else if err != nil {
			return nil, fmt.Errorf("change event source mapping %s: %w", uuid, err)
		}
		m.look()
		return found, nil
	}
}

// Tag adds and removes tags.
func (m *Mappings) Tag(ctx context.Context, scope function.Scope, uuid string, add map[string]string, remove []string) error {
	_, err := m.change(ctx, scope, uuid, func(found *Mapping) error {
		tags := maps.Clone(found.Tags)
		if tags == nil {
			tags = map[string]string{}
		}
		maps.Copy(tags, add)
		for _, name := range remove {
			delete(tags, name)
		}
		found.Tags = tags
		return checkTags(tags)
	})
	return err
}

// Listing says which mappings to list.
type Listing struct {
	Source, FunctionARN string // empty: of any
	Marker              string // of the answer before
	Max                 int    // 0: defaultPage
}

// List gives mappings in the order of their UUIDs, and the marker of the next
// page, "" when that was all.
func (m *Mappings) List(ctx context.Context, scope function.Scope, l Listing) (found []*Mapping, marker string, err error) {
	size := l.Max
	if size <= 0 || size > maxPage {
		size = defaultPage
	}
	snap, err := m.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("list event source mappings: %w", err)
	}
	defer snap.Close()
	lo, hi := tuple.Range("mapping", "row", scope.Account, scope.Region)
	if l.Marker != "" {
		lo = append(rowKey(scope, l.Marker), 0)
	}
	for {
		entries, err := snap.Scan(lo, hi, scanPage, false)
		if err != nil {
			return nil, "", fmt.Errorf("list event source mappings: %w", err)
		}
		for _, entry := range entries {
			row, err := decode(entry)
			if err != nil {
				return nil, "", err
			}
			if l.Source != "" && row.Source != l.Source || l.FunctionARN != "" && row.Target().ARN() != l.FunctionARN {
				continue
			}
			if len(found) == size {
				return found, found[size-1].UUID, nil
			}
			found = append(found, row)
		}
		if len(entries) < scanPage {
			return found, "", nil
		}
		lo = append(slices.Clone(entries[len(entries)-1].Key), 0)
	}
}

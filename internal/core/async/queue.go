// Package async is the queue of asynchronous invocations: an event that was
// accepted is run, at least once, whatever happens to the process.
//
// It promises: when Put returns nil the event survives kill -9 and power loss; a
// function error is tried again twice, after one and two minutes; a throttle or
// an error of the host is tried again with a growing pause until the event is six
// hours old, a reservation of nothing gives it up at once; fewer retries and a
// shorter life are settings of the function, version or alias; each try has the
// request id of the first. Events have no order. The record of the outcome and
// the dead letter are in the outbox with the commit that ends the event.
//
// Run owns the queue by a lease of the store, so that one process runs an event
// at a time, and fences its commits. It starts one goroutine an event through an
// errgroup and returns after the last. Queue.mu guards the set of running events.
// Start reading at Queue; a try is in run.go, what is sent after it in record.go,
// the settings in settings.go.
package async

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/base/limit"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/chunk"
	"github.com/lambkin-dev/lambkin/internal/engine/store/due"
	"github.com/lambkin-dev/lambkin/internal/engine/store/hold"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
	"github.com/lambkin-dev/lambkin/internal/engine/telemetry"
)

// Limits of the queue.
const (
	// MaxEventAge and the retries are AWS's defaults
	// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html).
	MaxEventAge = 6 * time.Hour
	MaxQueued   = 100_000 // events that wait or run; each has up to a megabyte on the disk

	firstBackoff = time.Second // after a throttle; doubles
	maxBackoff   = 5 * time.Minute
	maxRunning   = 256 // events that run at once
	leaseName    = "async"
	poll         = 5 * time.Second // looks again even without a hint
)

// ErrFull tells that MaxQueued events wait already.
var ErrFull = errors.New("the queue of asynchronous events is full")

// Resolver finds the version that a name means; *function.Registry is one.
type Resolver interface {
	Resolve(ctx context.Context, scope function.Scope, name, qualifier string) (*function.Resolved, error)
}

// Invoker runs a version; *invoke.Invoker is one.
type Invoker interface {
	Invoke(ctx context.Context, request *invoke.Request) (*invoke.Response, error)
}

// Outbox sends what follows an event; *delivery.Outbox is one.
type Outbox interface {
	Add(batch *store.Batch, m *delivery.Message) error
	Wake()
	Serves(target string) bool
}

// Config is what a Queue works with. Store, Resolver, Invoker and Outbox are
// required.
type Config struct {
	Store    store.Store
	Resolver Resolver
	Invoker  Invoker
	Outbox   Outbox
	Clock    clock.Clock
	Logger   *slog.Logger
	Measured func(telemetry.Metric) // hook; must not block
	// Permits tells whether a function's policy lets a service invoke it; nil
	// permits all. *function.Registry has it.
	Permits func(ctx context.Context, t function.Target, who function.Caller) (bool, error)
	// Retries are the pauses before the tries that follow a function error;
	// default one minute and two minutes.
	Retries []time.Duration
	// Backoff is the first pause after a throttle; default one second.
	Backoff time.Duration
}

// Event is one accepted call.
type Event struct {
	Scope     function.Scope
	Name      string
	Qualifier string // as the caller gave it: an alias chooses anew at each try
	RequestID string
	TraceID   string
	Payload   []byte
}

// row is an event without its payload, as the store has it.
type row struct {
	Account, Region  string
	Name, Qualifier  string
	RequestID        string
	TraceID          string `json:",omitempty"`
	Accepted         time.Time
	Failures, Paused int    // tries that ended in a function error, tries that did not begin
	ErrorCode        int    `json:",omitempty"` // of the last try that did not begin, as an HTTP status
	ErrorMessage     string `json:",omitempty"`
	Chunks           int
}

func (r *row) target() function.Target {
	return function.Target{Scope: function.Scope{Account: r.Account, Region: r.Region}, Name: r.Name, Qualifier: r.Qualifier}
}

// Queue holds the events of all functions.
type Queue struct {
	config Config
	queued atomic.Int64 // about how many events the store holds: those put while Run counts may be missed
	wake   chan struct{}

	mu      sync.Mutex
	running map[string]bool // by key
}

// New only builds.
func New(config Config) (*Queue, error) {
	if config.Store == nil || config.Resolver == nil || config.Invoker == nil || config.Outbox == nil {
		return nil, errors.New("async: Store, Resolver, Invoker and Outbox are required")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Measured == nil {
		config.Measured = func(telemetry.Metric) {}
	}
	if config.Retries == nil {
		config.Retries = []time.Duration{time.Minute, 2 * time.Minute}
	}
	if config.Backoff == 0 {
		config.Backoff = firstBackoff
	}
	return &Queue{config: config, wake: make(chan struct{}, 1), running: map[string]bool{}}, nil
}

// The rows of an event, all below "async": its row under due, time and id; its
// payload in chunks under payload and id; what cannot be read under aside.

// Put takes an event: it is durable when Put returns nil.
func (q *Queue) Put(ctx context.Context, e *Event) error {
	if len(e.Payload) > limit.AsyncRequestBytes {
		return fmt.Errorf("async: a payload of %d bytes", len(e.Payload))
	}
	if q.queued.Add(1) > MaxQueued {
		q.queued.Add(-1)
		return ErrFull
	}
	now, id := q.config.Clock.Now(), ids.UUID()
	r := row{Account: e.Scope.Account, Region: e.Scope.Region, Name: e.Name, Qualifier: e.Qualifier,
		RequestID: e.RequestID, TraceID: e.TraceID, Accepted: now.UTC()}
	batch := &store.Batch{}
	r.Chunks = chunk.Put(batch, e.Payload, "async", "payload", id)
	put, err := r.at(now, id)
	if err != nil {
		return err
	}
	batch.Puts = append(batch.Puts, put)
	if _, err := q.config.Store.Commit(ctx, batch); err != nil {
		// The outcome may be unknown; the event is then run although the caller
		// was told otherwise, and counted at the next start only.
		q.queued.Add(-1)
		return fmt.Errorf("queue an event of %s: %w", e.Name, err)
	}
	q.measure(&r, telemetry.AsyncEventsReceived, 1)
	q.look()
	return nil
}

func (q *Queue) measure(r *row, name string, value float64) {
	q.config.Measured(telemetry.Metric{Account: r.Account, Region: r.Region, Function: r.Name, Name: name, Value: value})
}

// look makes Run look at the store.
func (q *Queue) look() {
	select {
	case q.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// at is the row of an event that is due at a time.
func (r row) at(due time.Time, id string) (store.KV, error) {
	value, err := json.Marshal(r)
	return store.KV{Key: tuple.Key("async", "due", due.UTC(), id), Value: value}, err
}

// Run runs events until ctx ends and those that run have ended.
func (q *Queue) Run(ctx context.Context) error {
	return hold.Run(ctx, hold.Config{Store: q.config.Store, Logger: q.config.Logger, Name: leaseName}, func(ctx context.Context, lease store.Lease) error {
		if err := q.count(ctx); err != nil {
			return err
		}
		group := &errgroup.Group{}
		group.SetLimit(maxRunning)
		err := q.serve(ctx, lease, group)
		group.Wait() // it returns no error: what happened to an event is in its row
		return err
	})
}

// count sets queued to what the store holds.
func (q *Queue) count(ctx context.Context) error {
	snap, err := q.config.Store.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("count the asynchronous events: %w", err)
	}
	defer snap.Close()
	lo, hi := tuple.Range("async", "due")
	total := 0
	for {
		entries, err := snap.Scan(lo, hi, countPage, false)
		if err != nil {
			return fmt.Errorf("count the asynchronous events: %w", err)
		}
		total += len(entries)
		if len(entries) < countPage {
			q.queued.Store(int64(total))
			return nil
		}
		lo = append(entries[len(entries)-1].Key, 0)
	}
}

// countPage is how many rows are read at once when counting.
const countPage = 1000

// serve starts what is due until ctx ends.
func (q *Queue) serve(ctx context.Context, lease store.Lease, group *errgroup.Group) error {
	from := &due.Start{}
	for {
		next, err := q.start(ctx, lease, group, from)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		clock.Wait(ctx, q.config.Clock, q.wake, min(next, poll))
		if ctx.Err() != nil {
			return nil
		}
	}
}

// start starts every event that is due, as far as there is room, and tells how
// long it is until the next one.
func (q *Queue) start(ctx context.Context, lease store.Lease, group *errgroup.Group, from *due.Start) (time.Duration, error) {
	entries, err := q.head(ctx, from)
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		at, id, err := parseKey(entry.Key)
		if err != nil {
			q.setAside(ctx, lease, entry, err)
			continue
		}
		from.Saw(at)
		if wait := at.Sub(q.config.Clock.Now()); wait > 0 {
			return wait, nil
		}
		if !q.begin(entry.Key) {
			continue // it runs already
		}
		started := group.TryGo(func() error { // ends with the call
			defer q.look()
			defer q.end(entry.Key)
			q.run(ctx, lease, entry, id)
			return nil
		})
		if !started {
			q.end(entry.Key)
			return poll, nil // the end of a running one wakes us
		}
	}
	return poll, nil
}

// parseKey reads the key of an event's row.
func parseKey(key []byte) (due time.Time, id string, err error) {
	parts, err := tuple.Parse(key)
	if err != nil {
		return due, "", err
	}
	if len(parts) == 4 {
		due, isTime := parts[2].(time.Time)
		if id, isText := parts[3].(string); isTime && isText {
			return due, id, nil
		}
	}
	return due, "", errors.New("not the key of an event")
}

// setAside keeps an event that cannot be read where nothing tries it again.
func (q *Queue) setAside(ctx context.Context, lease store.Lease, entry store.Entry, why error) {
	_, err := q.config.Store.Commit(context.WithoutCancel(ctx), &store.Batch{
		Checks:  []store.Check{lease.Fence(), store.At(entry.Key, entry.Version)},
		Deletes: [][]byte{entry.Key},
		Puts:    []store.KV{{Key: tuple.Key("async", "aside", entry.Key), Value: entry.Value}},
	})
	q.config.Logger.Error("an asynchronous event cannot be read and was set aside", "key", fmt.Sprintf("%x", entry.Key), "err", errors.Join(why, err))
	if err != nil {
		q.hold(ctx)
		return
	}
	q.queued.Add(-1)
}

// head reads the events that are due first, more than can run at once.
func (q *Queue) head(ctx context.Context, from *due.Start) ([]store.Entry, error) {
	snap, err := q.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the asynchronous events: %w", err)
	}
	defer snap.Close()
	lo, hi := tuple.Range("async", "due")
	if begin := from.Next(q.config.Clock.Now()); !begin.IsZero() {
		lo = tuple.Key("async", "due", begin.UTC())
	}
	entries, err := snap.Scan(lo, hi, 2*maxRunning, false)
	if err != nil {
		return nil, fmt.Errorf("read the asynchronous events: %w", err)
	}
	return entries, nil
}

func (q *Queue) begin(key []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.running[string(key)] {
		return false
	}
	q.running[string(key)] = true
	return true
}

func (q *Queue) end(key []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.running, string(key))
}

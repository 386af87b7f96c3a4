// Package async is the queue of asynchronous invocations: an event that was
// accepted is run, at least once, whatever happens to the process.
//
// It promises: when Put returns nil the event survives kill -9 and power loss; a
// function error is tried again twice, after one and two minutes; a throttle or
// an error of the host is tried again with a growing pause until the event is six
// hours old, a reservation of nothing gives it up at once; each try has the
// request id of the first. Events have no order. What is given up is logged:
// dead-letter queues and destinations are not there yet.
//
// Run owns the queue by a lease of the store, so that one process runs an event
// at a time, and fences its commits. It starts one goroutine an event through an
// errgroup and returns after the last. Queue.mu guards the set of running events.
// Start reading at Queue.
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
	"github.com/lambkin-dev/lambkin/internal/core/function"
	"github.com/lambkin-dev/lambkin/internal/core/invoke"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Limits of the queue.
const (
	// MaxEventAge and the retries are AWS's defaults
	// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html).
	MaxEventAge = 6 * time.Hour
	MaxQueued   = 100_000 // events that wait or run; each has up to a megabyte on the disk

	firstBackoff = time.Second // after a throttle; doubles
	maxBackoff   = 5 * time.Minute
	maxRunning   = 256                     // events that run at once
	chunkBytes   = store.MaxValueBytes / 2 // of a payload in one row
	leaseLife    = 15 * time.Second
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

// Config is what a Queue works with. Store, Resolver and Invoker are required.
type Config struct {
	Store    store.Store
	Resolver Resolver
	Invoker  Invoker
	Clock    clock.Clock
	Logger   *slog.Logger
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
	Failures, Paused int // tries that ended in a function error, tries that did not begin
	Chunks           int
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
	if config.Store == nil || config.Resolver == nil || config.Invoker == nil {
		return nil, errors.New("async: Store, Resolver and Invoker are required")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Retries == nil {
		config.Retries = []time.Duration{time.Minute, 2 * time.Minute}
	}
	if config.Backoff == 0 {
		config.Backoff = firstBackoff
	}
	return &Queue{config: config, wake: make(chan struct{}, 1), running: map[string]bool{}}, nil
}

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
	for rest := e.Payload; len(rest) > 0; r.Chunks++ {
		n := min(len(rest), chunkBytes)
		batch.Puts = append(batch.Puts, store.KV{Key: chunkKey(id, r.Chunks), Value: rest[:n]})
		rest = rest[n:]
	}
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
	q.look()
	return nil
}

// look makes Run look at the store.
func (q *Queue) look() {
	select {
	case q.wake <- struct{}{}:
	default: // it will look anyway
	}
}

func chunkKey(id string, n int) []byte { return tuple.Key("async", "payload", id, n) }

// at is the row of an event that is due at a time.
func (r row) at(due time.Time, id string) (store.KV, error) {
	value, err := json.Marshal(r)
	return store.KV{Key: tuple.Key("async", "due", due.UTC(), id), Value: value}, err
}

// Run runs events until ctx ends and those that run have ended.
func (q *Queue) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		lease, err := q.config.Store.Lease(ctx, leaseName, leaseLife)
		switch {
		case errors.Is(err, store.ErrLeaseHeld): // by another process, or by one that was killed
			if q.config.Clock.Sleep(ctx, leaseLife/leaseParts) != nil {
				return nil
			}
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("own the asynchronous events: %w", err)
		default:
			if err := q.own(ctx, lease); err != nil {
				return err
			}
		}
	}
	return nil
}

// leaseParts is how often a lease is renewed in its life.
const leaseParts = 5

// own runs events while the lease is ours.
func (q *Queue) own(ctx context.Context, lease store.Lease) error {
	if err := q.count(ctx); err != nil {
		return err
	}
	owned, lost := context.WithCancel(ctx)
	defer lost()
	group := &errgroup.Group{}
	renewal := &errgroup.Group{}
	renewal.Go(func() error { // ends when owned does or the lease is lost
		defer lost()
		for q.config.Clock.Sleep(owned, leaseLife/leaseParts) == nil {
			if err := lease.Renew(owned); err != nil {
				return nil // the fence keeps the commits of the runs that go on from doing harm
			}
		}
		return nil
	})
	group.SetLimit(maxRunning)
	err := q.serve(owned, lease, group)
	lost()
	// Neither returns an error: what happens to an event is in its row.
	group.Wait()
	renewal.Wait()
	if releaseErr := lease.Release(context.WithoutCancel(ctx)); releaseErr != nil && !errors.Is(releaseErr, store.ErrLeaseLost) {
		q.config.Logger.Warn("the lease of the asynchronous events was not given back", "err", releaseErr)
	}
	return err
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
	for {
		next, err := q.start(ctx, lease, group)
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
func (q *Queue) start(ctx context.Context, lease store.Lease, group *errgroup.Group) (time.Duration, error) {
	entries, err := q.head(ctx)
	if err != nil {
		return 0, err
	}
	for _, entry := range entries {
		parts, err := tuple.Parse(entry.Key)
		if err != nil || len(parts) != 4 {
			return 0, fmt.Errorf("read the key of an asynchronous event: %x, %w", entry.Key, err)
		}
		due, id := parts[2].(time.Time), parts[3].(string)
		if wait := due.Sub(q.config.Clock.Now()); wait > 0 {
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

// head reads the events that are due first, more than can run at once.
func (q *Queue) head(ctx context.Context) ([]store.Entry, error) {
	snap, err := q.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the asynchronous events: %w", err)
	}
	defer snap.Close()
	lo, hi := tuple.Range("async", "due")
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

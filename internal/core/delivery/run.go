package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/chunk"
	"github.com/lambkin-dev/lambkin/internal/engine/store/due"
	"github.com/lambkin-dev/lambkin/internal/engine/store/hold"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Run delivers until ctx ends and what is under way has ended.
func (o *Outbox) Run(ctx context.Context) error {
	return hold.Run(ctx, hold.Config{Store: o.config.Store, Logger: o.config.Logger, Name: space}, func(ctx context.Context, lease store.Lease) error {
		r := &run{Outbox: o, lease: lease}
		r.group.SetLimit(maxRunning)
		err := r.serve(ctx)
		r.group.Wait() // it returns no error: what happened to a message is in its row
		return err
	})
}

// run is the time during which the outbox is ours.
type run struct {
	*Outbox
	lease store.Lease
	group errgroup.Group
	from  due.Start
}

// serve starts what is due until ctx ends.
func (r *run) serve(ctx context.Context) error {
	for ctx.Err() == nil {
		next, err := r.start(ctx)
		if err != nil && ctx.Err() == nil {
			r.config.Logger.Error("deliveries wait", "err", err)
			next = poll
		}
		clock.Wait(ctx, r.config.Clock, r.wake, next)
	}
	return nil
}

// start starts everything that is due and has room, and tells how long it is
// until the next is.
func (r *run) start(ctx context.Context) (time.Duration, error) {
	lo, hi := tuple.Range(space, "due")
	if from := r.from.Next(r.config.Clock.Now()); !from.IsZero() {
		lo = tuple.Key(space, "due", from.UTC())
	}
	for {
		entries, err := r.scan(ctx, lo, hi, scanPage)
		if err != nil {
			return 0, err
		}
		for _, entry := range entries {
			p, err := parsePlace(entry.Key)
			if err != nil {
				r.setAside(ctx, entry, place{}, err)
				continue
			}
			r.from.Saw(p.due)
			now := r.config.Clock.Now()
			if wait := p.due.Sub(now); wait > 0 {
				return min(wait, poll), nil
			}
			if !r.begin(p, now) {
				continue
			}
			r.group.Go(func() error { // ends with the delivery
				defer r.end(p)
				if p.ordered() {
					r.follow(ctx, entry, p)
				} else {
					r.deliver(ctx, entry, p)
				}
				return nil
			})
		}
		if len(entries) < scanPage || ctx.Err() != nil {
			return poll, nil
		}
		lo = append(entries[len(entries)-1].Key, 0)
	}
}

func (r *run) scan(ctx context.Context, lo, hi []byte, limit int) ([]store.Entry, error) {
	snap, err := r.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	return snap.Scan(lo, hi, limit, false)
}

// begin takes a place for a message; false if it must wait for one.
func (o *Outbox) begin(p place, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	most := maxPerTarget
	if p.ordered() {
		most = 1
		if o.blocked[p.lane].After(now) {
			return false // its first message is tried again then, and wakes us
		}
		delete(o.blocked, p.lane)
	}
	switch {
	case o.running[p.id()]:
		return false
	case o.busy[p.lane] >= most:
		o.skipped[p.lane] = true
		return false
	}
	o.running[p.id()] = true
	o.busy[p.lane]++
	return true
}

// end gives the place back.
func (o *Outbox) end(p place) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.running, p.id())
	if o.busy[p.lane]--; o.busy[p.lane] == 0 {
		delete(o.busy, p.lane)
	}
	if o.skipped[p.lane] {
		delete(o.skipped, p.lane)
		o.Wake()
	}
}

// follow delivers the messages of an ordered lane, first by first, until one
// must wait or there is none. The one that was found due is one of them.
func (r *run) follow(ctx context.Context, entry store.Entry, found place) {
	for ctx.Err() == nil {
		first, p, err := r.first(ctx, found.lane)
		switch {
		case errors.Is(err, store.ErrNotFound):
			r.deliver(ctx, entry, found) // it is still there only if its place in the order is lost
			return
		case errors.Is(err, errCorrupt):
			continue // what could not be read is aside
		case err != nil:
			r.hold(ctx, "read the first message of a lane", err)
			return
		}
		if p.due.After(r.config.Clock.Now()) {
			r.block(p)
			return
		}
		r.deliver(ctx, first, p)
	}
}

func (o *Outbox) block(p place) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.blocked[p.lane] = p.due
}

// first finds the first message of a lane; store.ErrNotFound without one. After
// errCorrupt a row is gone that could not be read, and the next one may do.
func (r *run) first(ctx context.Context, lane string) (store.Entry, place, error) {
	snap, err := r.config.Store.Snapshot(ctx)
	if err != nil {
		return store.Entry{}, place{}, err
	}
	defer snap.Close()
	lo, hi := tuple.Range(space, "order", lane)
	rows, err := snap.Scan(lo, hi, 1, false)
	if err != nil {
		return store.Entry{}, place{}, err
	}
	if len(rows) == 0 {
		return store.Entry{}, place{}, store.ErrNotFound
	}
	p, err := parseOrder(rows[0], lane)
	if err != nil {
		if r.setAside(ctx, rows[0], place{}, err) {
			err = errCorrupt
		}
		return store.Entry{}, place{}, err
	}
	value, version, err := snap.Get(p.key())
	if errors.Is(err, store.ErrNotFound) {
		// Its due row is one that could not be read and is aside.
		if _, err := r.config.Store.Commit(ctx, &store.Batch{Checks: []store.Check{r.lease.Fence()}, Deletes: [][]byte{rows[0].Key}}); err != nil {
			return store.Entry{}, place{}, err
		}
		return store.Entry{}, place{}, errCorrupt
	}
	return store.Entry{Key: p.key(), Value: value, Version: version}, p, err
}

// parseOrder reads a row that keeps the order of a lane.
func parseOrder(row store.Entry, lane string) (place, error) {
	key, err := tuple.Parse(row.Key)
	if err != nil {
		return place{}, err
	}
	value, err := tuple.Parse(row.Value)
	if err != nil {
		return place{}, err
	}
	if len(key) == 4 && len(value) == 1 {
		number, isNumber := key[3].(string)
		at, isTime := value[0].(time.Time)
		if isNumber && isTime {
			return place{due: at, number: number, lane: lane}, nil
		}
	}
	return place{}, errors.New("not the place of a message in a lane")
}

// deliver tries a message once and writes down what became of it. An error of
// the store leaves the rows as they are: the message is tried again.
func (r *run) deliver(ctx context.Context, entry store.Entry, p place) {
	s, m, err := r.read(ctx, &entry, p)
	switch {
	case errors.Is(err, store.ErrNotFound): // it was delivered since the page was read
		return
	case errors.Is(err, errCorrupt), errors.Is(err, chunk.ErrLost):
		r.setAside(ctx, entry, p, err)
		return
	case err != nil:
		r.hold(ctx, "read a message", err)
		return
	}
	failure := r.try(ctx, m)
	if failure != nil && ctx.Err() != nil && !IsPermanent(failure) {
		return // we are stopping: the next owner tries it
	}
	s.Tries++
	// The try is over: what became of it must be written even if we are stopping.
	if err := r.settle(context.WithoutCancel(ctx), entry, p, s, m, failure); err != nil {
		r.hold(ctx, "write what became of a delivery to "+m.Target, err)
	}
}

// read reads a message as it is now.
func (r *run) read(ctx context.Context, entry *store.Entry, p place) (state, *Message, error) {
	var s state
	snap, err := r.config.Store.Snapshot(ctx)
	if err != nil {
		return s, nil, err
	}
	defer snap.Close()
	if entry.Value, entry.Version, err = snap.Get(entry.Key); err != nil {
		return s, nil, err
	}
	if err := json.Unmarshal(entry.Value, &s); err != nil || s.Chunks < 1 {
		return s, nil, fmt.Errorf("%w: state %.80q, %w", errCorrupt, entry.Value, err)
	}
	content, err := chunk.Read(snap, s.Chunks, space, "message", p.number)
	if err != nil {
		return s, nil, err
	}
	m, err := decode(content)
	return s, m, err
}

// errNoTarget tells of a message to a service that this server does not have.
var errNoTarget = errors.New("nothing delivers to this target")

func (r *run) try(ctx context.Context, m *Message) error {
	if r.expired(m, r.config.Clock.Now()) {
		return errors.New("it is too old")
	}
	target := r.target(m.Target)
	if target == nil {
		return errNoTarget
	}
	ctx, cancel := context.WithTimeout(ctx, deliverTime)
	defer cancel()
	if r.config.Permit != nil {
		if err := r.config.Permit(ctx, m); err != nil {
			return err
		}
	}
	return target.Deliver(ctx, m)
}

func (r *run) expired(m *Message, now time.Time) bool {
	return m.Policy.MaxAge > 0 && now.Sub(m.Added) > m.Policy.MaxAge
}

// settle removes a message that arrived or is given up, or moves it to its next
// time.
func (r *run) settle(ctx context.Context, entry store.Entry, p place, s state, m *Message, failure error) error {
	batch := &store.Batch{Checks: []store.Check{r.lease.Fence(), store.At(entry.Key, entry.Version)}, Deletes: [][]byte{entry.Key}}
	if failure == nil {
		// If a power loss takes this the message arrives twice, which at least
		// once allows; kill -9 does not take it.
		batch.Durability = store.Relaxed
		r.remove(batch, p, s)
		_, err := r.config.Store.Commit(ctx, batch)
		return err
	}
	now := r.config.Clock.Now()
	pause, more := m.Policy.next(s.Tries - 1)
	next, condition := now.Add(pause).UTC(), ""
	switch {
	case IsPermanent(failure):
		more = false
	case !more:
		condition = retriesReached
	case r.expired(m, next):
		more, condition = false, ageReached
	}
	if more {
		later := place{due: next, number: p.number, lane: p.lane}
		if err := later.put(batch, s); err != nil {
			return err
		}
		_, err := r.config.Store.Commit(ctx, batch)
		level := slog.LevelDebug
		if s.Tries == 1 {
			level = slog.LevelWarn
		}
		r.config.Logger.Log(ctx, level, "a delivery is tried again", "target", m.Target, "purpose", m.Purpose, "id", m.ID, "tries", s.Tries, "pause", pause, "err", failure)
		r.Wake() // the next look is due sooner, perhaps
		return err
	}
	r.remove(batch, p, s)
	if letter := m.Policy.letter(m, s.Tries, condition, failure); letter != nil {
		if err := r.Add(batch, letter); err != nil {
			return err
		}
	}
	if _, err := r.config.Store.Commit(ctx, batch); err != nil {
		return err
	}
	r.Wake()
	r.config.Logger.Warn("a delivery was given up", "target", m.Target, "purpose", m.Purpose, "id", m.ID, "source", m.Source, "tries", s.Tries, "err", failure)
	if r.config.GivenUp != nil {
		r.config.GivenUp(m, failure)
	}
	return nil
}

// remove adds the removal of everything but the due row to a batch.
func (r *run) remove(b *store.Batch, p place, s state) {
	chunk.Delete(b, s.Chunks, space, "message", p.number)
	if p.ordered() {
		b.Deletes = append(b.Deletes, p.orderKey())
	}
}

// setAside keeps a row that cannot be read where nothing tries it again. It tells
// whether it could.
func (r *run) setAside(ctx context.Context, entry store.Entry, p place, why error) bool {
	batch := &store.Batch{Checks: []store.Check{r.lease.Fence()}, Deletes: [][]byte{entry.Key},
		Puts: []store.KV{{Key: tuple.Key(space, "aside", entry.Key), Value: entry.Value}}}
	if p.lane != "" && p.ordered() {
		batch.Deletes = append(batch.Deletes, p.orderKey())
	}
	_, err := r.config.Store.Commit(context.WithoutCancel(ctx), batch)
	r.config.Logger.Error("a delivery cannot be read and was set aside", "key", fmt.Sprintf("%x", entry.Key), "err", errors.Join(why, err))
	return err == nil
}

// hold keeps a message that stays due from being tried again at once: the store
// is in trouble, and its target must not be called in a loop meanwhile.
func (r *run) hold(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	r.config.Logger.Error("a delivery waits", "what", what, "err", err)
	_ = r.config.Clock.Sleep(ctx, poll) // the only error is ctx's, which ends the wait as well
}

// codeOf is the code of an error that Coded made.
func codeOf(err error) string {
	var c *codedError
	if errors.As(err, &c) {
		return c.code
	}
	return ""
}

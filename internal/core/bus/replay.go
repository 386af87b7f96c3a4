package bus

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/pattern"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// StartReplay begins to send the events of an archive once more.
func (b *Buses) StartReplay(ctx context.Context, scope Scope, name string, r Replay) (*Replay, error) {
	_, archive, found := strings.Cut(r.Archive, ":archive/")
	b.mu.RLock()
	a := b.archives[archiveID{scope, archive}]
	b.mu.RUnlock()
	switch {
	case !strings.HasPrefix(r.Destination, "arn:") || !strings.Contains(r.Destination, ":event-bus/"):
		return nil, fail(Validation, "Parameter Destination.Arn is not valid. Reason: Must contain an event bus ARN.")
	case !found || a == nil:
		return nil, fail(Validation, "Parameter EventSourceArn is not valid. Reason: Archive %s does not exist.", archive)
	case r.Destination != a.Source:
		return nil, fail(Validation, "Parameter Destination.Arn is not valid. Reason: Cross event bus replay is not permitted.")
	case !r.From.Before(r.To):
		return nil, fail(Validation, "Parameter EventEndTime is not valid. Reason: EventStartTime must be before EventEndTime.")
	}
	if _, err := b.find(ParseID(scope, r.Destination)); err != nil {
		return nil, err
	}
	r.State, r.Started = Starting, b.config.Clock.Now().UTC()
	err := b.changeReplay(ctx, archiveID{scope, name}, func(old *Replay) (*Replay, error) {
		if old != nil {
			return nil, fail(AlreadyExists, "Replay %s already exists.", name)
		}
		return &r, nil
	})
	b.poke()
	return &r, err
}

// CancelReplay stops one that goes on.
func (b *Buses) CancelReplay(ctx context.Context, scope Scope, name string) (*Replay, error) {
	var changed Replay
	err := b.changeReplay(ctx, archiveID{scope, name}, func(old *Replay) (*Replay, error) {
		switch {
		case old == nil:
			return nil, noReplay(name)
		case !old.going():
			return nil, fail(IllegalStatus, "Replay %s is not in a valid state for this operation.", name)
		}
		changed = *old
		changed.State = Cancelling
		return &changed, nil
	})
	b.poke()
	return &changed, err
}

func (r *Replay) going() bool { return r.State == Starting || r.State == Running }

func noReplay(name string) *Error { return fail(NotFound, "Replay %s does not exist.", name) }

// Replay is a replay.
func (b *Buses) Replay(scope Scope, name string) (*Replay, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	r := b.replays[archiveID{scope, name}]
	if r == nil {
		return nil, noReplay(name)
	}
	found := *r
	return &found, nil
}

func (b *Buses) changeReplay(ctx context.Context, id archiveID, next func(old *Replay) (*Replay, error)) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	b.mu.RLock()
	old := b.replays[id]
	b.mu.RUnlock()
	changed, err := next(old)
	if err != nil {
		return err
	}
	if err := b.write(ctx, replayKey(id), changed); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.replays[id] = changed
	return nil
}

// replayAll brings every replay to its end.
func (b *Buses) replayAll(ctx context.Context) error {
	b.mu.RLock()
	var open []archiveID
	for id, r := range b.replays {
		if r.going() || r.State == Cancelling {
			open = append(open, id)
		}
	}
	b.mu.RUnlock()
	for _, id := range open {
		for more := true; more && ctx.Err() == nil; {
			var err error
			if more, err = b.replayStep(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// replayPage is how many rows of an archive are sent in one commit.
const replayPage = 100

// replayStep sends some events and notes, in the same commit, how far it came.
func (b *Buses) replayStep(ctx context.Context, id archiveID) (more bool, err error) {
	b.changing.Lock()
	defer b.changing.Unlock()
	b.mu.RLock()
	r := *b.replays[id]
	b.mu.RUnlock()
	p := &parcel{buses: b}
	switch {
	case r.State == Cancelling:
		r.State, r.Ended = Cancelled, b.config.Clock.Now().UTC()
	default:
		r.State = Running
		if more, err = b.replayEvents(ctx, p, id, &r); err != nil {
			return false, err
		}
		if !more {
			r.State, r.Ended = Completed, b.config.Clock.Now().UTC()
		}
	}
	value, err := json.Marshal(r)
	if err != nil {
		return false, err
	}
	p.batch.Puts = append(p.batch.Puts, store.KV{Key: replayKey(id), Value: value})
	if err := p.send(ctx); err != nil {
		return false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.replays[id] = &r
	return more, nil
}

// replayEvents adds the next events of a replay.
func (b *Buses) replayEvents(ctx context.Context, p *parcel, id archiveID, r *Replay) (more bool, err error) {
	_, archive, _ := strings.Cut(r.Archive, ":archive/")
	lo := r.Next
	if lo == nil {
		lo = tuple.Key("events", archivedRows, id.Account, id.Region, archive, r.From.UTC())
	}
	hi := tuple.Key("events", archivedRows, id.Account, id.Region, archive, r.To.UTC())
	snap, err := b.config.Store.Snapshot(ctx)
	if err != nil {
		return false, err
	}
	defer snap.Close()
	var whole []byte
	var at time.Time
	flush := func() error {
		if whole == nil {
			return nil
		}
		e := &event{}
		if err := json.Unmarshal(whole, e); err != nil {
			b.config.Logger.Error("an archived event cannot be read", "archive", archive, "err", err)
			return nil
		}
		r.Last, whole = at, nil
		return p.addReplayed(ctx, ParseID(id.Scope, r.Destination), id.Name, r.Rules, e)
	}
	count := 0
	err = store.Each(snap, lo, hi, func(row *store.Entry) (bool, error) {
		archived, part, err := archivedAt(row.Key)
		if err != nil {
			return false, err
		}
		if part == 0 {
			if err := flush(); err != nil {
				return false, err
			}
			if count++; count > replayPage {
				r.Next, more = row.Key, true
				return false, nil
			}
		}
		whole, at = append(whole, row.Value...), archived
		return true, nil
	})
	if err == nil {
		err = flush()
	}
	return more, err
}

// addReplayed adds an event of an archive for the rules that a replay names, all
// if it names none.
func (p *parcel) addReplayed(ctx context.Context, id ID, replay string, rules []string, e *event) (err error) {
	e.Replay, e.ingested = replay, p.buses.config.Clock.Now().UTC()
	if e.text, err = e.encode(); err != nil {
		return err
	}
	parsed, err := pattern.ParseEvent(e.text)
	if err != nil {
		return err
	}
	for _, chosen := range p.buses.choose(id, parsed, rules) {
		if err := p.addTargets(ctx, id, chosen.name, chosen.rule, e); err != nil {
			return err
		}
	}
	return nil
}

package bus

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/core/pattern"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// archiveID names an archive or a replay.
type archiveID struct {
	Scope
	Name string
}

// ArchiveARN is that of an archive.
func (s Scope) ArchiveARN(name string) string {
	return arn.New("events", s.Region, s.Account, "archive/"+name).String()
}

// ReplayARN is that of a replay.
func (s Scope) ReplayARN(name string) string {
	return arn.New("events", s.Region, s.Account, "replay/"+name).String()
}

// Archive keeps the events of a bus.
type Archive struct {
	Source      string // ARN of the bus
	Description string
	Pattern     string        // empty: all events
	Retention   time.Duration // 0: for ever
	Created     time.Time

	pattern *pattern.Pattern
}

// UnmarshalJSON also compiles the pattern.
func (a *Archive) UnmarshalJSON(text []byte) error {
	type plain Archive
	if err := json.Unmarshal(text, (*plain)(a)); err != nil || a.Pattern == "" {
		return err
	}
	var err error
	a.pattern, err = compilePattern(a.Pattern)
	return err
}

// Counts are how much an archive holds.
type Counts struct{ Events, Bytes int64 }

// Replay sends the events of an archive once more.
type Replay struct {
	Description string
	Archive     string    // ARN
	Destination string    // ARN of the bus
	Rules       []string  // names of the only rules that get them; none: all
	Filters     []string  // their ARNs
	From, To    time.Time // of the events, by when they were archived
	State       string
	Started     time.Time
	Ended       time.Time `json:",omitzero"`
	Last        time.Time `json:",omitzero"`  // when the last event that was sent had been archived
	Next        []byte    `json:",omitempty"` // key from which on it goes on
}

// States of a replay.
const (
	Starting   = "STARTING"
	Running    = "RUNNING"
	Cancelling = "CANCELLING"
	Completed  = "COMPLETED"
	Cancelled  = "CANCELLED"
)

func archiveIDOf(parts []any) archiveID {
	return archiveID{Scope{parts[0].(string), parts[1].(string)}, parts[2].(string)}
}

func archiveKey(id archiveID) []byte {
	return tuple.Key("events", archiveRows, id.Account, id.Region, id.Name)
}

func replayKey(id archiveID) []byte {
	return tuple.Key("events", replayRows, id.Account, id.Region, id.Name)
}

// archivedParts begin the keys of an event in an archive; the number of the chunk
// follows.
func archivedParts(id archiveID, at time.Time, event string) []any {
	return []any{"events", archivedRows, id.Account, id.Region, id.Name, at.UTC(), event}
}

// CreateArchive makes an archive.
func (b *Buses) CreateArchive(ctx context.Context, scope Scope, name string, a Archive) (*Archive, error) {
	source := ParseID(scope, a.Source)
	if !strings.HasPrefix(a.Source, "arn:") {
		return nil, fail(Validation, "Parameter EventSourceArn is not valid. Reason: Must contain a valid ARN.")
	}
	if _, err := b.find(source); err != nil {
		return nil, err
	}
	return b.putArchive(ctx, archiveID{scope, name}, func(old *Archive, count int) (*Archive, error) {
		switch {
		case old != nil:
			return nil, fail(AlreadyExists, "Archive %s already exists.", name)
		case count >= MaxArchives:
			return nil, tooMany()
		}
		a.Created = b.config.Clock.Now().UTC()
		return &a, nil
	})
}

// UpdateArchive changes an archive.
func (b *Buses) UpdateArchive(ctx context.Context, scope Scope, name string, change func(*Archive)) (*Archive, error) {
	return b.putArchive(ctx, archiveID{scope, name}, func(old *Archive, _ int) (*Archive, error) {
		if old == nil {
			return nil, noArchive(name)
		}
		changed := *old
		change(&changed)
		return &changed, nil
	})
}

func noArchive(name string) *Error { return fail(NotFound, "Archive %s does not exist.", name) }

func (b *Buses) putArchive(ctx context.Context, id archiveID, next func(old *Archive, count int) (*Archive, error)) (*Archive, error) {
	b.changing.Lock()
	defer b.changing.Unlock()
	b.mu.RLock()
	old, count := b.archives[id], 0
	for other := range b.archives {
		if other.Scope == id.Scope {
			count++
		}
	}
	b.mu.RUnlock()
	a, err := next(old, count)
	if err != nil {
		return nil, err
	}
	if a.pattern = nil; a.Pattern != "" {
		if a.pattern, err = compilePattern(a.Pattern); err != nil {
			return nil, err
		}
	}
	if err := b.write(ctx, archiveKey(id), a); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.archives[id] = a
	return a, nil
}

// DeleteArchive removes an archive and its events.
func (b *Buses) DeleteArchive(ctx context.Context, scope Scope, name string) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	id := archiveID{scope, name}
	b.mu.RLock()
	found := b.archives[id] != nil
	b.mu.RUnlock()
	if !found {
		return noArchive(name)
	}
	lo, hi := tuple.Range("events", archivedRows, id.Account, id.Region, id.Name)
	if err := b.commit(ctx, &store.Batch{DeleteRanges: []store.Range{{Lo: lo, Hi: hi}}, Deletes: [][]byte{archiveKey(id)}}); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.archives, id)
	return nil
}

// Archive is an archive and what it holds.
func (b *Buses) Archive(ctx context.Context, scope Scope, name string) (*Archive, *Counts, error) {
	id := archiveID{scope, name}
	b.mu.RLock()
	a := b.archives[id]
	b.mu.RUnlock()
	if a == nil {
		return nil, nil, noArchive(name)
	}
	counts := &Counts{}
	snap, err := b.config.Store.Snapshot(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer snap.Close()
	lo, hi := tuple.Range("events", archivedRows, id.Account, id.Region, id.Name)
	err = store.Each(snap, lo, hi, func(e *store.Entry) (bool, error) {
		if _, part, err := archivedAt(e.Key); err != nil {
			return false, err
		} else if part == 0 {
			counts.Events++
		}
		counts.Bytes += int64(len(e.Value))
		return true, nil
	})
	found := *a
	return &found, counts, err
}

// archivedAt reads the key of a chunk of an archived event.
func archivedAt(key []byte) (time.Time, int64, error) {
	parts, err := tuple.Parse(key)
	if err != nil {
		return time.Time{}, 0, err
	}
	return parts[5].(time.Time), parts[7].(int64), nil
}

// Archives are the names of a scope's archives, sorted.
func (b *Buses) Archives(scope Scope) []string { return b.names(scope, true) }

// Replays are the names of a scope's replays, sorted.
func (b *Buses) Replays(scope Scope) []string { return b.names(scope, false) }

func (b *Buses) names(scope Scope, archives bool) (names []string) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	take := func(id archiveID) {
		if id.Scope == scope {
			names = append(names, id.Name)
		}
	}
	if archives {
		for id := range b.archives {
			take(id)
		}
	} else {
		for id := range b.replays {
			take(id)
		}
	}
	slices.Sort(names)
	return names
}

// sweep removes the events that archives keep no longer.
func (b *Buses) sweep(ctx context.Context) error {
	b.mu.RLock()
	batch := &store.Batch{}
	for id, a := range b.archives {
		if a.Retention > 0 {
			lo, _ := tuple.Range("events", archivedRows, id.Account, id.Region, id.Name)
			hi := tuple.Key("events", archivedRows, id.Account, id.Region, id.Name, b.config.Clock.Now().UTC().Add(-a.Retention))
			batch.DeleteRanges = append(batch.DeleteRanges, store.Range{Lo: lo, Hi: hi})
		}
	}
	b.mu.RUnlock()
	if len(batch.DeleteRanges) == 0 {
		return nil
	}
	return b.commit(ctx, batch)
}

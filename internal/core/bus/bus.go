// Package bus is the behaviour of event buses: rules choose events by pattern, or
// make them by schedule, and send them to targets; archives keep events, replays
// send them again.
//
// It promises: when Put returns nil for an entry, every target of every rule that
// chose it gets the event at least once (by core/delivery), and every archive
// that chose it has it, whatever happens to the process; a scheduled rule fires
// once for each time that is due, and after a downtime once for the last of those
// it missed within the age that its targets accept.
//
// All buses and rules are in memory, read by Open; one process owns them, the one
// that holds the store's folder. Buses.changing is held by every change over its
// commit; Buses.mu guards what is in memory and is never held over I/O. Nothing
// here starts goroutines; Run fires rules, replays and sweeps until its context
// ends. Start reading at Buses and Put.
package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/pattern"
	"github.com/lambkin-dev/lambkin/internal/core/schedule"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Limits. AWS: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html.
const (
	MaxBuses         = 100
	MaxRules         = 10_000 // of a bus; AWS: 300, which can be raised
	MaxTargets       = 5      // of a rule
	MaxPatternBytes  = 4096
	MaxEntryBytes    = 1 << 20 // of all entries of a request, as EventBridge counts them
	MaxArchives      = 100
	MaxPolicyBytes   = 10_240
	DefaultBus       = "default"
	maxTags          = 50
	maxIDBytes       = 1024 // it is part of an archive's keys
	maxPathsOfInput  = 100
	maxTemplateBytes = 8192
)

// Scope is where a bus is.
type Scope struct{ Account, Region string }

// ID names a bus.
type ID struct {
	Scope
	Name string
}

// ARN is the bus's Amazon Resource Name.
func (id ID) ARN() string {
	return arn.New("events", id.Region, id.Account, "event-bus/"+id.Name).String()
}

// RuleARN is that of a rule of the bus.
func (id ID) RuleARN(rule string) string {
	resource := "rule/" + rule
	if id.Name != DefaultBus {
		resource = "rule/" + id.Name + "/" + rule
	}
	return arn.New("events", id.Region, id.Account, resource).String()
}

// ParseID reads the name or ARN of a bus; empty is the default one.
func ParseID(scope Scope, text string) ID {
	if text == "" {
		text = DefaultBus
	}
	if a, err := arn.Parse(text); err == nil && a.Service == "events" {
		if name, found := strings.CutPrefix(a.Resource, "event-bus/"); found {
			return ID{Scope{a.Account, a.Region}, name}
		}
	}
	return ID{scope, text}
}

// Bus is a bus as it was configured.
type Bus struct {
	Description string
	DeadLetter  string            // ARN of a queue
	Policy      string            // JSON
	Tags        map[string]string `json:",omitempty"`
	Created     time.Time
	Modified    time.Time
}

// Config is what Buses work with. Store and Outbox are required.
type Config struct {
	Store  store.Store
	Outbox *delivery.Outbox
	Clock  clock.Clock
	Logger *slog.Logger
}

// Buses holds all buses.
type Buses struct {
	config Config
	wake   chan struct{} // a rule or replay was changed

	changing sync.Mutex
	mu       sync.RWMutex
	buses    map[ID]*state
	archives map[archiveID]*Archive
	replays  map[archiveID]*Replay
	agenda   schedule.Agenda[ruleID] // of the rules with a schedule
}

// state is a bus with its rules.
type state struct {
	Bus
	rules    map[string]*rule
	patterns pattern.Set[string] // of the rules that are enabled, by name
}

// set puts a rule into its place in memory. Called with mu held for writing.
func (s *state) set(name string, r *rule) {
	s.rules[name] = r
	if r.pattern != nil && r.enabled() {
		s.patterns.Put(name, r.pattern)
	} else {
		s.patterns.Remove(name)
	}
}

func (s *state) remove(name string) {
	delete(s.rules, name)
	s.patterns.Remove(name)
}

// Open reads the buses of the store.
func Open(ctx context.Context, config Config) (*Buses, error) {
	if config.Store == nil || config.Outbox == nil {
		return nil, errors.New("bus: Store and Outbox are required")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Buses{config: config, wake: make(chan struct{}, 1), buses: map[ID]*state{}, archives: map[archiveID]*Archive{}, replays: map[archiveID]*Replay{}}
	return b, b.load(ctx)
}

// Kinds of rows, behind "events".
const (
	busRows      = "bus"
	ruleRows     = "rule"
	firedRows    = "fired" // when a scheduled rule was due last
	archiveRows  = "archive"
	replayRows   = "replay"
	archivedRows = "archived"
)

func busKey(id ID) []byte { return tuple.Key("events", busRows, id.Account, id.Region, id.Name) }

func ruleKey(id ID, rule string) []byte {
	return tuple.Key("events", ruleRows, id.Account, id.Region, id.Name, rule)
}

func firedKey(id ID, rule string) []byte {
	return tuple.Key("events", firedRows, id.Account, id.Region, id.Name, rule)
}

// each visits the rows of a kind.
func (b *Buses) each(ctx context.Context, kind string, visit func(parts []any, value []byte) error) error {
	snap, err := b.config.Store.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer snap.Close()
	lo, hi := tuple.Range("events", kind)
	return store.Each(snap, lo, hi, func(e *store.Entry) (bool, error) {
		parts, err := tuple.Parse(e.Key)
		if err != nil {
			return false, err
		}
		return true, visit(parts[2:], e.Value)
	})
}

func (b *Buses) load(ctx context.Context) error {
	fired := map[string]time.Time{}
	for _, kind := range []struct {
		name string
		read func(parts []any, value []byte) error
	}{
		{busRows, func(parts []any, value []byte) error {
			s := &state{rules: map[string]*rule{}}
			b.buses[idOf(parts)] = s
			return json.Unmarshal(value, &s.Bus)
		}},
		{firedRows, func(parts []any, value []byte) error {
			var at time.Time
			err := at.UnmarshalText(value)
			fired[idOf(parts).RuleARN(parts[3].(string))] = at
			return err
		}},
		{ruleRows, func(parts []any, value []byte) error {
			id, name := idOf(parts), parts[3].(string)
			r := &Rule{}
			if err := json.Unmarshal(value, r); err != nil {
				return err
			}
			compiled, err := compile(r)
			if err != nil {
				return err
			}
			compiled.fired = fired[id.RuleARN(name)]
			b.at(id).set(name, compiled)
			b.plan(id, name, compiled)
			return nil
		}},
		{archiveRows, func(parts []any, value []byte) error {
			a := &Archive{}
			b.archives[archiveIDOf(parts)] = a
			return json.Unmarshal(value, a)
		}},
		{replayRows, func(parts []any, value []byte) error {
			r := &Replay{}
			b.replays[archiveIDOf(parts)] = r
			return json.Unmarshal(value, r)
		}},
	} {
		if err := b.each(ctx, kind.name, kind.read); err != nil {
			return fmt.Errorf("read the event buses (%s): %w", kind.name, err)
		}
	}
	return nil
}

func idOf(parts []any) ID {
	return ID{Scope{parts[0].(string), parts[1].(string)}, parts[2].(string)}
}

// at is the state of a bus; the default one comes into being by being named.
// Called with mu held for writing, or before anybody else knows b.
func (b *Buses) at(id ID) *state {
	s := b.buses[id]
	if s == nil && id.Name == DefaultBus {
		s = &state{rules: map[string]*rule{}}
		b.buses[id] = s
	}
	return s
}

// commit writes what must not stay half known because a client went away.
func (b *Buses) commit(ctx context.Context, batch *store.Batch) error {
	_, err := b.config.Store.Commit(context.WithoutCancel(ctx), batch)
	return err
}

// write commits one row as JSON.
func (b *Buses) write(ctx context.Context, key []byte, row any) error {
	value, err := json.Marshal(row)
	if err != nil {
		return err
	}
	return b.commit(ctx, &store.Batch{Puts: []store.KV{{Key: key, Value: value}}})
}

// find is what a change begins with: the bus, or the error that it is not there.
func (b *Buses) find(id ID) (*state, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.at(id); s != nil {
		return s, nil
	}
	return nil, noBus(id)
}

func noBus(id ID) *Error { return fail(NotFound, "Event bus %s does not exist.", id.Name) }

// Create makes a bus.
func (b *Buses) Create(ctx context.Context, id ID, configured Bus) (*Bus, error) {
	if err := CheckTags(configured.Tags); err != nil {
		return nil, err
	}
	b.changing.Lock()
	defer b.changing.Unlock()
	b.mu.RLock()
	existing, count := b.buses[id] != nil || id.Name == DefaultBus, 0
	for other := range b.buses {
		if other.Scope == id.Scope {
			count++
		}
	}
	b.mu.RUnlock()
	switch {
	case existing:
		return nil, fail(AlreadyExists, "Event bus %s already exists.", id.Name)
	case count >= MaxBuses:
		return nil, tooMany()
	}
	s := &state{Bus: configured, rules: map[string]*rule{}}
	s.Created = b.config.Clock.Now().UTC()
	s.Modified = s.Created
	if err := b.write(ctx, busKey(id), &s.Bus); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buses[id] = s
	made := s.Bus
	return &made, nil
}

// Get is a bus.
func (b *Buses) Get(id ID) (*Bus, error) {
	s, err := b.find(id)
	if err != nil {
		return nil, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	found := s.Bus
	return &found, nil
}

// Update changes a bus.
func (b *Buses) Update(ctx context.Context, id ID, change func(*Bus) error) (*Bus, error) {
	b.changing.Lock()
	defer b.changing.Unlock()
	s, err := b.find(id)
	if err != nil {
		return nil, err
	}
	changed := s.Bus // only changes write it, and they hold changing
	if err := change(&changed); err != nil {
		return nil, err
	}
	changed.Modified = b.config.Clock.Now().UTC()
	if err := b.write(ctx, busKey(id), &changed); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.Bus = changed
	return &changed, nil
}

// Delete removes a bus; one that is not there is no error.
//
// AWS: DeleteEventBus; rules must be deleted before.
func (b *Buses) Delete(ctx context.Context, id ID) error {
	if id.Name == DefaultBus {
		return fail(Validation, "Cannot delete event bus default.")
	}
	b.changing.Lock()
	defer b.changing.Unlock()
	b.mu.RLock()
	s := b.buses[id]
	b.mu.RUnlock()
	switch {
	case s == nil:
		return nil
	case len(s.rules) > 0:
		return fail(Validation, "Event bus %s can't be deleted since it has rules.", id.Name)
	}
	if err := b.commit(ctx, &store.Batch{Deletes: [][]byte{busKey(id)}}); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.buses, id)
	return nil
}

// List visits the buses of a scope by name, the default one among them.
func (b *Buses) List(scope Scope, visit func(name string, bus *Bus)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at(ID{scope, DefaultBus})
	var names []string
	for id := range b.buses {
		if id.Scope == scope {
			names = append(names, id.Name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		found := b.buses[ID{scope, name}].Bus
		visit(name, &found)
	}
}

// poke lets Run look at what was changed.
func (b *Buses) poke() {
	select {
	case b.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Package scheduler is the behaviour of EventBridge Scheduler: schedules in groups,
// each with one target.
//
// It promises: a schedule sends to its target (by core/delivery) once for each
// time that is due, at least once whatever happens to the process; after a
// downtime once, for the last time that it missed within the age that its retry
// policy accepts; a schedule that is to be deleted after its completion is deleted
// in the commit that sends for the last time.
//
// All schedules are in memory, read by Open; one process owns them, the one that
// holds the store's folder. Schedules.changing is held by every change over its
// commit; Schedules.mu guards what is in memory and is never held over I/O.
// Nothing here starts goroutines; Run sends what is due until its context ends.
// Start reading at Schedules and Run.
package scheduler

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
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/core/schedule"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// Limits. AWS: https://docs.aws.amazon.com/scheduler/latest/UserGuide/scheduler-quotas.html;
// the age and the retries are of the API model.
const (
	MaxGroups     = 500
	MaxSchedules  = 100_000 // of an account and region; AWS: 10 million
	DefaultGroup  = "default"
	MaxRetries    = 185
	MaxEventAge   = 24 * time.Hour
	maxInputBytes = 256 << 10
)

// Scope is where schedules are.
type Scope struct{ Account, Region string }

// ID names a schedule.
type ID struct {
	Scope
	Group, Name string
}

// ARN is the schedule's Amazon Resource Name.
func (id ID) ARN() string {
	return arn.New("scheduler", id.Region, id.Account, "schedule/"+id.Group+"/"+id.Name).String()
}

// GroupID names a group.
type GroupID struct {
	Scope
	Name string
}

// ARN is the group's Amazon Resource Name.
func (id GroupID) ARN() string {
	return arn.New("scheduler", id.Region, id.Account, "schedule-group/"+id.Name).String()
}

// ParseGroup reads the ARN of a group.
func ParseGroup(text string) (GroupID, error) {
	a, err := arn.Parse(text)
	name, found := strings.CutPrefix(a.Resource, "schedule-group/")
	if err != nil || a.Service != "scheduler" || !found {
		return GroupID{}, fail(Validation, "Invalid ARN %s.", text)
	}
	return GroupID{Scope{a.Account, a.Region}, name}, nil
}

// Group is a group of schedules.
type Group struct {
	Tags              map[string]string `json:",omitempty"`
	Created, Modified time.Time
}

// States of a schedule.
const (
	Enabled  = "ENABLED"
	Disabled = "DISABLED"
)

// Schedule is when to send what.
type Schedule struct {
	Expression  string
	Zone        string // IANA name
	Start, End  time.Time
	State       string
	Description string
	Window      time.Duration // it may be so much later; 0: not at all
	DeleteAfter bool          // its completion
	Target      Target
	Created     time.Time
	Modified    time.Time
	Began       time.Time // when its expression was set or it was enabled
	Fired       time.Time // when it was due last
}

// planned is a Schedule that can be asked. It is replaced by changes.
type planned struct {
	Schedule
	expression *schedule.Expression
	zone       *time.Location
	due        time.Time // when it is due next, before the window; zero: never
}

// Config is what Schedules work with. Store and Outbox are required.
type Config struct {
	Store  store.Store
	Outbox *delivery.Outbox
	Clock  clock.Clock
	Logger *slog.Logger
}

// Schedules holds all schedules.
type Schedules struct {
	config Config
	wake   chan struct{}

	changing sync.Mutex
	mu       sync.RWMutex
	groups   map[GroupID]*Group
	all      map[ID]*planned
	agenda   schedule.Agenda[ID]
}

// Kinds of rows, behind "scheduler".
const (
	groupRows    = "group"
	scheduleRows = "schedule"
)

func groupKey(id GroupID) []byte {
	return tuple.Key("scheduler", groupRows, id.Account, id.Region, id.Name)
}

func scheduleKey(id ID) []byte {
	return tuple.Key("scheduler", scheduleRows, id.Account, id.Region, id.Group, id.Name)
}

// Open reads the schedules of the store.
func Open(ctx context.Context, config Config) (*Schedules, error) {
	if config.Store == nil || config.Outbox == nil {
		return nil, errors.New("scheduler: Store and Outbox are required")
	}
	if config.Clock == nil {
		config.Clock = clock.System
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Schedules{config: config, wake: make(chan struct{}, 1), groups: map[GroupID]*Group{}, all: map[ID]*planned{}}
	snap, err := config.Store.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Close()
	for kind, read := range map[string]func([]any, []byte) error{groupRows: s.readGroup, scheduleRows: s.readSchedule} {
		if err := each(snap, kind, read); err != nil {
			return nil, fmt.Errorf("read the schedules (%s): %w", kind, err)
		}
	}
	return s, nil
}

// each reads the rows of a kind.
func each(snap store.Snap, kind string, read func([]any, []byte) error) error {
	lo, hi := tuple.Range("scheduler", kind)
	return store.Each(snap, lo, hi, func(e *store.Entry) (bool, error) {
		parts, err := tuple.Parse(e.Key)
		if err != nil {
			return false, err
		}
		return true, read(parts[2:], e.Value)
	})
}

func (s *Schedules) readGroup(parts []any, value []byte) error {
	g := &Group{}
	s.groups[GroupID{Scope{parts[0].(string), parts[1].(string)}, parts[2].(string)}] = g
	return json.Unmarshal(value, g)
}

func (s *Schedules) readSchedule(parts []any, value []byte) error {
	id := ID{Scope{parts[0].(string), parts[1].(string)}, parts[2].(string), parts[3].(string)}
	var read Schedule
	if err := json.Unmarshal(value, &read); err != nil {
		return err
	}
	p, err := compile(&read)
	if err != nil {
		return err
	}
	s.all[id] = p
	s.plan(id, p)
	return nil
}

func (s *Schedules) commit(ctx context.Context, batch *store.Batch) error {
	_, err := s.config.Store.Commit(context.WithoutCancel(ctx), batch)
	return err
}

func row(key []byte, value any) (store.KV, error) {
	text, err := json.Marshal(value)
	return store.KV{Key: key, Value: text}, err
}

// compile reads the expression and the zone.
func compile(s *Schedule) (*planned, error) {
	p := &planned{Schedule: *s}
	var err error
	if p.expression, err = schedule.ParseAnyNumber(s.Expression); err != nil {
		return nil, fail(Validation, "Invalid Schedule Expression %s.", s.Expression)
	}
	// "Local" is no IANA name, but Go's for the zone of this machine.
	if p.zone, err = time.LoadLocation(s.Zone); err != nil || s.Zone == "Local" {
		return nil, fail(Validation, "Invalid Schedule Expression Timezone %s.", s.Zone)
	}
	return p, nil
}

// start is when a rate begins.
//
// AWS: at StartDate; without one "your schedule starts invoking the target
// immediately" (schedule-types.html).
func (p *planned) start() time.Time {
	if p.Start.IsZero() {
		return p.Began
	}
	return p.Start
}

// next is the time that is due after another.
//
// AWS: "EventBridge Scheduler ignores StartDate for one-time schedules", and EndDate too
// (API reference, CreateSchedule).
func (p *planned) next(after time.Time) (time.Time, bool) {
	if p.expression.Kind() == schedule.At {
		return p.expression.Next(after, p.start(), p.zone)
	}
	if first := p.Start.Add(-time.Nanosecond); !p.Start.IsZero() && after.Before(first) {
		after = first
	}
	due, more := p.expression.Next(after, p.start(), p.zone)
	if !more || !p.End.IsZero() && due.After(p.End) {
		return time.Time{}, false
	}
	return due, true
}

// missed refuses a one-time schedule that never comes, because its time is past.
//
// AWS: such an expression is refused with a ValidationException when a schedule is made,
// as users report (its text is not told: this is that of other expressions that are refused).
// An old schedule that has been due stays, and may be changed otherwise.
func (p *planned) missed(now time.Time, old *planned) error {
	if p.expression.Kind() != schedule.At || old != nil && old.Expression == p.Expression && old.Zone == p.Zone {
		return nil
	}
	if _, comes := p.next(now); !comes {
		return fail(Validation, "Invalid Schedule Expression %s.", p.Expression)
	}
	return nil
}

// Put makes a schedule or, with replace, changes all of one that is there.
func (s *Schedules) Put(ctx context.Context, id ID, wanted Schedule, replace bool) error {
	if err := s.check(&wanted); err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.RLock()
	old, group, count := s.all[id], s.groups[GroupID{id.Scope, id.Group}], len(s.all)
	s.mu.RUnlock()
	switch {
	case group == nil && id.Group != DefaultGroup:
		return noGroup(id.Group)
	case old != nil && !replace:
		return fail(Conflict, "Schedule %s already exists.", id.Name)
	case old == nil && replace:
		return noSchedule(id.Name)
	case old == nil && count >= MaxSchedules:
		return fail(Quota, "The request failed because it exceeded a service quota.")
	}
	now := s.config.Clock.Now().UTC()
	wanted.Created, wanted.Modified, wanted.Began = now, now, now
	if old != nil {
		wanted.Created = old.Created
		if old.Expression == wanted.Expression && old.Zone == wanted.Zone && old.State == Enabled && old.Start.Equal(wanted.Start) {
			wanted.Began, wanted.Fired = old.Began, old.Fired
		}
	}
	p, err := compile(&wanted)
	if err != nil {
		return err
	}
	if err := p.missed(now, old); err != nil {
		return err
	}
	put, err := row(scheduleKey(id), &wanted)
	if err != nil {
		return err
	}
	if err := s.commit(ctx, &store.Batch{Puts: []store.KV{put}}); err != nil {
		return err
	}
	s.mu.Lock()
	s.all[id] = p
	s.plan(id, p)
	s.mu.Unlock()
	s.poke()
	return nil
}

// check refuses what the API model lets through.
func (s *Schedules) check(wanted *Schedule) error {
	switch {
	case !wanted.Start.IsZero() && !wanted.End.IsZero() && !wanted.Start.Before(wanted.End):
		return fail(Validation, "The StartDate you specify must come before the EndDate you specify.")
	case !wanted.End.IsZero() && wanted.End.Before(s.config.Clock.Now()):
		return fail(Validation, "The EndDate you specify must come after the current time.")
	}
	if _, err := compile(wanted); err != nil {
		return err
	}
	return s.checkTarget(&wanted.Target)
}

// Get is a schedule.
func (s *Schedules) Get(id ID) (*Schedule, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.all[id]
	if p == nil {
		return nil, noSchedule(id.Name)
	}
	found := p.Schedule
	return &found, nil
}

// Delete removes a schedule.
func (s *Schedules) Delete(ctx context.Context, id ID) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.RLock()
	found := s.all[id] != nil
	s.mu.RUnlock()
	if !found {
		return noSchedule(id.Name)
	}
	if err := s.commit(ctx, &store.Batch{Deletes: [][]byte{scheduleKey(id)}}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(id)
	return nil
}

// drop takes a schedule out of memory. Called with mu held for writing.
func (s *Schedules) drop(id ID) {
	delete(s.all, id)
	s.agenda.Remove(id)
}

// List visits the schedules of a scope, of one group if it is named, in the order
// of GROUP/NAME.
func (s *Schedules) List(scope Scope, group string, visit func(ID, *Schedule)) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if group != "" && group != DefaultGroup && s.groups[GroupID{scope, group}] == nil {
		return noGroup(group)
	}
	var ids []ID
	for id := range s.all {
		if id.Scope == scope && (group == "" || id.Group == group) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b ID) int { return strings.Compare(a.Group+"/"+a.Name, b.Group+"/"+b.Name) })
	for _, id := range ids {
		found := s.all[id].Schedule
		visit(id, &found)
	}
	return nil
}

// PutGroup makes a group.
func (s *Schedules) PutGroup(ctx context.Context, id GroupID, tags map[string]string) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.RLock()
	existing, count := s.groups[id] != nil || id.Name == DefaultGroup, len(s.groups)
	s.mu.RUnlock()
	switch {
	case existing:
		return fail(Conflict, "Schedule group %s already exists.", id.Name)
	case count >= MaxGroups:
		return fail(Quota, "The request failed because it exceeded a service quota.")
	}
	now := s.config.Clock.Now().UTC()
	return s.writeGroup(ctx, id, &Group{Tags: tags, Created: now, Modified: now})
}

func (s *Schedules) writeGroup(ctx context.Context, id GroupID, g *Group) error {
	put, err := row(groupKey(id), g)
	if err != nil {
		return err
	}
	if err := s.commit(ctx, &store.Batch{Puts: []store.KV{put}}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[id] = g
	return nil
}

// Group is a group; the default one is always there.
func (s *Schedules) Group(id GroupID) (*Group, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	g := s.groups[id]
	switch {
	case g == nil && id.Name == DefaultGroup:
		return &Group{}, nil
	case g == nil:
		return nil, noGroup(id.Name)
	}
	found := *g
	found.Tags = maps.Clone(g.Tags)
	return &found, nil
}

// ChangeTags changes the tags of a group.
func (s *Schedules) ChangeTags(ctx context.Context, id GroupID, change func(map[string]string)) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	g, err := s.Group(id)
	if err != nil {
		return err
	}
	if g.Tags == nil {
		g.Tags = map[string]string{}
	}
	change(g.Tags)
	g.Modified = s.config.Clock.Now().UTC()
	return s.writeGroup(ctx, id, g)
}

// DeleteGroup removes a group with all its schedules.
func (s *Schedules) DeleteGroup(ctx context.Context, id GroupID) error {
	if id.Name == DefaultGroup {
		return fail(Validation, "Cannot delete default schedule group.")
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	if _, err := s.Group(id); err != nil {
		return err
	}
	lo, hi := tuple.Range("scheduler", scheduleRows, id.Account, id.Region, id.Name)
	if err := s.commit(ctx, &store.Batch{Deletes: [][]byte{groupKey(id)}, DeleteRanges: []store.Range{{Lo: lo, Hi: hi}}}); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.groups, id)
	for schedule := range s.all {
		if schedule.Scope == id.Scope && schedule.Group == id.Name {
			s.drop(schedule)
		}
	}
	return nil
}

// Groups are the names of a scope's groups, sorted; the default one is among them.
func (s *Schedules) Groups(scope Scope) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := []string{DefaultGroup}
	for id := range s.groups {
		if id.Scope == scope && id.Name != DefaultGroup {
			names = append(names, id.Name)
		}
	}
	slices.Sort(names)
	return names
}

// poke lets Run look at what was changed.
func (s *Schedules) poke() {
	select {
	case s.wake <- struct{}{}:
	default: // it will look anyway
	}
}

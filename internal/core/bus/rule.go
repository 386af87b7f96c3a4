package bus

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/pattern"
	"github.com/lambkin-dev/lambkin/internal/core/schedule"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// States of a rule. The third is for events of CloudTrail, of which there are
// none here: it enables the rule for all others.
const (
	Enabled       = "ENABLED"
	Disabled      = "DISABLED"
	EnabledForAll = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
)

// Rule chooses events by its Pattern, or makes them by its Schedule, or both.
type Rule struct {
	Pattern     string
	Schedule    string
	State       string
	Description string
	Role        string            // ARN
	Tags        map[string]string `json:",omitempty"`
	Targets     []Target          `json:",omitempty"`
	Created     time.Time
	Began       time.Time // when its schedule was set or it was enabled: a rate counts from here
}

// rule is a Rule that can be asked. It is replaced by changes, not changed; only
// fired is, by Run.
type rule struct {
	Rule
	pattern  *pattern.Pattern // nil for a schedule only
	schedule *schedule.Expression
	fired    time.Time // when it was due last
}

// enabled tells whether it chooses events.
func (r *Rule) enabled() bool { return r.State != Disabled }

// compile reads the pattern and the schedule of a rule.
func compile(r *Rule) (*rule, error) {
	compiled := &rule{Rule: *r}
	var err error
	if r.Pattern != "" {
		if compiled.pattern, err = compilePattern(r.Pattern); err != nil {
			return nil, err
		}
	}
	if r.Schedule != "" {
		compiled.schedule, err = schedule.Parse(r.Schedule)
		if err != nil || compiled.schedule.Kind() == schedule.At {
			return nil, fail(Validation, "Parameter ScheduleExpression is not valid.")
		}
	}
	return compiled, nil
}

func compilePattern(text string) (*pattern.Pattern, error) {
	if len(text) > MaxPatternBytes {
		return nil, fail(InvalidPattern, "Event pattern is not valid. Reason: Event pattern is larger than %d bytes", MaxPatternBytes)
	}
	compiled, err := pattern.Compile([]byte(text))
	if err != nil {
		return nil, fail(InvalidPattern, "Event pattern is not valid. Reason: %s", err.Error())
	}
	return compiled, nil
}

// PutRule makes a rule, or replaces all of one but its targets, and its tags,
// which only a new rule gets.
func (b *Buses) PutRule(ctx context.Context, id ID, name string, r Rule) error {
	switch {
	case r.Pattern == "" && r.Schedule == "":
		return fail(Validation, "Parameter(s) EventPattern or ScheduleExpression must be specified.")
	case r.Schedule != "" && id.Name != DefaultBus:
		return fail(Validation, "ScheduleExpression is supported only on the default event bus.")
	}
	if err := CheckTags(r.Tags); err != nil {
		return err
	}
	if r.State == "" {
		r.State = Enabled
	}
	return b.change(ctx, id, name, func(old *rule) (*Rule, error) {
		now := b.config.Clock.Now().UTC()
		r.Created, r.Began = now, now
		if old != nil {
			r.Created, r.Targets, r.Tags = old.Created, old.Targets, old.Tags
			if old.Schedule == r.Schedule && old.enabled() {
				r.Began = old.Began
			}
		}
		return &r, nil
	})
}

// SetState enables or disables a rule.
func (b *Buses) SetState(ctx context.Context, id ID, name, state string) error {
	return b.change(ctx, id, name, existing(id, name, func(r *Rule) error {
		if !r.enabled() && state != Disabled {
			r.Began = b.config.Clock.Now().UTC()
		}
		r.State = state
		return nil
	}))
}

// ChangeTags changes the tags of a rule.
func (b *Buses) ChangeTags(ctx context.Context, id ID, name string, change func(map[string]string)) error {
	return b.change(ctx, id, name, existing(id, name, func(r *Rule) error {
		tags := maps.Clone(r.Tags)
		if tags == nil {
			tags = map[string]string{}
		}
		change(tags)
		r.Tags = tags
		return CheckTags(tags)
	}))
}

// existing is a change of a rule that must be there.
func existing(id ID, name string, change func(*Rule) error) func(*rule) (*Rule, error) {
	return func(old *rule) (*Rule, error) {
		if old == nil {
			return nil, noRule(id, name)
		}
		r := old.Rule
		return &r, change(&r)
	}
}

func noRule(id ID, name string) *Error {
	return fail(NotFound, "Rule %s does not exist on EventBus %s.", name, id.Name)
}

// change makes the next state of a rule out of the last, nil for none.
func (b *Buses) change(ctx context.Context, id ID, name string, next func(old *rule) (*Rule, error)) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	s, err := b.find(id)
	if err != nil {
		return err
	}
	old := s.rules[name] // only changes write the map, and they hold changing
	changed, err := next(old)
	if err != nil {
		return err
	}
	if old == nil && len(s.rules) >= MaxRules {
		return tooMany()
	}
	compiled, err := compile(changed)
	if err != nil {
		return err
	}
	if old != nil && old.Began.Equal(compiled.Began) {
		compiled.fired = old.fired
	}
	if err := b.write(ctx, ruleKey(id, name), changed); err != nil {
		return err
	}
	b.mu.Lock()
	s.set(name, compiled)
	b.plan(id, name, compiled)
	b.mu.Unlock()
	b.poke()
	return nil
}

// DeleteRule removes a rule; one that is not there is no error.
func (b *Buses) DeleteRule(ctx context.Context, id ID, name string) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	s, err := b.find(id)
	if err != nil {
		return err
	}
	r := s.rules[name]
	switch {
	case r == nil:
		return nil
	case len(r.Targets) > 0:
		return fail(Validation, "Rule can't be deleted since it has targets.")
	}
	if err := b.commit(ctx, &store.Batch{Deletes: [][]byte{ruleKey(id, name), firedKey(id, name)}}); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s.remove(name)
	b.agenda.Remove(ruleID{id, name})
	return nil
}

// Rule is a rule of a bus.
func (b *Buses) Rule(id ID, name string) (*Rule, error) {
	s, err := b.find(id)
	if err != nil {
		return nil, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	r := s.rules[name]
	if r == nil {
		return nil, noRule(id, name)
	}
	found := r.Rule
	return &found, nil
}

// Rules visits the rules of a bus by name.
func (b *Buses) Rules(id ID, visit func(name string, r *Rule)) error {
	s, err := b.find(id)
	if err != nil {
		return err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, name := range slices.Sorted(maps.Keys(s.rules)) {
		found := s.rules[name].Rule
		visit(name, &found)
	}
	return nil
}

// Matches tells whether a pattern chooses an event, for TestEventPattern.
func Matches(patternText, event string) (bool, error) {
	compiled, err := compilePattern(patternText)
	if err != nil {
		return false, err
	}
	parsed, err := pattern.ParseEvent([]byte(event))
	if err != nil {
		return false, fail(Validation, "Parameter Event is not valid.")
	}
	// AWS: TestEventPattern wants what every event has.
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(event), &fields); err != nil {
		return false, err
	}
	for _, name := range []string{"id", "account", "source", "time", "region", "resources", "detail-type"} {
		if fields[name] == nil {
			return false, fail(Validation, "Parameter Event is not valid.")
		}
	}
	return compiled.Match(parsed), nil
}

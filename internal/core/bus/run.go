package bus

import (
	"context"
	"errors"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Run's times.
const (
	sweepEvery  = 10 * time.Minute // of events that archives keep no longer
	longestWait = time.Minute      // looks again even without a hint: the wall clock may be set
	retryAfter  = time.Second      // after trouble with the store
	lateness    = 24 * time.Hour   // within which a missed time is made up for, as long as a target is tried
)

// ruleID names a rule.
type ruleID struct {
	bus  ID
	name string
}

// plan enters the next time of a rule. Called with mu held for writing.
func (b *Buses) plan(id ID, name string, r *rule) {
	b.agenda.Remove(ruleID{id, name})
	if r.schedule == nil || !r.enabled() {
		return
	}
	after := r.Began
	if r.fired.After(after) {
		after = r.fired
	}
	if at, more := r.schedule.Next(after, r.Began, time.UTC); more {
		b.agenda.Set(ruleID{id, name}, at)
	}
}

// Run fires scheduled rules, works on replays and sweeps archives until ctx ends.
func (b *Buses) Run(ctx context.Context) error {
	swept := b.config.Clock.Now()
	for ctx.Err() == nil {
		wait := longestWait
		if err := errors.Join(b.fire(ctx), b.replayAll(ctx)); err != nil && ctx.Err() == nil {
			b.config.Logger.Error("event buses: what is due waits", "err", err)
			wait = retryAfter
		}
		if now := b.config.Clock.Now(); now.Sub(swept) >= sweepEvery {
			swept = now
			if err := b.sweep(ctx); err != nil && ctx.Err() == nil {
				b.config.Logger.Error("event buses: archives were not swept", "err", err)
			}
		}
		clock.Wait(ctx, b.config.Clock, b.wake, min(wait, b.untilDue()))
	}
	return nil
}

// untilDue is how long nothing is due.
func (b *Buses) untilDue() time.Duration {
	b.mu.RLock()
	defer b.mu.RUnlock()
	_, due, found := b.agenda.First()
	if !found {
		return longestWait
	}
	return max(0, due.Sub(b.config.Clock.Now()))
}

// fire sends the events of all rules that are due.
func (b *Buses) fire(ctx context.Context) error {
	for {
		now := b.config.Clock.Now().UTC()
		b.mu.RLock()
		id, due, found := b.agenda.First()
		b.mu.RUnlock()
		if !found || due.After(now) {
			return nil
		}
		if err := b.fireRule(ctx, id.bus, id.name, due, now); err != nil {
			return err
		}
	}
}

// fireRule sends the event of one rule: that of the last time that it missed, if
// there were more.
func (b *Buses) fireRule(ctx context.Context, id ID, name string, due, now time.Time) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	b.mu.RLock()
	var r *rule
	if s := b.buses[id]; s != nil {
		r = s.rules[name]
	}
	b.mu.RUnlock()
	if r == nil || r.schedule == nil || !r.enabled() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.agenda.Remove(ruleID{id, name})
		return nil
	}
	p := parcel{buses: b}
	last, recent := r.schedule.Last(due, now, now.Add(-lateness), r.Began, time.UTC)
	if recent {
		e := &event{Version: "0", ID: ids.UUID(), DetailType: "Scheduled Event", Source: "aws.events", Account: id.Account, Time: last.UTC().Format(time.RFC3339), Region: id.Region,
			Resources: []string{id.RuleARN(name)}, Detail: []byte("{}"), ingested: now}
		var err error
		if e.text, err = e.encode(); err != nil {
			return err
		}
		if err := p.addTargets(ctx, id, name, r, e); err != nil {
			return err
		}
	}
	text, err := last.UTC().MarshalText()
	if err != nil {
		return err
	}
	p.batch.Puts = append(p.batch.Puts, store.KV{Key: firedKey(id, name), Value: text})
	if err := p.send(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r.fired = last
	b.plan(id, name, r)
	return nil
}

package bus

import (
	"context"
	"errors"
	"slices"
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

// due is a rule with a schedule and its next time.
type due struct {
	id   ID
	name string
	at   time.Time
}

// agenda is the rules with a schedule. Buses.mu guards it.
type agenda struct{ all []due }

func (a *agenda) remove(id ID, name string) {
	a.all = slices.DeleteFunc(a.all, func(d due) bool { return d.id == id && d.name == name })
}

func (a *agenda) set(d due) {
	a.remove(d.id, d.name)
	at, _ := slices.BinarySearchFunc(a.all, d, func(x, y due) int { return x.at.Compare(y.at) })
	a.all = slices.Insert(a.all, at, d)
}

// plan enters the next time of a rule. Called with mu held for writing.
func (b *Buses) plan(id ID, name string, r *rule) {
	b.agenda.remove(id, name)
	if r.schedule == nil || !r.enabled() {
		return
	}
	after := r.Began
	if r.fired.After(after) {
		after = r.fired
	}
	if at, more := r.schedule.Next(after, r.Began.Add(time.Nanosecond), time.UTC); more {
		b.agenda.set(due{id, name, at})
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
	if len(b.agenda.all) == 0 {
		return longestWait
	}
	return max(0, b.agenda.all[0].at.Sub(b.config.Clock.Now()))
}

// fire sends the events of all rules that are due.
func (b *Buses) fire(ctx context.Context) error {
	for {
		now := b.config.Clock.Now().UTC()
		b.mu.RLock()
		var next due
		if len(b.agenda.all) > 0 && !b.agenda.all[0].at.After(now) {
			next = b.agenda.all[0]
		}
		b.mu.RUnlock()
		if next.name == "" {
			return nil
		}
		if err := b.fireRule(ctx, next, now); err != nil {
			return err
		}
	}
}

// fireRule sends the event of one rule: that of the last time that it missed, if
// there were more.
func (b *Buses) fireRule(ctx context.Context, d due, now time.Time) error {
	b.changing.Lock()
	defer b.changing.Unlock()
	b.mu.RLock()
	var r *rule
	if s := b.buses[d.id]; s != nil {
		r = s.rules[d.name]
	}
	b.mu.RUnlock()
	if r == nil || r.schedule == nil || !r.enabled() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.agenda.remove(d.id, d.name)
		return nil
	}
	last := d.at
	if oldest := now.Add(-lateness); last.Before(oldest) {
		last, _ = r.schedule.Next(oldest, r.Began.Add(time.Nanosecond), time.UTC)
	}
	for {
		at, more := r.schedule.Next(last, r.Began.Add(time.Nanosecond), time.UTC)
		if !more || at.After(now) {
			break
		}
		last = at
	}
	p := parcel{buses: b}
	if last.IsZero() || last.After(now) { // all that it missed is too old
		last = d.at
	} else {
		e := &event{Version: "0", ID: ids.UUID(), DetailType: "Scheduled Event", Source: "aws.events", Account: d.id.Account, Time: last.UTC().Format(time.RFC3339), Region: d.id.Region,
			Resources: []string{d.id.RuleARN(d.name)}, Detail: []byte("{}"), ingested: now}
		var err error
		if e.text, err = e.encode(); err != nil {
			return err
		}
		if err := p.addTargets(ctx, d.id, d.name, r, e); err != nil {
			return err
		}
	}
	text, err := last.UTC().MarshalText()
	if err != nil {
		return err
	}
	p.batch.Puts = append(p.batch.Puts, store.KV{Key: firedKey(d.id, d.name), Value: text})
	if err := p.send(ctx); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r.fired = last
	b.plan(d.id, d.name, r)
	return nil
}

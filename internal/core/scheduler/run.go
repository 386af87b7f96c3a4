package scheduler

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/bus"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Target is where a schedule sends, and what.
type Target struct {
	ARN, Role          string
	Input              string `json:",omitempty"`
	Source, DetailType string `json:",omitempty"` // of an event for a bus
	GroupID            string `json:",omitempty"` // of a message to a FIFO queue
	DeadLetter         string `json:",omitempty"` // ARN of a queue
	MaximumRetries     *int   `json:",omitempty"`
	MaximumEventAge    *time.Duration
}

// universal begins the ARNs of targets that are operations of AWS's APIs.
//
// AWS: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html.
const universal = "arn:aws:scheduler:::aws-sdk:"

// The Detail of a message to a universal target: for whom it acts.
const (
	DetailAccount = "account"
	DetailRegion  = "region"
)

func (s *Schedules) checkTarget(t *Target) error {
	a, err := arn.Parse(t.ARN)
	switch {
	case err != nil:
		return fail(Validation, "Invalid target ARN %s.", t.ARN)
	case !s.config.Outbox.Serves(t.ARN):
		return fail(Validation, "This platform has no targets of the service %s (%s).", a.Service, t.ARN)
	case len(t.Input) > maxInputBytes:
		return fail(Validation, "The Input of a target has at most %d bytes.", maxInputBytes)
	case a.Service == "lambda" && t.Input != "" && !json.Valid([]byte(t.Input)), a.Service == "events" && t.Input != "" && !json.Valid([]byte(t.Input)):
		return fail(Validation, "Invalid Input: it must be valid JSON for a target of the service %s.", a.Service)
	case a.Service == "events" && (t.Source == "" || t.DetailType == ""):
		return fail(Validation, "EventBridgeParameters must be specified for a target that is an event bus.")
	case a.Service == "sqs" && strings.HasSuffix(a.Resource, ".fifo") && t.GroupID == "":
		return fail(Validation, "SqsParameters with a MessageGroupId must be specified for a target that is a FIFO queue.")
	}
	if t.DeadLetter != "" {
		if dead, err := arn.Parse(t.DeadLetter); err != nil || dead.Service != "sqs" || !s.config.Outbox.Serves(t.DeadLetter) {
			return fail(Validation, "Invalid dead-letter queue ARN %s.", t.DeadLetter)
		}
	}
	return nil
}

// plan enters the next time of a schedule. Called with mu held for writing.
func (s *Schedules) plan(id ID, p *planned) {
	p.due = time.Time{}
	s.agenda.Remove(id)
	if p.State != Enabled {
		return
	}
	after := p.Began.Add(-time.Nanosecond) // a rate is due at once
	if p.Fired.After(after) {
		after = p.Fired
	}
	due, more := p.next(after)
	if !more {
		return
	}
	p.due = due
	if p.Window > 0 {
		due = due.Add(rand.N(p.Window))
	}
	s.agenda.Set(id, due)
}

// Run's times.
const (
	longestWait = time.Minute // looks again even without a hint: the wall clock may be set
	retryAfter  = time.Second // after trouble with the store
)

// Run sends what is due until ctx ends.
func (s *Schedules) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		wait := s.untilDue()
		if wait <= 0 {
			if err := s.fireAll(ctx); err != nil && ctx.Err() == nil {
				s.config.Logger.Error("schedules: what is due waits", "err", err)
				wait = retryAfter
			}
		}
		clock.Wait(ctx, s.config.Clock, s.wake, min(longestWait, max(0, wait)))
	}
	return nil
}

// untilDue is how long nothing is due.
func (s *Schedules) untilDue() time.Duration {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, due, found := s.agenda.First()
	if !found {
		return longestWait
	}
	return due.Sub(s.config.Clock.Now())
}

func (s *Schedules) fireAll(ctx context.Context) error {
	for ctx.Err() == nil {
		now := s.config.Clock.Now()
		s.mu.RLock()
		id, due, found := s.agenda.First()
		s.mu.RUnlock()
		if !found || due.After(now) {
			return nil
		}
		if err := s.fire(ctx, id, now); err != nil {
			return err
		}
	}
	return nil
}

// fire sends for one schedule: for the last time that it missed, if there were more.
func (s *Schedules) fire(ctx context.Context, id ID, now time.Time) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.mu.RLock()
	p := s.all[id]
	s.mu.RUnlock()
	if p == nil || p.due.IsZero() {
		return nil // it was changed just now
	}
	age := MaxEventAge
	if p.Target.MaximumEventAge != nil {
		age = *p.Target.MaximumEventAge
	}
	end := now
	if !p.End.IsZero() && p.End.Before(now) {
		end = p.End
	}
	last, recent := p.expression.Last(p.due, end, now.Add(-age), p.start(), p.zone)
	batch := &store.Batch{}
	if recent {
		if err := s.config.Outbox.Add(batch, p.message(id, last, now)); err != nil {
			return err
		}
	}
	fired := p.Schedule
	fired.Fired = last
	next := &planned{Schedule: fired, expression: p.expression, zone: p.zone}
	_, more := next.next(last)
	over := !more && p.DeleteAfter
	if over {
		batch.Deletes = append(batch.Deletes, scheduleKey(id))
	} else {
		put, err := row(scheduleKey(id), &fired)
		if err != nil {
			return err
		}
		batch.Puts = append(batch.Puts, put)
	}
	if err := s.commit(ctx, batch); err != nil {
		return err
	}
	s.config.Outbox.Wake()
	s.mu.Lock()
	defer s.mu.Unlock()
	if over {
		s.drop(id)
		return nil
	}
	s.all[id] = next
	s.plan(id, next)
	return nil
}

// message is what the target gets.
func (p *planned) message(id ID, due, now time.Time) *delivery.Message {
	t := &p.Target
	policy := delivery.BusTargets() // AWS: 24 hours and 185 times, as rules
	policy.MaxRetries = t.MaximumRetries
	if t.MaximumEventAge != nil {
		policy.MaxAge = *t.MaximumEventAge
	}
	execution := ids.UUID()
	if t.DeadLetter != "" {
		// AWS: configuring-schedule-dlq.html, "Message attributes".
		policy.DeadLetter = &delivery.DeadLetter{Target: t.DeadLetter, Role: t.Role, ErrorCode: "ERROR_CODE", ErrorMessage: "ERROR_MESSAGE", Condition: "EXHAUSTED_RETRY_CONDITION", Retries: "RETRY_ATTEMPTS",
			Attributes: map[string]delivery.Attribute{"SCHEDULE_ARN": {Type: "String", String: id.ARN()}, "TARGET_ARN": {Type: "String", String: t.ARN}, "SCHEDULED_TIME": {Type: "String", String: due.UTC().Format(time.RFC3339)}}}
	}
	m := &delivery.Message{ID: execution, Target: t.ARN, Body: t.body(id, due, execution), GroupID: t.GroupID, Principal: "scheduler.amazonaws.com", Source: id.ARN(), Role: t.Role,
		Purpose: "schedule " + id.Group + "/" + id.Name, Policy: policy}
	if t.GroupID != "" {
		m.DeduplicationID = execution
	}
	if delivery.Service(t.ARN) == "events" {
		m.Detail = map[string]string{bus.DetailSource: t.Source, bus.DetailType: t.DetailType, bus.DetailResources: `["` + id.ARN() + `"]`}
	}
	if strings.HasPrefix(t.ARN, universal) {
		m.Detail = map[string]string{DetailAccount: id.Account, DetailRegion: id.Region}
	}
	return m
}

// body is the input, with the attributes of this occasion in it.
//
// AWS: managing-schedule-context-attributes.html. The number of the attempt is
// that of the first: the input of a retry is the same.
func (t *Target) body(id ID, due time.Time, execution string) []byte {
	switch {
	case t.Input == "" && (delivery.Service(t.ARN) == "events" || strings.HasPrefix(t.ARN, universal)):
		return []byte("{}")
	case t.Input == "":
		return defaultInput(id, due, execution)
	}
	return []byte(strings.NewReplacer("<aws.scheduler.schedule-arn>", id.ARN(), "<aws.scheduler.scheduled-time>", due.UTC().Format(time.RFC3339),
		"<aws.scheduler.execution-id>", execution, "<aws.scheduler.attempt-number>", "1").Replace(t.Input))
}

// defaultInput is what AWS sends without an Input. Its detail is a text.
func defaultInput(id ID, due time.Time, execution string) []byte {
	text, err := json.Marshal(struct {
		Version    string   `json:"version"`
		ID         string   `json:"id"`
		DetailType string   `json:"detail-type"`
		Source     string   `json:"source"`
		Account    string   `json:"account"`
		Time       string   `json:"time"`
		Region     string   `json:"region"`
		Resources  []string `json:"resources"`
		Detail     string   `json:"detail"`
	}{"0", execution, "Scheduled Event", "aws.scheduler", id.Account, due.UTC().Format(time.RFC3339), id.Region, []string{id.ARN()}, "{}"})
	if err != nil {
		panic(err) // texts always marshal
	}
	return text
}

package bus

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/base/arn"
	"github.com/lambkin-dev/lambkin/internal/core/delivery"
)

// Target is where a rule sends its events, and in which form.
type Target struct {
	ID, ARN string
	Role    string `json:",omitempty"` // ARN

	// At most one of these; none: the event as it is.
	Input       string       `json:",omitempty"` // JSON
	InputPath   string       `json:",omitempty"`
	Transformer *Transformer `json:",omitempty"`

	GroupID         string         `json:",omitempty"` // of messages to a FIFO queue
	GroupGiven      bool           `json:",omitempty"` // SqsParameters were given
	DeadLetter      string         `json:",omitempty"` // ARN of a queue
	MaximumRetries  *int           `json:",omitempty"`
	MaximumEventAge *time.Duration `json:",omitempty"`
}

// Failure is a target that a request could not change.
type Failure struct{ ID, Code, Message string }

// PutTargets adds targets to a rule, or replaces those with the same ids.
func (b *Buses) PutTargets(ctx context.Context, id ID, name string, targets []Target) error {
	for i := range targets {
		if err := b.checkTarget(&targets[i]); err != nil {
			return err
		}
	}
	return b.change(ctx, id, name, existing(id, name, func(r *Rule) error {
		all := slices.Clone(r.Targets)
		for _, t := range targets {
			if i := slices.IndexFunc(all, func(other Target) bool { return other.ID == t.ID }); i >= 0 {
				all[i] = t
			} else {
				all = append(all, t)
			}
		}
		r.Targets = all
		if len(all) > MaxTargets {
			return tooMany()
		}
		return nil
	}))
}

// RemoveTargets removes targets by their ids and tells which were not there.
func (b *Buses) RemoveTargets(ctx context.Context, id ID, name string, ids []string) (absent []Failure, err error) {
	err = b.change(ctx, id, name, existing(id, name, func(r *Rule) error {
		for _, wanted := range ids {
			if !slices.ContainsFunc(r.Targets, func(t Target) bool { return t.ID == wanted }) {
				absent = append(absent, Failure{wanted, string(NotFound), "Rule " + name + " does not have a target with the Id " + wanted + "."})
			}
		}
		r.Targets = slices.DeleteFunc(slices.Clone(r.Targets), func(t Target) bool { return slices.Contains(ids, t.ID) })
		return nil
	}))
	return absent, err
}

func (b *Buses) checkTarget(t *Target) error {
	a, err := arn.Parse(t.ARN)
	if err != nil {
		return fail(Validation, "Parameter %s is not valid. Reason: Provided Arn is not in correct format.", t.ARN)
	}
	if !b.config.Outbox.Serves(t.ARN) {
		return fail(Validation, "Parameter %s is not valid. Reason: This platform has no targets of the service %s.", t.ARN, a.Service)
	}
	if t.DeadLetter != "" {
		if dead, err := arn.Parse(t.DeadLetter); err != nil || dead.Service != "sqs" {
			return fail(Validation, "Parameter %s is not valid. Reason: The Arn of a dead-letter queue is that of a queue.", t.DeadLetter)
		}
	}
	fifo := a.Service == "sqs" && strings.HasSuffix(a.Resource, ".fifo")
	forms := 0
	for _, given := range []bool{t.Input != "", t.InputPath != "", t.Transformer != nil} {
		if given {
			forms++
		}
	}
	switch {
	case fifo && !t.GroupGiven:
		return fail(Validation, "Parameter(s) SqsParameters must be specified for target: %s.", t.ID)
	case t.GroupGiven && !fifo:
		return fail(Validation, "Parameter(s) SqsParameters is not valid for target: %s. Reason: its Arn is not that of a FIFO queue.", t.ID)
	case forms > 1:
		return fail(Validation, "Only one of Input, InputPath, or InputTransformer must be provided for target %s.", t.ID)
	case t.Input != "" && !json.Valid([]byte(t.Input)):
		return fail(Validation, "JSON syntax error in input for target %s", t.ID)
	case t.InputPath != "":
		if _, err := parsePath(t.InputPath); err != nil {
			return fail(Validation, "Invalid InputPath for target %s: %s", t.ID, err.Error())
		}
	case t.Transformer != nil:
		return t.Transformer.check(t.ID)
	}
	return nil
}

// message is what the target of a rule gets of an event.
func (t *Target) message(id ID, name string, e *event) (*delivery.Message, error) {
	body, err := t.shape(&occasion{ruleARN: id.RuleARN(name), ruleName: name, event: e})
	if err != nil {
		return nil, err
	}
	policy := delivery.BusTargets()
	policy.MaxRetries = t.MaximumRetries
	if t.MaximumEventAge != nil {
		policy.MaxAge = *t.MaximumEventAge
	}
	if t.DeadLetter != "" {
		// AWS: eb-rule-dlq.html, "Message attributes".
		policy.DeadLetter = &delivery.DeadLetter{Target: t.DeadLetter, ErrorCode: "ERROR_CODE", ErrorMessage: "ERROR_MESSAGE", Condition: "EXHAUSTED_RETRY_CONDITION", Retries: "RETRY_ATTEMPTS",
			Attributes: map[string]delivery.Attribute{"RULE_ARN": {Type: "String", String: id.RuleARN(name)}, "TARGET_ARN": {Type: "String", String: t.ARN}}}
	}
	m := &delivery.Message{Target: t.ARN, Body: body, GroupID: t.GroupID, Principal: "events.amazonaws.com", Source: id.RuleARN(name), Role: t.Role, TraceID: e.trace,
		Purpose: "target " + t.ID + " of rule " + name, Policy: policy, Detail: map[string]string{DetailForwarded: "true"}}
	if t.GroupID != "" {
		m.DeduplicationID, m.Lane = e.ID, t.GroupID
	}
	return m, nil
}

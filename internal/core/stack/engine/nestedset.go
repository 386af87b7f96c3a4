package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/plan"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Change sets of a whole family (IncludeNestedStacks): with the change set of a
// stack one of each nested stack is made, in the same commit; they are executed,
// and deleted, with their root. A nested stack that is new waits in
// REVIEW_IN_PROGRESS for it.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/change-sets-for-nested-stacks.html

// maxChangeSetName is how long the name of a change set may be.
const maxChangeSetName = 128

// MaxFamily is how many nested stacks a change set may preview; our own.
const MaxFamily = 500

// previewNested makes the change sets of the nested stacks that a change set wants.
func (e *Engine) previewNested(ctx context.Context, made *pending, rows map[string]*state.Resource, stacks map[string]map[string]any, in *ChangeSetInput) error {
	c := made.set
	for _, logical := range slices.Sorted(maps.Keys(stacks)) {
		url, known := template.Text(stacks[logical]["TemplateURL"])
		if !known { // only the execution knows where the template is
			continue
		}
		if *made.family++; *made.family > MaxFamily {
			return stack.Refuse(stack.LimitExceeded, "A change set can include %d nested stacks", MaxFamily)
		}
		one, err := e.previewOne(ctx, made, rows[logical], logical, url, stacks[logical], in)
		var refusal *stack.Error
		switch {
		case errors.As(err, &refusal) && refusal.Code == stack.Validation:
			c.Status, c.Execution, c.Reason = state.ChangeFailed, state.Unavailable, "Nested stack "+logical+": "+refusal.Message
			return nil
		case err != nil:
			return err
		}
		at := slices.IndexFunc(c.Changes, func(change state.Change) bool { return change.LogicalID == logical })
		if one.set.Status == state.ChangeFailed && one.set.Reason == noChanges {
			// AWS: keeps such a change set, as one that failed.
			if at >= 0 && c.Changes[at].Action == "Modify" && slices.IndexFunc(c.Changes[at].Details, func(d state.Detail) bool { return d.Source != plan.Automatic }) < 0 {
				c.Changes = slices.Delete(c.Changes, at, at+1)
			}
			continue
		}
		made.nested = append(made.nested, one)
		if c.Configuration.Nested == nil {
			c.Configuration.Nested = map[string]state.NestedSet{}
		}
		name := one.set.ARN(made.stack.Scope)
		c.Configuration.Nested[logical] = state.NestedSet{Stack: one.set.Stack, Name: one.set.Name, ARN: name}
		if at >= 0 {
			c.Changes[at].ChangeSet = name
		}
		if one.set.Status == state.ChangeFailed { // text: as recorded from AWS
			c.Status, c.Execution, c.Reason = state.ChangeFailed, state.Unavailable, "Nested change set "+name+" was not successfully created: Currently in FAILED."
		}
	}
	return nil
}

func (e *Engine) previewOne(ctx context.Context, made *pending, row *state.Resource, logical, url string, properties map[string]any, in *ChangeSetInput) (*pending, error) {
	parent := made.stack
	if e.config.Fetch == nil {
		return nil, stack.Invalid("Templates of nested stacks cannot be read here")
	}
	who, err := e.actor(ctx, parent.Scope, made.set.Configuration, in.Caller)
	if err != nil {
		return nil, err
	}
	text, err := e.config.Fetch(ctx, who, parent.Scope, url)
	if err != nil {
		return nil, err
	}
	input, err := nestedInput(parent, in.Capabilities, logical, properties, text)
	if err != nil {
		return nil, err
	}
	input.Caller = who
	name := made.set.Name[:min(len(made.set.Name), maxChangeSetName/3)] + "-" + logical[:min(len(logical), maxChangeSetName/3)] + "-" + rand.Text()
	one := &ChangeSetInput{Input: *input, Name: name, Kind: "CREATE", Nested: true, AdoptExisting: in.AdoptExisting}
	if row == nil || !row.Live() {
		child := e.newStack(parent.Scope, plan.MakeName(&nested{e}, parent.Name, logical), input)
		child.Status = state.ReviewInProgress
		return e.preview(ctx, child, nil, one, made)
	}
	one.Kind = "UPDATE"
	child, rows, err := e.forChangeSet(ctx, parent.Scope, row.PhysicalID, one)
	if err != nil {
		return nil, err
	}
	return e.preview(ctx, child, rows, one, made)
}

// dropNested removes the change sets that were made with one that goes, and the
// nested stacks that were never made.
func (e *Engine) dropNested(snap store.Snap, s state.Scope, b *store.Batch, c *state.ChangeSet) error {
	for _, logical := range slices.Sorted(maps.Keys(c.Settings().Nested)) {
		child, set, at, err := e.FindChangeSet(snap, s, c.Configuration.Nested[logical].Stack, c.Configuration.Nested[logical].Name)
		var refusal *stack.Error
		switch {
		case errors.As(err, &refusal): // it is gone already, with its stack
			continue
		case err != nil:
			return err
		}
		e.DropTemplate(child, b, set.Settings())
		e.Drop(b, s.ChangeKey(child.ID, set.Name), at)
		if err := e.dropNested(snap, s, b, set); err != nil {
			return err
		}
		if child.Status != state.ReviewInProgress {
			continue
		}
		child, place, err := e.StackByID(snap, s, child.ID)
		if err != nil {
			return err
		}
		child.Status, child.Reason, child.Deleted = state.DeleteComplete, "", e.Clock.Now().UTC()
		b.Checks = append(b.Checks, place.Check(s.StackKey(child.ID)))
		b.Deletes = append(b.Deletes, s.NameKey(child.Name))
		b.Puts = append(b.Puts, store.KV{Key: s.GoneKey(child.Deleted, child.ID)})
		if err := e.SayStack(b, child); err != nil {
			return err
		}
		if _, err := e.Put(b, s.StackKey(child.ID), place, child); err != nil {
			return err
		}
	}
	return nil
}

// createReviewed begins to make a nested stack that waits in review; one that does
// not wait any more has been begun by an earlier try.
func (e *Engine) createReviewed(ctx context.Context, s state.Scope, child *state.Stack, in *Input) error {
	p, err := e.prepare(ctx, child, nil, nil, in, false)
	if err != nil {
		return err
	}
	_, err = e.Rewrite(ctx, s, child.ID, func(snap store.Snap, s *state.Stack, b *store.Batch) error {
		if s.Status != state.ReviewInProgress {
			return nil
		}
		if err := e.keepTexts(b, s, p); err != nil {
			return err
		}
		return e.beginReviewed(snap, s, b, p.configuration, in, in.Caller)
	})
	e.begun()
	return err
}

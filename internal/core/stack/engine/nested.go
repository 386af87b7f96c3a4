package engine

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/plan"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// nested is the type of stacks that are resources of stacks. An update of one stops
// before its clean-up until the whole of its parent's update has succeeded, so that
// the parent can still take it back.
type nested struct{ engine *Engine }

// withNested are types with that of nested stacks.
type withNested struct {
	stack.Types
	nested *nested
}

// Type is the type of that name; nil if there is none.
func (t withNested) Type(name string) stack.Type {
	if name == state.StackType {
		return t.nested
	}
	return t.Types.Type(name)
}

// nestedTimeout bounds one operation of a nested stack.
const nestedTimeout = 24 * time.Hour

var nestedFacts = &stack.Facts{Type: state.StackType, Updatable: true, Tags: "Tags", Attributes: []string{"Outputs.*"}, Waits: true, Timeout: nestedTimeout, Name: stack.NameRule{MaxLength: maxNameBytes},
	Properties: map[string]stack.Property{
		"NotificationARNs": {Kinds: stack.List}, "Parameters": {Kinds: stack.Object}, "Tags": {Kinds: stack.List},
		"TemplateURL": {Kinds: stack.Text, Required: true}, "TimeoutInMinutes": {Kinds: stack.Number},
	}}

// Facts are what the published schema tells.
func (*nested) Facts() *stack.Facts { return nestedFacts }

// input is what the properties want of the nested stack.
func (n *nested) input(ctx context.Context, r *stack.Request) (*Input, error) {
	if n.engine.config.Fetch == nil {
		return nil, stack.Invalid("Templates of nested stacks cannot be read here")
	}
	s := state.Scope{Account: r.Account, Region: r.Region}
	parent, err := n.engine.Describe(ctx, s, r.StackID)
	if err != nil {
		return nil, err
	}
	text, err := n.text(ctx, r, parent)
	if err != nil {
		return nil, err
	}
	in, err := nestedInput(parent, parent.Now.Capabilities, r.LogicalID, r.Properties, text)
	if err != nil {
		return nil, err
	}
	in.Token, in.Caller, in.changeSet = r.Token, r.Caller, parent.Now.Nested[r.LogicalID].ARN
	return in, nil
}

// text is the template: that of the change set which is executed, or what is behind
// the URL now.
func (n *nested) text(ctx context.Context, r *stack.Request, parent *state.Stack) (string, error) {
	s := state.Scope{Account: r.Account, Region: r.Region}
	if set, previewed := parent.Now.Nested[r.LogicalID]; previewed {
		text, err := n.engine.Template(ctx, s, set.Stack, set.Name, false)
		var refusal *stack.Error
		if !errors.As(err, &refusal) {
			return text, err
		}
	}
	url, _ := template.Text(r.Properties["TemplateURL"])
	return n.engine.config.Fetch(ctx, r.Caller, s, url)
}

// nestedInput is what the properties of a nested stack want, as far as they are known.
func nestedInput(parent *state.Stack, capabilities []string, logical string, properties map[string]any, text string) (in *Input, err error) {
	if parent.Depth+1 > MaxDepth {
		return nil, stack.Invalid("Nested stacks can be %d levels deep", MaxDepth)
	}
	in = &Input{Template: text, Parameters: map[string]template.Input{}, Tags: map[string]string{}, Capabilities: capabilities, Notifications: []string{},
		parent: parent.ARN(), root: cmp.Or(parent.Root, parent.ARN()), parentName: logical, depth: parent.Depth + 1, held: true}
	parameters, _ := properties["Parameters"].(map[string]any)
	for name, value := range parameters {
		if template.HasUnknown(value) {
			in.Parameters[name] = template.Input{Value: plan.UnknownText, Unknown: true}
			continue
		}
		in.Parameters[name] = template.Input{Value: joinedText(value)}
	}
	tags, _ := properties["Tags"].([]any)
	for _, item := range tags {
		tag, _ := item.(map[string]any)
		key, _ := template.Text(tag["Key"])
		in.Tags[key], _ = template.Text(tag["Value"])
	}
	topics, _ := properties["NotificationARNs"].([]any)
	for _, topic := range topics {
		text, _ := template.Text(topic)
		in.Notifications = append(in.Notifications, text)
	}
	if minutes, _ := template.Text(properties["TimeoutInMinutes"]); minutes != "" {
		if in.Timeout, err = time.ParseDuration(minutes + "m"); err != nil {
			return nil, stack.Invalid("TimeoutInMinutes must be a number")
		}
	}
	return in, nil
}

// joinedText is a parameter as text: lists are joined by commas.
func joinedText(value any) string {
	items, isList := value.([]any)
	if !isList {
		text, _ := template.Text(value)
		return text
	}
	joined := ""
	for i, item := range items {
		if i > 0 {
			joined += ","
		}
		text, _ := template.Text(item)
		joined += text
	}
	return joined
}

func (n *nested) result(s *state.Stack) *stack.Result {
	r := &stack.Result{PhysicalID: s.ARN(), Attributes: map[string]any{}}
	for _, o := range s.Outputs {
		r.Attributes["Outputs."+o.Key] = o.Value
	}
	return r
}

// Create makes the stack and waits for it.
func (n *nested) Create(ctx context.Context, r *stack.Request) (*stack.Result, error) {
	s := state.Scope{Account: r.Account, Region: r.Region}
	if made, err := n.reviewed(ctx, s, r); made != nil || err != nil {
		return n.created(ctx, made, err)
	}
	made, err := n.engine.Describe(ctx, s, r.Name)
	if !r.Again || err != nil || made.Parent != r.StackID {
		in, err := n.input(ctx, r)
		if err != nil {
			return nil, err
		}
		if made, err = n.engine.Create(ctx, s, r.Name, in); err != nil {
			return nil, err
		}
	}
	return n.created(ctx, made, nil)
}

// reviewed begins to make the stack that waits for the change set that its parent
// executes; nil if there is none.
func (n *nested) reviewed(ctx context.Context, s state.Scope, r *stack.Request) (*state.Stack, error) {
	parent, err := n.engine.Describe(ctx, s, r.StackID)
	if err != nil {
		return nil, err
	}
	set, previewed := parent.Now.Nested[r.LogicalID]
	if !previewed {
		return nil, nil
	}
	child, err := n.engine.Describe(ctx, s, set.Stack)
	var refusal *stack.Error
	switch {
	case errors.As(err, &refusal), err == nil && child.Status == state.DeleteComplete:
		return nil, nil // it was deleted since: another is made
	case err != nil:
		return nil, err
	case child.Status != state.ReviewInProgress && r.Again:
		return child, nil
	case child.Status != state.ReviewInProgress:
		return nil, nil
	}
	in, err := n.input(ctx, r)
	if err != nil {
		return nil, err
	}
	return child, n.engine.createReviewed(ctx, s, child, in)
}

// created waits for a stack that was begun to be made.
func (n *nested) created(ctx context.Context, made *state.Stack, err error) (*stack.Result, error) {
	if err != nil && made != nil {
		return n.result(made), err
	} else if err != nil {
		return nil, err
	}
	ended, err := n.engine.Wait(ctx, made.Scope, made.ARN())
	switch {
	case err != nil:
		return n.result(made), err
	case ended.Status != state.CreateComplete:
		return n.result(made), stack.Invalid("Embedded stack %s was not successfully created: %s", made.ARN(), n.reason(ctx, ended))
	}
	return n.result(ended), nil
}

// reason is why a nested stack failed: the first reason that it had.
func (n *nested) reason(ctx context.Context, s *state.Stack) string {
	_, events, _, err := n.engine.Events(ctx, s.Scope, s.ARN(), 0, func(e *state.Event) bool {
		return e.PhysicalID == s.ARN() && e.Operation == s.Last().ID && e.Reason != "" && e.Reason != userInitiated
	})
	if err != nil || len(events) == 0 {
		return s.Reason
	}
	return events[len(events)-1].Reason
}

// Update changes the stack, up to its clean-up.
func (n *nested) Update(ctx context.Context, r *stack.Request) (*stack.Result, error) {
	s := state.Scope{Account: r.Account, Region: r.Region}
	in, err := n.input(ctx, r)
	if err != nil {
		return nil, err
	}
	_, err = n.engine.Update(ctx, s, r.PhysicalID, in)
	var refusal *stack.Error
	if errors.As(err, &refusal) && refusal.Message == noUpdates {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	ended, err := n.engine.Wait(ctx, s, r.PhysicalID)
	switch {
	case err != nil:
		return nil, err
	case ended.Parked(), ended.Status == state.UpdateComplete, ended.Status == state.CreateComplete, ended.Status == state.UpdateRollbackComplete && refusal != nil:
		return n.result(ended), nil
	}
	return nil, stack.Invalid("Embedded stack %s was not successfully updated. Currently in %s with reason: %s", r.PhysicalID, ended.Status, n.reason(ctx, ended))
}

// Revert takes the last update back.
func (n *nested) Revert(ctx context.Context, r *stack.Request) (*stack.Result, error) {
	s := state.Scope{Account: r.Account, Region: r.Region}
	parent, err := n.engine.Describe(ctx, s, r.StackID)
	if err != nil {
		return nil, err
	}
	id, err := n.engine.changeNamed(ctx, s, r.PhysicalID, func(_ store.Snap, s *state.Stack, b *store.Batch) error {
		switch {
		case s.Parked():
			s.Operation.Phase, s.Operation.Failed = state.RollingBack, true
			s.Status, s.Reason = state.UpdateRollbackInProgress, ""
			b.Puts = append(b.Puts, store.KV{Key: s.WorkKey(s.ID), Value: []byte(nestedWork)})
			return n.engine.SayStack(b, s)
		case s.Status == state.UpdateInProgress && s.Operation.Phase == state.Deploying:
			s.Operation.Cancelled = true
		case s.Status == state.UpdateRollbackFailed:
			n.engine.newOperation(s, b, state.ContinueRollback, state.RollingBack, &Input{Token: r.Token}, r.Caller)
			s.Operation.Skip = skipsOf(s, parent.Operation.Skip)
			s.Status = state.UpdateRollbackInProgress
			return n.engine.SayStack(b, s)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	n.engine.hasten(id)
	ended, err := n.engine.Wait(ctx, s, r.PhysicalID)
	switch {
	case err != nil:
		return nil, err
	case ended.Status == state.UpdateRollbackFailed:
		return nil, stack.Invalid("Embedded stack %s was not successfully rolled back: %s", r.PhysicalID, ended.Reason)
	}
	return n.result(ended), nil
}

// Settle lets the stack clean up.
func (n *nested) Settle(ctx context.Context, r *stack.Request) error {
	s := state.Scope{Account: r.Account, Region: r.Region}
	if _, err := n.engine.changeNamed(ctx, s, r.PhysicalID, func(_ store.Snap, s *state.Stack, b *store.Batch) error {
		if s.Parked() {
			s.Operation.Held = false
			b.Puts = append(b.Puts, store.KV{Key: s.WorkKey(s.ID), Value: []byte(nestedWork)})
		}
		return nil
	}); err != nil {
		return err
	}
	_, err := n.engine.Wait(ctx, s, r.PhysicalID)
	return err
}

// Delete deletes the stack and waits until it is gone.
func (n *nested) Delete(ctx context.Context, r *stack.Request) error {
	s := state.Scope{Account: r.Account, Region: r.Region}
	found, err := n.engine.Describe(ctx, s, r.PhysicalID)
	var refusal *stack.Error
	if errors.As(err, &refusal) {
		return nil
	}
	if err == nil && found.Status.Running() && found.Status != state.CreateInProgress {
		_, err = n.engine.Wait(ctx, s, r.PhysicalID)
	}
	if err != nil {
		return err
	}
	if err := n.engine.Delete(ctx, s, r.PhysicalID, &Deletion{Token: r.Token, Caller: r.Caller, nested: true}); err != nil {
		return err
	}
	ended, err := n.engine.Wait(ctx, s, r.PhysicalID)
	switch {
	case err != nil:
		return err
	case ended.Status != state.DeleteComplete:
		return stack.Invalid("Embedded stack %s was not successfully deleted: %s", r.PhysicalID, ended.Reason)
	}
	return nil
}

// Read tells whether the stack is there: its resources have their own drift.
func (n *nested) Read(ctx context.Context, r *stack.Request) (properties, attributes map[string]any, err error) {
	found, err := n.engine.Describe(ctx, state.Scope{Account: r.Account, Region: r.Region}, r.PhysicalID)
	if err != nil || found.Status == state.DeleteComplete {
		return nil, nil, errors.Join(err, stack.ErrAbsent)
	}
	return r.Properties, n.result(found).Attributes, nil
}

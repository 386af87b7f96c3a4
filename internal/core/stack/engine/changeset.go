package engine

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/plan"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// ChangeSetInput is a change set to make.
type ChangeSetInput struct {
	Input
	Name, Description string
	Kind              string // CREATE, UPDATE (default), IMPORT
	Nested            bool
	AdoptTypes        map[string]string // types of the resources to import
	AdoptExisting     bool              // import what has the name of a new resource and exists already (ImportExistingResources)
}

// noChanges is the reason of a change set without changes: tools look for it.
const noChanges = "The submitted information didn't contain changes. Submit different information to create a change set."

var changeSetForm = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]*$`)

// pending is a change set that is not kept yet, with those of nested stacks.
type pending struct {
	set      *state.ChangeSet
	stack    *state.Stack
	prepared *prepared
	nested   []*pending
	family   *int // nested stacks so far, of the whole family
}

// CreateChangeSet finds what an input would change. What is wrong with a template
// that was transformed is in the change set, all else is an error.
func (e *Engine) CreateChangeSet(ctx context.Context, s state.Scope, name string, in *ChangeSetInput) (*state.ChangeSet, error) {
	if !changeSetForm.MatchString(in.Name) {
		return nil, stack.Invalid("1 validation error detected: Value '%s' at 'changeSetName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", in.Name)
	}
	if in.OnFailure == state.DeleteIt && in.Kind != "CREATE" {
		return nil, stack.Invalid("OnStackFailure %s is only valid for change sets of type CREATE", in.OnFailure)
	}
	found, rows, err := e.forChangeSet(ctx, s, name, in)
	if err != nil {
		return nil, err
	}
	made, err := e.preview(ctx, found, rows, in, nil)
	if err != nil {
		return nil, err
	}
	return made.set, e.keepChangeSet(ctx, made)
}

// preview makes a change set of a stack; parent is that of its parent's, or nil.
func (e *Engine) preview(ctx context.Context, found *state.Stack, rows map[string]*state.Resource, in *ChangeSetInput, parent *pending) (*pending, error) {
	c := &state.ChangeSet{Name: in.Name, ID: ids.UUID(), Stack: found.ARN(), StackName: found.Name, Description: in.Description, Created: e.Clock.Now().UTC(), Kind: in.Kind,
		Status: state.ChangeComplete, Execution: state.Available, Token: in.Token, Base: found.Last().ID, Caller: in.Caller, OnFailure: in.OnFailure, Nested: in.Nested}
	if parent != nil {
		c.Parent, c.Root = parent.set.ARN(found.Scope), cmp.Or(parent.set.Root, parent.set.ARN(found.Scope))
	}
	made := &pending{set: c, stack: found, family: new(int)}
	if parent != nil {
		made.family = parent.family
	}
	p, err := e.prepare(ctx, found, found.Now, rows, &in.Input, true)
	var transformed *transformError
	var refusal *stack.Error
	switch {
	case errors.As(err, &transformed), parent != nil && errors.As(err, &refusal):
		c.Status, c.Execution, c.Reason = state.ChangeFailed, state.Unavailable, userText(err)
		c.Configuration = &state.Configuration{Template: ids.Hex(8), Stages: 1, Parts: []int{0}, Capabilities: in.Capabilities, Tags: in.Tags}
		made.prepared = &prepared{configuration: c.Configuration, texts: []string{in.Template}}
		return made, nil
	case err != nil:
		return nil, err
	}
	if err := e.checkImports(ctx, rows, p, in); err != nil {
		return nil, err
	}
	all, err := e.Difference(ctx, found, rows, p.configuration, p.last(), e.existing(found, in))
	if err != nil {
		return nil, err
	}
	p.configuration.AdoptExisting = in.AdoptExisting
	c.Configuration, c.Changes, made.prepared = p.configuration, all.Resources, p
	if in.Nested {
		if err := e.previewNested(ctx, made, rows, all.Stacks, in); err != nil {
			return nil, err
		}
	}
	if len(c.Changes) == 0 && !all.Other && c.Status == state.ChangeComplete && found.Status != state.CreateFailed && found.Status != state.UpdateFailed {
		c.Status, c.Execution, c.Reason = state.ChangeFailed, state.Unavailable, noChanges
	}
	return made, nil
}

// existing looks for the new resources of a change set, if it asks for that.
//
// AWS: resources with names of their own that the template keeps when they are
// removed (CreateChangeSet, ImportExistingResources).
func (e *Engine) existing(s *state.Stack, in *ChangeSetInput) plan.Existing {
	if !in.AdoptExisting {
		return nil
	}
	return func(ctx context.Context, want *state.Deployed) (map[string]string, error) {
		t := e.TypeOf(want.Type)
		facts := t.Facts()
		if want.Deletion != state.Retain && want.Deletion != state.RetainOnCreate || facts.NameProperty == "" {
			return nil, nil
		}
		ids := map[string]string{}
		for _, primary := range facts.Primary {
			text, known := template.Text(want.Properties[primary])
			if !known || text == "" {
				return nil, nil
			}
			ids[primary] = text
		}
		_, _, err := t.Read(ctx, &stack.Request{Account: s.Account, Region: s.Region, Caller: in.Caller, StackID: s.ARN(), StackName: s.Name, Type: want.Type,
			PhysicalID: plan.Located(t, ids), Properties: state.Clone(want.Properties), Progress: func(string) {}})
		if errors.Is(err, stack.ErrAbsent) {
			return nil, nil
		}
		return ids, err
	}
}

// forChangeSet finds the stack, or makes one that waits for its first change set.
func (e *Engine) forChangeSet(ctx context.Context, s state.Scope, name string, in *ChangeSetInput) (found *state.Stack, rows map[string]*state.Resource, err error) {
	if in.Kind == "" {
		in.Kind = "UPDATE"
	}
	err = e.View(ctx, func(snap store.Snap) (err error) {
		found, err = e.Find(snap, s, name)
		var refusal *stack.Error
		switch {
		case errors.As(err, &refusal) && in.Kind != "UPDATE" && !strings.HasPrefix(name, "arn:"):
			found = nil
			return checkName(name)
		case errors.As(err, &refusal) && in.Kind == "UPDATE":
			return stack.Invalid("Stack [%s] does not exist", name)
		case err != nil:
			return err
		case in.Kind == "CREATE" && found.Status != state.ReviewInProgress:
			return stack.Invalid("Stack [%s] already exists and cannot be created again with the changeSet [%s].", found.Name, in.Name)
		case in.Kind == "UPDATE" && found.Status == state.ReviewInProgress:
			return stack.Invalid("Stack:%s is in %s state and can not be updated.", found.ARN(), found.Status)
		case found.Status != state.ReviewInProgress:
			if err := found.MayUpdate(); err != nil {
				return err
			}
		}
		rows, _, err = e.ResourcesOf(snap, s, found.ID)
		return err
	})
	if err == nil && found == nil {
		found = e.newStack(s, name, &in.Input)
		found.Status = state.ReviewInProgress
	}
	return found, rows, err
}

// keepChangeSet writes a change set with those of the nested stacks, and with the
// stacks that are new.
func (e *Engine) keepChangeSet(ctx context.Context, made *pending) error {
	err := store.Change(ctx, e.Store, func(snap store.Snap) (*store.Batch, error) {
		b := &store.Batch{}
		return b, e.addChangeSet(snap, b, made)
	})
	if errors.Is(err, store.ErrTooLarge) {
		err = stack.Refuse(stack.LimitExceeded, "The change sets of the nested stacks are too large together")
	}
	e.begun()
	return err
}

func (e *Engine) addChangeSet(snap store.Snap, b *store.Batch, made *pending) error {
	s, c := made.stack, made.set
	there, at, err := e.StackByID(snap, s.Scope, s.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		review := *s
		review.Reason = userInitiated
		if err := e.claim(snap, b, &review); err != nil {
			return err
		}
		if err := e.SayStack(b, &review); err != nil {
			return err
		}
		if _, err := e.Put(b, s.StackKey(s.ID), state.Place{}, &review); err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		b.Checks = append(b.Checks, at.Check(s.StackKey(s.ID)))
		if there.Status == state.DeleteComplete {
			return state.NoStack(s.Name)
		}
	}
	if err := e.roomForChangeSet(snap, s, c.Name); err != nil {
		return err
	}
	if err := e.keepTexts(b, s, made.prepared); err != nil {
		return err
	}
	b.Checks = append(b.Checks, store.Absent(s.ChangeKey(s.ID, c.Name)))
	if _, err = e.Put(b, s.ChangeKey(s.ID, c.Name), state.Place{}, c); err != nil {
		return err
	}
	for _, one := range made.nested {
		if err := e.addChangeSet(snap, b, one); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) roomForChangeSet(snap store.Snap, s *state.Stack, name string) error {
	_, _, err := snap.Get(s.ChangeKey(s.ID, name))
	switch {
	case err == nil:
		return stack.Refuse(stack.AlreadyExists, "ChangeSet %s already exists", name)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	lo, hi := s.Rows("change", s.ID)
	entries, err := snap.Scan(lo, hi, MaxChangeSets, false)
	if err == nil && len(entries) >= MaxChangeSets {
		return stack.Refuse(stack.LimitExceeded, "ChangeSet limit exceeded")
	}
	return err
}

// ExecuteChangeSet begins to do what a change set says.
func (e *Engine) ExecuteChangeSet(ctx context.Context, s state.Scope, stackName, name string, in *Input) error {
	var id string
	var caller stack.Caller
	var c *state.ChangeSet
	if err := e.View(ctx, func(snap store.Snap) error {
		found, set, _, err := e.FindChangeSet(snap, s, stackName, name)
		if err != nil {
			return err
		}
		id, c = found.ID, set
		caller, err = e.actor(ctx, s, set.Settings(), in.Caller)
		return err
	}); err != nil {
		return err
	}
	_, err := e.Rewrite(ctx, s, id, func(snap store.Snap, s *state.Stack, b *store.Batch) error {
		at, err := e.Get(snap, s.ChangeKey(s.ID, c.Name), c)
		if err != nil {
			return err
		}
		c.Age(s)
		if c.Root != "" {
			return ofRoot(s.Scope, c, "executed")
		}
		if c.Execution != state.Available {
			return stack.Refuse(stack.InvalidChangeSet, "ChangeSet [%s] cannot be executed in its current status of [%s]", c.ARN(s.Scope), c.Shown())
		}
		if in.DisableRollback && c.OnFailure != "" {
			return stack.Invalid("DisableRollback must not be specified for a change set with OnStackFailure")
		}
		how := *in
		if !c.Configuration.AdoptExisting {
			how.Adopt = c.Configuration.Adopt
		}
		if how.OnFailure == "" {
			how.OnFailure = c.OnFailure
		}
		if s.Status == state.ReviewInProgress {
			if err := e.beginReviewed(snap, s, b, c.Configuration, &how, caller); err != nil {
				return err
			}
		} else if err := e.beginUpdate(snap, s, b, c.Configuration, &how, caller); err != nil {
			return err
		}
		s.ChangeSet = c.ARN(s.Scope)
		// AWS: after the execution only the change set that was executed is left, and
		// not for long: the others are of no use.
		if err := e.dropChangeSets(snap, s, b, c.Name); err != nil {
			return err
		}
		executed := *c
		executed.Execution, executed.Executed = state.ExecuteRunning, true
		_, err = e.Put(b, s.ChangeKey(s.ID, c.Name), at, &executed)
		return err
	})
	e.begun()
	return err
}

// beginReviewed begins to make a stack that waited for its first change set.
func (e *Engine) beginReviewed(snap store.Snap, s *state.Stack, b *store.Batch, c *state.Configuration, in *Input, caller stack.Caller) error {
	s.Now, s.Status, s.Reason = c, state.CreateInProgress, userInitiated
	if in.Adopt != nil {
		s.Status = state.ImportInProgress
	}
	e.newOperation(s, b, state.CreateStack, state.Deploying, in, caller)
	if err := e.SetImports(snap, s, b, c.Imports); err != nil {
		return err
	}
	return e.SayStack(b, s)
}

// ofRoot refuses to do with the change set of a nested stack what goes with all of
// the family.
func ofRoot(s state.Scope, c *state.ChangeSet, what string) error {
	return stack.Refuse(stack.InvalidChangeSet, "ChangeSet [%s] is that of a nested stack and can only be %s with its root [%s]", c.ARN(s), what, c.Root)
}

// dropChangeSets removes the change sets of a stack, with their templates, but for
// one of that name.
func (e *Engine) dropChangeSets(snap store.Snap, s *state.Stack, b *store.Batch, except string) error {
	lo, hi := s.Rows("change", s.ID)
	return state.Each(e.Records, snap, lo, hi, func(key []byte, p state.Place, c *state.ChangeSet) (bool, error) {
		if c.Name == except {
			return true, nil
		}
		if !c.Executed && c.Configuration != nil {
			e.DropTemplate(s, b, c.Configuration)
		}
		e.Drop(b, key, p)
		if err := e.dropNested(snap, s.Scope, b, c); err != nil {
			return false, err
		}
		return len(b.Deletes) < store.MaxBatchOps/2, nil
	})
}

// DeleteChangeSet removes a change set. That there is none is fine.
func (e *Engine) DeleteChangeSet(ctx context.Context, s state.Scope, stackName, name string) error {
	err := store.Change(ctx, e.Store, func(snap store.Snap) (*store.Batch, error) {
		found, c, p, err := e.FindChangeSet(snap, s, stackName, name)
		if err != nil {
			return nil, err
		}
		c.Age(found)
		if c.Root != "" {
			return nil, ofRoot(s, c, "deleted")
		}
		if c.Execution == state.ExecuteRunning {
			return nil, stack.Refuse(stack.InvalidChangeSet, "The change set [%s] cannot be deleted while it is executed", c.ARN(s))
		}
		key := s.ChangeKey(found.ID, c.Name)
		b := &store.Batch{Checks: []store.Check{p.Check(key)}}
		if !c.Executed {
			e.DropTemplate(found, b, c.Settings())
		}
		e.Drop(b, key, p)
		return b, e.dropNested(snap, s, b, c)
	})
	var refusal *stack.Error
	if errors.As(err, &refusal) && refusal.Code == stack.ChangeSetNotFound {
		return nil
	}
	return err
}

// checkImports refuses imports that cannot be.
func (e *Engine) checkImports(_ context.Context, rows map[string]*state.Resource, p *prepared, in *ChangeSetInput) error {
	if in.Kind == "IMPORT" && len(in.Adopt) == 0 {
		return stack.Invalid("ResourcesToImport must be specified for a change set of type IMPORT")
	}
	if in.Kind != "IMPORT" {
		if len(in.Adopt) > 0 {
			return stack.Invalid("ResourcesToImport can only be specified for a change set of type IMPORT")
		}
		return nil
	}
	for name, ids := range in.Adopt {
		r := p.program.Template.Resources[name]
		switch {
		case r == nil || !p.program.Active(name):
			return stack.Invalid("Resources [%s] to import are not in the template", name)
		case rows[name] != nil && rows[name].Live():
			return stack.Invalid("Resource %s already exists in the stack", name)
		case in.AdoptTypes[name] != "" && in.AdoptTypes[name] != r.Type:
			return stack.Invalid("The resource type of %s in ResourcesToImport is not that of the template", name)
		case r.DeletionPolicy == "":
			return stack.Invalid("Resources [%s] to import must have DeletionPolicy attribute specified in the template.", name)
		}
		for _, primary := range p.program.Facts(name).Primary {
			if ids[primary] == "" {
				return stack.Invalid("Resource identifier of %s must have %s", name, primary)
			}
		}
	}
	for _, name := range p.program.Resources() {
		if in.Adopt[name] == nil && (rows[name] == nil || !rows[name].Live()) {
			return stack.Invalid("As part of the import operation, you cannot modify or add resources [%s]", name)
		}
	}
	return nil
}

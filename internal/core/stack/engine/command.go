package engine

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// noUpdates is the refusal of an update that changes nothing: tools look for it.
const noUpdates = "No updates are to be performed."

// userInitiated is the reason of what a user asked for.
const userInitiated = "User Initiated"

var nameForm = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]*$`)

const maxNameBytes = 128

// checkName refuses the name of a new stack.
func checkName(name string) error {
	switch {
	case !nameForm.MatchString(name):
		return stack.Invalid("1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", name)
	case len(name) > maxNameBytes:
		return stack.Invalid("1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must have length less than or equal to %d", name, maxNameBytes)
	}
	return nil
}

// newStack is a stack that is not in the store yet.
func (e *Engine) newStack(s state.Scope, name string, in *Input) *state.Stack {
	return &state.Stack{Scope: s, ID: ids.UUID(), Name: name, Created: e.Clock.Now().UTC(), Protected: in.Protected, Policy: in.Policy,
		Parent: in.parent, Root: in.root, ParentName: in.parentName, Depth: in.depth}
}

// claim adds a new stack's name to a batch, and refuses one that is taken.
func (e *Engine) claim(snap store.Snap, b *store.Batch, s *state.Stack) error {
	_, _, err := snap.Get(s.NameKey(s.Name))
	switch {
	case err == nil:
		return stack.Refuse(stack.AlreadyExists, "Stack [%s] already exists", s.Name)
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if err := e.roomForStack(snap, s.Scope); err != nil {
		return err
	}
	b.Checks = append(b.Checks, store.Absent(s.NameKey(s.Name)))
	b.Puts = append(b.Puts, store.KV{Key: s.NameKey(s.Name), Value: []byte(s.ID)})
	return nil
}

func (e *Engine) roomForStack(snap store.Snap, s state.Scope) error {
	lo, hi := s.Rows("name")
	entries, err := snap.Scan(lo, hi, MaxStacks, false)
	if err == nil && len(entries) >= MaxStacks {
		return stack.Refuse(stack.LimitExceeded, "Limit for stack has been exceeded")
	}
	return err
}

// Create begins to make a new stack.
func (e *Engine) Create(ctx context.Context, s state.Scope, name string, in *Input) (*state.Stack, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if again, err := e.repeated(ctx, s, name, in.Token, state.CreateStack); again != nil || err != nil {
		return again, err
	}
	if err := e.View(ctx, func(snap store.Snap) error { return e.claim(snap, &store.Batch{}, &state.Stack{Scope: s, Name: name}) }); err != nil {
		return nil, err
	}
	created := e.newStack(s, name, in)
	p, err := e.prepare(ctx, created, nil, nil, in, false)
	if err != nil {
		return nil, err
	}
	who, err := e.actor(ctx, s, p.configuration, in.Caller)
	if err != nil {
		return nil, err
	}
	fresh := *created
	err = store.Change(ctx, e.Store, func(snap store.Snap) (*store.Batch, error) {
		b := &store.Batch{}
		*created = fresh
		if err := e.claim(snap, b, created); err != nil {
			return nil, err
		}
		if err := e.keepTexts(b, created, p); err != nil {
			return nil, err
		}
		created.Now, created.Status, created.Reason = p.configuration, state.CreateInProgress, userInitiated
		e.newOperation(created, b, state.CreateStack, state.Deploying, in, who)
		if err := e.SetImports(snap, created, b, created.Now.Imports); err != nil {
			return nil, err
		}
		if err := e.SayStack(b, created); err != nil {
			return nil, err
		}
		_, err := e.Put(b, s.StackKey(created.ID), state.Place{}, created)
		return b, err
	})
	e.begun()
	return created, err
}

// begun lets Run, and the outbox, see what was committed.
func (e *Engine) begun() {
	e.awake()
	if e.Outbox != nil {
		e.Outbox.Wake()
	}
}

// repeated finds a stack on which the same request was made already.
func (e *Engine) repeated(ctx context.Context, s state.Scope, name, token string, kind state.Kinds) (found *state.Stack, err error) {
	if token == "" {
		return nil, nil
	}
	err = e.View(ctx, func(snap store.Snap) error {
		there, err := e.Find(snap, s, name)
		var refusal *stack.Error
		if errors.As(err, &refusal) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, o := range append([]state.Operation{there.Last()}, there.Recent...) {
			switch {
			case o.Token != token:
			case o.Kind == kind:
				found = there
				return nil
			default:
				return stack.Refuse(stack.TokenAlreadyExists, "A client request token already exists: %s", token)
			}
		}
		return nil
	})
	return found, err
}

// Update begins to change a stack.
func (e *Engine) Update(ctx context.Context, s state.Scope, name string, in *Input) (*state.Stack, error) {
	if again, err := e.repeated(ctx, s, name, in.Token, state.UpdateStack); again != nil || err != nil {
		return again, err
	}
	found, rows, err := e.open4update(ctx, s, name)
	if err != nil {
		return nil, err
	}
	p, err := e.prepare(ctx, found, found.Now, rows, in, false)
	if err != nil {
		return nil, err
	}
	who, err := e.actor(ctx, s, p.configuration, in.Caller)
	if err != nil {
		return nil, err
	}
	changes, err := e.Difference(ctx, found, rows, p.configuration, p.last(), nil)
	if err != nil {
		return nil, err
	}
	if changes.None() && found.Status != state.UpdateFailed && found.Status != state.CreateFailed {
		return nil, stack.Invalid(noUpdates)
	}
	updated, err := e.Rewrite(ctx, s, found.ID, func(snap store.Snap, s *state.Stack, b *store.Batch) error {
		if err := s.MayUpdate(); err != nil {
			return err
		}
		if s.Last().ID != found.Last().ID {
			return stack.Invalid("Stack:%s was changed meanwhile", s.ARN())
		}
		if in.Policy != "" {
			s.Policy = in.Policy
		}
		if err := e.keepTexts(b, s, p); err != nil {
			return err
		}
		return e.beginUpdate(snap, s, b, p.configuration, in, who)
	})
	e.begun()
	return updated, err
}

func (e *Engine) open4update(ctx context.Context, s state.Scope, name string) (found *state.Stack, rows map[string]*state.Resource, err error) {
	err = e.View(ctx, func(snap store.Snap) (err error) {
		if found, err = e.Find(snap, s, name); err != nil {
			return err
		}
		if err := found.MayUpdate(); err != nil {
			return err
		}
		rows, _, err = e.ResourcesOf(snap, s, found.ID)
		return err
	})
	return found, rows, err
}

// beginUpdate installs a configuration, of which the texts are kept already, and
// the operation that carries it out.
func (e *Engine) beginUpdate(snap store.Snap, s *state.Stack, b *store.Batch, c *state.Configuration, in *Input, who stack.Caller) error {
	switch {
	case s.Before == nil && s.Status != state.CreateFailed:
		s.Before = s.Now // whole: that is where a rollback leads
	default:
		e.DropTemplate(s, b, s.Now)
	}
	kind, status := state.UpdateStack, state.UpdateInProgress
	if s.Status == state.CreateFailed {
		kind = state.UpdateStack
	}
	if in.Adopt != nil {
		status = state.ImportInProgress
	}
	s.Now, s.Status, s.Reason, s.Updated = c, status, userInitiated, e.Clock.Now().UTC()
	outputs := s.Outputs
	if s.Parked() {
		outputs = s.Operation.Outputs
	}
	e.newOperation(s, b, kind, state.Deploying, in, who)
	s.Operation.Outputs = outputs
	if err := e.SetImports(snap, s, b, union(s.Now.Imports, s.Before)); err != nil {
		return err
	}
	return e.SayStack(b, s)
}

// union adds what a rollback would import again.
func union(names []string, before *state.Configuration) []string {
	if before == nil {
		return names
	}
	all := slices.Concat(names, before.Imports)
	slices.Sort(all)
	return slices.Compact(all)
}

// Deletion is how a stack is deleted.
type Deletion struct {
	Retain  []string
	Force   bool
	RoleARN string
	Token   string
	Caller  stack.Caller
	nested  bool
}

// Delete begins to delete a stack; that there is none is fine.
func (e *Engine) Delete(ctx context.Context, s state.Scope, name string, d *Deletion) error {
	var found *state.Stack
	err := e.View(ctx, func(snap store.Snap) (err error) {
		found, err = e.Find(snap, s, name)
		return err
	})
	var refusal *stack.Error
	switch {
	case errors.As(err, &refusal):
		return nil
	case err != nil:
		return err
	case found.Status == state.DeleteComplete, found.Status == state.DeleteInProgress:
		return nil
	}
	who := d.Caller
	if role := d.RoleARN; role != "" || found.Now != nil {
		c := &state.Configuration{RoleARN: role}
		if role == "" {
			c.RoleARN = found.Now.RoleARN
		}
		if who, err = e.actor(ctx, s, c, d.Caller); err != nil {
			return err
		}
	}
	_, err = e.Rewrite(ctx, s, found.ID, func(snap store.Snap, s *state.Stack, b *store.Batch) error { return e.askDelete(snap, s, b, d, who) })
	if err == nil {
		e.hasten(found.ID)
	}
	e.begun()
	return err
}

// askDelete checks whether a stack may be deleted, and begins to.
func (e *Engine) askDelete(snap store.Snap, s *state.Stack, b *store.Batch, d *Deletion, who stack.Caller) error {
	switch {
	case s.Protected && !d.nested:
		return stack.Invalid("Stack [%s] cannot be deleted while TerminationProtection is enabled", s.Name)
	case len(d.Retain) > 0 && s.Status != state.DeleteFailed:
		return stack.Invalid("Invalid operation on stack [%s]. RetainResources can only be used on stacks in the %s state", s.ARN(), state.DeleteFailed)
	case d.Force && s.Status != state.DeleteFailed:
		return stack.Invalid("Invalid operation on stack [%s]. DeletionMode FORCE_DELETE_STACK can only be used on stacks in the %s state", s.ARN(), state.DeleteFailed)
	}
	for _, name := range d.Retain {
		if _, _, err := snap.Get(s.ResourceKey(s.ID, name)); errors.Is(err, store.ErrNotFound) {
			return stack.Invalid("Resource [%s] does not exist in the stack", name)
		} else if err != nil {
			return err
		}
	}
	for _, o := range s.Outputs {
		if o.Export == "" {
			continue
		}
		users, err := e.Importers(snap, s.Scope, o.Export)
		if err != nil {
			return err
		}
		if len(users) > 0 && s.Status != state.CreateInProgress {
			// The stack stays as it is, as on AWS: only the event tells.
			s.Reason = "Delete canceled. Cannot delete export " + o.Export + " as it is in use by " + strings.Join(users, " and ") + "."
			return e.SayStack(b, s)
		}
	}
	next := &state.Operation{ID: ids.UUID(), Kind: state.DeleteStack, Phase: state.Deleting, Token: d.Token, Caller: who, Started: e.Clock.Now().UTC(), Retain: d.Retain, Force: d.Force}
	if s.Status.Running() && !s.Parked() {
		switch s.Status {
		case state.CreateInProgress, state.RollbackInProgress:
			s.Operation.Next = next // the work on the stack sees it when what is under way has ended
			return nil
		}
		return stack.Invalid("Stack [%s] cannot be deleted while in status %s", s.Name, s.Status)
	}
	e.beginDelete(s, b, next)
	return e.SayStack(b, s)
}

// beginDelete installs the operation that deletes a stack.
func (e *Engine) beginDelete(s *state.Stack, b *store.Batch, o *state.Operation) {
	e.install(s, b, o)
	s.Status, s.Reason = state.DeleteInProgress, userInitiated
}

// Cancel makes an update that is under way roll back.
func (e *Engine) Cancel(ctx context.Context, s state.Scope, name, token string) error {
	id, err := e.changeNamed(ctx, s, name, func(_ store.Snap, s *state.Stack, _ *store.Batch) error {
		if s.Status != state.UpdateInProgress || s.Operation.Phase != state.Deploying {
			return stack.Invalid("CancelUpdateStack cannot be called from current stack status")
		}
		s.Operation.Cancelled = true
		return nil
	})
	if err == nil {
		e.hasten(id)
	}
	return err
}

// changeNamed is change by name.
func (e *Engine) changeNamed(ctx context.Context, s state.Scope, name string, change func(snap store.Snap, s *state.Stack, b *store.Batch) error) (id string, err error) {
	err = e.View(ctx, func(snap store.Snap) error {
		found, err := e.Find(snap, s, name)
		if err == nil {
			id = found.ID
		}
		return err
	})
	if err != nil {
		return "", err
	}
	_, err = e.Rewrite(ctx, s, id, change)
	e.begun()
	return id, err
}

// ContinueRollback tries a rollback that failed again, without the resources that
// are to be passed over.
func (e *Engine) ContinueRollback(ctx context.Context, s state.Scope, name string, skip []string, in *Input) error {
	_, err := e.changeNamed(ctx, s, name, func(snap store.Snap, s *state.Stack, b *store.Batch) error {
		if s.Status != state.UpdateRollbackFailed {
			return stack.Invalid("Stack:%s is in %s state and can not be rolled back", s.ARN(), s.Status)
		}
		for _, name := range skip {
			if err := e.maySkip(snap, s, name); err != nil {
				return err
			}
		}
		who, err := e.actor(ctx, s.Scope, s.Before.WithRole(in.RoleARN), in.Caller)
		if err != nil {
			return err
		}
		e.newOperation(s, b, state.ContinueRollback, state.RollingBack, in, who)
		s.Operation.Skip = skip
		s.Status, s.Reason = state.UpdateRollbackInProgress, userInitiated
		return e.SayStack(b, s)
	})
	return err
}

// maySkip refuses to pass over what is not in trouble. A resource of a nested stack
// is named by the name of that stack, a point, and its own.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ContinueUpdateRollback.html
func (e *Engine) maySkip(snap store.Snap, root *state.Stack, name string) error {
	s, logical := root, name
	if of, inner, dotted := strings.Cut(name, "."); dotted {
		found, err := e.Find(snap, root.Scope, of)
		var refusal *stack.Error
		switch {
		case errors.As(err, &refusal), err == nil && found.Root != root.ARN() && found.Parent != root.ARN():
			return stack.Invalid("[%s] resources cannot be skipped: %s is no nested stack of %s", name, of, root.Name)
		case err != nil:
			return err
		}
		s, logical = found, inner
	}
	row := &state.Resource{}
	_, err := e.Get(snap, s.ResourceKey(s.ID, logical), row)
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	case err != nil || row.Status != state.UpdateFailed:
		return stack.Invalid("[%s] resources cannot be skipped: only those whose rollback failed can", name)
	}
	return nil
}

// skipsOf are those that a rollback of the root passes over in one of its nested
// stacks, with those of deeper ones.
func skipsOf(child *state.Stack, skip []string) (own []string) {
	for _, name := range skip {
		of, inner, dotted := strings.Cut(name, ".")
		switch {
		case dotted && of == child.Name:
			own = append(own, inner)
		case dotted:
			own = append(own, name)
		}
	}
	return own
}

// Rollback rolls a stack back whose creation or update failed with its rollback
// disabled.
func (e *Engine) Rollback(ctx context.Context, s state.Scope, name string, in *Input) (*state.Stack, error) {
	var changed *state.Stack
	_, err := e.changeNamed(ctx, s, name, func(_ store.Snap, s *state.Stack, b *store.Batch) error {
		if s.Status != state.CreateFailed && s.Status != state.UpdateFailed {
			return stack.Invalid("Stack:%s is in %s state and can not be rolled back", s.ARN(), s.Status)
		}
		who, err := e.actor(ctx, s.Scope, s.Now.WithRole(in.RoleARN), in.Caller)
		if err != nil {
			return err
		}
		first, status := state.RollingBack, state.UpdateRollbackInProgress
		if s.Before == nil { // it was never whole
			first, status = state.Discarding, state.RollbackInProgress
		}
		e.newOperation(s, b, state.RollbackStack, first, in, who)
		s.Status, s.Reason = status, userInitiated
		changed = s
		return e.SayStack(b, s)
	})
	return changed, err
}

// Signalled is the token of the step of a resource that waits for signals.
func (e *Engine) Signalled(ctx context.Context, s state.Scope, name, logical string) (token string, err error) {
	found, rows, err := e.Resources(ctx, s, name, logical)
	switch {
	case err != nil:
		return "", err
	case len(rows) == 0:
		return "", stack.Invalid("Resource %s does not exist for stack %s", logical, found.Name)
	case rows[0].Step == nil || rows[0].Step.Action != state.Creating || rows[0].Step.To.Creation == "":
		return "", stack.Invalid("Resource %s is in %s state and cannot be signaled", logical, rows[0].Status)
	}
	return rows[0].Step.Token, nil
}

// Protect sets whether a stack may be deleted.
func (e *Engine) Protect(ctx context.Context, s state.Scope, name string, on bool) (*state.Stack, error) {
	var changed *state.Stack
	_, err := e.changeNamed(ctx, s, name, func(_ store.Snap, s *state.Stack, _ *store.Batch) error {
		switch {
		case s.Status == state.DeleteComplete || s.Status == state.DeleteInProgress:
			return stack.Invalid("Stack [%s] is in %s state: its termination protection can not be changed", s.Name, s.Status)
		case s.Parent != "":
			return stack.Invalid("Termination protection of nested stack %s can only be changed at its root stack", s.Name)
		}
		s.Protected, changed = on, s
		return nil
	})
	return changed, err
}

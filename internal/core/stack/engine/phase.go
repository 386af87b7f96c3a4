package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/plan"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// deploy makes what is new and changes what has changed.
func (w *work) deploy(ctx context.Context) error {
	w.fresh()
	o := w.stack.Operation
	if o.Cancelled || o.Next != nil {
		w.stop()
	}
	var err error
	if w.to, err = w.Load(ctx, w.stack, w.stack.Now, w); err != nil {
		return w.deployed(ctx, userText(err))
	}
	if w.policy, err = w.guardedBy(); err != nil {
		return w.deployed(ctx, userText(err))
	}
	if o.Timeout > 0 {
		left := o.Timeout - w.Clock.Now().Sub(o.Started)
		fired, stop := w.Clock.Timer(max(left, 0))
		defer stop()
		ended := make(chan struct{})
		defer close(ended)
		go func() { // ends with the phase
			select {
			case <-fired:
				w.mu.Lock()
				w.timedOut = true
				w.mu.Unlock()
				w.stop()
			case <-ended:
			}
		}()
	}
	if !w.mayRemove(ctx) {
		return w.deployed(ctx, w.failures())
	}
	plan.Walk(w.to.Needs(), maxSteps, func() bool { return w.sound(ctx) && !w.stopped() }, func(name string) bool { return w.Place(ctx, name) })
	if err := w.ended(ctx); err != nil {
		return err
	}
	if len(w.failed) == 0 && !w.stopped() {
		outputs, err := w.to.Resolved(ctx)
		if err != nil {
			return w.deployed(ctx, userText(err))
		}
		return w.complete(ctx, outputs)
	}
	return w.deployed(ctx, w.failures())
}

// userText is the text of an error for the one who made the template.
func userText(err error) string {
	var refusal *stack.Error
	if errors.As(err, &refusal) {
		return refusal.Message
	}
	return err.Error()
}

// complete ends a deployment that did all that it should.
func (w *work) complete(ctx context.Context, outputs []state.Output) error {
	failure := ""
	err := w.turn(ctx, func(snap store.Snap, s *state.Stack, b *store.Batch) error {
		o := s.Operation
		if o.Cancelled || o.Next != nil {
			failure = " "
			return w.failDeployment(s, b, "")
		}
		err := w.SetExports(snap, s, b, outputs)
		var refusal *stack.Error
		if errors.As(err, &refusal) {
			failure = refusal.Message
			b.Puts, b.Deletes = nil, nil
			return w.failDeployment(s, b, failure+". ")
		}
		if err != nil {
			return err
		}
		s.Outputs, s.Reason = outputs, ""
		switch {
		case s.Status == state.ImportInProgress:
			s.Status = state.ImportComplete
			w.end(s, b, true)
		case o.Kind == state.CreateStack:
			s.Status = state.CreateComplete
			w.end(s, b, true)
		default:
			s.Status, o.Phase = state.UpdateCleanup, state.Cleaning
			if o.Held { // the parent says when
				b.Deletes = append(b.Deletes, s.WorkKey(s.ID))
			}
		}
		return w.SayStack(b, s)
	})
	w.tell(1)
	return err
}

// deployed ends a deployment that failed.
func (w *work) deployed(ctx context.Context, failures string) error {
	failures = w.mask().Text(failures)
	err := w.turn(ctx, func(_ store.Snap, s *state.Stack, b *store.Batch) error { return w.failDeployment(s, b, failures) })
	w.tell(1)
	return err
}

// failDeployment sets what follows a failure: nothing, a rollback or a deletion.
func (w *work) failDeployment(s *state.Stack, b *store.Batch, failures string) error {
	o := s.Operation
	if o.Next != nil { // DeleteStack came in between
		w.beginDelete(s, b, o.Next)
		return w.SayStack(b, s)
	}
	w.mu.Lock()
	timedOut := w.timedOut
	w.mu.Unlock()
	if timedOut {
		failures = "Stack creation time exceeded the specified timeout. "
	}
	o.Failed = true
	s.Reason = strings.TrimSuffix(failures, " ")
	create := s.Before == nil // it was never whole
	switch {
	case o.Cancelled:
		s.Reason, s.Status, o.Phase = "User Initiated", state.UpdateRollbackInProgress, state.RollingBack
	case o.KeepsGoing():
		s.Status = state.UpdateFailed
		if create {
			s.Status = state.CreateFailed
		}
		if err := w.SayStack(b, s); err != nil {
			return err
		}
		w.end(s, b, false)
		return nil
	case create && o.OnFailure == state.DeleteIt:
		s.Reason = failures + "Delete requested by user."
		s.Status, o.Phase = state.DeleteInProgress, state.Deleting
	case create:
		s.Reason = failures + "Rollback requested by user."
		s.Status, o.Phase = state.RollbackInProgress, state.Discarding
	case s.Status == state.ImportInProgress:
		s.Reason = failures
		s.Status, o.Phase = state.ImportRollbackInProgress, state.RollingBack
	default:
		s.Reason = failures
		s.Status, o.Phase = state.UpdateRollbackInProgress, state.RollingBack
	}
	return w.SayStack(b, s)
}

// clean deletes what an update has made superfluous.
func (w *work) clean(ctx context.Context) error {
	var err error
	if w.to, err = w.Load(ctx, w.stack, w.stack.Now, w); err != nil {
		return err
	}
	w.remove(ctx, func(r *state.Resource) (garbage []state.Deployed, last bool) {
		if r.Generation == w.stack.Generation {
			garbage = slices.Clone(r.Others)
			if r.Before != nil && r.Before.PhysicalID != r.PhysicalID {
				garbage = append(garbage, *r.Before)
			}
		}
		if !w.to.Active(r.LogicalID) {
			return append(garbage, r.Deployed), true
		}
		return garbage, false
	})
	if err := w.settleAll(ctx); err != nil {
		return err
	}
	if err := w.ended(ctx); err != nil {
		return err
	}
	err = w.turn(ctx, func(_ store.Snap, s *state.Stack, b *store.Batch) error {
		s.Status, s.Reason = state.UpdateComplete, ""
		if len(w.failed) > 0 {
			s.Reason = "Update successful. One or more resources could not be deleted."
		}
		w.end(s, b, true)
		return w.SayStack(b, s)
	})
	w.tell(1)
	return err
}

// rollBack brings back what was before, in the order in which it depends on one
// another.
func (w *work) rollBack(ctx context.Context) error {
	w.fresh()
	var err error
	if w.stack.Before == nil {
		return state.ErrCorrupt
	}
	if w.to, err = w.Load(ctx, w.stack, w.stack.Before, w); err != nil {
		return err
	}
	needs := map[string][]string{}
	for name, r := range w.all() {
		if r.Generation == w.stack.Generation && !r.New && !r.Settled && r.Before != nil {
			needs[name] = r.Before.DependsOn
		}
	}
	plan.Walk(needs, maxSteps, func() bool { return w.sound(ctx) }, func(name string) bool { return w.bringBack(ctx, w.row(name)) })
	if err := w.ended(ctx); err != nil {
		return err
	}
	err = w.turn(ctx, func(snap store.Snap, s *state.Stack, b *store.Batch) error {
		o := s.Operation
		if o.Next != nil {
			w.beginDelete(s, b, o.Next)
			return w.SayStack(b, s)
		}
		if len(w.failed) > 0 {
			s.Status, s.Reason = state.UpdateRollbackFailed, w.failures()
			if s.Importing() {
				s.Status = state.ImportRollbackFailed
			}
			o.Failed = true
			w.end(s, b, false)
			return w.SayStack(b, s)
		}
		importing := s.Importing()
		w.DropTemplate(s, b, s.Now)
		s.Now, s.Before = s.Before, nil
		if o.Held { // it was complete already
			if err := w.SetExports(snap, s, b, o.Outputs); err != nil {
				return err
			}
			s.Outputs = o.Outputs
		}
		if err := w.SetImports(snap, s, b, s.Now.Imports); err != nil {
			return err
		}
		s.Status, s.Reason, o.Phase = state.UpdateRollbackCleanup, "", state.Discarding
		if importing { // an import has no status of its own for this
			s.Status = state.ImportRollbackInProgress
			return nil
		}
		return w.SayStack(b, s)
	})
	w.tell(1)
	return err
}

// bringBack makes a resource what it was when the stack was whole.
func (w *work) bringBack(ctx context.Context, row *state.Resource) bool {
	if row.Step != nil && row.Step.RollBack {
		return w.take(ctx, row, true)
	}
	r := *row
	r.Operation = w.stack.Operation.ID
	before := *r.Before
	if step := r.Step; step != nil { // the process died in it: what it made is found again
		r.Step = nil
		if step.Action == state.Creating && step.Replacing {
			return w.abandon(ctx, row)
		}
		if step.Action == state.Updating {
			r.Tried = step.To.Properties
		}
	}
	switch {
	case slices.Contains(w.stack.Operation.Skip, r.LogicalID):
		r.Deployed = before.With(&r.Deployed)
		r.Status, r.Reason, r.Settled = state.UpdateComplete, "", true
		return w.keep(ctx, &r, state.Event{PhysicalID: r.PhysicalID, Status: state.UpdateComplete})
	case !r.Called:
		// It was replaced, or nothing was done yet: what was before is still there.
		if r.PhysicalID != before.PhysicalID {
			r.Others = append(slices.Clone(r.Others), r.Deployed)
		}
		if r.PhysicalID == before.PhysicalID && r.Status == state.UpdateComplete {
			r.Deployed, r.Settled = before, true
			return w.keep(ctx, &r)
		}
		r.Deployed, r.Settled, r.Status, r.Reason = before, true, state.UpdateComplete, ""
		return w.keep(ctx, &r, state.Event{PhysicalID: r.PhysicalID, Status: state.UpdateInProgress}, state.Event{PhysicalID: r.PhysicalID, Status: state.UpdateComplete})
	}
	return w.start(ctx, &r, r.LogicalID, &state.Step{Action: state.Updating, To: before.Bare(), RollBack: true}, "")
}

// abandon finishes a creation that was under way when the process died, so that
// what it made can be deleted.
func (w *work) abandon(ctx context.Context, row *state.Resource) bool {
	if !w.take(ctx, row, true) && !w.sound(ctx) {
		return false
	}
	w.mu.Lock()
	delete(w.failed, row.LogicalID)
	w.mu.Unlock()
	return w.bringBack(ctx, w.row(row.LogicalID))
}

// discard deletes what the operation had made before it failed.
func (w *work) discard(ctx context.Context) error {
	w.fresh()
	create := w.stack.Status == state.RollbackInProgress
	for _, r := range w.all() {
		if r.Step != nil && r.Step.Action == state.Creating && w.sound(ctx) { // the process died in it
			w.take(ctx, r, true)
		}
	}
	w.failed = map[string]state.Action{}
	w.remove(ctx, func(r *state.Resource) (garbage []state.Deployed, last bool) {
		if r.Generation != w.stack.Generation {
			return nil, false
		}
		if r.New {
			return append(slices.Clone(r.Others), r.Deployed), true
		}
		return r.Others, false
	})
	if err := w.ended(ctx); err != nil {
		return err
	}
	err := w.turn(ctx, func(_ store.Snap, s *state.Stack, b *store.Batch) error {
		o := s.Operation
		s.Reason = ""
		switch failed := len(w.failed) > 0; {
		case o.Next != nil:
			w.beginDelete(s, b, o.Next)
			return w.SayStack(b, s)
		case create && failed:
			s.Status, s.Reason = state.RollbackFailed, w.failures()
			w.end(s, b, false)
		case create:
			s.Status = state.RollbackComplete
			w.end(s, b, false)
		case s.Status == state.ImportRollbackInProgress:
			s.Status = state.ImportRollbackComplete
			w.end(s, b, true)
		default:
			s.Status = state.UpdateRollbackComplete
			w.end(s, b, true)
		}
		return w.SayStack(b, s)
	})
	w.tell(1)
	return err
}

// deleteAll deletes the whole stack.
func (w *work) deleteAll(ctx context.Context) error {
	w.fresh()
	for _, r := range w.all() {
		if r.Step != nil && w.sound(ctx) { // the process died in it
			w.take(ctx, r, true)
		}
	}
	w.failed = map[string]state.Action{}
	w.remove(ctx, func(r *state.Resource) (garbage []state.Deployed, last bool) {
		garbage = slices.Clone(r.Others)
		if r.Generation == w.stack.Generation && r.Before != nil && r.Before.PhysicalID != r.PhysicalID {
			garbage = append(garbage, *r.Before)
		}
		return append(garbage, r.Deployed), true
	})
	if err := w.ended(ctx); err != nil {
		return err
	}
	err := w.turn(ctx, func(snap store.Snap, s *state.Stack, b *store.Batch) error {
		if len(w.failed) > 0 {
			s.Status, s.Reason = state.DeleteFailed, w.failures()
			s.Operation.Failed = true
			w.end(s, b, false)
			return w.SayStack(b, s)
		}
		s.Status, s.Reason = state.DeleteComplete, ""
		s.Deleted = w.Clock.Now().UTC()
		if err := w.bury(snap, s, b); err != nil {
			return err
		}
		if err := w.SayStack(b, s); err != nil {
			return err
		}
		w.end(s, b, true)
		return nil
	})
	w.tell(1)
	return err
}

// bury takes a deleted stack's name, exports and imports away.
func (w *work) bury(snap store.Snap, s *state.Stack, b *store.Batch) error {
	if err := w.SetExports(snap, s, b, nil); err != nil {
		return err
	}
	if err := w.SetImports(snap, s, b, nil); err != nil {
		return err
	}
	id, _, err := snap.Get(s.NameKey(s.Name))
	switch {
	case err == nil && string(id) == s.ID:
		b.Deletes = append(b.Deletes, s.NameKey(s.Name))
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	}
	if err := w.dropChangeSets(snap, s, b, ""); err != nil {
		return err
	}
	b.Puts = append(b.Puts, store.KV{Key: s.GoneKey(s.Deleted, s.ID)})
	return nil
}

// remove deletes, each before what it depends on, what is garbage of the
// resources; a resource that is garbage itself (last) goes with it.
func (w *work) remove(ctx context.Context, garbage func(r *state.Resource) ([]state.Deployed, bool)) {
	needs := map[string][]string{}
	for name, r := range w.all() {
		if list, last := garbage(r); len(list) > 0 || last {
			for _, d := range append(list, r.Deployed) {
				needs[name] = append(needs[name], d.DependsOn...)
			}
		}
	}
	needs = acyclic(needs)
	plan.Walk(plan.Reverse(needs), maxSteps, func() bool { return w.sound(ctx) }, func(name string) bool {
		row := w.row(name)
		list, last := garbage(row)
		return w.removeOne(ctx, row, list, last)
	})
}

// acyclic leaves out what would make a circle: the garbage of several templates
// may depend on one another in both ways.
func acyclic(needs map[string][]string) map[string][]string {
	const (
		open = 1
		done = 2
	)
	state, kept := map[string]int{}, make(map[string][]string, len(needs))
	var visit func(name string)
	visit = func(name string) {
		state[name] = open
		for _, need := range needs[name] {
			if _, there := needs[need]; !there || state[need] == open {
				continue
			}
			kept[name] = append(kept[name], need)
			if state[need] != done {
				visit(need)
			}
		}
		state[name] = done
	}
	for _, name := range slices.Sorted(maps.Keys(needs)) {
		kept[name] = append(kept[name], []string{}...)
		if state[name] != done {
			visit(name)
		}
	}
	return kept
}

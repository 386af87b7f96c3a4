package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/plan"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
)

// minStep is what a step gets whose time was over while the process was down.
const minStep = 10 * time.Second

// Reasons of events, in CloudFormation's words.
const (
	initiated       = "Resource creation Initiated"
	replaces        = "Requested update requires the creation of a new physical resource; hence creating one."
	createCancelled = "Resource creation cancelled"
	updateCancelled = "Resource update cancelled"
)

// errInterrupted ends the context of a step that waits for others.
var errInterrupted = errors.New("another resource failed, or the operation was cancelled")

// place makes one resource what the program wants it to be. It tells whether
// those that need it can follow.
func (w *work) Place(ctx context.Context, name string) bool {
	row := w.row(name)
	if row != nil && row.Operation == w.stack.Operation.ID {
		switch {
		case row.Step != nil: // the process died in it
			return w.take(ctx, row, true)
		case row.Status == state.CreateFailed, row.Status == state.ImportFailed:
			w.fell(name, state.Creating)
			return false
		case row.Status == state.UpdateFailed:
			w.fell(name, state.Updating)
			return false
		case row.Live():
			return true
		}
	}
	want, err := w.to.Deployed(ctx, name, w)
	if err != nil {
		return w.refuse(ctx, row, name, want, err)
	}
	if row == nil || !row.Live() {
		step := &state.Step{Action: w.to.Action(name), To: *want}
		if step.Action == state.Importing {
			step.PhysicalID = plan.Located(w.TypeOf(want.Type), w.to.Adopt[name])
		}
		return w.start(ctx, row, name, step, "")
	}
	difference := w.Compare(&row.Deployed, want, nil)
	broken := row.Status == state.CreateFailed || row.Status == state.UpdateFailed || row.Status == state.DeleteFailed // since the last operation, which was not rolled back
	switch {
	case row.Status == state.CreateFailed, difference.Replace == plan.Always:
		if name, ok := w.CustomName(&row.Deployed, want); ok {
			return w.refuse(ctx, row, row.LogicalID, want, stack.Invalid("CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename %s and update the stack again.", name))
		}
		if denied := w.policy.Denies(plan.UpdateReplace, name, want.Type); denied != "" {
			return w.refuse(ctx, row, name, want, stack.Invalid("%s", denied))
		}
		return w.start(ctx, row, name, &state.Step{Action: state.Creating, To: *want, Replacing: true}, replaces)
	case difference.Touches(), broken:
		if denied := w.policy.Denies(plan.UpdateModify, name, want.Type); denied != "" {
			return w.refuse(ctx, row, name, want, stack.Invalid("%s", denied))
		}
		return w.start(ctx, row, name, &state.Step{Action: state.Updating, To: *want}, "")
	case difference.Quiet:
		changed := *row
		changed.Deployed = row.Deployed.With(want)
		return w.keep(ctx, &changed)
	}
	return true
}

// keep saves a resource; false if the store does not.
func (w *work) keep(ctx context.Context, r *state.Resource, events ...state.Event) bool {
	if err := w.save(ctx, r, events...); err != nil {
		w.broken(err)
		return false
	}
	return true
}

// refuse fails a resource for which no step could be begun.
func (w *work) refuse(ctx context.Context, row *state.Resource, name string, want *state.Deployed, why error) bool {
	if ctx.Err() != nil {
		return false
	}
	r := w.touched(row, name)
	status, what := state.CreateFailed, state.Creating
	if r.Live() {
		status, what = state.UpdateFailed, state.Updating
	} else if want != nil {
		r.Deployed = *want
	}
	r.Status, r.Reason = status, userText(why)
	w.fell(name, what)
	return w.keep(ctx, r, state.Event{PhysicalID: r.PhysicalID, Status: status, Reason: r.Reason}) && false
}

// touched is a copy of a resource that this operation is about to change, with
// what was before.
func (w *work) touched(row *state.Resource, name string) *state.Resource {
	r := &state.Resource{LogicalID: name}
	if row != nil {
		*r = *row
	}
	if row == nil || r.Generation != w.stack.Generation {
		r.Generation, r.New, r.Before, r.Others, r.Settled, r.Called, r.Tried = w.stack.Generation, !r.Live(), nil, nil, false, false, nil
		if r.Live() {
			before := r.Deployed
			r.Before = &before
		}
	}
	r.Operation = w.stack.Operation.ID
	return r
}

// start writes that a step begins, and takes it.
func (w *work) start(ctx context.Context, row *state.Resource, name string, step *state.Step, reason string) bool {
	r := w.touched(row, name)
	step.Token, step.Begun = ids.UUID(), w.Clock.Now().UTC()
	step.Name = w.name(w.TypeOf(step.To.Type), name)
	event := state.Event{Type: step.To.Type, Reason: reason, Properties: w.shown(ctx, name, &step.To)}
	switch {
	case step.Action == state.Importing:
		event.Status, event.PhysicalID = state.ImportInProgress, step.PhysicalID
	case step.Replacing:
		event.Status, event.PhysicalID = state.UpdateInProgress, r.PhysicalID
	case step.Action == state.Creating:
		event.Status = state.CreateInProgress
		r.Deployed = state.Deployed{Type: step.To.Type, Properties: step.To.Properties, DependsOn: step.To.DependsOn, Deletion: step.To.Deletion}
	case step.Action == state.Updating:
		event.Status, event.PhysicalID, r.Called = state.UpdateInProgress, r.PhysicalID, true
	}
	r.Status, r.Reason, r.Step = event.Status, reason, step
	if !w.keep(ctx, r, event) {
		return false
	}
	return w.take(ctx, r, false)
}

// take calls the type and writes what has come of it.
func (w *work) take(ctx context.Context, row *state.Resource, again bool) bool {
	step := row.Step
	t := w.TypeOf(step.To.Type)
	if t == nil {
		return w.fail(ctx, row, nil, fmt.Errorf("there is no resource type %s any more", step.To.Type))
	}
	called, cancel := w.bounded(ctx, t.Facts(), step)
	defer cancel()
	request, err := w.request(called, row, step, again)
	if err != nil {
		return w.fail(ctx, row, nil, err)
	}
	var result *stack.Result
	switch step.Action {
	case state.Creating:
		result, err = t.Create(called, request)
	case state.Updating:
		result, err = w.update(called, t, request, step)
	case state.Importing:
		result, err = w.adopt(called, t, request)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return false // the process ends; the step goes on later
	case err != nil && context.Cause(called) == errInterrupted:
		err = errors.New(map[state.Action]string{state.Creating: createCancelled, state.Updating: updateCancelled, state.Importing: createCancelled}[step.Action])
	case err == nil && (result == nil || result.PhysicalID == ""):
		err = errors.New("the resource has no physical id")
	}
	if err != nil {
		return w.fail(ctx, row, result, err)
	}
	return w.succeed(ctx, row, result)
}

// update is Update, or Revert for types that know how to go back.
func (w *work) update(ctx context.Context, t stack.Type, request *stack.Request, step *state.Step) (*stack.Result, error) {
	if r, ok := t.(stack.Reverter); ok && step.RollBack {
		return r.Revert(ctx, request)
	}
	return t.Update(ctx, request)
}

// adopt takes a resource that exists already into the stack.
func (w *work) adopt(ctx context.Context, t stack.Type, request *stack.Request) (*stack.Result, error) {
	_, attributes, err := t.Read(ctx, request)
	if errors.Is(err, stack.ErrAbsent) {
		return nil, stack.Invalid("Resource of type '%s' with identifier '%s' was not found.", t.Facts().Type, request.PhysicalID)
	}
	return &stack.Result{PhysicalID: request.PhysicalID, Attributes: attributes}, err
}

// bounded is the context of a step: it ends with its time, and for types that
// wait for others also if the operation is not to go on.
func (w *work) bounded(ctx context.Context, facts *stack.Facts, step *state.Step) (context.Context, context.CancelFunc) {
	timeout := facts.Timeout
	if timeout == 0 {
		timeout = stack.DefaultTimeout
	}
	left := timeout - w.Clock.Now().Sub(step.Begun)
	timed, cancelTimer := context.WithTimeoutCause(ctx, max(left, minStep), fmt.Errorf("the resource was not ready after %s", timeout))
	if !facts.Waits || step.RollBack {
		return timed, cancelTimer
	}
	interruptible, interrupt := context.WithCancelCause(timed)
	ended, interrupted := make(chan struct{}), w.interrupted()
	go func() { // ends with the step
		select {
		case <-interrupted:
			interrupt(errInterrupted)
		case <-ended:
		}
	}()
	return interruptible, func() { close(ended); interrupt(nil); cancelTimer() }
}

// request is what a type is asked.
func (w *work) request(ctx context.Context, row *state.Resource, step *state.Step, again bool) (*stack.Request, error) {
	properties, err := w.reveal(ctx, step.To.Properties)
	if err != nil {
		return nil, err
	}
	previous := row.Properties
	if step.RollBack && row.Tried != nil {
		previous = row.Tried
	}
	if step.Action == state.Updating {
		if revealed, err := w.reveal(ctx, previous); err == nil {
			previous = revealed // if the secret is gone its reference is the best that there is
		}
	} else {
		previous = nil
	}
	r := w.requestFor(&row.Deployed, row.LogicalID)
	r.Token, r.Name, r.Again, r.Properties, r.Previous = step.Token, step.Name, again || row.Tried != nil && !step.RollBack, properties, previous
	r.Back = step.RollBack
	if step.To.Creation != "" {
		policy, err := syntax.ParseJSON(step.To.Creation)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", state.ErrCorrupt, err)
		}
		r.Creation, _ = policy.(map[string]any)
	}
	switch step.Action {
	case state.Creating:
		r.PhysicalID, r.Attributes = "", nil
	case state.Importing:
		r.PhysicalID, r.Attributes = step.PhysicalID, nil
	}
	if step.Action != state.Importing {
		r.Progress = func(reason string) { w.progress(ctx, row, reason) }
	}
	return r, nil
}

// requestFor is what all requests for a resource have.
func (w *work) requestFor(d *state.Deployed, name string) *stack.Request {
	s := w.stack
	r := &stack.Request{Account: s.Account, Region: s.Region, Caller: s.Operation.Caller, StackID: s.ARN(), StackName: s.Name, LogicalID: name, Type: d.Type,
		PhysicalID: d.PhysicalID, Properties: state.Clone(d.Properties), Attributes: state.Clone(d.Attributes), Progress: func(string) {}}
	if s.Now != nil {
		r.Tags = maps.Clone(s.Now.Tags)
	}
	return r
}

// progress tells what a step waits for.
func (w *work) progress(ctx context.Context, row *state.Resource, reason string) {
	r := *row
	r.Reason = reason
	if err := w.save(ctx, &r, state.Event{PhysicalID: r.PhysicalID, Type: r.Step.To.Type, Status: r.Status, Reason: reason}); err != nil {
		w.broken(err)
	}
}

// fail writes that a step has failed.
func (w *work) fail(ctx context.Context, row *state.Resource, result *stack.Result, why error) bool {
	r, step := *row, row.Step
	if cause := context.Cause(ctx); ctx.Err() != nil && cause != nil {
		return false
	}
	r.Step, r.Reason = nil, userText(why)
	made := ""
	if result != nil {
		made = result.PhysicalID
	}
	what := step.Action
	switch {
	case step.Replacing:
		r.Status, what = state.UpdateFailed, state.Updating
		if made != "" {
			r.Others = append(slices.Clone(r.Others), step.To.Made(result))
		}
	case step.Action == state.Creating:
		r.Status = state.CreateFailed
		if made != "" {
			r.Deployed = step.To.Made(result)
		}
	case step.Action == state.Importing:
		r.Status = state.ImportFailed
	default:
		r.Status = state.UpdateFailed
		if !step.RollBack {
			r.Tried = step.To.Properties
		}
	}
	w.fell(r.LogicalID, what)
	physical := r.PhysicalID
	if made != "" {
		physical = made
	}
	if !w.stack.Operation.KeepsGoing() && !step.RollBack {
		w.stop()
	}
	return w.keep(ctx, &r, state.Event{PhysicalID: physical, Type: step.To.Type, Status: r.Status, Reason: r.Reason, Properties: w.shown(ctx, r.LogicalID, &step.To)}) && false
}

// succeed writes that a step has done what it should.
func (w *work) succeed(ctx context.Context, row *state.Resource, result *stack.Result) bool {
	r, step := *row, row.Step
	r.Step, r.Reason, r.Tried = nil, "", nil
	now := step.To.Made(result)
	if now.Attributes == nil && step.Action == state.Updating {
		now.Attributes, now.Hidden = r.Attributes, r.Hidden
	}
	shown := w.shown(ctx, r.LogicalID, &step.To)
	if r.Live() && r.PhysicalID != now.PhysicalID && (r.Before == nil || r.Before.PhysicalID != r.PhysicalID) {
		r.Others = append(slices.Clone(r.Others), r.Deployed) // made since the stack was whole last, and replaced already
	}
	if step.RollBack && r.Before != nil && r.Before.PhysicalID != now.PhysicalID && r.Before.PhysicalID != r.PhysicalID {
		r.Others = append(slices.Clone(r.Others), *r.Before)
	}
	r.Deployed = now
	events := []state.Event{}
	switch {
	case step.Action == state.Importing:
		r.Status, r.WasImported = state.ImportComplete, true
	case step.Replacing:
		r.Status = state.UpdateComplete
		events = append(events, state.Event{PhysicalID: r.PhysicalID, Status: state.UpdateInProgress, Reason: initiated, Properties: shown})
	case step.Action == state.Creating:
		r.Status = state.CreateComplete
		events = append(events, state.Event{PhysicalID: r.PhysicalID, Status: state.CreateInProgress, Reason: initiated, Properties: shown})
	default:
		r.Status = state.UpdateComplete
	}
	r.Settled = step.RollBack
	return w.keep(ctx, &r, append(events, state.Event{PhysicalID: r.PhysicalID, Status: r.Status, Properties: shown})...)
}

// name makes the name of a resource that has none: the stack's, the logical id and
// a random part, cut to what the type allows.
func (w *work) name(t stack.Type, logical string) string {
	return plan.MakeName(t, w.stack.Name, logical)
}

package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"

	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// removeOne deletes what is garbage of a resource, one after the other. The last
// of the list is the resource itself if last says so. It tells whether all is gone.
func (w *work) removeOne(ctx context.Context, row *state.Resource, garbage []state.Deployed, last bool) bool {
	for i := range garbage {
		own := last && i == len(garbage)-1
		if own {
			break
		}
		if !w.removeFormer(ctx, &garbage[i], row.LogicalID) && !w.sound(ctx) {
			return false
		}
		// What cannot be deleted is left behind, as CloudFormation does after an event.
		row = w.withoutGarbage(ctx, row, &garbage[i])
		if row == nil {
			return false
		}
	}
	return !last || w.removeItself(ctx, row)
}

// withoutGarbage writes that a former resource is gone.
func (w *work) withoutGarbage(ctx context.Context, row *state.Resource, gone *state.Deployed) *state.Resource {
	r := *row
	r.Others = slices.DeleteFunc(slices.Clone(r.Others), func(d state.Deployed) bool { return d.PhysicalID == gone.PhysicalID })
	if r.Before != nil && r.Before.PhysicalID == gone.PhysicalID && r.PhysicalID != gone.PhysicalID {
		same := r.Deployed
		r.Before = &same
	}
	if !w.keep(ctx, &r) {
		return nil
	}
	return &r
}

// removeFormer deletes a resource that was replaced.
func (w *work) removeFormer(ctx context.Context, d *state.Deployed, name string) bool {
	about := state.Event{LogicalID: name, Type: d.Type, PhysicalID: d.PhysicalID}
	if d.PhysicalID == "" {
		return true
	}
	if d.Replacement == state.Retain && w.stack.Operation.Phase == state.Cleaning {
		return w.announce(ctx, about, state.DeleteSkipped, "")
	}
	if !w.announce(ctx, about, state.DeleteInProgress, "") {
		return false
	}
	if err := w.tryDelete(ctx, d, about, true); err != nil {
		if ctx.Err() == nil {
			w.fell(name, state.Removing)
			w.announce(ctx, about, state.DeleteFailed, userText(err))
		}
		return false
	}
	return w.announce(ctx, about, state.DeleteComplete, "")
}

// announce writes an event of something that is no resource of the stack now.
func (w *work) announce(ctx context.Context, event state.Event, status state.Status, reason string) bool {
	b := &store.Batch{}
	event.Status, event.Reason = status, w.mask().Text(reason)
	err := w.Say(b, w.stack, event)
	if err == nil {
		err = w.commit(ctx, b)
	}
	if err != nil {
		w.broken(err)
	}
	w.tell(1)
	return err == nil
}

// removeItself deletes a resource of the stack.
func (w *work) removeItself(ctx context.Context, row *state.Resource) bool {
	r := *row
	physical := r.PhysicalID
	r.Operation, r.Step = w.stack.Operation.ID, nil
	switch {
	case !r.Live():
		if r.Status == state.DeleteComplete || r.Status == state.DeleteSkipped {
			return true
		}
		return w.bid(ctx, &r, state.DeleteComplete, "")
	case w.retains(&r):
		return w.bid(ctx, &r, state.DeleteSkipped, "")
	}
	if r.Status != state.DeleteInProgress {
		r.Status, r.Reason = state.DeleteInProgress, ""
		if !w.keep(ctx, &r, state.Event{PhysicalID: physical, Status: state.DeleteInProgress}) {
			return false
		}
	}
	if err := w.tryDelete(ctx, &r.Deployed, state.Event{LogicalID: r.LogicalID, Type: r.Type, PhysicalID: physical}, false); err != nil {
		if ctx.Err() != nil {
			return false
		}
		failed := r
		failed.Status, failed.Reason = state.DeleteFailed, userText(err)
		if w.stack.Operation.Force {
			return w.keep(ctx, &failed, state.Event{PhysicalID: physical, Status: state.DeleteFailed, Reason: failed.Reason}) && w.bid(ctx, &failed, state.DeleteSkipped, "")
		}
		w.fell(r.LogicalID, state.Removing)
		if w.leaves() { // the stack has done with it, and only the event tells
			return w.erased(ctx, &failed, state.Event{PhysicalID: physical, Status: state.DeleteFailed, Reason: failed.Reason}) && false
		}
		return w.keep(ctx, &failed, state.Event{PhysicalID: physical, Status: state.DeleteFailed, Reason: failed.Reason}) && false
	}
	return w.bid(ctx, &r, state.DeleteComplete, "")
}

// leaves tells whether the stack lives on without what this phase deletes.
func (w *work) leaves() bool {
	s := w.stack.Status
	return s == state.UpdateCleanup || s == state.UpdateRollbackCleanup
}

// bid ends the life of a resource: the stack forgets it, or shows it as gone.
func (w *work) bid(ctx context.Context, r *state.Resource, status state.Status, reason string) bool {
	gone := *r
	gone.Status, gone.Reason = status, reason
	event := state.Event{PhysicalID: gone.PhysicalID, Status: status, Reason: reason}
	if w.leaves() {
		return w.erased(ctx, &gone, event)
	}
	gone.Before, gone.Others = nil, nil
	return w.keep(ctx, &gone, event)
}

func (w *work) erased(ctx context.Context, r *state.Resource, events ...state.Event) bool {
	if err := w.erase(ctx, r, events...); err != nil {
		w.broken(err)
		return false
	}
	return true
}

// retains tells whether the resource outlives the stack.
func (w *work) retains(r *state.Resource) bool {
	o := w.stack.Operation
	undone := o.Phase == state.Discarding // it was made by what failed
	switch {
	case slices.Contains(o.Retain, r.LogicalID):
		return true
	case undone && r.WasImported:
		return true
	case undone && o.RetainExceptOnCreate:
		return false
	case undone && r.Deletion == state.RetainOnCreate:
		return false
	}
	return r.Deletion == state.Retain || r.Deletion == state.RetainOnCreate
}

// tryDelete deletes something; where the stack lives on without it, it is tried some
// times.
func (w *work) tryDelete(ctx context.Context, d *state.Deployed, about state.Event, replaced bool) error {
	tries := 1
	if w.leaves() {
		tries = cleanTries
	}
	for try := 1; ; try++ {
		err := w.callDelete(ctx, d, about.LogicalID, replaced)
		if err == nil || ctx.Err() != nil || try == tries {
			return err
		}
		if !w.announce(ctx, about, state.DeleteFailed, userText(err)) || w.Clock.Sleep(ctx, w.config.Pause) != nil || !w.announce(ctx, about, state.DeleteInProgress, "") {
			return err
		}
	}
}

// callDelete calls Delete of the type.
func (w *work) callDelete(ctx context.Context, d *state.Deployed, name string, replaced bool) error {
	t := w.TypeOf(d.Type)
	if t == nil {
		return stack.Invalid("there is no resource type %s any more", d.Type)
	}
	r := w.requestFor(d, name)
	r.Token, r.Replaced, r.Again = deletionToken(w.stack.Operation.ID, name, d.PhysicalID), replaced, true
	if revealed, err := w.reveal(ctx, d.Properties); err == nil {
		r.Properties = revealed
	}
	timeout := t.Facts().Timeout
	if timeout == 0 {
		timeout = stack.DefaultTimeout
	}
	called, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return t.Delete(called, r)
}

// deletionToken is the same whenever the same thing is deleted by one operation.
func deletionToken(operation, name, physical string) string {
	sum := sha256.Sum256([]byte(operation + "\x00" + name + "\x00" + physical))
	text := hex.EncodeToString(sum[:16])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// settleAll tells the resources that keep a way back that it is not needed.
func (w *work) settleAll(ctx context.Context) error {
	for name, r := range w.all() {
		settler, ok := w.TypeOf(r.Type).(stack.Reverter)
		if !ok || r.Generation != w.stack.Generation || !r.Live() {
			continue
		}
		if err := settler.Settle(ctx, w.requestFor(&r.Deployed, name)); err != nil {
			return err
		}
	}
	return nil
}

// remembered is how long a deleted stack can be described by its ARN.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListStacks.html
const remembered = 90 * 24 * time.Hour

// forget removes what is left of stacks that were deleted long ago.
func (e *Engine) forget(ctx context.Context, lease store.Lease) error {
	lo, _ := tuple.Range(state.Space, "gone")
	hi := tuple.Key(state.Space, "gone", e.Clock.Now().Add(-remembered).UTC())
	var keys [][]byte
	if err := e.View(ctx, func(snap store.Snap) error {
		entries, err := snap.Scan(lo, hi, 1, false)
		for _, entry := range entries {
			keys = append(keys, entry.Key)
		}
		return err
	}); err != nil || len(keys) == 0 {
		return err
	}
	parts, err := tuple.Parse(keys[0])
	if err != nil || len(parts) != 6 {
		return state.ErrCorrupt
	}
	s, id := state.Scope{Account: parts[3].(string), Region: parts[4].(string)}, parts[5].(string)
	b := &store.Batch{Checks: []store.Check{lease.Fence()}, Deletes: [][]byte{keys[0]}}
	for _, kind := range []string{"resource", "event", "template", "change", "drift"} {
		lo, hi := s.Rows(kind, id)
		b.DeleteRanges = append(b.DeleteRanges, store.Range{Lo: lo, Hi: hi})
		// The parts of large records are named by the keys of these.
		lo, hi = tuple.PrefixRange(state.Space, "part", lo)
		b.DeleteRanges = append(b.DeleteRanges, store.Range{Lo: lo, Hi: hi})
	}
	b.Deletes = append(b.Deletes, s.StackKey(id))
	if _, err := e.Store.Commit(ctx, b); err != nil {
		return err
	}
	e.awake()
	return nil
}

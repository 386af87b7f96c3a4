package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/plan"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"

	"golang.org/x/sync/errgroup"

	"github.com/lambkin-dev/lambkin/internal/base/clock"
	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
	"github.com/lambkin-dev/lambkin/internal/engine/store/hold"
	"github.com/lambkin-dev/lambkin/internal/engine/store/tuple"
)

// poll is how often Run looks even without a hint.
const poll = 5 * time.Second

// Run works on stacks until ctx ends. What is under way then goes on when Run runs
// again, here or in another process.
func (e *Engine) Run(ctx context.Context) error {
	return hold.Run(ctx, hold.Config{Store: e.Store, Logger: e.config.Logger, Name: state.Space}, func(ctx context.Context, lease store.Lease) error {
		group := &errgroup.Group{}
		for ctx.Err() == nil {
			if err := e.begin(ctx, lease, group); err != nil && ctx.Err() == nil {
				e.config.Logger.Error("stacks wait", "err", err)
			}
			clock.Wait(ctx, e.Clock, e.wake, poll)
		}
		return group.Wait() // it returns no error: what became of a stack is in its row
	})
}

// begin starts to work on each stack that waits for it and finds room. Nested
// stacks need none: their parents wait for them.
func (e *Engine) begin(ctx context.Context, lease store.Lease, group *errgroup.Group) error {
	if err := e.forget(ctx, lease); err != nil {
		return err
	}
	lo, hi := tuple.Range(state.Space, "work")
	return e.View(ctx, func(snap store.Snap) error {
		return store.Each(snap, lo, hi, func(entry *store.Entry) (bool, error) {
			parts, err := tuple.Parse(entry.Key)
			if err != nil || len(parts) != 5 {
				return false, fmt.Errorf("%w: a row of work: %w", state.ErrCorrupt, err)
			}
			s := state.Scope{Account: parts[2].(string), Region: parts[3].(string)}
			w := &work{Engine: e, lease: lease, scope: s, id: parts[4].(string), nested: string(entry.Value) == nestedWork, stopOnce: &sync.Once{}, interrupt: make(chan struct{})}
			if !e.room(w) {
				return true, nil
			}
			group.Go(func() error { // ends with the operation
				defer e.done(w)
				if err := w.run(ctx); err != nil && ctx.Err() == nil {
					e.config.Logger.Error("a stack waits", "stack", w.id, "err", err)
					_ = e.Clock.Sleep(ctx, poll) // the only error is ctx's
				}
				return nil
			})
			return true, nil
		})
	})
}

// The value of a row of work.
const (
	rootWork   = "r"
	nestedWork = "n"
)

// room takes a place for a stack; false if it must wait or is worked on already.
func (e *Engine) room(w *work) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running[w.id] != nil {
		return false
	}
	if roots := len(e.running) - e.nested; !w.nested && roots >= maxOperations {
		return false
	}
	if w.nested {
		e.nested++
	}
	e.running[w.id] = w
	return true
}

func (e *Engine) done(w *work) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.running, w.id)
	if w.nested {
		e.nested--
	}
	close(e.ended)
	e.ended = make(chan struct{})
	e.awake()
}

// settleTime is how long Settled waits.
const settleTime = 5 * time.Second

// Settled is Describe, but waits for a moment if an operation is under way: tools
// that ask every 5 or 30 seconds need not sleep over a stack that is ready in two.
func (e *Engine) Settled(ctx context.Context, s state.Scope, name string) (*state.Stack, error) {
	late := time.NewTimer(settleTime)
	defer late.Stop()
	for {
		e.mu.Lock()
		ended := e.ended
		e.mu.Unlock()
		found, err := e.Describe(ctx, s, name)
		if err != nil || !found.Status.Running() {
			return found, err
		}
		select {
		case <-ended:
		case <-late.C:
			return found, nil
		case <-ctx.Done():
			return found, ctx.Err()
		}
	}
}

// hasten tells the work on a stack that its operation has been cancelled.
func (e *Engine) hasten(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w := e.running[id]; w != nil {
		w.stopLocked()
	}
}

// work is one stack that is worked on.
type work struct {
	*Engine
	lease  store.Lease
	scope  state.Scope
	id     string
	nested bool

	stopOnce  *sync.Once    // both are guarded by Engine.mu
	interrupt chan struct{} // closed: begin nothing, and do not wait for others

	stack  *state.Stack  // as the last commit of this work left it; others may change it meanwhile
	to     *plan.Program // of stack.Now
	policy *plan.Policy  // of the stack, or of this update; nil: none

	mu       sync.Mutex
	rows     map[string]*state.Resource // by logical id; a Resource is never changed once it is here
	places   map[string]state.Place
	failed   map[string]state.Action // what failed in this phase, by logical id
	revealed []string                // what dynamic references were found to mean
	timedOut bool
	fatal    error // of the store: nothing can be done until it is well
}

// stop interrupts the phase.
func (w *work) stop() {
	w.Engine.mu.Lock()
	defer w.Engine.mu.Unlock()
	w.stopLocked()
}

func (w *work) stopLocked() { w.stopOnce.Do(func() { close(w.interrupt) }) }

// run does all phases of the operation.
func (w *work) run(ctx context.Context) error {
	err := w.View(ctx, func(snap store.Snap) (err error) {
		if w.stack, _, err = w.StackByID(snap, w.scope, w.id); err != nil {
			return err
		}
		w.rows, w.places, err = w.ResourcesOf(snap, w.scope, w.id)
		return err
	})
	for err == nil && ctx.Err() == nil && w.stack.Operation != nil && !w.stack.Parked() {
		w.failed, w.fatal = map[string]state.Action{}, nil
		switch phase := w.stack.Operation.Phase; phase {
		case state.Deploying:
			err = w.deploy(ctx)
		case state.Cleaning:
			err = w.clean(ctx)
		case state.RollingBack:
			err = w.rollBack(ctx)
		case state.Discarding:
			err = w.discard(ctx)
		case state.Deleting:
			err = w.deleteAll(ctx)
		case "":
			return nil
		default:
			return fmt.Errorf("%w: phase %q", state.ErrCorrupt, phase)
		}
	}
	return err
}

// commit writes a batch, if the lease is still ours. It does not end with ctx:
// what was done must be written.
func (w *work) commit(ctx context.Context, b *store.Batch) error {
	b.Checks = append(b.Checks, w.lease.Fence())
	_, err := w.Store.Commit(context.WithoutCancel(ctx), b)
	return err
}

// turn changes the stack, mostly to its next phase.
func (w *work) turn(ctx context.Context, change func(snap store.Snap, s *state.Stack, b *store.Batch) error) error {
	changed, err := w.Rewrite(ctx, w.scope, w.id, func(snap store.Snap, s *state.Stack, b *store.Batch) error {
		b.Checks = append(b.Checks, w.lease.Fence())
		return change(snap, s, b)
	})
	if errors.Is(err, store.ErrConflict) {
		return store.ErrLeaseLost
	}
	if err == nil {
		w.stack = changed
	}
	return err
}

// row is a resource as it is now; nil if the stack has none of that name.
func (w *work) row(name string) *state.Resource {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rows[name]
}

// all are the resources as they are now.
func (w *work) all() map[string]*state.Resource {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.rows)
}

// save writes a resource with events of it, which get its ids and type.
func (w *work) save(ctx context.Context, r *state.Resource, events ...state.Event) error {
	r.Changed = w.Clock.Now().UTC()
	r.Reason = w.mask().Text(r.Reason)
	b, key := &store.Batch{}, w.scope.ResourceKey(w.id, r.LogicalID)
	w.mu.Lock()
	p := w.places[r.LogicalID]
	w.mu.Unlock()
	p, err := w.Put(b, key, p, r)
	if err != nil {
		return err
	}
	if err := w.sayAll(b, r, events); err != nil {
		return err
	}
	if err := w.commit(ctx, b); err != nil {
		return err
	}
	w.tell(len(events))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rows[r.LogicalID], w.places[r.LogicalID] = r, p
	return nil
}

func (w *work) sayAll(b *store.Batch, r *state.Resource, events []state.Event) error {
	mask := w.mask()
	for _, event := range events {
		event.LogicalID, event.Reason = r.LogicalID, mask.Text(event.Reason)
		if event.Type == "" {
			event.Type = r.Type
		}
		if err := w.Say(b, w.stack, event); err != nil {
			return err
		}
	}
	return nil
}

// tell wakes the outbox if topics were told of events.
func (w *work) tell(events int) {
	if events > 0 && w.Outbox != nil {
		w.Outbox.Wake()
	}
}

// erase removes a resource that is not there any more.
func (w *work) erase(ctx context.Context, r *state.Resource, events ...state.Event) error {
	b := &store.Batch{}
	w.mu.Lock()
	w.Drop(b, w.scope.ResourceKey(w.id, r.LogicalID), w.places[r.LogicalID])
	w.mu.Unlock()
	if err := w.sayAll(b, r, events); err != nil {
		return err
	}
	if err := w.commit(ctx, b); err != nil {
		return err
	}
	w.tell(len(events))
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.rows, r.LogicalID)
	delete(w.places, r.LogicalID)
	return nil
}

// broken keeps an error of the store: the work stops and begins again later.
func (w *work) broken(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fatal == nil {
		w.fatal = err
	}
}

// fell notes that a resource failed.
func (w *work) fell(name string, what state.Action) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed[name] = what
}

// sound tells whether the store is well, and the process is not about to end.
func (w *work) sound(ctx context.Context) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fatal == nil && ctx.Err() == nil
}

// interrupted is closed when the phase is to begin nothing more.
func (w *work) interrupted() <-chan struct{} {
	w.Engine.mu.Lock()
	defer w.Engine.mu.Unlock()
	return w.interrupt
}

func (w *work) stopped() bool {
	select {
	case <-w.interrupted():
		return true
	default:
		return false
	}
}

// ended is the error that ends a phase before its time, if there is one.
func (w *work) ended(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fatal != nil {
		return w.fatal
	}
	return ctx.Err()
}

// failures are what failed, in CloudFormation's words.
func (w *work) failures() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var text strings.Builder
	for _, group := range []struct {
		what state.Action
		verb string
	}{{state.Creating, "create"}, {state.Importing, "import"}, {state.Updating, "update"}, {state.Removing, "delete"}} {
		var names []string
		for name, what := range w.failed {
			if what == group.what {
				names = append(names, name)
			}
		}
		if slices.Sort(names); len(names) > 0 {
			fmt.Fprintf(&text, "The following resource(s) failed to %s: [%s]. ", group.verb, strings.Join(names, ", "))
		}
	}
	return text.String()
}

// end ends the operation: the stack has the status that was set, and is whole if
// settled.
func (w *work) end(s *state.Stack, b *store.Batch, settled bool) {
	now := w.Clock.Now().UTC()
	o := s.Operation
	o.Phase, o.Ended = "", now
	b.Deletes = append(b.Deletes, s.WorkKey(s.ID))
	oldest, _ := s.Rows("event", s.ID)
	b.DeleteRanges = append(b.DeleteRanges, store.Range{Lo: oldest, Hi: s.Key("event", s.ID, now.Add(-remembered).UnixNano())})
	if settled {
		w.ForgetBefore(s, b)
		s.Generation++
	}
}

// fresh lets the work of a new phase be interrupted.
func (w *work) fresh() {
	w.Engine.mu.Lock()
	defer w.Engine.mu.Unlock()
	w.stopOnce, w.interrupt = &sync.Once{}, make(chan struct{})
}

// value is what Ref (attribute empty) or Fn::GetAtt gives of a resource.
func (w *work) Value(_ context.Context, name, attribute string) (any, error) {
	row := w.row(name)
	switch {
	case row == nil || !row.Live():
		return template.Unknown, nil
	case attribute == "":
		return row.GetRef(), nil
	}
	if value, there := state.AttributeOf(row.Attributes, attribute); there {
		return value, nil
	}
	if strings.HasPrefix(row.Type, plan.CustomPrefix) || row.Type == plan.CustomType {
		return nil, &template.Error{Message: fmt.Sprintf("CustomResource attribute error: Vendor response doesn't contain %s key in object %s", attribute, row.PhysicalID)}
	}
	return nil, &template.Error{Message: fmt.Sprintf("Template error: resource %s does not support attribute type %s in Fn::GetAtt", name, attribute)}
}

func (w *work) Export(ctx context.Context, name string) (any, error) {
	return w.ReadExport(ctx, w.scope, name)
}

// shown are the properties of a resource as events show them.
func (w *work) shown(ctx context.Context, name string, _ *state.Deployed) string {
	if w.to == nil {
		return ""
	}
	return w.to.Shown(ctx, name, w.mask())
}

// mask hides what nobody is to see in events.
func (w *work) mask() *state.Mask {
	w.mu.Lock()
	defer w.mu.Unlock()
	mask := state.MaskOf(w.rows, w.stack.Now, w.stack.Before)
	for _, secret := range w.revealed {
		mask.Add(secret)
	}
	return mask
}

// reveal puts values in the place of dynamic references.
func (w *work) reveal(ctx context.Context, properties map[string]any) (map[string]any, error) {
	value, err := template.Reveal(ctx, map[string]any(properties), func(ctx context.Context, reference template.Dynamic) (string, error) {
		if w.config.Lookup == nil {
			return "", stack.Invalid("Dynamic references cannot be resolved here")
		}
		secret, err := w.config.Lookup(ctx, w.stack.Operation.Caller, w.scope, reference)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.revealed = append(w.revealed, secret)
		return secret, err
	})
	if err != nil {
		return nil, errors.New(userText(err))
	}
	revealed, _ := value.(map[string]any)
	return revealed, nil
}

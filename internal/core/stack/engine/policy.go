package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/plan"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// guardedBy is the stack policy that counts: that of this update, or the stack's.
func (w *work) guardedBy() (*plan.Policy, error) {
	text := w.stack.Operation.Policy
	if text == "" {
		text = w.stack.Policy
	}
	if text == "" || w.stack.Before == nil {
		return nil, nil
	}
	return plan.ReadPolicy(text)
}

// mayRemove fails the resources that the update would remove and the stack policy
// protects.
func (w *work) mayRemove(ctx context.Context) bool {
	if w.policy == nil {
		return true
	}
	all, fine := w.all(), true
	for _, name := range slices.Sorted(maps.Keys(all)) {
		row := all[name]
		if !row.Live() || w.to.Active(name) {
			continue
		}
		if denied := w.policy.Denies(plan.UpdateDelete, name, row.Type); denied != "" {
			w.refuse(ctx, row, name, nil, stack.Invalid("%s", denied))
			fine = false
		}
	}
	return fine
}

// SetPolicy sets the stack policy.
func (e *Engine) SetPolicy(ctx context.Context, s state.Scope, name, text string) error {
	if _, err := plan.ReadPolicy(text); err != nil {
		return err
	}
	_, err := e.changeNamed(ctx, s, name, func(_ store.Snap, s *state.Stack, _ *store.Batch) error {
		if s.Status == state.DeleteComplete || s.Status == state.DeleteInProgress {
			return stack.Invalid("Stack [%s] is in %s state: its policy cannot be set", s.Name, s.Status)
		}
		s.Policy = text
		return nil
	})
	return err
}

// checkPolicies refuses stack policies that cannot be read.
func (in *Input) checkPolicies() error {
	for _, policy := range []string{in.Policy, in.PolicyDuring} {
		if policy == "" {
			continue
		}
		if _, err := plan.ReadPolicy(policy); err != nil {
			return err
		}
	}
	return nil
}

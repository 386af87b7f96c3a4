package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/ids"
	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"
	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// DetectDrift compares the resources of a stack, or some of them, with what is
// there.
//
// AWS: detects after the call has answered. Reading our own services takes
// milliseconds, so here the detection is complete when the call answers.
func (e *Engine) DetectDrift(ctx context.Context, s state.Scope, name string, only []string, caller stack.Caller) (*state.Detection, []*state.Drift, error) {
	found, rows, err := e.Resources(ctx, s, name, "")
	if err != nil {
		return nil, nil, err
	}
	if !slices.Contains(detectable, found.Status) {
		return nil, nil, stack.Invalid("Stack [%s] is in %s state: its drift cannot be detected", found.Name, found.Status)
	}
	for _, logical := range only {
		if !slices.ContainsFunc(rows, func(r *state.Resource) bool { return r.LogicalID == logical }) {
			return nil, nil, stack.Invalid("Resource %s does not exist for stack %s", logical, found.Name)
		}
	}
	now := e.Clock.Now().UTC()
	d := &state.Detection{ID: ids.UUID(), Stack: found.ARN(), Status: state.InSync, Time: now}
	var drifts []*state.Drift
	byName := map[string]*state.Resource{}
	for _, r := range rows {
		byName[r.LogicalID] = r
	}
	mask := state.MaskOf(byName, found.Now)
	for _, r := range rows {
		if !r.Live() || len(only) > 0 && !slices.Contains(only, r.LogicalID) {
			continue
		}
		drift := e.driftOf(ctx, found, r, mask, caller)
		drift.Checked = now
		if drift.Status == state.Modified || drift.Status == state.Deleted {
			d.Drifted++
			d.Status = state.Drifted
		}
		drifts = append(drifts, drift)
	}
	_, err = e.Rewrite(ctx, s, found.ID, func(snap store.Snap, s *state.Stack, b *store.Batch) error {
		if len(only) == 0 {
			s.Drift = state.DriftStatus{Status: d.Status, Checked: now}
		}
		for _, drift := range drifts {
			if err := e.PutDrift(snap, b, s, drift); err != nil {
				return err
			}
		}
		return e.PutDetection(b, s, d)
	})
	return d, drifts, err
}

// detectable are the statuses of stacks whose drift can be detected.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-drift.html
var detectable = []state.Status{state.CreateComplete, state.UpdateComplete, state.UpdateRollbackComplete, state.UpdateRollbackFailed, state.ImportComplete, state.ImportRollbackComplete}

func (e *Engine) driftOf(ctx context.Context, s *state.Stack, r *state.Resource, mask *state.Mask, caller stack.Caller) *state.Drift {
	d := &state.Drift{LogicalID: r.LogicalID, PhysicalID: r.PhysicalID, Type: r.Type, Status: state.NotChecked}
	t := e.TypeOf(r.Type)
	if t == nil || t.Facts().OpenProperties {
		return d
	}
	actual, _, err := t.Read(ctx, &stack.Request{Account: s.Account, Region: s.Region, Caller: caller, StackID: s.ARN(), StackName: s.Name, LogicalID: r.LogicalID, Type: r.Type,
		PhysicalID: r.PhysicalID, Properties: state.Clone(r.Properties), Attributes: state.Clone(r.Attributes), Tags: maps.Clone(s.Now.Tags), Progress: func(string) {}})
	switch {
	case errors.Is(err, stack.ErrAbsent):
		d.Status = state.Deleted
		return d
	case errors.Is(err, stack.ErrUnreadable):
		return d
	case err != nil:
		d.Reason = mask.Text(userText(err))
		return d
	}
	facts, expected, shown := t.Facts(), map[string]any{}, map[string]any{}
	for name, value := range r.Properties {
		if facts.Properties[name].WriteOnly || hasReference(value) {
			continue
		}
		expected[name] = value
		if now, there := actual[name]; there {
			shown[name] = now
		}
	}
	for _, name := range slices.Sorted(maps.Keys(expected)) {
		d.Differences = append(d.Differences, differences("/"+name, expected[name], shown[name])...)
	}
	d.Status, d.Expected, d.Actual = state.InSync, state.JSON(mask.Value(expected)), state.JSON(mask.Value(shown))
	for i := range d.Differences {
		d.Differences[i].Expected, d.Differences[i].Actual = mask.Text(d.Differences[i].Expected), mask.Text(d.Differences[i].Actual)
	}
	if len(d.Differences) > 0 {
		d.Status = state.Modified
	}
	return d
}

// hasReference tells whether a value has a dynamic reference, whose value nobody is
// to see.
func hasReference(value any) bool { return strings.Contains(state.JSON(value), "{{resolve:") }

// differences are the paths at which an actual value is not as expected. What was
// not set by the template is no difference.
func differences(path string, expected, actual any) (found []state.Difference) {
	if actual == nil && saysNothing(expected) {
		return nil // the CDK writes {} for what has no options
	}
	if actual == nil {
		return []state.Difference{{Path: path, Expected: shown(expected), Actual: "null", Kind: "REMOVE"}}
	}
	want, isObject := expected.(map[string]any)
	have, alsoObject := actual.(map[string]any)
	if isObject && alsoObject {
		for _, name := range slices.Sorted(maps.Keys(want)) {
			found = append(found, differences(path+"/"+name, want[name], have[name])...)
		}
		return found
	}
	list, isList := expected.([]any)
	there, alsoList := actual.([]any)
	if isList && alsoList {
		return listDifferences(path, list, there)
	}
	if !state.Same(expected, actual) {
		found = append(found, state.Difference{Path: path, Expected: shown(expected), Actual: shown(actual), Kind: "NOT_EQUAL"})
	}
	return found
}

// saysNothing tells whether a value has nothing in it.
func saysNothing(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		return !slices.ContainsFunc(slices.Collect(maps.Values(v)), func(one any) bool { return !saysNothing(one) })
	case []any:
		return !slices.ContainsFunc(v, func(one any) bool { return !saysNothing(one) })
	}
	return value == nil
}

// listDifferences compares lists without regard to their order: few services keep
// it.
func listDifferences(path string, expected, actual []any) (found []state.Difference) {
	left := slices.Clone(actual)
	for i, item := range expected {
		at := slices.IndexFunc(left, func(other any) bool { return len(differences("", item, other)) == 0 })
		if at < 0 {
			found = append(found, state.Difference{Path: path + "/" + strconv.Itoa(i), Expected: shown(item), Actual: "null", Kind: "REMOVE"})
			continue
		}
		left = slices.Delete(left, at, at+1)
	}
	for i, item := range left {
		found = append(found, state.Difference{Path: path + "/" + strconv.Itoa(len(expected)+i), Expected: "null", Actual: shown(item), Kind: "ADD"})
	}
	return found
}

func shown(value any) string {
	if text, ok := template.Text(value); ok {
		return text
	}
	return state.JSON(value)
}

// Detection finds a detection; nil if there is none.
func (e *Engine) Detection(ctx context.Context, s state.Scope, id string) (found *state.Detection, err error) {
	err = e.View(ctx, func(snap store.Snap) error {
		found, err = e.FindDetection(snap, s, id)
		return err
	})
	return found, err
}

// Drifts are what the detections have found of the resources of a stack, by logical id.
func (e *Engine) Drifts(ctx context.Context, s state.Scope, name string) (found *state.Stack, list []*state.Drift, err error) {
	err = e.View(ctx, func(snap store.Snap) error {
		if found, err = e.Find(snap, s, name); err != nil {
			return err
		}
		all, err := e.DriftsOf(snap, found)
		list = slices.SortedFunc(maps.Values(all), func(a, b *state.Drift) int { return strings.Compare(a.LogicalID, b.LogicalID) })
		return err
	})
	return found, list, err
}

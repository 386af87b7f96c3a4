package plan

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"

	"github.com/lambkin-dev/lambkin/internal/core/template"
)

// Verdict tells whether a change means another resource.
type Verdict int

const (
	Never Verdict = iota
	Perhaps
	Always
)

// Comparison is what differs between a resource and what it is to be.
type Comparison struct {
	Details []state.Detail
	Replace Verdict
	Quiet   bool // something differs that needs no call of the type
}

// Touches tells whether the type must be called.
func (c *Comparison) Touches() bool {
	return slices.ContainsFunc(c.Details, func(d state.Detail) bool { return d.Attribute == "Properties" || d.Attribute == "Tags" })
}

// Automatic is the source of the change of a nested stack of which the template has
// nothing new to say.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChangeDetail.html
const Automatic = "Automatic"

// recreations are the words for verdicts in details.
var recreations = map[Verdict]string{Never: "Never", Perhaps: "Conditionally", Always: "Always"}

// Compare tells what differs; mask hides what nobody is to see of it.
func (e *Planner) Compare(old, want *state.Deployed, mask *state.Mask) *Comparison {
	c := &Comparison{}
	t := e.TypeOf(want.Type)
	if t == nil {
		return c
	}
	facts := t.Facts()
	if old.Type != want.Type {
		c.Replace = Always
	}
	for _, name := range slices.Sorted(maps.Keys(merged(old.Properties, want.Properties))) {
		before, had := old.Properties[name]
		after, has := want.Properties[name]
		if had && has && state.Same(before, after) {
			continue
		}
		d := state.Detail{Attribute: "Properties", Name: name, Change: "Modify", Before: shownValue(mask.Value(before)), After: shownValue(mask.Value(Known(after))), Dynamic: template.HasUnknown(after), Source: "DirectModification"}
		switch {
		case !had:
			d.Change = "Add"
		case !has:
			d.Change = "Remove"
		}
		need := replaces(facts, name)
		if name == facts.Tags {
			d.Attribute, d.Name = "Tags", ""
		}
		d.Recreation = recreations[need]
		if d.Dynamic && need == Always {
			need = Perhaps // its new value may be the old one
		}
		c.Replace = max(c.Replace, need)
		c.Details = append(c.Details, d)
	}
	for _, other := range []struct{ name, before, after string }{
		{"Metadata", old.Metadata, want.Metadata}, {"DeletionPolicy", old.Deletion, want.Deletion},
		{"UpdateReplacePolicy", old.Replacement, want.Replacement}, {"CreationPolicy", old.Creation, want.Creation},
	} {
		if other.before != other.after {
			c.Details = append(c.Details, state.Detail{Attribute: other.name, Recreation: recreations[Never], Source: "DirectModification", Change: "Modify", Before: mask.Text(other.before), After: mask.Text(other.after)})
			c.Quiet = true
		}
	}
	if len(c.Details) == 0 && want.Type == state.StackType {
		// What is behind the URL may be another template: that is for the update of the nested stack to see.
		c.Details = []state.Detail{{Attribute: "Properties", Recreation: recreations[Never], Source: Automatic, Change: "Modify", Dynamic: true}}
	}
	c.Quiet = c.Quiet || !slices.Equal(old.DependsOn, want.DependsOn)
	return c
}

// replaces tells what a change of a property means.
func replaces(f *stack.Facts, property string) Verdict {
	p := f.Properties[property]
	switch {
	case !f.Updatable && !f.OpenProperties, p.CreateOnly:
		return Always
	case p.Maybe:
		return Perhaps
	}
	return Never
}

func merged(a, b map[string]any) map[string]any {
	all := make(map[string]any, len(a)+len(b))
	maps.Copy(all, a)
	maps.Copy(all, b)
	return all
}

// shownValue is a value as a change set shows it.
func shownValue(value any) string {
	if value == nil {
		return ""
	}
	if text, ok := template.Text(value); ok {
		return text
	}
	return state.JSON(value)
}

// Changes are what a new configuration makes of a stack.
type Changes struct {
	Resources []state.Change
	Other     bool // outputs, tags
	// Stacks are the properties of the nested stacks that are wanted, by logical id, as
	// far as they are known.
	Stacks map[string]map[string]any
}

func (c *Changes) None() bool { return len(c.Resources) == 0 && !c.Other }

// Existing gives the identifiers of a resource that is wanted and there already,
// outside of all stacks, or nil.
type Existing func(ctx context.Context, want *state.Deployed) (map[string]string, error)

// Difference compares a prepared configuration with the stack. The rows are nil for
// a new one. What existing finds is imported; nil: nothing is looked for.
func (e *Planner) Difference(ctx context.Context, s *state.Stack, rows map[string]*state.Resource, c *state.Configuration, text string, existing Existing) (*Changes, error) {
	d := &differ{Planner: e, stack: s, rows: rows, configuration: c, existing: existing, found: map[string]*state.Change{}, stacks: map[string]map[string]any{}, mask: state.MaskOf(rows, c, s.Now, s.Before)}
	d.world = NewPreview(e.Records, s.Scope, rows)
	var err error
	if d.program, err = e.Compile(ctx, s, c, text, d.world); err != nil {
		return nil, state.Wording(err)
	}
	if s.Now != nil && len(rows) > 0 {
		// What the former template said tells why a value changes. If it cannot be
		// read any more the reason is left out.
		d.former, _ = e.Load(ctx, s, s.Now, d.world)
	}
	if err := d.types(); err != nil {
		return nil, err
	}
	for _, name := range d.order() {
		if err := d.resource(ctx, name); err != nil {
			return nil, err
		}
	}
	for name, row := range rows {
		if row.Live() && !d.program.Active(name) {
			d.found[name] = &state.Change{Action: "Remove", LogicalID: name, PhysicalID: row.PhysicalID, Type: row.Type, Policy: policyAction(row.Deletion, false), Before: d.whole(&row.Deployed)}
		}
	}
	all := &Changes{Stacks: d.stacks}
	for _, name := range slices.Sorted(maps.Keys(d.found)) {
		all.Resources = append(all.Resources, *d.found[name])
	}
	all.Other, err = d.others(ctx)
	return all, err
}

// Dynamic is the action on a resource of a nested stack whose condition asks for
// what only the execution makes known.
const Dynamic = "Dynamic"

type differ struct {
	*Planner
	stack         *state.Stack
	rows          map[string]*state.Resource
	configuration *state.Configuration
	world         *Preview
	program       *Program
	former        *Program
	existing      Existing
	found         map[string]*state.Change
	stacks        map[string]map[string]any
	mask          *state.Mask
}

// types refuses another type for a resource.
func (d *differ) types() error {
	var names []string
	for _, name := range d.program.Resources() {
		if row := d.rows[name]; row != nil && row.Live() && row.Type != d.program.Template.Resources[name].Type {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		return stack.Invalid("Update of resource type is not permitted. The new template modifies resource type of the following resources: [%s]", strings.Join(names, ", "))
	}
	return nil
}

// order has each resource after those that it needs.
func (d *differ) order() (names []string) {
	Walk(d.program.Needs(), 1, func() bool { return true }, func(name string) bool { names = append(names, name); return true })
	return names
}

func (d *differ) resource(ctx context.Context, name string) error {
	want, err := d.program.Deployed(ctx, name, d.world)
	if err != nil {
		return state.Wording(err)
	}
	if want.Type == state.StackType {
		d.stacks[name] = want.Properties
	}
	row := d.rows[name]
	if row == nil || !row.Live() {
		d.world.unknown[name] = true
		if err := d.adopt(ctx, name, want); err != nil {
			return err
		}
		c := &state.Change{Action: "Add", LogicalID: name, Type: want.Type, After: d.whole(want)}
		if d.program.Undecided(name) {
			c.Action = Dynamic
		}
		if ids := d.configuration.Adopt[name]; ids != nil {
			c.Action, c.PhysicalID = "Import", Located(d.TypeOf(want.Type), ids)
		}
		d.found[name] = c
		return nil
	}
	difference := d.Compare(&row.Deployed, want, d.mask)
	broken := row.Status == state.CreateFailed || row.Status == state.UpdateFailed
	if len(difference.Details) == 0 && !broken && !d.program.Undecided(name) {
		return nil
	}
	facts := d.TypeOf(want.Type).Facts()
	c := &state.Change{Action: "Modify", LogicalID: name, PhysicalID: row.PhysicalID, Type: want.Type, Before: d.whole(&row.Deployed), After: d.whole(want)}
	c.Replacement = map[Verdict]string{Never: "False", Perhaps: "Conditional", Always: "True"}[difference.Replace]
	if d.program.Undecided(name) {
		c.Action = Dynamic
	}
	if difference.Replace != Never {
		d.world.unknown[name] = true
		c.Policy = policyAction(row.Replacement, true)
	} else if difference.Touches() && slices.ContainsFunc(facts.Attributes, func(a string) bool { return strings.HasSuffix(a, "*") }) {
		d.world.moving[name] = true
	}
	for _, detail := range difference.Details {
		c.Details = append(c.Details, d.causes(name, detail)...)
		if !slices.Contains(c.Scope, detail.Attribute) {
			c.Scope = append(c.Scope, detail.Attribute)
		}
	}
	d.found[name] = c
	return nil
}

// adopt marks a new resource that exists already as one to import.
func (d *differ) adopt(ctx context.Context, name string, want *state.Deployed) error {
	if d.existing == nil || d.configuration.Adopt[name] != nil {
		return nil
	}
	ids, err := d.existing(ctx, want)
	if err != nil || ids == nil {
		return err
	}
	if d.configuration.Adopt == nil {
		d.configuration.Adopt = map[string]map[string]string{}
	}
	d.configuration.Adopt[name] = ids
	return nil
}

// causes tells why a property changes: what it refers to has changed, or the
// template itself.
func (d *differ) causes(name string, detail state.Detail) []state.Detail {
	if detail.Attribute != "Properties" || detail.Source == Automatic {
		return []state.Detail{detail}
	}
	raw := d.program.Template.Resources[name].Properties[detail.Name]
	var all []state.Detail
	for _, ref := range d.program.References(raw) {
		c := detail
		c.Source, c.Cause = ref.Source, ref.Entity()
		switch {
		case ref.Source == template.ParameterReference && d.argumentChanged(ref.Name):
			c.Dynamic = false
		case ref.Source != template.ParameterReference && (d.world.unknown[ref.Name] || d.world.moving[ref.Name]):
			c.Dynamic = true
		default:
			continue
		}
		all = append(all, c)
	}
	if len(all) == 0 || d.rewritten(name, detail.Name, raw) {
		detail.Source = "DirectModification"
		all = append(all, detail)
	}
	return all
}

func (d *differ) argumentChanged(name string) bool {
	if d.former == nil {
		return false
	}
	before, had := d.former.Arguments[name]
	return !had || !state.Same(before.Value, d.program.Arguments[name].Value)
}

// rewritten tells whether the template's own text of a property changed.
func (d *differ) rewritten(name, property string, raw any) bool {
	if d.former == nil || d.former.Template.Resources[name] == nil {
		return false
	}
	return !state.Same(d.former.Template.Resources[name].Properties[property], raw)
}

// others tells whether something else changes: outputs or tags.
func (d *differ) others(ctx context.Context) (bool, error) {
	outputs, err := d.program.Resolved(ctx)
	if err != nil {
		return false, state.Wording(err)
	}
	if d.stack.Now == nil {
		return true, nil
	}
	return !slices.Equal(outputs, d.stack.Outputs) || !maps.Equal(d.stack.Now.Tags, d.configuration.Tags), nil
}

// whole is a resource as the contexts of a change set show it.
func (d *differ) whole(r *state.Deployed) string {
	shown := map[string]any{"Properties": d.mask.Value(Known(map[string]any(r.Properties)))}
	if r.Deletion != "" {
		shown["DeletionPolicy"] = r.Deletion
	}
	if r.Replacement != "" {
		shown["UpdateReplacePolicy"] = r.Replacement
	}
	return state.JSON(shown)
}

// policyAction is what becomes of a resource that goes.
func policyAction(policy string, replaced bool) string {
	action := "Delete"
	if policy == state.Retain || policy == state.RetainOnCreate {
		action = "Retain"
	}
	if replaced {
		return "ReplaceAnd" + action
	}
	return action
}

// Located is the physical id of the resource that the values of its primary
// identifier name: by the type's own rule, or all of them joined.
func Located(t stack.Type, ids map[string]string) string {
	if known, ok := t.(stack.Identified); ok {
		physical, _ := known.Locate(ids)
		return physical
	}
	primary := t.Facts().Primary
	parts := make([]string, 0, len(primary))
	for _, name := range primary {
		parts = append(parts, ids[name])
	}
	return strings.Join(parts, "|")
}

// CustomName tells whether a replacement would want the name that is still taken.
func (e *Planner) CustomName(old, want *state.Deployed) (string, bool) {
	facts := e.TypeOf(want.Type).Facts()
	if facts.NameProperty == "" {
		return "", false
	}
	before, had := template.Text(old.Properties[facts.NameProperty])
	after, has := template.Text(want.Properties[facts.NameProperty])
	return fmt.Sprint(after), had && has && before == after && old.Type == want.Type
}

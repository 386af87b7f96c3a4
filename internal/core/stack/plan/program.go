package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/core/stack/state"

	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
	"github.com/lambkin-dev/lambkin/internal/engine/store"
)

// Program is a configuration that is ready to be carried out: its template read,
// with parameters and conditions decided.
type Program struct {
	*template.Evaluation
	planner   *Planner
	tags      map[string]string
	Arguments template.Arguments
	masked    *template.Evaluation // with NoEcho parameters hidden; nil if there are none
	Adopt     map[string]map[string]string
	types     map[string]stack.Type
}

// World is what a template's functions ask for.
type World interface {
	Value(ctx context.Context, name, attribute string) (any, error)
	Export(ctx context.Context, name string) (any, error)
}

// Compile makes a program of a processed template.
func (e *Planner) Compile(ctx context.Context, s *state.Stack, c *state.Configuration, text string, w World) (*Program, error) {
	values, err := syntax.Parse(text)
	if err != nil {
		return nil, err
	}
	read, err := template.Read(values)
	if err != nil {
		return nil, err
	}
	bound, err := arguments(ctx, c, read.Parameters)
	if err != nil {
		return nil, err
	}
	p := &Program{planner: e, tags: c.Tags, Arguments: bound, Adopt: c.Adopt, types: map[string]stack.Type{}}
	scope := template.Scope{Account: s.Account, Region: s.Region, StackName: s.Name, StackID: s.ARN(), NotificationARNs: c.Notifications, Arguments: bound,
		Resource: w.Value, Export: w.Export, StackOutput: func(ctx context.Context, wanted template.StackOutput) (any, error) {
			return e.Records.ReadOutput(ctx, s.Scope, wanted)
		}}
	if p.Evaluation, err = read.Evaluate(ctx, scope); err != nil {
		return nil, err
	}
	hidden, any := maps.Clone(bound), false
	for name, a := range hidden {
		if a.NoEcho {
			a.Value, any = a.Shown(), true
			hidden[name] = a
		}
	}
	if any {
		if scope.Arguments = hidden; true {
			// A condition may depend on a hidden parameter; what it decides is shown as if
			// it were the mask, or not at all.
			p.masked, _ = read.Evaluate(ctx, scope)
		}
	}
	for _, name := range p.Resources() {
		p.types[name] = e.TypeOf(read.Resources[name].Type)
	}
	return p, nil
}

// arguments are the parameters as they were bound when the configuration was made.
func arguments(ctx context.Context, c *state.Configuration, declared template.Parameters) (template.Arguments, error) {
	given, stored := map[string]template.Input{}, map[string]string{}
	for _, p := range c.Parameters {
		given[p.Key] = template.Input{Value: p.Value, Unknown: p.Unknown}
		stored[p.Value] = p.Resolved
	}
	return declared.Bind(ctx, given, nil, func(_ context.Context, name string) (template.Stored, error) {
		return template.Stored{Value: stored[name]}, nil
	})
}

// Load makes the program of a configuration that is kept.
func (e *Planner) Load(ctx context.Context, s *state.Stack, c *state.Configuration, w World) (p *Program, err error) {
	var text string
	if err := e.Records.View(ctx, func(snap store.Snap) (err error) {
		text, err = e.Records.LoadText(snap, s, c, state.Processed)
		return err
	}); err != nil {
		return nil, err
	}
	return e.Compile(ctx, s, c, text, w)
}

// Deployed is what a resource is to be, as far as it is known.
func (p *Program) Deployed(ctx context.Context, name string, _ World) (*state.Deployed, error) {
	r := p.Template.Resources[name]
	d := &state.Deployed{Type: r.Type, DependsOn: p.Dependencies(name), Deletion: r.DeletionPolicy, Replacement: r.UpdateReplacePolicy}
	if r.Metadata != nil {
		metadata, err := p.Value(ctx, r.Metadata)
		if err != nil {
			return d, err
		}
		d.Metadata = state.JSON(Known(metadata))
	}
	if len(r.CreationPolicy) > 0 {
		policy, err := p.Value(ctx, r.CreationPolicy)
		if err != nil {
			return d, err
		}
		d.Creation = state.JSON(Known(policy))
	}
	properties, err := p.Properties(ctx, name)
	if err != nil {
		return d, err
	}
	d.Properties = joinTags(p.types[name], properties, p.tags)
	return d, nil
}

// Known is a value in which what is not known yet is a text that says so.
func Known(value any) any {
	switch value := value.(type) {
	case map[string]any:
		copied := make(map[string]any, len(value))
		for key, item := range value {
			copied[key] = Known(item)
		}
		return copied
	case []any:
		copied := make([]any, len(value))
		for i, item := range value {
			copied[i] = Known(item)
		}
		return copied
	}
	if template.IsUnknown(value) {
		return UnknownText
	}
	return value
}

// UnknownText is how change sets show what is known after the apply only.
const UnknownText = "{{changeSet:KNOWN_AFTER_APPLY}}"

// joinTags adds the stack's tags to those of a resource, whose own win.
func joinTags(t stack.Type, properties map[string]any, tags map[string]string) map[string]any {
	if t == nil || t.Facts().Tags == "" || len(tags) == 0 {
		return properties
	}
	facts := t.Facts()
	Joined := maps.Clone(properties)
	switch own := Joined[facts.Tags].(type) {
	case map[string]any:
		all := map[string]any{}
		for key, value := range tags {
			all[key] = value
		}
		maps.Copy(all, own)
		Joined[facts.Tags] = all
	case []any, nil:
		list, _ := own.([]any)
		if own == nil && facts.TagsAreMap {
			return joinTags(t, withValue(Joined, facts.Tags, map[string]any{}), tags)
		}
		has := func(key string) bool {
			return slices.ContainsFunc(list, func(item any) bool {
				tag, _ := item.(map[string]any)
				return state.Same(tag["Key"], key)
			})
		}
		all := slices.Clone(list)
		for _, key := range slices.Sorted(maps.Keys(tags)) {
			if !has(key) {
				all = append(all, map[string]any{"Key": key, "Value": tags[key]})
			}
		}
		Joined[facts.Tags] = all
	}
	return Joined
}

func withValue(m map[string]any, key string, value any) map[string]any {
	m[key] = value
	return m
}

// Shown are the properties of a resource as events show them: JSON,
// without what is secret.
func (p *Program) Shown(ctx context.Context, name string, mask *state.Mask) string {
	e := p.Evaluation
	if p.masked != nil {
		e = p.masked
	}
	if p.Template.Resources[name] == nil {
		return ""
	}
	properties, err := e.Properties(ctx, name)
	if err != nil {
		return ""
	}
	return state.JSON(mask.Value(Known(properties)))
}

// Action is how a resource comes to be that the stack does not have.
func (p *Program) Action(name string) state.Action {
	if p.Adopt[name] != nil {
		return state.Importing
	}
	return state.Creating
}

// Needs is the graph of the program.
func (p *Program) Needs() map[string][]string {
	needs := map[string][]string{}
	for _, name := range p.Resources() {
		needs[name] = p.Dependencies(name)
	}
	return needs
}

// Resolved resolves the outputs.
func (p *Program) Resolved(ctx context.Context) ([]state.Output, error) {
	values, err := p.Evaluation.Outputs(ctx)
	if err != nil {
		return nil, err
	}
	outputs := make([]state.Output, 0, len(values))
	for _, v := range values {
		o := state.Output{Key: v.Name, Description: v.Description}
		o.Value, _ = template.Text(Known(v.Value))
		o.Export, _ = template.Text(Known(v.ExportName))
		outputs = append(outputs, o)
	}
	return outputs, nil
}

// Check refuses what the types do not have. Properties that are not known yet pass.
func (p *Program) Check(ctx context.Context) error {
	if err := p.checkTypes(); err != nil {
		return err
	}
	for _, name := range p.Resources() {
		r, t := p.Template.Resources[name], p.types[name]
		facts := t.Facts()
		for _, ref := range p.References([]any{r.Properties, r.Metadata}) {
			if err := p.checkAttribute(ref); err != nil {
				return err
			}
		}
		switch {
		case len(r.UpdatePolicy) > 0:
			return stack.Invalid("UpdatePolicy of resource %s has no effect on %s here, so it is refused", name, r.Type)
		case len(r.CreationPolicy) > 0 && !facts.Signals:
			return stack.Invalid("CreationPolicy is not supported for resource type %s; resource %s", r.Type, name)
		case r.DeletionPolicy == "Snapshot" || r.UpdateReplacePolicy == "Snapshot":
			return stack.Invalid("Template error: resource type %s does not support deletion policy Snapshot", r.Type)
		}
		properties, err := p.Properties(ctx, name)
		if err != nil {
			return err
		}
		if err := checkProperties(facts, properties, len(r.CreationPolicy) > 0); err != nil {
			return stack.Invalid("Properties validation failed for resource %s with message:\n%s", name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Template.Outputs)) {
		o := p.Template.Outputs[name]
		for _, ref := range p.References([]any{o.Value, o.ExportName}) {
			if err := p.checkAttribute(ref); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkTypes refuses types that are not here, and says which are.
func (p *Program) checkTypes() error {
	var unknown []string
	for _, name := range p.Resources() {
		typeName := p.Template.Resources[name].Type
		t := p.types[name]
		switch {
		case t == nil:
			unknown = append(unknown, typeName)
		case t.Facts().NotYet != "":
			return stack.Invalid("Template format error: the resource type %s of resource %s cannot be had: %s", typeName, name, t.Facts().NotYet)
		}
	}
	if slices.Sort(unknown); len(unknown) > 0 {
		return stack.Invalid("%s", unknownTypes(slices.Compact(unknown), p.planner.Types.Names()))
	}
	return nil
}

// checkAttribute refuses a GetAtt of what a type does not tell.
func (p *Program) checkAttribute(ref template.Reference) error {
	if ref.Source != template.ResourceAttribute || ref.Attribute == "" || !p.Active(ref.Name) {
		return nil
	}
	facts := p.types[ref.Name].Facts()
	if slices.Contains(facts.Attributes, ref.Attribute) || slices.Contains(facts.Attributes, "*") {
		return nil
	}
	for _, Known := range facts.Attributes {
		if strings.HasSuffix(Known, ".*") && strings.HasPrefix(ref.Attribute, strings.TrimSuffix(Known, "*")) {
			return nil
		}
	}
	return stack.Invalid("Template error: resource %s does not support attribute type %s in Fn::GetAtt", ref.Name, ref.Attribute)
}

// checkProperties compares properties with what a type has. Texts: those of the
// schema validation of CloudFormation's own handlers. What waits for the signals of a
// CreationPolicy needs none of its properties.
func checkProperties(facts *stack.Facts, properties map[string]any, signalled bool) error {
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		property, there := facts.Properties[name]
		switch {
		case !there && facts.OpenProperties:
		case !there:
			problems = append(problems, fmt.Sprintf("#: extraneous key [%s] is not permitted", name))
		case property.Refused != "":
			problems = append(problems, fmt.Sprintf("#/%s: %s", name, property.Refused))
		case property.Kinds != 0 && !property.Kinds.Fits(properties[name]):
			problems = append(problems, fmt.Sprintf("#/%s: expected type: %s, found: %s", name, property.Kinds, kindOf(properties[name])))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(facts.Properties)) {
		if _, there := properties[name]; facts.Properties[name].Required && !there && !signalled {
			problems = append(problems, fmt.Sprintf("#: required key [%s] not found", name))
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(problems, "\n"))
}

func kindOf(value any) string {
	switch value.(type) {
	case map[string]any:
		return stack.Object.String()
	case []any:
		return stack.List.String()
	case bool:
		return stack.Truth.String()
	case string:
		return stack.Text.String()
	}
	return stack.Number.String()
}

// Facts are those of a resource's type.
func (p *Program) Facts(name string) *stack.Facts { return p.types[name].Facts() }

package template

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Scope is the world that a template is resolved in.
type Scope struct {
	Account, Region    string
	StackName, StackID string
	NotificationARNs   []string
	Arguments          Arguments

	// Resource gives what Ref (attribute empty) or Fn::GetAtt of a resource is:
	// Unknown if that is not known yet, an *Error if it has no such attribute. Nil:
	// nothing is known.
	Resource func(ctx context.Context, name, attribute string) (any, error)
	// Export gives the value of an export of the account and region; an *Error if
	// there is none. Nil: nothing is known.
	Export func(ctx context.Context, name string) (any, error)
	// StackOutput gives an output of another stack; an *Error if there is none. Nil:
	// nothing is known.
	StackOutput func(ctx context.Context, wanted StackOutput) (any, error)
	// Zones are the availability zones of a region; nil means a, b and c.
	Zones func(region string) []string
}

// StackOutput names an output of a stack.
type StackOutput struct{ Stack, Output, Region, RoleARN string }

// Partition is the part of AWS that a region belongs to.
func (s Scope) Partition() string {
	switch {
	case strings.HasPrefix(s.Region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(s.Region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func (s Scope) suffix() string {
	if s.Partition() == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// Evaluation is a template in a scope, its conditions decided.
type Evaluation struct {
	Template   *Template // that was evaluated, the policies of its resources resolved
	scope      Scope
	conditions map[string]bool
	undecided  map[string]bool // those of conditions that ask for what is not known yet
	graph      map[string][]string
	open       bool // names that are not known are Unknown, not refused
}

// Open resolves values of a template whose transforms have not all run: with its
// parameters, mappings and those conditions that are sound already. Whatever else
// a value refers to is Unknown.
func Open(ctx context.Context, values map[string]any, scope Scope) (*Evaluation, error) {
	t := &Template{Values: values, Parameters: Parameters{}}
	for name := range scope.Arguments {
		t.Parameters[name] = &Parameter{Name: name}
	}
	if err := t.readMappings(); err != nil {
		return nil, err
	}
	e := &Evaluation{Template: t, scope: scope, conditions: map[string]bool{}, undecided: map[string]bool{}, open: true}
	e.scope.Resource, e.scope.Export, e.scope.StackOutput = nil, nil, nil
	if object, ok := values["Conditions"].(map[string]any); ok {
		t.Conditions = object
		for _, name := range sorted(object) {
			// One that cannot be decided yet stays undecided, and what needs it Unknown.
			_, _ = e.newResolver(ctx).named(name, "Condition", 0)
		}
	}
	return e, nil
}

// Evaluate asserts the rules, decides the conditions and checks what then is
// left: no reference to a resource that a condition leaves out, no cycle.
func (t *Template) Evaluate(ctx context.Context, scope Scope) (*Evaluation, error) {
	e := &Evaluation{Template: t, scope: scope, conditions: map[string]bool{}, undecided: map[string]bool{}}
	for _, step := range []func(context.Context) error{e.decide, e.assert, e.checkActive, e.resolvePolicies} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	e.graph = make(map[string][]string, len(t.Resources))
	for _, name := range e.Resources() {
		r := t.Resources[name]
		e.graph[name] = t.edges(r, e.References(r.resolvable()))
	}
	return e, cycle(e.graph)
}

// decide decides every condition.
func (e *Evaluation) decide(ctx context.Context) error {
	for _, name := range sorted(e.Template.Conditions) {
		if _, err := e.newResolver(ctx).named(name, "Condition", 0); err != nil && !errors.Is(err, errUndecided) {
			return err
		}
	}
	return nil
}

// Condition is what a condition came to.
func (e *Evaluation) Condition(name string) bool { return e.conditions[name] }

// Resources are the names of the resources that exist under the conditions, sorted.
func (e *Evaluation) Resources() []string {
	return slices.DeleteFunc(sorted(e.Template.Resources), func(name string) bool { return !e.Active(name) })
}

// Active tells whether a resource exists under the conditions.
func (e *Evaluation) Active(name string) bool {
	r := e.Template.Resources[name]
	return r != nil && (r.Condition == "" || e.conditions[r.Condition])
}

// Undecided tells whether it is not known yet if a resource exists.
func (e *Evaluation) Undecided(name string) bool {
	r := e.Template.Resources[name]
	return r != nil && e.undecided[r.Condition]
}

// Dependencies are the resources that must be there before a resource: what it
// refers to, and its DependsOn. Sorted.
func (e *Evaluation) Dependencies(name string) []string { return e.graph[name] }

// References are what a value refers to under the conditions.
func (e *Evaluation) References(value any) []Reference {
	return e.Template.collect(value, e.conditions)
}

// checkActive refuses references to resources that a condition leaves out.
func (e *Evaluation) checkActive(context.Context) error {
	var missing []string
	for _, name := range e.Resources() {
		r := e.Template.Resources[name]
		missing = append(missing, e.left(r.resolvable())...)
		for _, other := range r.DependsOn {
			if !e.Active(other) {
				missing = append(missing, other)
			}
		}
	}
	if err := unresolvedIn("Resources", missing); err != nil {
		return err
	}
	missing = nil
	for _, name := range sorted(e.Template.Outputs) {
		if o := e.Template.Outputs[name]; o.Condition == "" || e.conditions[o.Condition] {
			missing = append(missing, e.left([]any{o.Value, o.ExportName})...)
		}
	}
	if len(missing) > 0 {
		// Recorded without the prefix that other places have:
		// localstack, test_output_reference_to_skipped_resource.
		slices.Sort(missing)
		return refuse("Unresolved resource dependencies [%s] in the Outputs block of the template", strings.Join(slices.Compact(missing), ", "))
	}
	return nil
}

func (e *Evaluation) left(values []any) (missing []string) {
	for _, r := range e.References(values) {
		if r.Source != ParameterReference && !e.Active(r.Name) {
			missing = append(missing, r.Name)
		}
	}
	return missing
}

// Properties are the resolved properties of a resource: never nil.
func (e *Evaluation) Properties(ctx context.Context, name string) (map[string]any, error) {
	r := e.Template.Resources[name]
	if r == nil || r.Properties == nil {
		return map[string]any{}, nil
	}
	value, err := e.Value(ctx, r.Properties)
	if err != nil {
		return nil, err
	}
	properties, ok := value.(map[string]any)
	switch {
	case value == nil: // AWS::NoValue
		return map[string]any{}, nil
	case !ok:
		return nil, refuse("Template format error: Any Properties member must be an object.")
	}
	return properties, nil
}

// Value resolves the functions in any value of the template.
func (e *Evaluation) Value(ctx context.Context, value any) (any, error) {
	resolved, err := e.newResolver(ctx).value(value, 0)
	if isNoValue(resolved) {
		resolved = nil
	}
	return resolved, err
}

// OutputValue is a resolved output.
type OutputValue struct {
	Name, Description string
	Value             any // a string, or Unknown
	ExportName        any // a string, Unknown, or nil = not exported
}

// Outputs are the outputs that exist under the conditions, by name.
func (e *Evaluation) Outputs(ctx context.Context) ([]OutputValue, error) {
	var outputs []OutputValue
	for _, name := range sorted(e.Template.Outputs) {
		o := e.Template.Outputs[name]
		if o.Condition != "" && !e.conditions[o.Condition] {
			continue
		}
		resolved := OutputValue{Name: name, Description: o.Description}
		var err error
		if resolved.Value, err = e.textOf(ctx, o.Value, "Value"); err != nil {
			return nil, err
		}
		if o.ExportName != nil {
			if resolved.ExportName, err = e.textOf(ctx, o.ExportName, "Name"); err != nil {
				return nil, err
			}
		}
		outputs = append(outputs, resolved)
	}
	return outputs, nil
}

// textOf resolves what must be a text.
func (e *Evaluation) textOf(ctx context.Context, value any, member string) (any, error) {
	resolved, err := e.Value(ctx, value)
	if err != nil || IsUnknown(resolved) {
		return resolved, err
	}
	text, ok := Text(resolved)
	if !ok {
		return nil, refuse("Template format error: Every %s member must be a string.", member)
	}
	return text, nil
}

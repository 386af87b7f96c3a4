// Package macro runs the transforms of a template: functions from template to
// template that run before CloudFormation looks at the result.
//
// It promises AWS's order: a Fn::Transform that is deeper inside runs before what
// is around it, several at one place run in their order, and the list of the
// Transform section runs last, in its order. AWS::Include and
// AWS::LanguageExtensions are done here; every other transform, among them
// AWS::Serverless, is a hook of the environment. The input is never changed; what
// the language extensions expand to is bounded.
//
// Refusals are *template.Error in CloudFormation's words. No goroutines, no locks.
// Start reading at Process.
package macro

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/lambkin-dev/lambkin/internal/core/template"
	"github.com/lambkin-dev/lambkin/internal/core/template/syntax"
)

// The transforms of AWS.
const (
	Include            = "AWS::Include"
	LanguageExtensions = "AWS::LanguageExtensions"
	Serverless         = "AWS::Serverless-2016-10-31"
)

// Environment is what transforms may know of the world.
type Environment struct {
	Account, Region    string
	StackName, StackID string
	Arguments          template.Arguments

	// Include reads the object behind an s3:// location for AWS::Include. An
	// *template.Error says why it cannot, without "Transform ... failed with".
	Include func(ctx context.Context, location string) (string, error)
	// Transform runs any other transform; ErrUnknown if there is none of that name.
	Transform func(ctx context.Context, call Call) (any, error)
}

// Call is one run of a transform.
type Call struct {
	Name       string         // as the template names it
	Fragment   any            // the whole template without Transform, or what is beside Fn::Transform
	Whole      bool           // the whole template
	Parameters map[string]any // of the transform, references to parameters resolved
	Template   map[string]any // the template that the fragment is of; not to be changed
}

// ErrUnknown is the answer of an environment that has no such transform.
var ErrUnknown = errors.New("no such transform")

func refuse(format string, args ...any) error {
	return &template.Error{Message: fmt.Sprintf(format, args...)}
}

// FullName is a transform's name as messages show it: a macro of the account with
// its account id.
func (e Environment) FullName(name string) string {
	for _, own := range []string{Include, LanguageExtensions, Serverless} {
		if name == own {
			return name
		}
	}
	return e.Account + "::" + name
}

// Process runs all transforms of a template and gives the processed template,
// which has no Transform section. A template without transforms is given back
// as it is.
func Process(ctx context.Context, values map[string]any, environment Environment) (map[string]any, error) {
	p := &processor{ctx: ctx, environment: environment, whole: values}
	declared, err := declarations(values["Transform"])
	if err != nil {
		return nil, err
	}
	processed := maps.Clone(values)
	delete(processed, "Transform")
	embedded, err := p.embedded(processed, 0)
	if err != nil {
		return nil, err
	}
	var ok bool
	if processed, ok = embedded.(map[string]any); !ok {
		return nil, refuse("Template format error: unsupported structure.")
	}
	for _, declaration := range declared {
		p.whole = processed
		result, err := p.run(declaration, processed, true)
		if err != nil {
			return nil, err
		}
		if processed, ok = result.(map[string]any); !ok {
			return nil, refuse("Template format error: unsupported structure.")
		}
	}
	if text, err := syntax.JSON(processed); err != nil {
		return nil, err
	} else if len(text) > template.MaxBytes {
		return nil, refuse("Template may not exceed %d bytes in size.", template.MaxBytes)
	}
	return processed, nil
}

// declaration is a transform with its parameters, as it is written.
type declaration struct {
	name       string
	parameters map[string]any
}

// declarations reads one transform or a list of them.
func declarations(value any) ([]declaration, error) {
	items, isList := value.([]any)
	if !isList && value != nil {
		items = []any{value}
	}
	var found []declaration
	for _, item := range items {
		switch item := item.(type) {
		case string:
			found = append(found, declaration{name: item})
		case map[string]any:
			name, ok := item["Name"].(string)
			if !ok {
				// Recorded: localstack, test_error_pass_macro_as_reference.
				return nil, refuse("Key Name of transform definition must be a string.")
			}
			parameters, ok := item["Parameters"].(map[string]any)
			if !ok && item["Parameters"] != nil {
				return nil, refuse("Key Parameters of transform definition must be a map.")
			}
			found = append(found, declaration{name, parameters})
		default:
			return nil, refuse("Template format error: a transform must be a string or an object with a Name.")
		}
	}
	return found, nil
}

// Names are the transforms that a template uses, in their order: those of
// Fn::Transform calls, sorted, before those of the Transform section. CAPABILITY_AUTO_EXPAND is
// needed if there are any.
func Names(values map[string]any) []string {
	inner := map[string]bool{}
	collectNames(values, 0, inner)
	names := slices.Sorted(maps.Keys(inner))
	declared, _ := declarations(values["Transform"])
	for _, d := range declared {
		names = append(names, d.name)
	}
	return names
}

func collectNames(value any, depth int, names map[string]bool) {
	if depth > maxDepth {
		return
	}
	switch value := value.(type) {
	case map[string]any:
		declared, _ := declarations(value["Fn::Transform"])
		for _, d := range declared {
			names[d.name] = true
		}
		for _, item := range value {
			collectNames(item, depth+1, names)
		}
	case []any:
		for _, item := range value {
			collectNames(item, depth+1, names)
		}
	}
}

// maxDepth bounds what is walked.
const maxDepth = 200

type processor struct {
	ctx         context.Context
	environment Environment
	whole       map[string]any
}

// embedded runs the Fn::Transform calls inside a value, the deepest first.
func (p *processor) embedded(value any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, refuse("Template format error: the template is nested too deeply.")
	}
	var transforms any
	if object, ok := value.(map[string]any); ok && object["Fn::Transform"] != nil {
		transforms = object["Fn::Transform"]
		object = maps.Clone(object)
		delete(object, "Fn::Transform")
		value = object
	}
	inside, err := template.Inside(value, func(item any) (any, error) { return p.embedded(item, depth+1) })
	if err != nil || transforms == nil {
		return inside, err
	}
	return p.beside(transforms, inside)
}

// beside runs the transforms of one place on what is beside them.
func (p *processor) beside(transforms, siblings any) (any, error) {
	declared, err := declarations(transforms)
	if err != nil {
		return nil, err
	}
	result := siblings
	for _, d := range declared {
		if d.name == LanguageExtensions || d.name == Serverless {
			return nil, refuse("Template format error: the transform %s must be declared in the Transform section of the template.", d.name)
		}
		if result, err = p.run(d, result, false); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// run runs one transform.
func (p *processor) run(d declaration, fragment any, whole bool) (any, error) {
	e, err := p.open()
	if err != nil {
		return nil, err
	}
	parameters, err := resolveParameters(p.ctx, e, d.parameters)
	if err != nil {
		return nil, err
	}
	switch d.name {
	case LanguageExtensions:
		return p.extend(fragment)
	case Include:
		return p.include(parameters, fragment, whole)
	}
	full := p.environment.FullName(d.name)
	if p.environment.Transform == nil {
		return nil, refuse("No transform named %s found.", full)
	}
	result, err := p.environment.Transform(p.ctx, Call{Name: d.name, Fragment: fragment, Whole: whole, Parameters: parameters, Template: p.whole})
	if errors.Is(err, ErrUnknown) {
		return nil, refuse("No transform named %s found.", full)
	}
	return result, err
}

// open is the evaluation that knows parameters and mappings.
func (p *processor) open() (*template.Evaluation, error) {
	e := p.environment
	return template.Open(p.ctx, p.whole, template.Scope{Account: e.Account, Region: e.Region, StackName: e.StackName, StackID: e.StackID, Arguments: e.Arguments})
}

// resolveParameters resolves what a transform's parameters refer to
// (recorded: localstack, test_functions_and_references_during_transformation); what is not known stays as it is written.
func resolveParameters(ctx context.Context, e *template.Evaluation, parameters map[string]any) (map[string]any, error) {
	resolved := make(map[string]any, len(parameters))
	for name, value := range parameters {
		one, err := e.Value(ctx, value)
		if err != nil {
			return nil, err
		}
		if template.HasUnknown(one) {
			one = value
		}
		resolved[name] = one
	}
	return resolved, nil
}

package macro

import (
	"errors"
	"maps"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/template"
)

// reducer resolves the functions of a template that need no resource, and leaves
// the others as they are. Values of NoEcho parameters stay references: a processed
// template is shown to everybody.
type reducer struct {
	p      *processor
	open   *template.Evaluation // knows all but NoEcho parameters
	secret *template.Evaluation // knows all
}

// reduceSections reduces resources and outputs; conditions are decided later.
func (p *processor) reduceSections(values map[string]any) (map[string]any, error) {
	all, err := p.open()
	if err != nil {
		return nil, err
	}
	shown := *p
	shown.environment.Arguments = maps.Clone(p.environment.Arguments)
	maps.DeleteFunc(shown.environment.Arguments, func(_ string, a template.Argument) bool { return a.NoEcho })
	open, err := shown.open()
	if err != nil {
		return nil, err
	}
	r := &reducer{p: p, open: open, secret: all}
	reduced := maps.Clone(values)
	for _, section := range []string{"Resources", "Outputs"} {
		object, ok := values[section].(map[string]any)
		if !ok {
			continue
		}
		if reduced[section], err = r.section(object); err != nil {
			return nil, err
		}
	}
	return reduced, nil
}

func (r *reducer) section(object map[string]any) (map[string]any, error) {
	reduced := make(map[string]any, len(object))
	for name, value := range object {
		one, err := r.value(value, 0)
		if err != nil {
			return nil, err
		}
		if resource, ok := one.(map[string]any); ok {
			if one, err = r.policies(resource); err != nil {
				return nil, err
			}
		}
		reduced[name] = one
	}
	return reduced, nil
}

// policies resolves what must be a text in the end, conditions included.
func (r *reducer) policies(resource map[string]any) (any, error) {
	for _, member := range []string{"DeletionPolicy", "UpdateReplacePolicy"} {
		value, there := resource[member]
		if _, isText := value.(string); isText || !there {
			continue
		}
		resolved, err := r.secret.Value(r.p.ctx, value)
		if err != nil {
			return nil, r.worded(err)
		}
		text, ok := resolved.(string)
		if !ok {
			return nil, extensionRefusal("Unsupported expression for %s", member)
		}
		resource[member] = text
	}
	return resource, nil
}

func (r *reducer) worded(err error) error {
	var refusal *template.Error
	if errors.As(err, &refusal) {
		return refuse("Transform %s failed with: %s", LanguageExtensions, strings.TrimPrefix(refusal.Message, "Template error: "))
	}
	return err
}

// kept are the functions that are not resolved here even if they could be.
var kept = map[string]bool{"Fn::If": true, "Fn::ImportValue": true, "Fn::GetStackOutput": true, "Fn::GetAZs": true, "Fn::Cidr": true, "Fn::GetAtt": true}

func (r *reducer) value(value any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, extensionRefusal("the template is nested too deeply")
	}
	if object, ok := value.(map[string]any); ok && len(object) == 1 {
		for key := range object {
			if key == "Ref" || strings.HasPrefix(key, "Fn::") {
				return r.call(key, object, depth)
			}
		}
	}
	return template.Inside(value, func(item any) (any, error) { return r.value(item, depth+1) })
}

// call resolves a call if it can be, or else its arguments.
func (r *reducer) call(function string, object map[string]any, depth int) (any, error) {
	switch {
	case function == "Ref" && object["Ref"] == "AWS::NoValue":
		return object, nil
	case function == "Fn::Length" || function == "Fn::FindInMap":
		resolved, err := r.secret.Value(r.p.ctx, object)
		if err != nil {
			return nil, r.worded(err)
		}
		if !template.HasUnknown(resolved) {
			return resolved, nil
		}
		if function == "Fn::Length" {
			return nil, extensionRefusal("The Fn::Length value could not be resolved for properties")
		}
	case !kept[function] && !mentionsKept(object[function], 0):
		resolved, err := r.open.Value(r.p.ctx, object)
		if err == nil && resolved != nil && !template.HasUnknown(resolved) {
			return resolved, nil
		}
		// One that cannot be resolved is refused with the right words later.
	}
	argument, err := r.value(object[function], depth+1)
	if err != nil {
		return nil, err
	}
	return map[string]any{function: argument}, nil
}

// mentionsKept tells whether an argument calls one of the kept functions.
func mentionsKept(value any, depth int) bool {
	if depth > maxDepth {
		return true
	}
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			if mentionsKept(item, depth+1) {
				return true
			}
		}
	case map[string]any:
		for key, item := range value {
			if kept[key] || mentionsKept(item, depth+1) {
				return true
			}
		}
	}
	return false
}

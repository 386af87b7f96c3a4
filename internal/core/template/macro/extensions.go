package macro

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/lazy"
	"github.com/lambkin-dev/lambkin/internal/core/template"
)

// The language extensions
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/transform-aws-languageextensions.html):
// loops are written out, and functions that need no resource are resolved
// (recorded: localstack, TestLanguageExtensionsTransform).

// Bounds of loops.
const (
	maxLoopDepth = 5       // nested loops: the documentation of Fn::ForEach
	maxExpanded  = 200_000 // values that the loops of a template write out
)

const loopPrefix = "Fn::ForEach::"

// extended are the sections that the extensions work on.
var extended = []string{"Conditions", "Resources", "Outputs"}

func extensionRefusal(format string, args ...any) error {
	return refuse("Transform %s failed with: %s", LanguageExtensions, fmt.Sprintf(format, args...))
}

func (p *processor) extend(fragment any) (any, error) {
	values, ok := fragment.(map[string]any)
	if !ok {
		return nil, refuse("Template format error: unsupported structure.")
	}
	evaluation, err := p.open()
	if err != nil {
		return nil, err
	}
	x := &expander{p: p, open: evaluation}
	processed := maps.Clone(values)
	for _, section := range extended {
		object, ok := values[section].(map[string]any)
		if !ok {
			continue
		}
		if processed[section], err = x.object(object, nil, 0, true); err != nil {
			return nil, err
		}
	}
	// The conditions are written out now: what depends on them can be resolved.
	p.whole = processed
	reduced, err := p.reduceSections(processed)
	if err != nil {
		return nil, err
	}
	return reduced, nil
}

// expander writes loops out.
type expander struct {
	p     *processor
	open  *template.Evaluation
	count int
	loops int // nested now
}

// bindings are the loop variables that are in scope.
type bindings map[string]string

func (x *expander) value(value any, bound bindings, depth int) (any, error) {
	if x.count++; x.count > maxExpanded || depth > maxDepth {
		return nil, extensionRefusal("the template expands to too many values")
	}
	object, ok := value.(map[string]any)
	if !ok {
		return template.Inside(value, func(item any) (any, error) { return x.value(item, bound, depth+1) })
	}
	if len(object) == 1 {
		if replaced, ok, err := x.call(object, bound, depth); ok || err != nil {
			return replaced, err
		}
	}
	return x.object(object, bound, depth, false)
}

// call puts loop variables into Ref and Fn::Sub.
func (x *expander) call(object map[string]any, bound bindings, depth int) (any, bool, error) {
	if name, ok := object["Ref"].(string); ok {
		item, is := bound[name]
		return item, is, nil
	}
	argument, ok := object["Fn::Sub"]
	if !ok {
		return nil, false, nil
	}
	if text, ok := argument.(string); ok {
		replaced, err := subText(text, bound)
		return map[string]any{"Fn::Sub": replaced}, true, err
	}
	pair, ok := argument.([]any)
	if !ok || len(pair) != 2 {
		return nil, false, nil
	}
	text, ok := pair[0].(string)
	if !ok {
		return nil, false, nil
	}
	inner := maps.Clone(bound)
	variables, _ := pair[1].(map[string]any)
	for name := range variables {
		delete(inner, name)
	}
	replaced, err := subText(text, inner)
	if err != nil {
		return nil, true, err
	}
	values, err := x.value(pair[1], bound, depth+1)
	return map[string]any{"Fn::Sub": []any{replaced, values}}, true, err
}

var placeholder = lazy.MustCompile(`([$&])\{([^!}][^}]*)\}`)

// fill replaces ${Name} and, in keys, &{Name}: the same without what is not
// alphanumeric.
func fill(text string, bound bindings, forms string) string {
	return placeholder.ReplaceAllStringFunc(text, func(found string) string {
		match := placeholder.FindStringSubmatch(found)
		item, is := bound[match[2]]
		switch {
		case !is || !strings.Contains(forms, match[1]):
			return found
		case match[1] == "&":
			return notAlphanumeric.ReplaceAllString(item, "")
		}
		return item
	})
}

var notAlphanumeric = lazy.MustCompile(`[^0-9A-Za-z]`)

// subText fills the text of Fn::Sub. A variable inside of a variable's name is
// refused, as without the extensions.
func subText(text string, bound bindings) (string, error) {
	if len(bound) == 0 {
		return text, nil
	}
	if nested.MatchString(text) {
		return "", refuse("Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons")
	}
	return fill(text, bound, "$"), nil
}

var nested = lazy.MustCompile(`\$\{[^!}][^}]*\$\{`)

// object writes out the loops among the members of an object.
func (x *expander) object(object map[string]any, bound bindings, depth int, names bool) (map[string]any, error) {
	result := make(map[string]any, len(object))
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if strings.HasPrefix(key, loopPrefix) {
			if err := x.loop(result, object[key], bound, depth, names); err != nil {
				return nil, err
			}
			continue
		}
		if err := x.member(result, key, object[key], bound, depth); err != nil {
			return nil, err
		}
	}
	return result, nil
}

func (x *expander) member(result map[string]any, key string, value any, bound bindings, depth int) error {
	if _, twice := result[key]; twice {
		return extensionRefusal("Duplicate key '%s' when merging keys to parent object in Fn::ForEach", key)
	}
	one, err := x.value(value, bound, depth+1)
	result[key] = one
	return err
}

// loop writes one Fn::ForEach into the object around it.
func (x *expander) loop(result map[string]any, value any, bound bindings, depth int, names bool) error {
	parts, ok := value.([]any)
	if !ok || len(parts) != 3 {
		return extensionRefusal("Fn::ForEach layout is incorrect")
	}
	identifier, isText := parts[0].(string)
	fragment, isMap := parts[2].(map[string]any)
	if _, text := parts[1].(string); !isText || !isMap || text || identifier == "" {
		return extensionRefusal("Fn::ForEach layout is incorrect")
	}
	items, err := x.collection(parts[1], bound, depth)
	if err != nil {
		return err
	}
	if x.loops++; x.loops > maxLoopDepth {
		return extensionRefusal("Fn::ForEach is nested deeper than %d", maxLoopDepth)
	}
	defer func() { x.loops-- }()
	for _, item := range items {
		inner := bindings{identifier: item}
		for name, outer := range bound {
			if name != identifier {
				inner[name] = outer
			}
		}
		for _, key := range slices.Sorted(maps.Keys(fragment)) {
			if strings.HasPrefix(key, loopPrefix) {
				err = x.loop(result, fragment[key], inner, depth+1, names)
			} else if filled := fill(key, inner, "$&"); names && notAlphanumeric.MatchString(filled) {
				err = extensionRefusal("LogicalId '%s' should be alphanumeric", filled)
			} else {
				err = x.member(result, filled, fragment[key], inner, depth+1)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// collection resolves what a loop goes over.
func (x *expander) collection(value any, bound bindings, depth int) ([]string, error) {
	unresolved := extensionRefusal("Could not find a collection or could not be resolved for Fn::ForEach")
	filled, err := x.value(value, bound, depth+1)
	if err != nil {
		return nil, err
	}
	resolved, err := x.open.Value(x.p.ctx, filled)
	if err != nil {
		return nil, err
	}
	list, ok := resolved.([]any)
	if !ok {
		return nil, unresolved
	}
	items := make([]string, 0, len(list))
	for _, item := range list {
		text, ok := template.Text(item)
		if !ok {
			return nil, unresolved
		}
		items = append(items, text)
	}
	return items, nil
}

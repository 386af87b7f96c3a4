package template

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
)

// errUndecided tells that a condition asks for a parameter whose value is not known
// yet: that of a nested stack which a change set would make.
var errUndecided = errors.New("the condition cannot be decided yet")

// named decides a condition by its name, once.
func (r *resolver) named(name, function string, depth int) (bool, error) {
	if r.e.undecided[name] {
		return true, errUndecided
	}
	if holds, decided := r.e.conditions[name]; decided {
		return holds, nil
	}
	value, known := r.e.Template.Conditions[name]
	switch {
	case !known:
		return false, refuse("Template error: unresolved condition dependency %s in %s", name, function)
	case slices.Contains(r.asking, name):
		return false, refuse("Template error: Found circular condition dependency between: [%s]", strings.Join(r.asking, ", "))
	}
	r.asking = append(r.asking, name)
	holds, err := r.holds(value, depth+1)
	r.asking = r.asking[:len(r.asking)-1]
	switch {
	case errors.Is(err, errUndecided) && !r.e.open:
		r.e.conditions[name], r.e.undecided[name] = true, true // a preview has what may be
	case err == nil:
		r.e.conditions[name] = holds
	}
	return holds, err
}

// holds decides a boolean expression of the Conditions or Rules section.
func (r *resolver) holds(value any, depth int) (bool, error) {
	if r.steps++; depth > maxDepth || r.steps > maxSteps {
		return false, refuse("Template error: the conditions are nested too deeply")
	}
	object, _ := value.(map[string]any)
	if named, ok := conditionOf(object); ok {
		if name, isText := named.(string); isText {
			return r.named(name, "Condition", depth)
		}
	}
	function, argument, ok := call(value)
	switch {
	case ok && slices.Contains(ruleFunctions, function):
		return r.contains(function, argument, depth)
	case !ok || !slices.Contains(booleanFunctions, function):
		return false, refuse("Template format error: Conditions can only be boolean operations on parameters and other conditions")
	}
	items, err := booleans(function, argument)
	if err != nil {
		return false, err
	}
	switch function {
	case "Fn::Equals":
		return r.equal(items[0], items[1], depth)
	case "Fn::Not":
		inner, err := r.holds(items[0], depth+1)
		return !inner, err
	}
	return r.combine(function == "Fn::And", items, depth)
}

func (r *resolver) combine(and bool, items []any, depth int) (bool, error) {
	var undecided error
	for _, item := range items {
		holds, err := r.holds(item, depth+1)
		switch {
		case errors.Is(err, errUndecided): // another may decide it
			undecided = err
		case err != nil || holds != and:
			return holds, err
		}
	}
	return and, undecided
}

func (r *resolver) equal(a, b any, depth int) (bool, error) {
	left, err := r.value(a, depth+1)
	if err != nil {
		return false, err
	}
	right, err := r.value(b, depth+1)
	if err != nil {
		return false, err
	}
	if HasUnknown(left) || HasUnknown(right) {
		return false, errUndecided
	}
	x, isText := Text(left)
	y, alsoText := Text(right)
	if isText && alsoText {
		return x == y, nil
	}
	return reflect.DeepEqual(left, right), nil
}

// assert checks the rules
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html).
//
// AWS: shows the description of the assertion too; the words around it are ours.
func (e *Evaluation) assert(ctx context.Context) error {
	for _, name := range sorted(e.Template.Rules) {
		rule := e.Template.Rules[name]
		if rule.Condition != nil {
			applies, err := e.newResolver(ctx).holds(rule.Condition, 0)
			switch {
			case errors.Is(err, errUndecided):
				continue
			case err != nil:
				return err
			case !applies:
				continue
			}
		}
		for _, assertion := range rule.Assertions {
			holds, err := e.newResolver(ctx).holds(assertion.Assert, 0)
			switch {
			case errors.Is(err, errUndecided):
			case err != nil:
				return err
			case !holds && assertion.Description != "":
				return refuse("Template error: Rule %s failed: %s", name, assertion.Description)
			case !holds:
				return refuse("Template error: Rule %s failed", name)
			}
		}
	}
	return nil
}

// contains decides the functions of rules that are boolean
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/intrinsic-function-reference-rules.html).
func (r *resolver) contains(function string, argument any, depth int) (bool, error) {
	refusal := "Template error: every " + function + " object requires two parameters, a list of strings and what it is compared with"
	pair, err := list(argument, 2, 2, refusal)
	if err != nil {
		return false, err
	}
	first, err := r.ruleTexts(pair[0], depth, refusal)
	if err != nil {
		return false, err
	}
	second, err := r.ruleTexts(pair[1], depth, refusal)
	if err != nil {
		return false, err
	}
	switch function {
	case "Fn::Contains":
		return !slices.ContainsFunc(second, func(text string) bool { return !slices.Contains(first, text) }), nil
	case "Fn::EachMemberIn":
		return !slices.ContainsFunc(first, func(text string) bool { return !slices.Contains(second, text) }), nil
	case "Fn::EachMemberEquals":
		return !slices.ContainsFunc(first, func(text string) bool { return len(second) != 1 || text != second[0] }), nil
	}
	return false, refuse("Template error: %s is not a boolean function", function)
}

// ruleTexts resolves a text or a list of texts inside a rule.
func (r *resolver) ruleTexts(value any, depth int, refusal string) ([]string, error) {
	if function, argument, ok := call(value); ok {
		switch function {
		case "Fn::RefAll":
			return r.refAll(argument)
		case "Fn::ValueOf", "Fn::ValueOfAll":
			// AWS: attributes of VPCs, subnets, security groups that parameters name;
			// this platform has none.
			return nil, refuse("Template error: %s asks for attributes of resources that this platform does not have", function)
		}
	}
	resolved, err := r.value(value, depth+1)
	if err != nil {
		return nil, err
	}
	if HasUnknown(resolved) {
		return nil, errUndecided
	}
	if text, ok := Text(resolved); ok {
		return []string{text}, nil
	}
	texts, _, err := r.items(resolved, depth+1, refusal)
	return texts, err
}

// refAll are the values of all parameters of a type.
func (r *resolver) refAll(argument any) (texts []string, err error) {
	wanted, ok := argument.(string)
	if !ok {
		return nil, notText("Fn::RefAll")
	}
	for _, name := range sorted(r.e.Template.Parameters) {
		if r.e.Template.Parameters[name].kind.of != wanted {
			continue
		}
		value := r.e.scope.Arguments[name].Value
		items, isList := value.([]any)
		if !isList {
			items = []any{value}
		}
		for _, item := range items {
			if text, ok := Text(item); ok {
				texts = append(texts, text)
			}
		}
	}
	return texts, nil
}

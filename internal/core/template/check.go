package template

import (
	"slices"
	"strings"
)

// section says where a value stands: which functions it may call.
type section uint8

const (
	inValue section = iota // of resources and outputs
	inCondition
	inRule
)

// checkNames wants different names for resources and parameters: Ref could mean either.
func (t *Template) checkNames() error {
	var common []string
	for _, name := range sorted(t.Resources) {
		if t.Parameters[name] != nil {
			common = append(common, name)
		}
	}
	if len(common) > 0 {
		return refuse("Template format error: all resources and parameters must have unique names. Common name(s):[%s]", strings.Join(common, ", "))
	}
	return nil
}

// checkFunctions checks the form of every call of a function.
func (t *Template) checkFunctions() error {
	c := &checker{template: t}
	for _, name := range sorted(t.Conditions) {
		if err := c.check(t.Conditions[name], inCondition, 0); err != nil {
			return err
		}
	}
	for _, name := range sorted(t.Rules) {
		rule := t.Rules[name]
		if err := c.check(rule.Condition, inRule, 0); err != nil {
			return err
		}
		for _, assertion := range rule.Assertions {
			if err := c.check(assertion.Assert, inRule, 0); err != nil {
				return err
			}
		}
	}
	for _, name := range sorted(t.Resources) {
		for _, value := range append(t.Resources[name].resolvable(), plain(t.Resources[name].calls)) {
			if err := c.check(value, inValue, 0); err != nil {
				return err
			}
		}
	}
	for _, name := range sorted(t.Outputs) {
		for _, value := range []any{t.Outputs[name].Value, t.Outputs[name].ExportName} {
			if err := c.check(value, inValue, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// resolvable are the attributes of a resource whose functions are resolved.
func (r *Resource) resolvable() []any {
	return []any{plain(r.Properties), plain(r.CreationPolicy), plain(r.UpdatePolicy), r.Metadata}
}

// plain makes an absent map the value nil.
func plain(m map[string]any) any {
	if m == nil {
		return nil
	}
	return m
}

type checker struct{ template *Template }

func (c *checker) check(value any, where section, depth int) error {
	if depth > maxDepth {
		return refuse("Template format error: the template is nested too deeply.")
	}
	if function, argument, ok := call(value); ok {
		return c.call(function, argument, where, depth)
	}
	switch value := value.(type) {
	case map[string]any:
		if name, ok := conditionOf(value); ok && where != inValue {
			return c.condition(name, "Condition")
		}
		return c.object(value, where, depth)
	case []any:
		return c.all(value, where, depth)
	}
	return nil
}

func (c *checker) object(object map[string]any, where section, depth int) error {
	for _, key := range sorted(object) {
		if strings.HasPrefix(key, "Fn::") {
			return refuse("Template error: %s must be the only member of its object", key)
		}
		if err := c.check(object[key], where, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) all(items []any, where section, depth int) error {
	for _, item := range items {
		if err := c.check(item, where, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// conditionOf is the name in {"Condition": name}. The SAM transform writes two of
// them into one another, {"Condition": {"Condition": name}}, for the destinations
// of a function that has a condition.
func conditionOf(value map[string]any) (name any, ok bool) {
	name, ok = value["Condition"]
	if inner, isMap := name.(map[string]any); isMap && len(inner) == 1 && inner["Condition"] != nil {
		name = inner["Condition"]
	}
	return name, ok && len(value) == 1
}

func (c *checker) condition(name any, function string) error {
	text, ok := name.(string)
	if _, known := c.template.Conditions[text]; !ok || !known {
		return refuse("Template error: unresolved condition dependency %s in %s", shown(name), function)
	}
	return nil
}

func shown(value any) string {
	if text, ok := Text(value); ok {
		return text
	}
	return "an object"
}

// call checks one call and its arguments.
func (c *checker) call(function string, argument any, where section, depth int) error {
	switch {
	case slices.Contains(booleanFunctions, function) && where == inValue:
		return refuse("Template error: %s cannot be partially collapsed", function)
	case slices.Contains(booleanFunctions, function):
		items, err := booleans(function, argument)
		if err != nil {
			return err
		}
		return c.all(items, where, depth)
	case slices.Contains(ruleFunctions, function) && where == inRule:
		return c.check(argument, where, depth+1)
	case !slices.Contains(valueFunctions, function):
		return unsupportedFunction(function)
	}
	arguments, err := c.form(function, argument, where)
	if err != nil {
		return err
	}
	return c.all(arguments, where, depth)
}

// form checks the form of a call of a value function; its answer are the
// arguments that may be calls themselves.
func (c *checker) form(function string, argument any, where section) ([]any, error) {
	switch function {
	case "Ref":
		if _, ok := argument.(string); !ok {
			return nil, refuse("%s", badRef)
		}
		return nil, nil
	case "Fn::GetAtt":
		_, attribute, err := getAtt(argument)
		return []any{attribute}, err
	case "Fn::Sub":
		_, variables, err := sub(argument)
		for _, key := range sorted(variables) {
			if _, isText := Text(variables[key]); !isText {
				if _, _, isCall := call(variables[key]); !isCall {
					return nil, refuse("%s", badSubValue)
				}
			}
		}
		return []any{variables}, err
	case "Fn::If":
		name, branches, err := conditionIf(argument)
		if err == nil {
			err = c.condition(name, "Fn::If")
		}
		return branches, err
	case "Fn::FindInMap":
		keys, instead, err := findInMap(argument)
		if err == nil {
			err = c.mapping(keys[0])
		}
		return append(slices.Clone(keys), instead), err
	case "Fn::Join":
		return list(argument, 2, 2, badJoin)
	case "Fn::Split":
		return list(argument, 2, 2, badSplit)
	case "Fn::Select":
		return list(argument, 2, 2, badSelect)
	case "Fn::Cidr":
		return list(argument, 2, 3, badCidr)
	case "Fn::GetStackOutput":
		object, err := stackOutput(argument)
		return []any{object}, err
	case "Fn::ImportValue":
		if where != inValue {
			return nil, refuse("Template error: Fn::ImportValue is not supported in the Conditions and Rules blocks of the template")
		}
		return []any{argument}, c.importable(argument)
	}
	return []any{argument}, nil // Fn::Base64, Fn::GetAZs, Fn::Length, Fn::ToJsonString
}

// mapping wants a mapping of that name, if the name is written down.
func (c *checker) mapping(name any) error {
	if text, ok := name.(string); ok && c.template.Mappings[text] == nil {
		return refuse("Template error: Mapping named '%s' is not present in the 'Mappings' section of template.", text)
	}
	return nil
}

// importable wants the name of an import to be known before any resource.
func (c *checker) importable(argument any) error {
	found := false
	visit(argument, 0, func(function string, argument any) {
		found = found || function == "Fn::ImportValue" || function == "Fn::GetAZs"
	})
	for _, reference := range c.template.collect(argument, nil) {
		found = found || reference.Source != ParameterReference
	}
	if found {
		return refuse("%s", badImport)
	}
	return nil
}

// visit shows every call inside a value.
func visit(value any, depth int, show func(function string, argument any)) {
	if depth > maxDepth {
		return
	}
	if function, argument, ok := call(value); ok {
		show(function, argument)
	}
	switch value := value.(type) {
	case map[string]any:
		for _, item := range value {
			visit(item, depth+1, show)
		}
	case []any:
		for _, item := range value {
			visit(item, depth+1, show)
		}
	}
}

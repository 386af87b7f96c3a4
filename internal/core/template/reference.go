package template

import (
	"slices"
	"strings"
)

// Sources of a value, as change sets name them (ChangeSource).
const (
	ParameterReference = "ParameterReference"
	ResourceReference  = "ResourceReference"
	ResourceAttribute  = "ResourceAttribute"
)

// Reference is one thing that a value depends on.
type Reference struct {
	Source    string // one of the constants
	Name      string // of the parameter or resource
	Attribute string // of ResourceAttribute; empty if a function names it
}

// Entity is the reference as a change set shows it (CausingEntity).
func (r Reference) Entity() string {
	if r.Source == ResourceAttribute {
		return r.Name + "." + r.Attribute
	}
	return r.Name
}

// pseudo are the parameters that are there without being declared
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html).
var pseudo = []string{"AWS::AccountId", "AWS::NoValue", "AWS::NotificationARNs", "AWS::Partition", "AWS::Region", "AWS::StackId", "AWS::StackName", "AWS::URLSuffix"}

// collect finds what a value refers to. With conditions only the branches that
// are taken count; without (nil) all do.
func (t *Template) collect(value any, conditions map[string]bool) []Reference {
	w := &walker{template: t, conditions: conditions, branches: true}
	w.walk(value, 0)
	return w.found
}

type walker struct {
	template   *Template
	conditions map[string]bool
	branches   bool // without conditions: look into both branches of Fn::If
	found      []Reference
}

func (w *walker) walk(value any, depth int) {
	if depth > maxDepth {
		return
	}
	if function, argument, ok := call(value); ok && w.call(function, argument, depth) {
		return
	}
	switch value := value.(type) {
	case map[string]any:
		for _, key := range sorted(value) {
			w.walk(value[key], depth+1)
		}
	case []any:
		for _, item := range value {
			w.walk(item, depth+1)
		}
	}
}

// call handles the functions that refer to something; the arguments of the others
// are walked as any value.
func (w *walker) call(function string, argument any, depth int) bool {
	switch function {
	case "Ref":
		if name, ok := argument.(string); ok {
			w.name(name)
		}
	case "Fn::GetAtt":
		if resource, attribute, err := getAtt(argument); err == nil {
			text, _ := attribute.(string)
			w.add(Reference{ResourceAttribute, resource, text})
			w.walk(attribute, depth+1)
		}
	case "Fn::Sub":
		parts, variables, err := sub(argument)
		if err != nil {
			return true
		}
		for _, p := range parts {
			if _, own := variables[p.text]; p.variable && !own {
				w.variable(p.text)
			}
		}
		w.walk(variables, depth+1)
	case "Fn::If":
		name, branches, err := conditionIf(argument)
		if err != nil {
			return true
		}
		taken, decided := w.conditions[name]
		switch {
		case decided && taken:
			w.walk(branches[0], depth+1)
		case decided:
			w.walk(branches[1], depth+1)
		case w.branches:
			w.walk(branches, depth+1)
		}
	default:
		return false
	}
	return true
}

// name is a Ref: a parameter, or a resource, or nothing that there is.
func (w *walker) name(name string) {
	switch {
	case slices.Contains(pseudo, name):
	case w.template.Parameters[name] != nil:
		w.add(Reference{Source: ParameterReference, Name: name})
	default:
		w.add(Reference{Source: ResourceReference, Name: name})
	}
}

// variable is one of Fn::Sub: a Ref, or Resource.Attribute.
func (w *walker) variable(name string) {
	if resource, attribute, ok := strings.Cut(name, "."); ok {
		w.add(Reference{ResourceAttribute, resource, attribute})
		return
	}
	w.name(name)
}

func (w *walker) add(r Reference) {
	if !slices.Contains(w.found, r) {
		w.found = append(w.found, r)
	}
}

// checkReferences wants everything that is referred to in the template, also in
// branches that are not taken; conditions and rules may refer to parameters only.
func (t *Template) checkReferences() error {
	for _, name := range sorted(t.Conditions) {
		if bad := t.unresolved(t.collect(t.Conditions[name], nil), true); len(bad) > 0 {
			return refuse("Template format error: Unresolved dependencies [%s]. Cannot reference resources in the Conditions block of the template", strings.Join(bad, ", "))
		}
	}
	for _, name := range sorted(t.Rules) {
		for _, a := range append(t.Rules[name].Assertions, Assertion{Assert: t.Rules[name].Condition}) {
			if bad := t.unresolved(t.collect(a.Assert, nil), true); len(bad) > 0 {
				return refuse("Template format error: Unresolved dependencies [%s]. Cannot reference resources in the Rules block of the template", strings.Join(bad, ", "))
			}
		}
	}
	if err := t.checkResourceReferences(); err != nil {
		return err
	}
	return t.checkOutputReferences()
}

func (t *Template) checkResourceReferences() error {
	var missing []string
	for _, name := range sorted(t.Resources) {
		r := t.Resources[name]
		if _, known := t.Conditions[r.Condition]; r.Condition != "" && !known {
			return refuse("Template format error: Unresolved condition dependency %s in the Resources block of the template", r.Condition)
		}
		if bad := t.unresolved(t.collect(plain(r.calls), nil), true); len(bad) > 0 {
			return refuse("Template format error: Unresolved dependencies [%s]. Cannot reference resources in DeletionPolicy and UpdateReplacePolicy", strings.Join(bad, ", "))
		}
		found := t.collect(r.resolvable(), nil)
		if err := t.undefinedAttributes(r.resolvable()); err != nil {
			return err
		}
		for _, other := range r.DependsOn {
			found = append(found, Reference{Source: ResourceReference, Name: other})
		}
		missing = append(missing, t.unresolved(found, false)...)
	}
	return unresolvedIn("Resources", missing)
}

func (t *Template) checkOutputReferences() error {
	var missing []string
	for _, name := range sorted(t.Outputs) {
		o := t.Outputs[name]
		if _, known := t.Conditions[o.Condition]; o.Condition != "" && !known {
			return refuse("Template format error: Unresolved condition dependency %s in the Outputs block of the template", o.Condition)
		}
		values := []any{o.Value, o.ExportName}
		if err := t.undefinedAttributes(values); err != nil {
			return err
		}
		missing = append(missing, t.unresolved(t.collect(values, nil), false)...)
	}
	return unresolvedIn("Outputs", missing)
}

// unresolvedIn is AWS's refusal of references to what is not there.
func unresolvedIn(block string, missing []string) error {
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return refuse("Template format error: Unresolved resource dependencies [%s] in the %s block of the template", strings.Join(slices.Compact(missing), ", "), block)
}

// unresolved are the names that are neither parameters nor resources.
func (t *Template) unresolved(found []Reference, parametersOnly bool) (missing []string) {
	for _, r := range found {
		if r.Source != ParameterReference && (parametersOnly || t.Resources[r.Name] == nil) {
			missing = append(missing, r.Name)
		}
	}
	return missing
}

// undefinedAttributes words references to attributes of what is no resource,
// which CloudFormation refuses before other missing names.
func (t *Template) undefinedAttributes(values []any) (refusal error) {
	visit(values, 0, func(function string, argument any) {
		switch function {
		case "Fn::GetAtt":
			if resource, _, err := getAtt(argument); err == nil && t.Resources[resource] == nil && refusal == nil {
				refusal = refuse("Template error: instance of Fn::GetAtt references undefined resource %s", resource)
			}
		case "Fn::Sub":
			parts, _, err := sub(argument)
			for _, p := range parts {
				resource, _, dotted := strings.Cut(p.text, ".")
				if err == nil && p.variable && dotted && t.Resources[resource] == nil && refusal == nil {
					refusal = refuse("Template error: instance of Fn::Sub references invalid resource attribute %s", p.text)
				}
			}
		}
	})
	return refusal
}

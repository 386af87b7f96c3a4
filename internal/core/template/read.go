package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/base/lazy"
)

// sections of a template
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html).
var sections = []string{"AWSTemplateFormatVersion", "Conditions", "Description", "Hooks", "Mappings", "Metadata", "Outputs", "Parameters", "Resources", "Rules", "Transform"}

// FormatVersion is the only version of the language.
const FormatVersion = "2010-09-09"

var alphanumeric = lazy.MustCompile(`^[A-Za-z0-9]+$`)

// Read checks the structure of a template whose transforms have run: sections,
// members, names, references, functions, cycles.
func Read(values map[string]any) (*Template, error) {
	t := &Template{Values: values}
	for _, step := range []func() error{
		func() error { return checkSections(values) },
		t.readHeader,
		func() (err error) { t.Parameters, err = ReadParameters(values); return err },
		t.readMappings, t.readConditions, t.readResources, t.readOutputs, t.readRules,
		t.checkNames, t.checkFunctions, t.checkConditionGraph, t.checkReferences, t.checkSecure,
		func() error { return cycle(t.staticGraph()) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func checkSections(values map[string]any) error {
	var unknown []string
	for name := range values {
		if !slices.Contains(sections, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return refuse("Invalid template property or properties [%s]", strings.Join(unknown, ", "))
	}
	if path, ok := findNull(values, "", 0); ok {
		return refuse("[%s] 'null' values are not allowed in templates", path)
	}
	return nil
}

// findNull is the path of the first null.
func findNull(value any, path string, depth int) (string, bool) {
	if depth > maxDepth {
		return "", false
	}
	switch value := value.(type) {
	case nil:
		return path, true
	case map[string]any:
		for _, key := range sorted(value) {
			if found, ok := findNull(value[key], path+"/"+key, depth+1); ok {
				return found, true
			}
		}
	case []any:
		for i, item := range value {
			if found, ok := findNull(item, fmt.Sprintf("%s/%d", path, i), depth+1); ok {
				return found, true
			}
		}
	}
	return "", false
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (t *Template) readHeader() error {
	if version, there := t.Values["AWSTemplateFormatVersion"]; there {
		if text, ok := Text(version); !ok || text != FormatVersion {
			return refuse("Template format error: unsupported value for AWSTemplateFormatVersion.")
		}
	}
	if description, there := t.Values["Description"]; there {
		text, ok := Text(description)
		switch {
		case !ok:
			return refuse("Template format error: Description must be a string.")
		case len(text) > MaxDescriptionBytes:
			return refuse("Template format error: 'Description' length is greater than %d", MaxDescriptionBytes)
		}
		t.Description = text
	}
	t.Metadata = t.Values["Metadata"]
	return nil
}

// members are the entries of a section of maps.
func members(values map[string]any, section string) (map[string]map[string]any, error) {
	value, there := values[section]
	if !there {
		return nil, nil
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, refuse("Template format error: [/%s] %s must be an object.", section, section)
	}
	found := make(map[string]map[string]any, len(object))
	for _, name := range sorted(object) {
		member, ok := object[name].(map[string]any)
		if strings.HasPrefix(name, "Fn::ForEach::") {
			// Measured by others on an account: a loop without the language extensions.
			return nil, refuse("Template format error: [/%s/%s] resource definition is malformed", section, name)
		}
		if !ok {
			return nil, refuse("Template format error: Any %s member must be an object.", section)
		}
		found[name] = member
	}
	return found, nil
}

// checkLogicalName checks the name of a member of a section.
func checkLogicalName(kind, name string) error {
	switch {
	case !alphanumeric.MatchString(name):
		return refuse("Template format error: %s name %s is non alphanumeric.", kind, name)
	case len(name) > MaxNameBytes:
		return refuse("Template format error: %s name %s is longer than %d characters.", kind, name, MaxNameBytes)
	}
	return nil
}

func tooMany(what string, n, most int) error {
	if n > most {
		return refuse("Template format error: Number of %s, %d, is greater than maximum allowed, %d", what, n, most)
	}
	return nil
}

func (t *Template) readMappings() error {
	found, err := members(t.Values, "Mappings")
	if err != nil {
		return err
	}
	if err := tooMany("mappings", len(found), MaxMappings); err != nil {
		return err
	}
	t.Mappings = map[string]map[string]map[string]any{}
	for _, name := range sorted(found) {
		if err := checkLogicalName("Mapping", name); err != nil {
			return err
		}
		if t.Mappings[name], err = readMapping(name, found[name]); err != nil {
			return err
		}
	}
	return nil
}

func readMapping(name string, member map[string]any) (map[string]map[string]any, error) {
	mapping := map[string]map[string]any{}
	if err := tooMany("keys of mapping "+name, len(member), MaxMapKeys); err != nil {
		return nil, err
	}
	for _, key := range sorted(member) {
		attributes, ok := member[key].(map[string]any)
		if !ok {
			return nil, refuse("Template format error: Every Mappings member %s must be a map", key)
		}
		if err := tooMany("attributes of mapping "+name+"::"+key, len(attributes), MaxMapKeys); err != nil {
			return nil, err
		}
		for _, attribute := range sorted(attributes) {
			if _, isMap := attributes[attribute].(map[string]any); isMap {
				return nil, refuse("Template format error: Every Mappings attribute must be a String or a List.")
			}
		}
		mapping[key] = attributes
	}
	return mapping, nil
}

func (t *Template) readConditions() error {
	t.Conditions = map[string]any{}
	value, there := t.Values["Conditions"]
	if !there {
		return nil
	}
	object, ok := value.(map[string]any)
	if !ok {
		return refuse("Template format error: [/Conditions] Conditions must be an object.")
	}
	for _, name := range sorted(object) {
		if _, ok := object[name].(map[string]any); !ok {
			return refuse("Template format error: Conditions can only be boolean operations on parameters and other conditions")
		}
		t.Conditions[name] = object[name]
	}
	return nil
}

func (t *Template) readOutputs() error {
	found, err := members(t.Values, "Outputs")
	if err != nil {
		return err
	}
	if err := tooMany("outputs", len(found), MaxOutputs); err != nil {
		return err
	}
	t.Outputs = map[string]*Output{}
	for _, name := range sorted(found) {
		if err := checkLogicalName("Output", name); err != nil {
			return err
		}
		if t.Outputs[name], err = readOutput(name, found[name]); err != nil {
			return err
		}
	}
	return nil
}

func readOutput(name string, member map[string]any) (*Output, error) {
	o := &Output{Name: name}
	for _, key := range sorted(member) {
		value := member[key]
		switch key {
		case "Value":
			o.Value = value
		case "Description":
			text, ok := Text(value)
			if !ok {
				return nil, refuse("Template format error: Every Outputs Description must be a string.")
			}
			o.Description = text
		case "Condition":
			text, ok := value.(string)
			if !ok {
				return nil, refuse("Template format error: Every Condition member must be a string.")
			}
			o.Condition = text
		case "Export":
			export, ok := value.(map[string]any)
			if !ok || len(export) != 1 || export["Name"] == nil {
				return nil, refuse("Template format error: Every Export of the Outputs must be an object with a Name member; output %s.", name)
			}
			o.ExportName = export["Name"]
		default:
			return nil, refuse("Template format error: Invalid template output property '%s'", key)
		}
	}
	if o.Value == nil {
		return nil, refuse("Template format error: Every Outputs member must contain a Value object")
	}
	return o, nil
}

func (t *Template) readRules() error {
	found, err := members(t.Values, "Rules")
	if err != nil {
		return err
	}
	t.Rules = map[string]*Rule{}
	for _, name := range sorted(found) {
		if err := checkLogicalName("Rule", name); err != nil {
			return err
		}
		if t.Rules[name], err = readRule(name, found[name]); err != nil {
			return err
		}
	}
	return nil
}

func readRule(name string, member map[string]any) (*Rule, error) {
	r := &Rule{Name: name, Condition: member["RuleCondition"]}
	for _, key := range sorted(member) {
		if key != "RuleCondition" && key != "Assertions" {
			return nil, refuse("Template format error: Invalid template rule property '%s'", key)
		}
	}
	list, ok := member["Assertions"].([]any)
	if !ok || len(list) == 0 {
		return nil, refuse("Template format error: Every Rules member must contain a list of Assertions; rule %s.", name)
	}
	for _, item := range list {
		assertion, _ := item.(map[string]any)
		if assertion["Assert"] == nil {
			return nil, refuse("Template format error: Every assertion must contain an Assert member; rule %s.", name)
		}
		description, _ := Text(assertion["AssertDescription"])
		r.Assertions = append(r.Assertions, Assertion{Assert: assertion["Assert"], Description: description})
	}
	return r, nil
}

package template

import (
	"context"
	"maps"
	"slices"
)

// resourceMembers are the attributes of a resource
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-product-attribute-reference.html).
var resourceMembers = map[string]func(r *Resource, value any) error{
	"Type":           func(*Resource, any) error { return nil }, // read before the others
	"Description":    func(*Resource, any) error { return nil }, // text for people, as Metadata is
	"Properties":     func(r *Resource, value any) error { return object(&r.Properties, value, "Properties") },
	"Condition":      func(r *Resource, value any) error { return name(&r.Condition, value, "Condition") },
	"DependsOn":      readDependsOn,
	"DeletionPolicy": func(r *Resource, value any) error { return policy(r, &r.DeletionPolicy, value, "DeletionPolicy") },
	"UpdateReplacePolicy": func(r *Resource, value any) error {
		return policy(r, &r.UpdateReplacePolicy, value, "UpdateReplacePolicy")
	},
	"CreationPolicy": func(r *Resource, value any) error { return object(&r.CreationPolicy, value, "CreationPolicy") },
	"UpdatePolicy":   func(r *Resource, value any) error { return object(&r.UpdatePolicy, value, "UpdatePolicy") },
	"Metadata":       func(r *Resource, value any) error { r.Metadata = value; return nil },
	"Version":        func(r *Resource, value any) error { return name(&r.Version, value, "Version") },
}

func (t *Template) readResources() error {
	found, err := members(t.Values, "Resources")
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return refuse("Template format error: At least one Resources member must be defined.")
	}
	if err := tooMany("resources", len(found), MaxResources); err != nil {
		return err
	}
	t.Resources = make(map[string]*Resource, len(found))
	for _, name := range sorted(found) {
		if err := checkLogicalName("Resource", name); err != nil {
			return err
		}
		if t.Resources[name], err = readResource(name, found[name]); err != nil {
			return err
		}
	}
	return nil
}

func readResource(name string, member map[string]any) (*Resource, error) {
	r := &Resource{Name: name}
	kind, there := member["Type"]
	if !there {
		return nil, refuse("Template format error: [/Resources/%s] Every Resources object must contain a Type member.", name)
	}
	var ok bool
	if r.Type, ok = kind.(string); !ok || r.Type == "" {
		return nil, refuse("Template format error: [/Resources/%s/Type] Every Type member must be a string.", name)
	}
	for _, key := range sorted(member) {
		read := resourceMembers[key]
		if read == nil {
			return nil, refuse("Invalid template resource property '%s'", key)
		}
		if err := read(r, member[key]); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func object(into *map[string]any, value any, member string) error {
	m, ok := value.(map[string]any)
	if !ok {
		return refuse("Template format error: Any %s member must be an object.", member)
	}
	*into = m
	return nil
}

func name(into *string, value any, member string) error {
	text, ok := Text(value)
	if !ok {
		return refuse("Template format error: Every %s member must be a string.", member)
	}
	*into = text
	return nil
}

func readDependsOn(r *Resource, value any) error {
	switch value := value.(type) {
	case string:
		r.DependsOn = []string{value}
	case []any:
		for _, item := range value {
			text, ok := item.(string)
			if !ok {
				return refuse("Template format error: Every DependsOn value must be a string.")
			}
			r.DependsOn = append(r.DependsOn, text)
		}
	default:
		return refuse("Template format error: DependsOn must be a string or list of strings.")
	}
	return nil
}

// policies that a resource may have when it goes. They may be functions of
// parameters, also without the language extensions (recorded: localstack,
// test_deletion_policy_with_retain), although the documentation asks for these.
var policies = map[string][]string{
	"DeletionPolicy":      {"Delete", "Retain", "RetainExceptOnCreate", "Snapshot"},
	"UpdateReplacePolicy": {"Delete", "Retain", "Snapshot"},
}

func policy(r *Resource, into *string, value any, member string) error {
	if _, _, isCall := call(value); isCall {
		if r.calls == nil {
			r.calls = map[string]any{}
		}
		r.calls[member] = value
		return nil
	}
	if err := name(into, value, member); err != nil {
		return err
	}
	return knownPolicy(r, member, *into)
}

func knownPolicy(r *Resource, member, value string) error {
	if !slices.Contains(policies[member], value) {
		return refuse("Template format error: Unrecognized %s %s for resource %s", member, value, r.Name)
	}
	return nil
}

// resolvePolicies gives the resources whose policies are functions these
// policies; the template of an evaluation is a copy then.
func (e *Evaluation) resolvePolicies(ctx context.Context) error {
	t := *e.Template
	t.Resources = maps.Clone(t.Resources)
	for _, name := range sorted(t.Resources) {
		if t.Resources[name].calls == nil {
			continue
		}
		r := *t.Resources[name]
		for member, into := range map[string]*string{"DeletionPolicy": &r.DeletionPolicy, "UpdateReplacePolicy": &r.UpdateReplacePolicy} {
			value, there := r.calls[member]
			if !there {
				continue
			}
			text, err := e.textOf(ctx, value, member)
			if err != nil {
				return err
			}
			*into, _ = text.(string)
			if err := knownPolicy(&r, member, *into); err != nil {
				return err
			}
		}
		t.Resources[name] = &r
	}
	e.Template = &t
	return nil
}

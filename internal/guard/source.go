package guard

import (
	"fmt"
	"reflect"
	"strings"
)

// source takes texts out of a call.
type source func(*call) ([]string, error)

// resolver finds what a call is about.
type resolver func(*call) ([]resource, error)

// resource is one thing that a call is about.
type resource struct {
	arn   string
	also  []string // other ways in which policies write it
	shown string   // in messages, where that is not arn
	owner string   // account, where the ARN has none
}

// everything is the resource of an action that is about none.
const everything = "*"

// name is how messages show the resource.
func (r *resource) name() string {
	if r.shown != "" {
		return r.shown
	}
	return r.arn
}

// newResource reads the resource of a row.
func newResource(text string, input reflect.Type) (resolver, error) {
	kind, arguments, found := strings.Cut(text, ":")
	switch {
	case text == everything:
		return func(*call) ([]resource, error) { return []resource{{arn: everything}}, nil }, nil
	case found && resourceKinds[kind] != nil && !strings.HasPrefix(text, "arn:aws:"):
		members, err := newMembers(arguments, input)
		resolve := resourceKinds[kind]
		return func(c *call) ([]resource, error) { return resolve(c, members.of(c)) }, err
	}
	from, err := newSource(text, input)
	return func(c *call) ([]resource, error) {
		arns, err := from(c)
		list := make([]resource, len(arns))
		for i, text := range arns {
			list[i].arn = text
		}
		return list, err
	}, err
}

// newSource reads where texts come from.
func newSource(text string, input reflect.Type) (source, error) {
	kind, arguments, found := strings.Cut(text, ":")
	switch {
	case strings.HasPrefix(text, "'"):
		value := []string{strings.Trim(text, "'")}
		return func(*call) ([]string, error) { return value, nil }, nil
	case strings.HasPrefix(text, "arn:aws:"):
		return newTemplate(text, input)
	case found && valueKinds[kind] != nil:
		members, err := newMembers(arguments, input)
		resolve := valueKinds[kind]
		return func(c *call) ([]string, error) { return resolve(c, members.of(c)) }, err
	case found && resourceKinds[kind] != nil:
		from, err := newResource(text, input)
		return func(c *call) ([]string, error) { return arnsOf(from(c)) }, err
	case found:
		return nil, fmt.Errorf("%q is of no kind", text)
	}
	m, err := newMember(text, input)
	return func(c *call) ([]string, error) { return given(m.values(c.in)), nil }, err
}

func arnsOf(list []resource, err error) ([]string, error) {
	arns := make([]string, len(list))
	for i := range list {
		arns[i] = list[i].arn
	}
	return arns, err
}

// given leaves out what was not given.
func given(values []string) []string {
	kept := values[:0]
	for _, value := range values {
		if value != "" {
			kept = append(kept, value)
		}
	}
	return kept
}

// newTemplate reads an ARN with {Member} in it.
func newTemplate(text string, input reflect.Type) (source, error) {
	var parts []func(*call) string
	for text != "" {
		before, rest, found := strings.Cut(text, "{")
		parts = append(parts, func(*call) string { return before })
		if !found {
			break
		}
		name, after, _ := strings.Cut(rest, "}")
		name, otherwise, _ := strings.Cut(name, "|")
		text = after
		switch name {
		case "region":
			parts = append(parts, func(c *call) string { return c.Region })
			continue
		case "account":
			parts = append(parts, func(c *call) string { return c.Account })
			continue
		}
		m, err := newMember(name, input)
		if err != nil {
			return nil, err
		}
		parts = append(parts, func(c *call) string {
			if value := first(m.values(c.in)); value != "" {
				return value
			}
			return otherwise
		})
	}
	return func(c *call) ([]string, error) {
		var out strings.Builder
		for _, part := range parts {
			out.WriteString(part(c))
		}
		return []string{out.String()}, nil
	}, nil
}

// first is the first of some texts, "" for none.
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// member is the way to a member of an input.
type member []int

func newMember(path string, input reflect.Type) (member, error) {
	var m member
	t := input
	for name := range strings.SplitSeq(path, ".") {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return nil, fmt.Errorf("%q leads nowhere", path)
		}
		field, found := t.FieldByName(name)
		if !found {
			return nil, fmt.Errorf("%s has no member %s", t.Name(), name)
		}
		m, t = append(m, field.Index[0]), field.Type
	}
	return m, nil
}

// values are those of the member: of all elements where lists are on the way, with
// "" for one that does not have it.
func (m member) values(in reflect.Value) []string { return collect(in, m, nil, false) }

func collect(v reflect.Value, steps []int, out []string, listed bool) []string {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			if listed {
				out = append(out, "")
			}
			return out
		}
		v = v.Elem()
	}
	switch {
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		return append(out, string(v.Bytes()))
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			out = collect(v.Index(i), steps, out, true)
		}
		return out
	case len(steps) == 0:
		return append(out, fmt.Sprint(v.Interface()))
	}
	return collect(v.Field(steps[0]), steps[1:], out, listed)
}

// members are the arguments of a kind: members of the input, or words in capitals
// that are none (boundary:Role,RoleName).
type members []func(*call) []string

func newMembers(text string, input reflect.Type) (members, error) {
	var list members
	for name := range strings.SplitSeq(text, ",") {
		m, err := newMember(name, input)
		if err != nil {
			if constants[name] {
				list = append(list, func(*call) []string { return []string{name} })
				continue
			}
			return nil, err
		}
		list = append(list, func(c *call) []string { return m.values(c.in) })
	}
	return list, nil
}

// constants are the arguments of kinds that are no members.
var constants = map[string]bool{"Role": true, "User": true, "source": true, "detail-type": true}

func (m members) of(c *call) [][]string {
	values := make([][]string, len(m))
	for i, from := range m {
		values[i] = from(c)
	}
	return values
}

// tagSources find the tags in an input: a map, or a list of keys with values, and
// the keys of those to take away.
func tagSources(input reflect.Type) (tags func(*call) map[string]string, keys source) {
	t := input.Elem()
	for _, name := range []string{"TagKeys", "TagKey"} {
		if m, err := newMember(name, t); err == nil {
			keys = func(c *call) ([]string, error) { return given(m.values(c.in)), nil }
		}
	}
	for _, name := range []string{"Tags", "TagList"} {
		field, found := t.FieldByName(name)
		if !found {
			continue
		}
		index := field.Index[0]
		if field.Type.Kind() == reflect.Map {
			return func(c *call) map[string]string {
				m, _ := c.in.Elem().Field(index).Interface().(map[string]string)
				return m
			}, keys
		}
		key, err := newMember(name+".Key", t)
		value, errOfValue := newMember(name+".Value", t)
		if err != nil || errOfValue != nil {
			continue // tags of another kind: an object's, in a header
		}
		return func(c *call) map[string]string {
			all := map[string]string{}
			values := value.values(c.in)
			for i, k := range key.values(c.in) {
				if i < len(values) {
					all[k] = values[i]
				}
			}
			return all
		}, keys
	}
	return nil, keys
}

package resource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// sameName compares names of properties and members, whose first letters may differ in case.
func sameName(a, b string) bool {
	return a == b || len(a) == len(b) && a != "" && a[1:] == b[1:] && strings.EqualFold(a[:1], b[:1])
}

// at is the value at a path of members, or nil.
func at(v any, names ...string) any {
	for _, name := range names {
		members, _ := v.(values)
		v = members[name]
	}
	return v
}

// text is a plain value as text; that of other values is JSON.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case values, []any:
		return document(v)
	}
	return fmt.Sprint(v)
}

// timeless has times as text, as templates have them.
func timeless(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case values:
		for name, value := range v {
			v[name] = timeless(value)
		}
	case []any:
		for i, value := range v {
			v[i] = timeless(value)
		}
	}
	return v
}

// document is a value as JSON text, as policies and patterns are given to APIs.
func document(v any) string {
	if already, ok := v.(string); ok {
		return already
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(fmt.Sprintf("resource: a value of a template is no JSON: %v", err)) // the engine hands out only JSON
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// parsed is the value of JSON text, or the text.
func parsed(s string) any {
	decoder := json.NewDecoder(strings.NewReader(s))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil || decoder.More() {
		return s
	}
	return v
}

// list is a value as a list: one that is none is a list of itself.
func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// texts are the elements of a list as text.
func texts(v any) (all []string) {
	for _, element := range list(v) {
		all = append(all, text(element))
	}
	return all
}

// fitted turns a value of a template into the form that a member has: documents
// into text, and tags into what the API has for them.
func fitted(model *shape.Service, to shape.Index, v any) any {
	sh := &model.Shapes[to]
	elements, isList := v.([]any)
	members, isObject := v.(values)
	switch {
	case sh.Kind == shape.String && (isList || isObject):
		return document(v)
	case sh.Kind == shape.Map && isList:
		return tagMap(elements)
	case sh.Kind == shape.List && isObject:
		return tagList(members)
	case sh.Kind == shape.Map && isObject && model.Shapes[sh.Elem.Shape].Kind == shape.String:
		flat := values{}
		for name, value := range members {
			flat[name] = text(value)
		}
		return flat
	}
	return v
}

// tagMap turns tags of a list into an object, tagList the reverse.
func tagMap(tags any) values {
	if already, ok := tags.(values); ok {
		return already
	}
	m := values{}
	for _, tag := range list(tags) {
		m[text(either(tag, "Key", "key", "TagKey"))] = text(either(tag, "Value", "value", "TagValue"))
	}
	return m
}

func either(v any, names ...string) any {
	for _, name := range names {
		if value := at(v, name); value != nil {
			return value
		}
	}
	return nil
}

func tagList(tags any) []any {
	m := tagMap(tags)
	all := []any{}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		all = append(all, values{"Key": key, "Value": text(m[key])})
	}
	return all
}

// templated is the value of an answer in the form that the template has it in.
func (k *kind) templated(c *call, name string, v any) any {
	if s, ok := v.(string); ok {
		p := k.facts.Properties[name]
		if _, deployedAsText := c.properties[name].(string); p.Kinds&(stack.Object|stack.List) != 0 && !deployedAsText {
			return parsed(s)
		}
	}
	return likeDeployed(v, c.properties[name])
}

// likeDeployed gives the members of what is live the names that the template has
// for them: those of some APIs begin with small letters.
func likeDeployed(live, deployed any) any {
	switch deployed := deployed.(type) {
	case values:
		members, ok := live.(values)
		if !ok {
			return live
		}
		out := values{}
		for name, value := range members {
			for wanted := range deployed {
				if sameName(name, wanted) {
					name = wanted
				}
			}
			out[name] = likeDeployed(value, deployed[name])
		}
		return out
	case []any:
		elements, ok := live.([]any)
		if !ok || len(elements) != len(deployed) {
			return live
		}
		out := make([]any, len(elements))
		for i := range elements {
			out[i] = likeDeployed(elements[i], deployed[i])
		}
		return out
	}
	return live
}

// normal has one form for what templates write in several: plain values as text,
// and documents in text as what they hold.
func normal(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case values:
		m := values{}
		for name, value := range v {
			if value != nil {
				m[name] = normal(value)
			}
		}
		return m
	case []any:
		all := make([]any, len(v))
		for i, element := range v {
			all[i] = normal(element)
		}
		return all
	case string:
		if strings.HasPrefix(v, "{") {
			if inner, ok := parsed(v).(values); ok {
				return normal(inner)
			}
		}
		return v
	}
	return text(v)
}

// tag brings the tags of a resource from those it had to those it shall have.
func (k *kind) tag(c *call, was values) error {
	if k.tags == nil || k.facts.Tags == "" {
		return nil
	}
	before, want := tagMap(was[k.facts.Tags]), tagMap(c.properties[k.facts.Tags])
	if _, byCreate := k.memberOf(k.create, k.facts.Tags); was == nil && byCreate && !c.r.Again || !c.r.Again && equal(before, want) {
		return nil
	}
	gone := []any{}
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, stays := want[key]; !stays {
			gone = append(gone, key)
		}
	}
	if len(gone) > 0 {
		if err := c.run(k.tags.untag, k.tags.input(c, k.tags.keys, gone)); err != nil {
			return err
		}
	}
	if len(want) == 0 {
		return nil
	}
	s, op, err := k.caller.Operation(k.service, k.tags.tag)
	if err != nil {
		return err
	}
	for _, m := range s.Model.Shapes[op.Model.Input].Members {
		if sameName(m.Name, "Tags") {
			return c.run(k.tags.tag, k.tags.input(c, m.Name, fitted(s.Model, m.Shape, want)))
		}
	}
	return fmt.Errorf("%s has no tags", k.tags.tag)
}

// input names the resource, and gives a member.
func (t *tagging) input(c *call, member string, value any) values {
	in := values{t.resource: t.of(c)}
	maps.Copy(in, t.also)
	if member != "" {
		in[member] = value
	}
	return in
}

// readTags are the live tags, in the form of the template.
func (k *kind) readTags(c *call) (any, error) {
	out, err := c.do(k.tags.list, k.tags.input(c, "", nil))
	if err != nil {
		return nil, err
	}
	for name, value := range out {
		if strings.HasSuffix(strings.ToLower(name), "tags") || strings.HasSuffix(name, "TagList") {
			if k.facts.TagsAreMap {
				return tagMap(value), nil
			}
			return tagList(value), nil
		}
	}
	if k.facts.TagsAreMap {
		return values{}, nil
	}
	return []any{}, nil
}

// eachGone calls do for each element that was there and is not wanted.
func eachGone(was, want []string, do func(string) error) error {
	for _, element := range was {
		if slices.Contains(want, element) {
			continue
		}
		if err := ignoreAbsent(do(element)); err != nil {
			return err
		}
	}
	return nil
}

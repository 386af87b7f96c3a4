package resource

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
	"github.com/lambkin-dev/lambkin/internal/svc/resource/value"
	"github.com/lambkin-dev/lambkin/internal/wire/shape"
)

// fitted turns a value of a template into the form that a member has: documents
// into text, and tags into what the API has for them.
func fitted(model *shape.Service, to shape.Index, v any) any {
	sh := &model.Shapes[to]
	elements, isList := v.([]any)
	members, isObject := v.(values)
	switch {
	case sh.Kind == shape.String && (isList || isObject):
		return value.Document(v)
	case sh.Kind == shape.Map && isList:
		return value.TagMap(elements)
	case sh.Kind == shape.List && isObject:
		return value.TagList(members)
	case sh.Kind == shape.Map && isObject && model.Shapes[sh.Elem.Shape].Kind == shape.String:
		flat := values{}
		for name, given := range members {
			flat[name] = value.Text(given)
		}
		return flat
	}
	return v
}

// templated is the value of an answer in the form that the template has it in.
func (k *kind) templated(c *call, name string, v any) any {
	if s, ok := v.(string); ok {
		p := k.facts.Properties[name]
		if _, deployedAsText := c.properties[name].(string); p.Kinds&(stack.Object|stack.List) != 0 && !deployedAsText {
			return value.Parsed(s)
		}
	}
	return value.LikeDeployed(v, c.properties[name])
}

// tag brings the tags of a resource from those it had to those it shall have.
func (k *kind) tag(c *call, was values) error {
	if k.tags == nil || k.facts.Tags == "" {
		return nil
	}
	before, want := value.TagMap(was[k.facts.Tags]), value.TagMap(c.properties[k.facts.Tags])
	if _, byCreate := k.memberOf(k.create, k.facts.Tags); was == nil && byCreate && !c.r.Again || !c.r.Again && value.Equal(before, want) {
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
		if value.SameName(m.Name, "Tags") {
			return c.run(k.tags.tag, k.tags.input(c, m.Name, fitted(s.Model, m.Shape, want)))
		}
	}
	return fmt.Errorf("%s has no tags", k.tags.tag)
}

// input names the resource, and gives a member.
func (t *tagging) input(c *call, member string, given any) values {
	in := values{t.resource: t.of(c)}
	maps.Copy(in, t.also)
	if member != "" {
		in[member] = given
	}
	return in
}

// readTags are the live tags, in the form of the template.
func (k *kind) readTags(c *call) (any, error) {
	out, err := c.do(k.tags.list, k.tags.input(c, "", nil))
	if err != nil {
		return nil, err
	}
	for name, given := range out {
		if strings.HasSuffix(strings.ToLower(name), "tags") || strings.HasSuffix(name, "TagList") {
			if k.facts.TagsAreMap {
				return value.TagMap(given), nil
			}
			return value.TagList(given), nil
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

package resource

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
)

// kindNames are those of the schemas' validator, whose words CloudFormation shows.
var kindNames = []struct {
	kind stack.Kind
	name string
}{{stack.Text, "String"}, {stack.Number, "Number"}, {stack.Truth, "Boolean"}, {stack.List, "JSONArray"}, {stack.Object, "JSONObject"}}

// plainKinds are taken for one another.
const plainKinds = stack.Text | stack.Number | stack.Truth

// check compares the properties with the schema: those that are required, and the
// kinds of values. What is in them the API checks.
func (k *kind) check(c *call) error {
	problems := []string{}
	for _, name := range slices.Sorted(maps.Keys(k.facts.Properties)) {
		p, given := k.facts.Properties[name], c.properties[name]
		if given == nil {
			if p.Required {
				problems = append(problems, fmt.Sprintf("#: required key [%s] not found", name))
			}
			continue
		}
		found := kindOf(given)
		allowed := p.Kinds
		if allowed&plainKinds != 0 {
			allowed |= plainKinds
		}
		if allowed&found == 0 {
			problems = append(problems, fmt.Sprintf("#/%s: expected type: %s, found: %s", name, nameOf(p.Kinds), nameOf(found)))
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return &handlerError{text: fmt.Sprintf("Properties validation failed for resource %s with message:\n[%s]", c.r.LogicalID, strings.Join(problems, ", "))}
}

func kindOf(v any) stack.Kind {
	switch v.(type) {
	case string:
		return stack.Text
	case json.Number:
		return stack.Number
	case bool:
		return stack.Truth
	case []any:
		return stack.List
	}
	return stack.Object
}

func nameOf(kinds stack.Kind) string {
	names := []string{}
	for _, k := range kindNames {
		if kinds&k.kind != 0 {
			names = append(names, k.name)
		}
	}
	return strings.Join(names, " or ")
}

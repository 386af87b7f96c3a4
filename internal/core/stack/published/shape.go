package published

import (
	"encoding/json"
	"slices"
	"strings"
)

// Shaped is what a service tells of a resource in the form of the schema: members
// by the names that the schema has (those of some services begin with small
// letters), numbers and truth that came as text, documents that came as text. What
// the schema does not have is left out.
func (s *Schema) Shaped(model map[string]any) map[string]any {
	shaped, _ := s.shaped(s.root(), model, 0).(map[string]any)
	return shaped
}

func (s *Schema) shaped(v *Value, given any, depth int) any {
	v = s.resolved(v)
	if depth > maxDepth {
		return given
	}
	types := v.types()
	switch given := given.(type) {
	case map[string]any:
		return s.shapedObject(v, given, depth)
	case []any:
		out := make([]any, 0, len(given))
		for _, element := range given {
			if below := s.shaped(v.Items, element, depth+1); below != nil {
				out = append(out, below)
			}
		}
		return out
	case string:
		return shapedText(types, given)
	}
	if len(types) == 1 && types[0] == "string" {
		return textOf(given)
	}
	return given
}

func shapedText(types []string, given string) any {
	text := slices.Contains(types, "string")
	for _, name := range types {
		switch name {
		case "integer", "number":
			if !text && isNumber(given) {
				return json.Number(given)
			}
		case "boolean":
			if !text && (given == "true" || given == "false") {
				return given == "true"
			}
		case "object", "array":
			if given == "" { // there is none
				return nil
			}
			if v, ok := document(given); ok {
				return v
			}
		}
	}
	return given
}

// document reads JSON of an object or a list.
func document(text string) (v any, ok bool) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&v) != nil || decoder.More() {
		return nil, false
	}
	switch v.(type) {
	case map[string]any, []any:
		return v, true
	}
	return nil, false
}

func (s *Schema) shapedObject(v *Value, given map[string]any, depth int) any {
	if v.Properties == nil && v.PatternProperties == nil {
		return given
	}
	out := map[string]any{}
	for name, value := range given {
		if value == nil {
			continue
		}
		called, below := v.member(name)
		if below == nil {
			if open, closed := v.AdditionalProperties.(bool); closed && !open {
				continue
			}
			below = &Value{}
		}
		if shaped := s.shaped(below, value, depth+1); shaped != nil {
			out[called] = shaped
		}
	}
	return out
}

// member is the name and the schema of a member, whose first letter may be small or
// capital.
func (v *Value) member(name string) (string, *Value) {
	if below := v.Properties[name]; below != nil {
		return name, below
	}
	for other, below := range v.Properties {
		if len(name) == len(other) && name != "" && name[1:] == other[1:] && strings.EqualFold(name[:1], other[:1]) {
			return other, below
		}
	}
	return name, matching(v.PatternProperties, name)
}

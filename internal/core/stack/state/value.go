package state

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/template"
)

// clone copies a JSON-like value, so that nobody changes what the store has.
func Clone(properties map[string]any) map[string]any {
	if properties == nil {
		return nil
	}
	return cloneValue(properties).(map[string]any)
}

func cloneValue(value any) any {
	switch value := value.(type) {
	case map[string]any:
		copied := make(map[string]any, len(value))
		for key, item := range value {
			copied[key] = cloneValue(item)
		}
		return copied
	case []any:
		copied := make([]any, len(value))
		for i, item := range value {
			copied[i] = cloneValue(item)
		}
		return copied
	}
	return value
}

// same tells whether two values are one to CloudFormation, which takes numbers,
// truth and their texts for one another.
func Same(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, Same)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, Same)
	}
	x, isText := template.Text(a)
	y, alsoText := template.Text(b)
	return isText && alsoText && x == y || a == nil && b == nil
}

// AttributeOf finds an attribute, which may lie inside another.
func AttributeOf(attributes map[string]any, name string) (any, bool) {
	if value, there := attributes[name]; there {
		return value, true
	}
	for at := strings.IndexByte(name, '.'); at > 0; {
		inner, ok := attributes[name[:at]].(map[string]any)
		if ok {
			if value, there := AttributeOf(inner, name[at+1:]); there {
				return value, true
			}
		}
		next := strings.IndexByte(name[at+1:], '.')
		if next < 0 {
			break
		}
		at += next + 1
	}
	return nil, false
}

// jsonText writes a value as JSON; nil is "".
func JSON(value any) string {
	if value == nil {
		return ""
	}
	text, err := json.Marshal(value)
	if err != nil {
		return "" // values of templates can be written
	}
	return string(text)
}

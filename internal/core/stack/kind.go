package stack

import (
	"encoding/json"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/template"
)

// Fits tells whether a value is of one of the kinds, or can be read as one.
func (k Kind) Fits(value any) bool {
	switch value.(type) {
	case map[string]any:
		return k&Object != 0
	case []any:
		return k&List != 0
	}
	text, scalar := template.Text(value)
	if !scalar {
		return true // not known yet
	}
	switch {
	case k&Text != 0:
		return true
	case k&Truth != 0 && (strings.EqualFold(text, "true") || strings.EqualFold(text, "false")):
		return true
	case k&Number != 0:
		return isNumber(text)
	}
	return false
}

// isNumber tells whether a text is a number as JSON has them.
func isNumber(text string) bool {
	return text != "" && strings.Contains("-0123456789", text[:1]) && json.Valid([]byte(text))
}

// String names the kinds as a schema does.
func (k Kind) String() string {
	var names []string
	for _, kind := range []struct {
		kind Kind
		name string
	}{{Text, "String"}, {Number, "Number"}, {Truth, "Boolean"}, {List, "JSONArray"}, {Object, "JSONObject"}} {
		if k&kind.kind != 0 {
			names = append(names, kind.name)
		}
	}
	return strings.Join(names, " or ")
}

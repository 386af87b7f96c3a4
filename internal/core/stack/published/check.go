package published

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a model that is looked at.
const maxDepth = 32

// Check compares a model with the schema, and says in the words of AWS's validator
// what is wrong; nothing: it fits. Properties that are required and not there are
// no problem if absent names them.
//
// AWS: https://github.com/aws-cloudformation/cloudformation-resource-schema, whose
// validator tells of values only that they fail.
func (s *Schema) Check(model map[string]any, absent ...string) []string {
	c := &checker{s: s}
	root := s.root()
	root.Required = slices.DeleteFunc(slices.Clone(root.Required), func(name string) bool { return slices.Contains(absent, name) })
	c.value("#", root, model, 0)
	return c.problems
}

type checker struct {
	s        *Schema
	problems []string
}

func (c *checker) say(path, format string, args ...any) {
	c.problems = append(c.problems, path+": "+fmt.Sprintf(format, args...))
}

func (c *checker) fails(path, keyword string) {
	c.say(path, "failed validation constraint for keyword [%s]", keyword)
}

// kinds are the validator's names of types.
var kinds = map[string]string{"string": "String", "number": "Number", "integer": "Number", "boolean": "Boolean", "array": "JSONArray", "object": "JSONObject", "null": "Null"}

func (c *checker) value(path string, v *Value, given any, depth int) {
	v = c.s.resolved(v)
	if given == nil || depth > maxDepth {
		return
	}
	if types := v.types(); len(types) > 0 && !slices.ContainsFunc(types, func(name string) bool { return fits(name, given) }) {
		expected := make([]string, len(types))
		for i, name := range types {
			expected[i] = kinds[name]
		}
		c.say(path, "expected type: %s, found: %s", strings.Join(slices.Compact(expected), " or "), kindOf(given))
		return
	}
	switch given := given.(type) {
	case map[string]any:
		c.object(path, v, given, depth)
	case []any:
		c.list(path, v, given, depth)
	default:
		c.plain(path, v, given)
	}
	c.alternatives(path, v, given, depth)
}

// alternatives are schemas of which some must fit.
func (c *checker) alternatives(path string, v *Value, given any, depth int) {
	fitting := func(of []*Value) (n int) {
		for _, one := range of {
			alone := &checker{s: c.s}
			alone.value(path, one, given, depth+1)
			if len(alone.problems) == 0 {
				n++
			}
		}
		return n
	}
	if len(v.AnyOf) > 0 && fitting(v.AnyOf) == 0 {
		c.say(path, "#: no subschema matched out of the total %d subschemas", len(v.AnyOf))
	}
	if n := fitting(v.OneOf); len(v.OneOf) > 0 && n != 1 {
		c.say(path, "#: %d subschemas matched instead of one", n)
	}
	if n := fitting(v.AllOf); n != len(v.AllOf) {
		c.say(path, "#: only %d subschema matches out of %d", n, len(v.AllOf))
	}
}

func (c *checker) object(path string, v *Value, given map[string]any, depth int) {
	for _, name := range v.Required {
		if given[name] == nil {
			c.say(path, "required key [%s] not found", name)
		}
	}
	members := slices.Sorted(maps.Keys(given))
	for _, name := range members {
		if open, closed := v.AdditionalProperties.(bool); closed && !open && v.of(name) == nil {
			c.say(path, "extraneous key [%s] is not permitted", name)
		}
	}
	for _, name := range members {
		if below := v.of(name); below != nil {
			c.value(path+"/"+name, below, given[name], depth+1)
		}
	}
}

// of is the schema of a member; nil if there is none.
func (v *Value) of(name string) *Value {
	if below := v.Properties[name]; below != nil {
		return below
	}
	return matching(v.PatternProperties, name)
}

// matching is the schema of names that fit a pattern.
func matching(patterns map[string]*Value, name string) *Value {
	for _, pattern := range slices.Sorted(maps.Keys(patterns)) {
		if compiled, err := regexp.Compile(pattern); err != nil || compiled.MatchString(name) {
			return patterns[pattern]
		}
	}
	return nil
}

func (c *checker) list(path string, v *Value, given []any, depth int) {
	switch {
	case v.MinItems != nil && len(given) < *v.MinItems:
		c.say(path, "expected minimum item count: %d, found: %d", *v.MinItems, len(given))
	case v.MaxItems != nil && len(given) > *v.MaxItems:
		c.say(path, "expected maximum item count: %d, found: %d", *v.MaxItems, len(given))
	case v.UniqueItems && repeats(given):
		c.say(path, "array items are not unique")
	}
	if v.Items == nil {
		return
	}
	for i, element := range given {
		c.value(path+"/"+strconv.Itoa(i), v.Items, element, depth+1)
	}
}

// maxCompared bounds the lists in which equal elements are looked for.
const maxCompared = 1000

func repeats(given []any) bool {
	for i, one := range given[:min(len(given), maxCompared)] {
		if slices.ContainsFunc(given[:i], func(other any) bool { return reflect.DeepEqual(one, other) }) {
			return true
		}
	}
	return false
}

func (c *checker) plain(path string, v *Value, given any) {
	text := textOf(given)
	if types := v.types(); len(types) > 0 && !slices.Contains(types, "string") {
		c.number(path, v, text)
	} else {
		n := utf8.RuneCountInString(text)
		if v.MinLength != nil && n < *v.MinLength {
			c.say(path, "expected minLength: %d, actual: %d", *v.MinLength, n)
		}
		if v.MaxLength != nil && n > *v.MaxLength {
			c.say(path, "expected maxLength: %d, actual: %d", *v.MaxLength, n)
		}
		// Patterns that Go cannot read (they look ahead) are left to the service.
		if v.Pattern != nil {
			if compiled, err := regexp.Compile(*v.Pattern); err == nil && !compiled.MatchString(text) {
				c.fails(path, "pattern")
			}
		}
	}
	if len(v.Enum) > 0 && !slices.ContainsFunc(v.Enum, func(one any) bool { return textOf(one) == text }) {
		if v.Type != nil { // the validator takes type and values for two schemas
			c.say(path, "#: only 1 subschema matches out of 2")
		}
		c.fails(path, "enum")
	}
}

func (c *checker) number(path string, v *Value, text string) {
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		return
	}
	if least, ok := bound(v.Minimum); ok && n.Cmp(least) < 0 {
		c.fails(path, "minimum")
	}
	if most, ok := bound(v.Maximum); ok && n.Cmp(most) > 0 {
		c.fails(path, "maximum")
	}
}

func bound(n *json.Number) (*big.Rat, bool) {
	if n == nil {
		return nil, false
	}
	return new(big.Rat).SetString(n.String())
}

// fits tells whether a value is of a type, or plain text of it, as CloudFormation
// takes plain values for one another.
func fits(name string, given any) bool {
	switch given.(type) {
	case map[string]any:
		return name == "object"
	case []any:
		return name == "array"
	}
	text := textOf(given)
	switch name {
	case "string":
		return true
	case "boolean":
		return strings.EqualFold(text, "true") || strings.EqualFold(text, "false")
	case "number":
		return isNumber(text)
	case "integer":
		n, ok := new(big.Rat).SetString(text)
		return ok && isNumber(text) && n.IsInt()
	}
	return false
}

// maxDigits bounds numbers: the exponent of one makes it large.
const maxDigits = 40

func isNumber(text string) bool {
	if len(text) > maxDigits || text == "" || !strings.Contains("-0123456789", text[:1]) || !json.Valid([]byte(text)) {
		return false
	}
	f, err := strconv.ParseFloat(text, 64)
	return err == nil && f < 1e30 && f > -1e30
}

// textOf is a plain value as text.
func textOf(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return fmt.Sprint(v)
}

func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "String"
	case bool:
		return "Boolean"
	case []any:
		return "JSONArray"
	case map[string]any:
		return "JSONObject"
	}
	return "Number"
}

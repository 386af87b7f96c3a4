package property

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// Schema checks the properties of the newer types of SAM resources in depth, as the
// translator's schemas do, which a library of Python (pydantic) checks.
//
// It is written as models by name, each as the text of a type. Checks are, as in Parse,
// s, i, b, *, [x], {x}, x|y and =A,B; further d a map of anything, f a number, ? before
// a name for one that may be missing or null, and @name another model.
type Schema struct {
	models map[string][]member
	root   string
}

type member struct {
	name     string
	optional bool
	kind     string
}

// NewSchema makes a schema of models; root is the one of the properties.
func NewSchema(root string, models map[string]string) *Schema {
	s := &Schema{map[string][]member{}, root}
	for name, text := range models {
		for _, field := range strings.Fields(text) {
			label, kind, _ := strings.Cut(field, ":")
			plain, optional := strings.CutPrefix(label, "?")
			s.models[name] = append(s.models[name], member{plain, optional, kind})
		}
	}
	return s
}

// Listing is what the library says of all violations, "" if there are none.
func (s *Schema) Listing(name string, properties *pyjson.Dict) string {
	found := s.model(nil, s.root, properties)
	if len(found) == 0 {
		return ""
	}
	plural := "s"
	if len(found) == 1 {
		plural = ""
	}
	text := fmt.Sprintf("%d validation error%s for %s", len(found), plural, name)
	for _, v := range found {
		text += fmt.Sprintf("\n%s\n  %s (type=%s)", strings.Join(v.path, " -> "), v.message, typeNames[v.message])
	}
	return text
}

// typeNames are the library's names for kinds of violations.
var typeNames = map[string]string{
	missing: "value_error.missing", extra: "value_error.extra", "none is not an allowed value": "type_error.none.not_allowed", "str type expected": "type_error.str",
	"value is not a valid dict": "type_error.dict", "value is not a valid list": "type_error.list", "value is not a valid integer": "type_error.integer",
	"value is not a valid float": "type_error.float", "value could not be parsed to a boolean": "value_error.bool",
}

// violation is one error of the library.
type violation struct {
	path    []string
	message string
}

const (
	missing = "field required"
	extra   = "extra fields not permitted"
)

// CheckFirst fails with the first violation, named by its path only.
func (s *Schema) CheckFirst(id string, properties *pyjson.Dict) {
	if found := s.model(nil, s.root, properties); len(found) > 0 {
		fail.Resource(id, "Property '%s' is invalid.", strings.Join(found[0].path, "."))
	}
}

// types are words of the library for types, and those of the translator.
var types = [][2]string{{"not a valid dict", "dictionary"}, {"not a valid int", "integer"}, {"not a valid float", "number"},
	{"not a valid list", "list"}, {"not a valid str", "string"}}

// CheckAll fails with all violations, one a path.
func (s *Schema) CheckAll(id string, properties *pyjson.Dict) {
	var paths, told []string
	byPath := map[string][]violation{}
	for _, v := range s.model(nil, s.root, properties) {
		path := strings.Join(v.path, ".")
		if byPath[path] == nil {
			paths = append(paths, path)
		}
		byPath[path] = append(byPath[path], v)
	}
	for _, path := range paths {
		told = append(told, "Property '"+path+"' "+wording(byPath[path]))
	}
	if len(told) > 0 {
		fail.Resource(id, "%s", strings.Join(told, " "))
	}
}

func wording(violations []violation) string {
	var names []string
	for _, v := range violations {
		for _, row := range types {
			if strings.Contains(v.message, row[0]) && !slices.Contains(names, row[1]) {
				names = append(names, row[1])
			}
		}
	}
	switch message := violations[0].message; {
	case len(names) > 1:
		return "value must be " + strings.Join(names, " or ") + "."
	case message == missing:
		return "is required."
	case message == extra:
		return "is an invalid property."
	default:
		return strings.ToLower(message) + "."
	}
}

func (s *Schema) model(path []string, name string, value any) (found []violation) {
	d, ok := asDict(value)
	if !ok {
		return []violation{{path, "value is not a valid dict"}}
	}
	at := func(key string) []string { return append(slices.Clone(path), key) }
	known := map[string]bool{}
	for _, m := range s.models[name] {
		known[m.name] = true
		value := d.Get(m.name)
		switch {
		case value != nil:
			found = append(found, s.check(at(m.name), m.kind, value)...)
		case m.optional:
		case d.Has(m.name):
			found = append(found, violation{at(m.name), "none is not an allowed value"})
		default:
			found = append(found, violation{at(m.name), missing})
		}
	}
	for _, key := range slices.Sorted(slices.Values(d.Keys())) {
		if !known[key] {
			found = append(found, violation{at(key), extra})
		}
	}
	return found
}

func (s *Schema) check(path []string, kind string, value any) (found []violation) {
	if one, rest := firstOf(kind); rest != "" {
		if found = s.check(path, one, value); len(found) == 0 {
			return nil
		}
		other := s.check(path, rest, value)
		if len(other) == 0 {
			return nil
		}
		return append(found, other...)
	}
	bad := func(message string) []violation { return []violation{{path, message}} }
	switch kind[0] {
	case '@':
		return s.model(path, kind[1:], value)
	case '{':
		d, ok := asDict(value)
		if !ok {
			return bad("value is not a valid dict")
		}
		for _, key := range d.Keys() {
			found = append(found, s.check(append(slices.Clone(path), key), kind[1:len(kind)-1], d.Get(key))...)
		}
		return found
	case '[':
		list, ok := value.([]any)
		if !ok {
			return bad("value is not a valid list")
		}
		for i, item := range list {
			found = append(found, s.check(append(slices.Clone(path), strconv.Itoa(i)), kind[1:len(kind)-1], item)...)
		}
		return found
	}
	if message := scalar(kind, value); message != "" {
		return bad(message)
	}
	return nil
}

// asDict takes what the library takes for a map: also what is empty.
func asDict(value any) (*pyjson.Dict, bool) {
	if d, ok := value.(*pyjson.Dict); ok {
		return d, true
	}
	list, isList := value.([]any)
	text, isText := pyjson.Text(value)
	return nil, isList && len(list) == 0 || isText && text == ""
}

// firstOf cuts alternatives, which may be within brackets.
func firstOf(kind string) (one, rest string) {
	depth := 0
	for i, c := range kind {
		switch {
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case c == '|' && depth == 0:
			return kind[:i], kind[i+1:]
		}
	}
	return kind, ""
}

// booleans are what the library reads as one.
var booleans = []string{"0", "1", "off", "f", "false", "n", "no", "on", "t", "true", "y", "yes"}

// scalar checks a value without parts, and says what is wrong.
func scalar(kind string, value any) string {
	text, isText := pyjson.Text(value)
	number, isNumber := value.(json.Number)
	_, isBool := value.(bool)
	_, isDict := asDict(value)
	plain := isNumber || isBool
	text = strings.TrimSpace(text)
	ok, wrong := true, ""
	switch kind[0] {
	case 'd':
		ok, wrong = isDict, "value is not a valid dict"
	case 's':
		ok, wrong = isText || plain, "str type expected"
	case 'i':
		_, err := strconv.ParseInt(text, 10, 64)
		ok, wrong = plain || err == nil, "value is not a valid integer"
	case 'f':
		_, err := strconv.ParseFloat(text, 64)
		ok, wrong = plain || err == nil, "value is not a valid float"
	case 'b':
		ok, wrong = isBool || slices.Contains(booleans, strings.ToLower(text)) || slices.Contains(booleans[:2], number.String()), "value could not be parsed to a boolean"
	case '=':
		allowed := strings.Split(kind[1:], ",")
		ok, wrong = isText && slices.Contains(allowed, text), fmt.Sprintf("unexpected value; permitted: '%s'", strings.Join(allowed, "', '"))
	}
	if ok {
		return ""
	}
	return wrong
}

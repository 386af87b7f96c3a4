// Package property checks the properties of SAM resources and events against their
// types, with the messages of the official translator.
//
// A type is written as one text: names of properties with their checks, such as
// "Role:s Policies:s|d|[s|d] Path!:s". A name may be followed by ! (required) and ~
// (an intrinsic function in its place is checked too). Checks: s, d, l, i and b for
// string, map, list, integer and boolean; * for anything; [x] a list and {x} a map of
// x; x|y either; (x) as x, but the message does not name the type; =A,B one of these. A text with ... lets
// other properties be there, and leaves them out.
//
// Types are made once and are then read-only. Start reading at Parse.
package property

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// Type is the type of a resource or an event.
type Type struct {
	Name       string
	properties []property
	names      map[string]bool
	open       bool // other properties are left out, not refused
}

type property struct {
	name       string
	required   bool
	intrinsics bool // an intrinsic function is accepted as it is
	check      check
	expected   string // in the message; "" if it does not say
}

type check func(any) bool

// Parse reads a type. It panics on a text that is none: types are part of the program.
func Parse(name, text string) *Type {
	t := &Type{Name: name, names: map[string]bool{}}
	for _, field := range strings.Fields(text) {
		if field == "..." {
			t.open = true
			continue
		}
		label, kind, found := strings.Cut(field, ":")
		p := property{intrinsics: true}
		p.name = strings.TrimRight(label, "!~")
		p.required = strings.Contains(label, "!")
		p.intrinsics = !strings.Contains(label, "~")
		var rest string
		if p.check, rest = parseCheck(kind); !found || rest != "" {
			panic(fmt.Sprintf("property: the type of %s in %s is not understood", field, name))
		}
		switch {
		case kind == "s":
			p.expected = "string"
		case kind == "d":
			p.expected = "map"
		case strings.HasPrefix(kind, "="):
			p.expected = "one of the strings: '" + strings.ReplaceAll(kind[1:], ",", "' or '") + "'"
		}
		t.properties = append(t.properties, p)
		t.names[p.name] = true
	}
	return t
}

func parseCheck(text string) (check, string) {
	one, rest := parseOne(text)
	if !strings.HasPrefix(rest, "|") {
		return one, rest
	}
	other, rest := parseCheck(rest[1:])
	return func(v any) bool { return one(v) || other(v) }, rest
}

func parseOne(text string) (check, string) {
	if text == "" {
		return nil, "?"
	}
	rest := text[1:]
	switch text[0] {
	case 's':
		return func(v any) bool { _, ok := pyjson.Text(v); return ok }, rest
	case 'd':
		return func(v any) bool { _, ok := v.(*pyjson.Dict); return ok }, rest
	case 'l':
		return func(v any) bool { _, ok := v.([]any); return ok }, rest
	case 'b':
		return func(v any) bool { _, ok := v.(bool); return ok }, rest
	case 'i':
		return IsInt, rest
	case '*':
		return func(any) bool { return true }, rest
	case '=':
		allowed := strings.Split(rest, ",")
		return func(v any) bool { t, ok := pyjson.Text(v); return ok && slices.Contains(allowed, t) }, ""
	case '[':
		item, rest := parseCheck(rest)
		return func(v any) bool { list, ok := v.([]any); return ok && !slices.ContainsFunc(list, not(item)) }, closed(rest, "]")
	case '{':
		item, rest := parseCheck(rest)
		return func(v any) bool {
			d, ok := v.(*pyjson.Dict)
			return ok && !slices.ContainsFunc(d.Keys(), func(k string) bool { return !item(d.Get(k)) })
		}, closed(rest, "}")
	case '(':
		item, rest := parseCheck(rest)
		return item, closed(rest, ")")
	}
	return nil, "?"
}

func closed(rest, by string) string {
	after, found := strings.CutPrefix(rest, by)
	if !found {
		return "?"
	}
	return after
}

func not(c check) func(any) bool { return func(v any) bool { return !c(v) } }

// IsInt tells what Python takes for an int, which includes booleans.
func IsInt(value any) bool {
	switch v := value.(type) {
	case bool:
		return true
	case json.Number:
		return pyjson.IsInt(v)
	}
	return false
}

// Read takes the properties of a resource over; one that the type does not have fails.
func (t *Type) Read(id string, properties *pyjson.Dict) *pyjson.Dict {
	read := pyjson.New()
	for _, name := range properties.Keys() {
		if !t.names[name] && t.open {
			continue
		}
		if !t.names[name] {
			fail.Resource(id, "property %s not defined for resource of type %s", name, t.Name)
		}
		read.Set(name, properties.Get(name))
	}
	return read
}

// Check checks all properties, in the order of the type.
func (t *Type) Check(id string, properties *pyjson.Dict) {
	for _, p := range t.properties {
		value := properties.Get(p.name)
		if d, ok := value.(*pyjson.Dict); ok && d.Len() == 1 && p.intrinsics {
			continue
		}
		switch {
		case value == nil && p.required:
			fail.Resource(id, "Missing required property '%s'.", p.name)
		case value == nil || p.check(value):
		case p.expected != "":
			fail.Resource(id, "Property '%s' should be a %s.", p.name, p.expected)
		default:
			fail.Resource(id, "Type of property '%s' is invalid.", p.name)
		}
	}
}

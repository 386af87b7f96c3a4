// Package value has what is done with the values of templates and of API calls,
// which are both JSON-like: nil, bool, json.Number, string, []any, map[string]any.
//
// Functions only; no goroutines, no locks. Start reading at At and Text.
package value

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Object is an object's members.
type Object = map[string]any

// SameName compares names of properties and members, whose first letters may differ in case.
func SameName(a, b string) bool {
	return a == b || len(a) == len(b) && a != "" && a[1:] == b[1:] && strings.EqualFold(a[:1], b[:1])
}

// At is the value at a path of members, or nil.
func At(v any, names ...string) any {
	for _, name := range names {
		members, _ := v.(Object)
		v = members[name]
	}
	return v
}

// Text is a plain value as text; that of others is JSON.
func Text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case Object, []any:
		return Document(v)
	}
	return fmt.Sprint(v)
}

// Timeless has times as text, as templates have them.
func Timeless(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case Object:
		for name, value := range v {
			v[name] = Timeless(value)
		}
	case []any:
		for i, value := range v {
			v[i] = Timeless(value)
		}
	}
	return v
}

// Document is a value as JSON text, as policies and patterns are given to APIs.
func Document(v any) string {
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

// Parsed is the object or the list that text is JSON of; other text stays as it is.
func Parsed(s string) any {
	decoder := json.NewDecoder(strings.NewReader(s))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil || decoder.More() {
		return s
	}
	switch v.(type) {
	case Object, []any:
		return v
	}
	return s
}

// List is a value as a list: one that is none is a list of itself.
func List(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// Texts are the elements of a list as text.
func Texts(v any) (all []string) {
	for _, element := range List(v) {
		all = append(all, Text(element))
	}
	return all
}

// TagMap turns tags of a list into an object, TagList the reverse.
func TagMap(tags any) Object {
	if already, ok := tags.(Object); ok {
		return already
	}
	m := Object{}
	for _, tag := range List(tags) {
		m[Text(Either(tag, "Key", "key", "TagKey"))] = Text(Either(tag, "Value", "value", "TagValue"))
	}
	return m
}

func Either(v any, names ...string) any {
	for _, name := range names {
		if value := At(v, name); value != nil {
			return value
		}
	}
	return nil
}

func TagList(tags any) []any {
	m := TagMap(tags)
	all := []any{}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		all = append(all, Object{"Key": key, "Value": Text(m[key])})
	}
	return all
}

// LikeDeployed gives the members of what is live the names that the template has
// for them: those of some APIs begin with small letters. Times that are the same
// have the template's form.
func LikeDeployed(live, deployed any) any {
	switch deployed := deployed.(type) {
	case Object:
		members, ok := live.(Object)
		if !ok {
			return live
		}
		out := Object{}
		for name, value := range members {
			for wanted := range deployed {
				if SameName(name, wanted) {
					name = wanted
				}
			}
			out[name] = LikeDeployed(value, deployed[name])
		}
		return out
	case []any:
		elements, ok := live.([]any)
		if !ok || len(elements) != len(deployed) {
			return live
		}
		out := make([]any, len(elements))
		for i := range elements {
			out[i] = LikeDeployed(elements[i], deployed[i])
		}
		return out
	case string:
		if at, ok := moment(deployed); ok {
			if text, isText := live.(string); isText {
				if other, ok := moment(text); ok && other.Equal(at) {
					return deployed
				}
			}
		}
	}
	return live
}

// moment reads a time as templates write it.
func moment(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// Normal has one form for what templates write in several: plain values as text,
// and documents in text as what they hold.
func Normal(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case Object:
		m := Object{}
		for name, value := range v {
			if value != nil {
				m[name] = Normal(value)
			}
		}
		return m
	case []any:
		all := make([]any, len(v))
		for i, element := range v {
			all[i] = Normal(element)
		}
		return all
	case string:
		if strings.HasPrefix(v, "{") {
			if inner, ok := Parsed(v).(Object); ok {
				return Normal(inner)
			}
		}
		return v
	}
	return Text(v)
}

func Equal(a, b any) bool { return reflect.DeepEqual(Normal(a), Normal(b)) }

// Includes tells whether have is want, or want and defaults that were added to it.
func Includes(have, want any) bool {
	switch want := want.(type) {
	case Object:
		members, ok := have.(Object)
		for name, value := range want {
			ok = ok && Includes(members[name], value)
		}
		return ok
	case []any:
		elements, ok := have.([]any)
		if !ok || len(elements) != len(want) {
			return false
		}
		for i := range want {
			if !Includes(elements[i], want[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(have, want)
}

// Renamed is an object with other names; those that the table does not have stay.
func Renamed(v any, names map[string]string) Object {
	out := Object{}
	members, _ := v.(Object)
	for name, value := range members {
		if other, found := names[name]; found {
			name = other
		}
		out[name] = value
	}
	return out
}

func Each(v any, to func(any) any) []any {
	all := []any{}
	for _, element := range List(v) {
		all = append(all, to(element))
	}
	return all
}

func Move(from Object, name string, to Object, as string) {
	if value, found := from[name]; found {
		delete(from, name)
		to[as] = value
	}
}

// SmallNames are the members of an object with small first letters.
func SmallNames(v any) any {
	members, ok := v.(Object)
	if !ok {
		return v
	}
	out := Object{}
	for name, value := range members {
		if name != "" {
			name = strings.ToLower(name[:1]) + name[1:]
		}
		out[name] = value
	}
	return out
}

// Emptied are the entries of an object that are no longer set, as the API wants
// those that it shall remove: empty.
func Emptied(was, want any) Object {
	out := Object{}
	before, _ := was.(Object)
	after, _ := want.(Object)
	for name := range before {
		out[name] = ""
	}
	for name, value := range after {
		out[name] = Text(value)
	}
	return out
}

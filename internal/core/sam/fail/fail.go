// Package fail words what is wrong with a SAM template as the official translator
// does, and carries it out of the transform.
//
// Almost every step of the transform can find a template wrong, so a failure travels
// as a panic of type *Failure and is caught where the translator catches its
// exceptions (Catch), at the latest in sam.Transform: it never leaves the transform's
// packages. Other panics are not touched. No goroutines, no locks. Start reading at
// Failure.
package fail

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// Kind is what a failure is about.
type Kind int

// Kinds of failures. Document ends the transform at once and has other failures as
// causes; the others are collected, so that all errors of a template are told.
const (
	InDocument Kind = iota
	InTemplate
	InResource
	InEvent
	InGlobals
	Duplicate
	Internal // what would be an unhandled exception of the translator
)

// Failure is something wrong with a template.
type Failure struct {
	Kind   Kind
	ID     string // of the resource or event
	Text   string
	Causes []*Failure // of InDocument
}

// Error is the whole message.
func (f *Failure) Error() string { return f.Message() }

// Message is the failure as the translator words it.
func (f *Failure) Message() string {
	switch f.Kind {
	case InDocument:
		return f.document()
	case InTemplate:
		return "Structure of the SAM template is invalid. " + f.Text
	case InResource:
		return fmt.Sprintf("Resource with id [%s] is invalid. %s", f.ID, f.Text)
	case InEvent:
		return fmt.Sprintf("Event with id [%s] is invalid. %s", f.ID, f.Text)
	case InGlobals:
		return "'Globals' section is invalid. " + f.Text
	}
	return f.Text
}

// document lists the causes, the same message once, by the id that they are about.
func (f *Failure) document() string {
	last := map[string]*Failure{}
	var messages []string
	for _, cause := range f.Causes {
		message := cause.Message()
		if last[message] == nil {
			messages = append(messages, message)
		}
		last[message] = cause
	}
	slices.SortStableFunc(messages, func(a, b string) int { return strings.Compare(last[a].sortKey(), last[b].sortKey()) })
	return strings.Join(append([]string{
		fmt.Sprintf("Invalid Serverless Application Specification document. Number of errors found: %d.", len(messages)),
	}, messages...), " ")
}

func (f *Failure) sortKey() string {
	switch f.Kind {
	case InResource, InEvent, Duplicate:
		return f.ID
	case InGlobals:
		return "Globals"
	}
	return f.Message()
}

// Catch runs a step and returns its failure.
func Catch(step func()) (failure *Failure) {
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case *Failure:
			failure = cause
		default:
			panic(cause)
		}
	}()
	step()
	return nil
}

// Resource ends a step because of a resource.
func Resource(id, format string, args ...any) {
	panic(&Failure{Kind: InResource, ID: id, Text: fmt.Sprintf(format, args...)})
}

// Event ends a step because of an event.
func Event(id, format string, args ...any) {
	panic(&Failure{Kind: InEvent, ID: id, Text: fmt.Sprintf(format, args...)})
}

// Taken ends a step because the resource that it makes has the id of another.
func Taken(id, newID, kind string) {
	panic(&Failure{Kind: Duplicate, ID: id, Text: fmt.Sprintf("Transforming resource with id [%s] attempts to create a new resource with id [%s] and type \"%s\". "+
		"A resource with that id already exists within this template. Please use a different id for that resource.", id, newID, kind)})
}

// Globals ends the transform because of the section Globals.
func Globals(format string, args ...any) {
	With(&Failure{Kind: InGlobals, Text: fmt.Sprintf(format, args...)})
}

// Template ends a step because of the structure of the template.
func Template(format string, args ...any) {
	panic(&Failure{Kind: InTemplate, Text: fmt.Sprintf(format, args...)})
}

// Document ends the transform because of the structure of the template.
func Document(format string, args ...any) {
	With(&Failure{Kind: InTemplate, Text: fmt.Sprintf(format, args...)})
}

// With ends the transform because of these failures.
func With(causes ...*Failure) { panic(&Failure{Kind: InDocument, Causes: causes}) }

// Odd ends the transform at a value on which the translator breaks with an exception
// that it does not handle. AWS: the service then answers "Internal transform
// failure."; we add what we know.
func Odd(format string, args ...any) {
	panic(&Failure{Kind: Internal, Text: "Internal transform failure. " + fmt.Sprintf(format, args...)})
}

// Where names a value to whoever wrote it.
type Where struct {
	id, path  string
	event     bool
	attribute bool
	message   string
}

// Property is a property of a resource.
func Property(id, path string) Where { return Where{id: id, path: path} }

// Attribute is an attribute of a resource, beside its properties.
func Attribute(id, path string) Where { return Where{id: id, path: path, attribute: true} }

// EventProperty is a property of an event.
func EventProperty(id, path string) Where { return Where{id: id, path: path, event: true} }

// Saying replaces the message.
func (w Where) Saying(message string) Where {
	w.message = message
	return w
}

// Dict returns a value that must be a map.
func (w Where) Dict(value any) *pyjson.Dict {
	d, ok := value.(*pyjson.Dict)
	w.must(ok, "map")
	return d
}

// List returns a value that must be a list.
func (w Where) List(value any) []any {
	list, ok := value.([]any)
	w.must(ok, "list")
	return list
}

// Texts checks that a value is a list of strings.
func (w Where) Texts(value any) []any {
	list := w.List(value)
	for i, item := range list {
		in := w
		in.path = fmt.Sprintf("%s[%d]", w.path, i)
		in.Text(item)
	}
	return list
}

// Text returns a value that must be a string.
func (w Where) Text(value any) string {
	text, ok := pyjson.Text(value)
	w.must(ok, "string")
	return text
}

// Bool checks that a value is a boolean.
func (w Where) Bool(value any) {
	_, ok := value.(bool)
	w.must(ok, "boolean")
}

// Present checks that there is a value, and returns it.
func (w Where) Present(value any) any {
	if value == nil {
		w.fail(fmt.Sprintf("Property '%s' is required.", w.path))
	}
	return value
}

func (w Where) must(ok bool, kind string) {
	noun := "Property"
	if w.attribute {
		noun = "Attribute"
	}
	if !ok {
		w.fail(fmt.Sprintf("%s '%s' should be a %s.", noun, w.path, kind))
	}
}

func (w Where) fail(message string) {
	if w.message != "" {
		message = w.message
	}
	if w.event {
		Event(w.id, "%s", message)
	}
	Resource(w.id, "%s", message)
}

// Dict returns a value that the translator takes for a map without looking.
func Dict(value any) *pyjson.Dict {
	d, ok := value.(*pyjson.Dict)
	if !ok && value != nil {
		Odd("%s was found where a map is needed.", shown(value))
	}
	return d
}

// List returns a value that the translator takes for a list without looking.
func List(value any) []any {
	list, ok := value.([]any)
	if !ok && value != nil {
		Odd("%s was found where a list is needed.", shown(value))
	}
	return list
}

// Text returns a value that the translator takes for a string without looking.
func Text(value any) string {
	text, ok := pyjson.Text(value)
	if !ok {
		Odd("%s was found where a string is needed.", shown(value))
	}
	return text
}

// shown is a value, as much of it as a message bears.
func shown(value any) string {
	const most = 80
	switch value.(type) {
	case nil, bool, json.Number:
		return pyjson.Repr(value)
	}
	text := []rune(pyjson.Repr(value))
	if len(text) > most {
		return string(text[:most]) + "..."
	}
	return string(text)
}

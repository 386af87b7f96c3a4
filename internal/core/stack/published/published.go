// Package published has the schemas that CloudFormation's registry publishes of
// the resource types which this platform knows: what a model of a resource may
// hold, which of its properties can be set, changed and read, and by which a
// resource is found.
//
// It promises to check models in the words of AWS's own validator. The schemas are
// data, written by svc/resource/schemagen; one is read when it is asked for, and
// nothing of it is kept. No goroutines, no locks. Start reading at Find.
package published

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
)

//go:embed schemas.txt
var lines string

// Schema is that of one type.
type Schema struct {
	TypeName             string
	Properties           map[string]*Value
	Definitions          map[string]*Value
	Required             []string
	PrimaryIdentifier    []string
	ReadOnlyProperties   []string
	CreateOnlyProperties []string
	WriteOnlyProperties  []string
	Handlers             map[string]Handler
	AdditionalProperties any

	text string
}

// Handler is what a type does: create, read, update, delete or list.
type Handler struct {
	Permissions   []string
	HandlerSchema struct{ Required []string }
}

// Value is the schema of one value.
type Value struct {
	Ref                  string `json:"$ref"`
	Type                 any    // a name or a list of them
	Properties           map[string]*Value
	PatternProperties    map[string]*Value
	AdditionalProperties any
	Items                *Value
	Required             []string
	Enum                 []any
	Pattern              *string
	MinLength, MaxLength *int
	MinItems, MaxItems   *int
	UniqueItems          bool
	Minimum, Maximum     *json.Number
	AnyOf, OneOf, AllOf  []*Value
}

// find is the schema of a type: each is a line behind the type's name.
func find(name string) string {
	for line := range strings.Lines(lines) {
		if text, found := strings.CutPrefix(line, name+" "); found {
			return strings.TrimSpace(text)
		}
	}
	return ""
}

// Find reads the schema of a type; nil if there is none.
func Find(name string) *Schema {
	text := find(name)
	if text == "" {
		return nil
	}
	s := &Schema{text: text}
	if err := json.Unmarshal([]byte(text), s); err != nil {
		panic("published: the schema of " + name + " cannot be read: " + err.Error()) // it is part of the program, and a test reads all
	}
	return s
}

// Text is the schema as JSON, without the properties that are named.
func (s *Schema) Text(without []string) string {
	if len(without) == 0 {
		return s.text
	}
	var all map[string]any
	if err := json.Unmarshal([]byte(s.text), &all); err != nil {
		panic("published: " + err.Error()) // Find has read it
	}
	properties, _ := all["properties"].(map[string]any)
	for _, name := range without {
		delete(properties, name)
	}
	for name, listed := range all {
		paths, ok := listed.([]any)
		if !ok || !strings.HasSuffix(name, "Properties") {
			continue
		}
		all[name] = slices.DeleteFunc(paths, func(path any) bool {
			text, _ := path.(string)
			return slices.Contains(without, strings.Split(strings.TrimPrefix(text, pointer), "/")[0])
		})
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic("published: " + err.Error()) // it was JSON
	}
	return string(text)
}

// pointer begins the paths of properties.
const pointer = "/properties/"

// Primary are the names of the properties that identify a resource.
func (s *Schema) Primary() []string { return names(s.PrimaryIdentifier) }

// ReadOnly are the properties that nobody sets.
func (s *Schema) ReadOnly() []string { return names(s.ReadOnlyProperties) }

// CreateOnly are those that do not change.
func (s *Schema) CreateOnly() []string { return names(s.CreateOnlyProperties) }

// WriteOnly are those that are not read.
func (s *Schema) WriteOnly() []string { return names(s.WriteOnlyProperties) }

// names of properties of pointers: "A/B" for one within another.
func names(pointers []string) []string {
	out := make([]string, len(pointers))
	for i, p := range pointers {
		out[i] = strings.TrimPrefix(p, pointer)
	}
	return out
}

// maxReferences bounds chains of references.
const maxReferences = 16

// resolved follows references.
func (s *Schema) resolved(v *Value) *Value {
	for range maxReferences {
		if v == nil || v.Ref == "" {
			break
		}
		v = s.Definitions[strings.TrimPrefix(v.Ref, "#/definitions/")]
	}
	if v == nil {
		return &Value{}
	}
	return v
}

// types are the names of what a value may be; none: anything.
func (v *Value) types() []string {
	switch named := v.Type.(type) {
	case string:
		return []string{named}
	case []any:
		out := []string{}
		for _, one := range named {
			if text, ok := one.(string); ok {
				out = append(out, text)
			}
		}
		return out
	}
	if v.Properties != nil || v.PatternProperties != nil {
		return []string{"object"}
	}
	return nil
}

// root is the schema of the whole model.
func (s *Schema) root() *Value {
	return &Value{Type: "object", Properties: s.Properties, Required: s.Required, AdditionalProperties: s.AdditionalProperties}
}

// Package schema has the facts that CloudFormation's registry publishes of the
// resource types which this platform knows: names and kinds of properties, which
// are required, create-only or write-only, the identifier and the attributes.
//
// The table is written by schemagen and is data only; what the platform does
// with a property is said by package resource. No goroutines, no locks. Start
// reading at Facts.
package schema

import (
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/stack"
)

//go:generate go run ../schemagen -cache ../../../../.cache/cfn-lint -out table_gen.go -lines ../../../core/stack/published/schemas.txt

// row is one type. Lists are separated by blanks; a property is its name, a
// colon, and marks: the kinds (t, n, b, l, o), R required, C create-only,
// M create-only at times, W write-only.
type row struct {
	Type, Primary, Attributes, Tags, Properties string
	Updatable                                   bool
}

// Types are the names of all types, sorted.
func Types() []string {
	names := make([]string, len(table))
	for i := range table {
		names[i] = table[i].Type
	}
	return names
}

// Facts are the published facts of a type, of the caller's own; nil if there is none.
func Facts(name string) *stack.Facts {
	for i := range table {
		if table[i].Type == name {
			return table[i].facts()
		}
	}
	return nil
}

func (r *row) facts() *stack.Facts {
	f := &stack.Facts{Type: r.Type, Primary: strings.Fields(r.Primary), Attributes: strings.Fields(r.Attributes), Tags: r.Tags, Updatable: r.Updatable,
		Properties: map[string]stack.Property{}}
	for _, field := range strings.Fields(r.Properties) {
		name, marks, _ := strings.Cut(field, ":")
		f.Properties[name] = property(marks)
	}
	f.TagsAreMap = f.Tags != "" && f.Properties[f.Tags].Kinds == stack.Object
	return f
}

var kinds = map[rune]stack.Kind{'t': stack.Text, 'n': stack.Number, 'b': stack.Truth, 'l': stack.List, 'o': stack.Object}

func property(marks string) (p stack.Property) {
	for _, mark := range marks {
		switch mark {
		case 'R':
			p.Required = true
		case 'C':
			p.CreateOnly = true
		case 'M':
			p.Maybe = true
		case 'W':
			p.WriteOnly = true
		default:
			p.Kinds |= kinds[mark]
		}
	}
	if p.Kinds == 0 { // the schema leaves it open
		p.Kinds = stack.Text | stack.Number | stack.Truth | stack.List | stack.Object
	}
	return p
}

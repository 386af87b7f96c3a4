// Package template is the language of CloudFormation templates: it checks their
// structure, binds parameters and resolves intrinsic functions. It knows no stack.
//
// The way of a template, each step a pure function of the one before:
//
//	values, err := syntax.Parse(text)                       // YAML or JSON to plain values
//	parameters, err := template.ReadParameters(values)      // the section alone
//	arguments, err := parameters.Bind(ctx, given, previous, store)
//	values, err = macro.Process(ctx, values, environment)   // transforms, language extensions
//	t, err := template.Read(values)                         // all checks that need no parameters
//	e, err := t.Evaluate(ctx, template.Scope{...})          // conditions decided, rules asserted, graph checked
//	properties, err := e.Properties(ctx, "MyQueue")         // functions resolved
//	properties, err = template.Reveal(ctx, properties, ...) // {{resolve:...}} resolved, at the last moment
//
// Values are nil, bool, json.Number, string, []any and map[string]any; what is
// not known yet is the value Unknown, and a function of it is Unknown too. It
// promises: an error of the user is an *Error with CloudFormation's text (the
// service answers it as ValidationError); input values are never changed; work is
// bounded by the limits in limits.go. Evaluations are immutable: many goroutines
// may use one. No goroutines, no locks. Start reading at Read and Evaluate.
package template

import "fmt"

// Error is a refusal of the user's input, in CloudFormation's words.
type Error struct{ Message string }

// Error is the text.
func (e *Error) Error() string { return e.Message }

func refuse(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Template is a template whose structure is sound.
type Template struct {
	Values      map[string]any // all of it, as it was read
	Description string
	Metadata    any
	Parameters  Parameters
	Mappings    map[string]map[string]map[string]any
	Conditions  map[string]any
	Rules       map[string]*Rule
	Resources   map[string]*Resource
	Outputs     map[string]*Output
}

// Resource is one of the Resources section, its functions unresolved.
type Resource struct {
	Name                string
	Type                string
	Properties          map[string]any
	Condition           string // name, or empty
	DependsOn           []string
	DeletionPolicy      string // Delete, Retain, RetainExceptOnCreate, Snapshot, or empty; one that is a function: see Evaluation.Template
	UpdateReplacePolicy string
	CreationPolicy      map[string]any
	UpdatePolicy        map[string]any
	Metadata            any
	Version             string

	calls map[string]any // policies that are functions, by member
}

// Output is one of the Outputs section, its functions unresolved.
type Output struct {
	Name        string
	Description string
	Condition   string
	Value       any
	ExportName  any // nil = not exported
}

// Rule is one of the Rules section.
type Rule struct {
	Name       string
	Condition  any // nil = always
	Assertions []Assertion
}

// Assertion is what must hold.
type Assertion struct {
	Assert      any
	Description string
}

// Package policies reads the Policies of SAM functions and state machines: names of
// managed policies, statements, and SAM's policy templates, which it fills in.
//
// Its data come from the official translator (see NOTICE). They are read on first use
// and then only read. Start reading at Expand and Kind.
package policies

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

type dict = pyjson.Dict

//go:embed templates.json
var templatesText []byte

//go:embed managed.txt
var managedText string

var templates = sync.OnceValue(func() *dict {
	value, err := pyjson.Decode(templatesText)
	if err != nil {
		panic("policies: templates.json of the binary: " + err.Error())
	}
	return value.(*dict)
})

// partitions by the letters of managed.txt.
var partitions = map[string]string{"aws": "a", "aws-cn": "c", "aws-eusc": "e", "aws-us-gov": "g"}

// managed are the paths of AWS's managed policies, by partition letter and name.
var managed = sync.OnceValue(func() map[string]string {
	paths := map[string]string{}
	for line := range strings.Lines(managedText) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		for _, letter := range fields[1] {
			for _, name := range fields[2:] {
				paths[string(letter)+name] = fields[0]
			}
		}
	}
	return paths
})

// Managed returns the ARN of AWS's managed policy of a name in a partition.
func Managed(partition, name string) (string, bool) {
	path, found := managed()[partitions[partition]+name]
	return "arn:" + partition + ":iam::aws:policy" + path + name, found
}

// Kind is what an entry of Policies is.
type Kind int

// Kinds of entries.
const (
	Unknown   Kind = iota
	Name           // of a managed policy, its ARN, or a function that gives one
	Statement      // a policy document
	template       // a policy template; Expand leaves none
)

// List returns the entries of a property that is one entry or a list.
func List(property any) []any {
	if !pyjson.Truthy(property) {
		return nil
	}
	if list, ok := property.([]any); ok {
		return list
	}
	return []any{property}
}

// KindOf tells what an entry is.
func KindOf(entry any) Kind { return kindOf(entry, false) }

func kindOf(entry any, withTemplates bool) Kind {
	d, isDict := entry.(*dict)
	switch _, isText := pyjson.Text(entry); {
	case isText:
		return Name
	case intrinsic.IsIf(entry):
		return kindOfIf(d.Get("Fn::If"), withTemplates)
	case intrinsic.Is(entry):
		return Name
	case isDict && d.Has("Statement"):
		return Statement
	case isDict && withTemplates && d.Len() == 1 && templates().Has(d.Keys()[0]):
		return template
	}
	return Unknown
}

func kindOfIf(arguments any, withTemplates bool) Kind {
	list, ok := arguments.([]any)
	if !ok || len(list) != 3 {
		fail.Template("Fn::If requires 3 arguments")
	}
	then, otherwise := kindOf(list[1], withTemplates), kindOf(list[2], withTemplates)
	switch {
	case then == otherwise, intrinsic.IsNoValue(list[2]):
		return then
	case intrinsic.IsNoValue(list[1]):
		return otherwise
	}
	fail.Template("Different policy types within the same Fn::If statement is unsupported. Separate different policy types into different Fn::If statements")
	return Unknown
}

// Expand replaces the policy templates in the Policies of a resource by statements.
func Expand(id string, properties *dict) {
	entries := List(properties.Get("Policies"))
	if len(entries) == 0 {
		return
	}
	kinds := make([]Kind, len(entries))
	for i, entry := range entries {
		kinds[i] = kindOf(entry, true)
	}
	expanded := make([]any, len(entries))
	for i, entry := range entries {
		switch {
		case kinds[i] != template:
			expanded[i] = entry
		case intrinsic.IsIf(entry):
			list := entry.(*dict).Get("Fn::If").([]any)
			expanded[i] = intrinsic.IfElse(list[0], fillBranch(id, list[1]), fillBranch(id, list[2]))
		default:
			expanded[i] = fill(id, entry.(*dict))
		}
	}
	properties.Set("Policies", expanded)
}

func fillBranch(id string, branch any) any {
	if intrinsic.IsNoValue(branch) {
		return branch
	}
	return fill(id, fail.Dict(branch))
}

// fill puts values in place of the parameters of a template.
func fill(id string, entry *dict) any {
	name := entry.Keys()[0]
	if !templates().Has(name) {
		fail.Odd("%s is no policy template.", name)
	}
	text := templates().Get(name).(*dict)
	values, ok := entry.Get(name).(*dict)
	if !ok {
		fail.Resource(id, "Must specify valid parameter values for policy template '%s'", name)
	}
	var missing []any
	for _, parameter := range text.Get("Parameters").([]any) {
		if !values.Has(parameter.(string)) {
			missing = append(missing, parameter)
		}
	}
	if len(missing) > 0 {
		// AWS: lists several in no particular order; we sort them.
		slices.SortFunc(missing, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		fail.Resource(id, "Following required parameters of template '%s' don't have values: %s", name, pyjson.Repr(missing))
	}
	return replaced(pyjson.Clone(text.Get("Definition")), values)
}

func replaced(value any, values *dict) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = replaced(v[i], values)
		}
	case *dict:
		if parameter, ok := v.Get("Ref").(string); ok && v.Len() == 1 && values.Has(parameter) {
			return values.Get(parameter)
		}
		for _, key := range v.Keys() {
			v.Set(key, replaced(v.Get(key), values))
		}
	}
	return value
}

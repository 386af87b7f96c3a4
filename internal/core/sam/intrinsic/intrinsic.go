// Package intrinsic makes, recognises and resolves CloudFormation's intrinsic
// functions as far as the SAM transform does: references to parameters become their
// values, references to SAM resources the ones of the resources that replace them.
// All others are left alone.
//
// Resolving changes values in place. What it visits is counted (Resolver), since
// values may refer to each other. No goroutines, no locks. Start reading at Resolver.
package intrinsic

import (
	"strings"

	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

type dict = pyjson.Dict

// Ref is a reference to a resource or parameter.
func Ref(name string) *dict { return pyjson.New("Ref", name) }

// GetAtt is an attribute of a resource.
func GetAtt(id, attribute string) *dict {
	return pyjson.New("Fn::GetAtt", []any{id, attribute})
}

// Sub is a text with variables; pairs are values for some of them.
func Sub(text any, pairs ...any) *dict {
	if len(pairs) > 0 {
		return pyjson.New("Fn::Sub", []any{text, pyjson.New(pairs...)})
	}
	return pyjson.New("Fn::Sub", text)
}

// Join joins texts.
func Join(separator string, parts ...any) *dict {
	return pyjson.New("Fn::Join", []any{separator, parts})
}

// If is a value under a condition and nothing otherwise.
func If(condition, then any) *dict { return IfElse(condition, then, Ref("AWS::NoValue")) }

// IfElse is one of two values.
func IfElse(condition, then, otherwise any) *dict {
	return pyjson.New("Fn::If", []any{condition, then, otherwise})
}

// Not is the opposite of a condition.
func Not(condition any) *dict {
	return pyjson.New("Fn::Not", []any{pyjson.New("Condition", condition)})
}

// AnyOf is true if one of these conditions is.
func AnyOf(conditions []any) *dict {
	list := make([]any, len(conditions))
	for i, c := range conditions {
		list[i] = pyjson.New("Condition", c)
	}
	return pyjson.New("Fn::Or", list)
}

// mostConditions is how many conditions CloudFormation's Fn::Or takes.
const mostConditions = 10

// Combined defines a condition that is true if one of at least two others is. It
// takes several definitions, the last under the name, if there are many.
func Combined(conditions []any, name string) *dict {
	definitions := pyjson.New()
	more := (len(conditions) - 2) / (mostConditions - 1)
	for len(conditions) > 1 {
		defined := name
		if more > 0 {
			defined += pyjson.Itoa(more)
			more--
		}
		n := min(len(conditions), mostConditions)
		definitions.Set(defined, AnyOf(conditions[:n]))
		conditions = append(conditions[n:len(conditions):len(conditions)], defined)
	}
	return definitions
}

// single returns a dictionary of one key, and the key.
func single(value any) (*dict, string) {
	d, ok := value.(*dict)
	if !ok || d.Len() != 1 {
		return nil, ""
	}
	return d, d.Keys()[0]
}

// Is tells an intrinsic function from other values.
func Is(value any) bool {
	d, name := single(value)
	return d != nil && (name == "Ref" || name == "Condition" || strings.HasPrefix(name, "Fn::"))
}

// IsIf tells an Fn::If.
func IsIf(value any) bool {
	_, name := single(value)
	return name == "Fn::If"
}

// IsNoValue tells a reference to AWS::NoValue.
func IsNoValue(value any) bool {
	d, name := single(value)
	return name == "Ref" && pyjson.Is(d.Get("Ref"), "AWS::NoValue")
}

// LogicalID returns the id that a Ref or GetAtt is about, or "".
func LogicalID(value any) string {
	if !Is(value) {
		return ""
	}
	d := value.(*dict)
	if id, ok := pyjson.Text(d.Get("Ref")); ok {
		return id
	}
	switch v := d.Get("Fn::GetAtt").(type) {
	case []any:
		if len(v) == 2 {
			id, _ := pyjson.Text(v[0])
			return id
		}
	case string, pyjson.Unicode:
		text, _ := pyjson.Text(v)
		if parts := strings.Split(text, "."); len(parts) == 2 {
			return parts[0]
		}
	}
	return ""
}

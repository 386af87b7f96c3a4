// Package sam is CloudFormation's transform AWS::Serverless-2016-10-31: it replaces
// the resources of a SAM template (AWS::Serverless::*) by those that CloudFormation
// knows, with the logical ids, policies and error messages of the official translator
// (aws-sam-translator), whose behaviour it follows in a tenth of its lines.
//
// Transform is a pure function: it reads nothing but its arguments, keeps nothing and
// leaves them as they are. Whether a resource type exists here is not its business. It
// is safe for concurrent use and takes bounded time and memory for any template.
//
// Start reading at Transform, then translate.go. Below it, by what they transform: compute
// (functions, state machines, events), gateway (APIs), connector, and simple.go here.
// What they share is in draft. DESIGN.md has the structure and the reasons.
package sam

import (
	"errors"
	"fmt"

	"github.com/lambkin-dev/lambkin/internal/core/sam/draft"
	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

// Name is what a template's Transform section calls this transform.
const Name = "AWS::Serverless-2016-10-31"

type dict = pyjson.Dict

// Environment is where a template is deployed.
type Environment = draft.Environment

// Error is what the official translator says of a template that it cannot transform.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

// Transform transforms a template. Its values are those of JSON: nil, bool,
// json.Number, string, []any and map[string]any, or *pyjson.Dict in place of maps.
// Parameters are the values given for the stack; defaults are in the template.
//
// AWS: the order of keys in the template decides the order of some lists and the hash
// in the id of a REST API's deployment. A map has none, so its keys are taken as
// sorted; with pyjson.Decode the order of the document counts.
func Transform(template any, parameters map[string]any, env Environment) (map[string]any, error) {
	input, err := pyjson.FromPlain(template)
	if err != nil {
		return nil, err
	}
	values, err := pyjson.FromPlain(parameters)
	if err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	doc, ok := input.(*dict)
	if !ok {
		return nil, errors.New("a template must be an object")
	}
	var out *dict
	if failure := fail.Catch(func() { out = translate(doc, values.(*dict), &env) }); failure != nil {
		return nil, &Error{failure.Message()}
	}
	return pyjson.Plain(out).(map[string]any), nil
}

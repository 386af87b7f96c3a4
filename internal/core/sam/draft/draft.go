// Package draft holds a SAM transform that is under way: what is known of the template
// (Transform), SAM resources as they are read (Macro) and the resources that take their
// place (Resource), with what all kinds of them share: tags, roles, hashed ids.
//
// A Transform belongs to one call of sam.Transform and is not safe for concurrent use.
// Failures are panics of package fail. No goroutines, no locks. Start reading at
// Transform and Macro.
package draft

import (
	"slices"

	"github.com/lambkin-dev/lambkin/internal/core/sam/fail"
	"github.com/lambkin-dev/lambkin/internal/core/sam/intrinsic"
	"github.com/lambkin-dev/lambkin/internal/core/sam/pyjson"
)

type dict = pyjson.Dict

// Types of SAM resources.
const (
	FunctionType         = "AWS::Serverless::Function"
	APIType              = "AWS::Serverless::Api"
	HTTPAPIType          = "AWS::Serverless::HttpApi"
	WebSocketType        = "AWS::Serverless::WebSocketApi"
	StateMachineType     = "AWS::Serverless::StateMachine"
	ConnectorType        = "AWS::Serverless::Connector"
	ApplicationType      = "AWS::Serverless::Application"
	LayerType            = "AWS::Serverless::LayerVersion"
	SimpleTableType      = "AWS::Serverless::SimpleTable"
	GraphQLType          = "AWS::Serverless::GraphQLApi"
	CapacityProviderType = "AWS::Serverless::CapacityProvider"
	MicroVMImageType     = "AWS::Serverless::MicrovmImage"
	NetworkConnectorType = "AWS::Serverless::NetworkConnector"
	WebFunctionType      = "AWS::Serverless::WebFunction"
)

// V2APIType is the type of HTTP and WebSocket APIs in CloudFormation.
const V2APIType = "AWS::ApiGatewayV2::Api"

// Managed marks an API whose definition is made by the transform.
const Managed = "__MANAGE_SWAGGER"

// Transform is one transform under way.
type Transform struct {
	Env        *Environment
	Python27   bool  // texts of the template print as in Python 2.7
	Input      *dict // the SAM template; events of functions add to its APIs
	Inputs     *dict // its resources
	Output     *dict
	Outputs    *dict // its resources
	Conditions *dict // of the output; nil if the template has none
	Resolver   *intrinsic.Resolver
	Mappings   *intrinsic.Resolver

	Deployments   []*Deployment
	Plan          Plan
	RecordSets    map[string]*Resource // groups of DNS records, by id; APIs share them
	FunctionNames map[string]string    // of the functions behind a REST API, by its id
}

// Deployment is a function whose traffic CodeDeploy shifts to new versions.
type Deployment struct {
	Function  string
	Config    *dict
	Condition any // under which the function exists, if that is passed on
	Tags      *dict
}

// Plan is the usage plan that REST APIs share, as far as it was made.
type Plan struct {
	APIs, Stages, Keys    []any
	Conditions            []any
	Unconditional         bool // one of the APIs has no condition
	Deletion, Replacement any  // policies
}

// Known resolves references to parameters and mappings.
func (t *Transform) Known(value any) any { return t.Mappings.FindInMap(t.Resolver.Resolve(value)) }

// Define adds a condition to the template.
func (t *Transform) Define(name string, definition any) {
	if t.Conditions == nil {
		fail.Odd("A condition is used, but the template has no section Conditions.")
	}
	t.Conditions.Set(name, definition)
}

// OrNew returns a map, an empty one for nil.
func OrNew(d *dict) *dict {
	if d == nil {
		return pyjson.New()
	}
	return d
}

// OrEmpty returns a value, an empty map for what Python takes for false.
func OrEmpty(value any) any {
	if pyjson.Truthy(value) {
		return value
	}
	return pyjson.New27()
}

// OnlyKeys tells whether a map has no other keys than those allowed.
func OnlyKeys(d *dict, allowed []string) bool {
	return !slices.ContainsFunc(d.Keys(), func(key string) bool { return !slices.Contains(allowed, key) })
}

// TruthyOf are the values of some keys that Python does not take for false.
func TruthyOf(d *dict, names []string) *dict {
	kept := pyjson.New()
	for _, name := range names {
		if pyjson.Truthy(d.Get(name)) {
			kept.Set(name, d.Get(name))
		}
	}
	return kept
}

// Anys makes a list of texts.
func Anys(texts []string) []any {
	list := make([]any, len(texts))
	for i := range texts {
		list[i] = texts[i]
	}
	return list
}

// With appends to a list that others may hold.
func With(list []any, items ...any) []any {
	return append(list[:len(list):len(list)], items...)
}

// APIID is the logical id in a reference to an API, or the reference itself.
func APIID(reference any) any {
	if d, ok := reference.(*dict); ok && d.Has("Ref") {
		return d.Get("Ref")
	}
	return reference
}
